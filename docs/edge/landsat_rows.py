"""Rows of a GeoTIFF of Landsat numbers as a network takes them, by NumPy alone: without GDAL.

Strips or tiles, bands together or apart, classic TIFF and BigTIFF; uncompressed, DEFLATE, and zstd
where Python has it (3.14) or the package zstandard is there. Read files that you trust.
"""

import re
import struct
import zlib
from itertools import product
from typing import Any

import numpy as np

COLOURS = ("blue", "green", "red", "nir", "swir1", "swir2")
"""Of Landsat 8, bands SR_B2 to SR_B7."""

KINDS = {1: "B", 2: "s", 3: "H", 4: "I", 11: "f", 12: "d", 16: "Q"}
"""Kinds of TIFF's values as ``struct`` calls them."""
NONE, ZSTD, DEFLATE = 1, 50000, (8, 32946)
REMEDY = "gdal_translate -ot UInt16 -co COMPRESS=DEFLATE old.tif new.tif"


class GeoTiff:
    """An open GeoTIFF, north up on square pixels."""

    def __init__(self, path: str, facts: dict[str, Any], names: str = "") -> None:
        """Read what the file says of itself; ValueError where it is none that can be read.

        Args:
            path: Local file.
            facts: Metadata of the model that is to map it.
            names: Landsat 8's names of its bands with commas between; empty: as it names them.
        """
        self.path, self.file = path, open(path, "rb")
        tags = self.read_tags()
        self.shape, self.bands = (tags[257][0], tags[256][0]), tags[277][0]
        self.compression, self.predictor = tags[259][0], tags.get(317, (1,))[0]
        self.tile = (tags.get(323) or tags.get(278, (self.shape[0],)))[0], tags.get(322, (0,))[0]
        self.offsets, self.sizes = tags.get(324) or tags[273], tags.get(325) or tags[279]
        self.apart = self.bands if tags.get(284, (1,))[0] == 2 else 1
        if {*tags[258]} != {16} or {*tags.get(339, (1,))} != {1} or self.predictor not in (1, 2):
            raise ValueError(f"{path} does not hold 16-bit numbers: {REMEDY}")
        if self.compression not in (NONE, ZSTD, *DEFLATE):
            raise ValueError(f"{path} is compressed in a way that is not read here: {REMEDY}")
        keys = dict(zip(tags[34735][4::4], tags[34735][7::4], strict=True))
        if 33550 not in tags or not 0 < (epsg := keys.get(3072, 0)) < 32767:
            raise ValueError(f"{path} is not north up in a projected CRS with an EPSG code")
        self.crs = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{epsg}"}}
        self.pixel_m, centre = tags[33550][0], keys.get(1025, 1) == 2
        col, row, _, x, y = tags[33922][:5]  # a corner of a pixel, or its centre
        self.left = x - (col + centre / 2) * self.pixel_m
        self.top = y + (row + centre / 2) * self.pixel_m
        text = tags.get(42112, (b"",))[0].decode()
        self.names = names.split(",") if names else re.findall(r'"description">([^<]*)<', text)
        self.scales = {float(scale) for scale in re.findall(r'role="scale">([^<]*)<', text)}
        self.nodata = int(float(tags.get(42113, (b"0",))[0].strip(b"\0 ")))
        self.check(facts)

    def check(self, facts: dict[str, Any]) -> None:
        """ValueError where a model, by the metadata of its file, does not map this image so."""
        wanted = [f"SR_B{k}" for k, name in enumerate(COLOURS, 2) if name in facts["bands"]]
        if "ndsi" in facts["bands"]:
            wanted += ["SR_B3", "SR_B6"]
        if lacking := sorted({*wanted} - {*self.names}):
            raise ValueError(
                f"{self.path} names bands {self.names}: {', '.join(lacking)} is lacking"
            )
        if len(self.names) != self.bands:
            raise ValueError(f"{self.path} has {self.bands} bands, and {len(self.names)} names")
        if facts["resize"] is not None or facts["scale"] != "reflectance":
            raise ValueError("the model sees whole images, resized or over their own maximum")
        low, high = facts["pixel_m"]
        if not low * 0.99 <= self.pixel_m <= high * 1.01:
            raise ValueError(f"{self.path} has pixels of {self.pixel_m:g} m: tested on {low:g} m")
        if not self.scales <= {2.75e-5, 0.00341802}:
            raise ValueError(f"{self.path} does not hold Landsat Collection 2 numbers")

    def read_tags(self) -> dict[int, tuple[Any, ...]]:
        """Number of each tag of the first image to its values."""
        head = self.file.read(16)
        self.order = ">" if head[:2] == b"MM" else "<"
        big = struct.unpack(self.order + "H", head[2:4])[0] == 43
        if head[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            raise ValueError(f"{self.path} is no TIFF")
        place, count, entry = ("Q", "Q", "HHQ8s") if big else ("I", "H", "HHI4s")
        self.file.seek(self.unpack(place, head[8:] if big else head[4:])[0])
        entries = self.unpack(count, self.file.read(struct.calcsize("=" + count)))[0]
        block, tags = self.file.read(entries * struct.calcsize("=" + entry)), {}
        for tag, kind, number, value in struct.iter_unpack(self.order + entry, block):
            layout = f"{number}{KINDS.get(kind, 'B')}"
            if (size := struct.calcsize("=" + layout)) > len(value):
                self.file.seek(self.unpack(place, value)[0])
                value = self.file.read(size)
            tags[tag] = self.unpack(layout, value)
        return tags

    def unpack(self, layout: str, data: bytes) -> tuple[Any, ...]:
        """Values at the beginning of some bytes, in the file's own order."""
        return struct.unpack_from(self.order + layout, data)

    def read_image(self, bands: list[str], top: int, size: int) -> np.ndarray:
        """Reflectance of some colours and the NDSI from a row on, NaN where unseen or beyond edges.

        Args:
            bands: As the metadata of the ONNX file has them.
            top: First row.
            size: Side of a window, pixels.

        Returns:
            (B, size, W) float32, at least a window wide.
        """
        numbers = self.read(top, min(size, self.shape[0] - top))
        values = np.where(numbers > 0, numbers * np.float32(2.75e-5) - np.float32(0.2), np.nan)
        named = dict(zip(self.names, values, strict=True))
        by = {name: named.get(f"SR_B{k}") for k, name in enumerate(COLOURS, 2)}
        if "ndsi" in bands:
            green, swir = np.maximum(by["green"], 0), np.maximum(by["swir1"], 0)
            by["ndsi"] = (green - swir) / np.where(green + swir > 0, green + swir, np.nan)
        image = np.full((len(bands), size, max(size, self.shape[1])), np.nan, np.float32)
        image[:, : numbers.shape[1], : self.shape[1]] = [by[band] for band in bands]
        return image

    def read(self, top: int, rows: int) -> np.ndarray:
        """Rows of all bands, (B, rows, W) uint16; 0 where there is no data."""
        high, wide = self.tile[0], self.tile[1] or self.shape[1]
        across, down = -(-self.shape[1] // wide), -(-self.shape[0] // high)
        first, end = top // high, min(down, -(-(top + rows) // high))
        found = np.zeros((self.bands, (end - first) * high, across * wide), np.uint16)
        for plane, row, col in product(range(self.apart), range(first, end), range(across)):
            if part := self.read_part((plane * down + row) * across + col):
                pixels = np.frombuffer(part, self.order + "u2")
                tile = pixels.reshape(-1, wide, self.bands // self.apart)
                if self.predictor == 2:  # differences along a row
                    tile = tile.cumsum(axis=1, dtype=np.uint16)
                band = slice(plane, plane + 1) if self.apart > 1 else slice(None)
                y, x = (row - first) * high, col * wide
                found[band, y : y + len(tile), x : x + wide] = tile.transpose(2, 0, 1)
        found[found == self.nodata] = 0
        return found[:, top - first * high :, : self.shape[1]][:, :rows]

    def read_part(self, number: int) -> bytes:
        """A strip or a tile as it was before it was compressed; empty where none was written."""
        self.file.seek(self.offsets[number])
        data = self.file.read(self.sizes[number])
        if self.compression in DEFLATE and data:
            return zlib.decompress(data)
        if self.compression == ZSTD and data:
            try:
                from compression import zstd
            except ImportError:
                import zstandard as zstd
            return zstd.decompress(data)
        return data
