"""Hostile rasters, as a file that a person named."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from glacier import store
from glacier.checksums import checksum_all
from glacier.geo.raster import encode_cog, read_named
from glacier.geo.raster_rows import open_landsat
from glacier.mapping.images import find_images, name_files
from tests.support.hostile.files import (
    GRIDS,
    SPECIAL,
    Make,
    link_device,
    link_out,
    make_pipe,
    named,
    text,
    write_words,
)
from tests.support.hostile.row import Row, Trap
from tests.support.user_files import GRID, coordinates

VRT = """<VRTDataset rasterXSize="9" rasterYSize="8"><VRTRasterBand dataType="UInt16" band="1">
<SimpleSource><SourceFilename>{source}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>
</VRTRasterBand></VRTDataset>"""
VRT_HTTP, VRT_FILE = (
    VRT.replace("{source}", source) for source in ("/vsicurl/{url}/a.tif", "{secret}")
)
WMS = """<GDAL_WMS><Service name="TMS"><ServerUrl>{url}/${z}/${x}/${y}.png</ServerUrl></Service>
</GDAL_WMS>"""


def write_tiff(path: Path, **profile: Any) -> Path:
    """A GeoTIFF of one band by rasterio, without pixels unless they are given."""
    data = profile.pop("data", None)
    values = {
        "driver": "GTiff", "height": 8, "width": 9, "count": 1, "dtype": "uint16",
        "crs": "EPSG:32608", "transform": GRID.transform,
    }  # fmt: skip
    with rasterio.open(path, "w", **(values | profile)) as out:
        if out.count < 20:
            out.descriptions = [f"SR_B{k}" for k in range(2, 2 + out.count)]
        if data is not None:
            out.write(data)
    return path


def tiles(side: int, compress: str) -> dict[str, Any]:
    """The profile of a file in square tiles, of which the empty ones take no room."""
    return {"tiled": True, "blockxsize": side, "blockysize": side, "compress": compress,
            "sparse_ok": True}  # fmt: skip


def tiff(name: str = "a.tif", **profile: Any) -> Callable[[Trap], str]:
    return lambda trap: str(write_tiff(trap.folder / name, **profile))


def cog(change: Callable[[bytes], bytes] = bytes) -> Callable[[Trap], str]:
    """A maker of a file of the archive's own form, changed."""

    def make(trap: Trap) -> str:
        path = trap.folder / "a.tif"
        path.write_bytes(change(encode_cog(coordinates(), GRID, {})))
        return str(path)

    return make


def is_whole(found: Any) -> bool:
    """Whether the bands are those that were written."""
    bands, grid = found
    return grid == GRID and all((bands[k] == v).all() for k, v in coordinates().items())


def link_pipe(path: Path, trap: Trap) -> None:
    os.mkfifo(trap.folder / "p")
    path.symlink_to(trap.folder / "p")


Tag = tuple[int, int, int, int]
"""An entry of a directory of a TIFF: tag, type, count, value."""


def numbers(*values: tuple[int, int]) -> list[Tag]:
    """Entries of one number each, by their tags."""
    return [(tag, 4, 1, value) for tag, value in values]


def directory(tags: list[Tag], following: int = 0) -> bytes:
    """A directory, which says where the next one lies."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return struct.pack("<H", len(tags)) + entries + struct.pack("<I", following)


def whole_tiff(tags: list[Tag], after: bytes = b"") -> bytes:
    """A TIFF of one directory."""
    return b"II*\0" + struct.pack("<I", 8) + directory(tags) + after


def find_end(whole: bytes) -> int:
    """Where the first directory of a TIFF says where the next one lies."""
    first = struct.unpack_from("<I", whole, 4)[0]
    return int(first + 2 + 12 * struct.unpack_from("<H", whole, first)[0])


def tile(width: int, side: int, packed: bytes, compression: int = 8) -> bytes:
    """A TIFF of one 8-bit band and one compressed tile."""
    begin = 8 + 2 + 12 * 10 + 4
    shape = numbers((256, width), (257, width), (258, 8), (259, compression), (262, 1), (277, 1))
    place = numbers((322, side), (323, side), (324, begin), (325, len(packed)))
    return whole_tiff(shape + place, packed)


def pack_zeros(megabytes: int) -> bytes:
    """Zeros by deflate, made without holding them."""
    packer, parts = zlib.compressobj(9), []
    for _ in range(megabytes):
        parts.append(packer.compress(bytes(1 << 20)))
    return b"".join([*parts, packer.flush()])


def raw(data: Callable[[], bytes]) -> Callable[[Trap], str]:
    return named("a.tif", lambda path, _: path.write_bytes(data()))


def point_overviews(source: str) -> Callable[[Trap], str]:
    """A GeoTIFF whose own metadata says that its overviews lie elsewhere."""

    def make(trap: Trap) -> str:
        path = cog()(trap)
        with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as out:
            out.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=trap.fill(source))
        return path

    return make


def beside(ending: str, make: Make) -> Callable[[Trap], str]:
    """A whole GeoTIFF with something beside it."""

    def build(trap: Trap) -> str:
        path = cog()(trap)
        make(Path(path + ending), trap)
        return path

    return build


GREY = ((258, 8), (259, 1), (262, 1))
"""Of a band of bytes, not compressed."""


def follow_first(trap: Trap, after: bytes) -> str:
    """A GeoTIFF with something behind it that its first directory says to be the next one."""
    path = write_tiff(trap.folder / "a.tif")
    whole = bytearray(path.read_bytes())
    struct.pack_into("<I", whole, find_end(whole), len(whole))
    path.write_bytes(bytes(whole) + after)
    return str(path)


def many_directories(trap: Trap) -> str:
    """A GeoTIFF followed by 60,000 directories of a pixel each."""
    tags = numbers((254, 1), (256, 1), (257, 1), *GREY, (273, 8), (279, 1))
    size, step = write_tiff(trap.folder / "a.tif").stat().st_size, len(directory(tags))
    parts = [directory(tags, size + step * (k + 1)) for k in range(59_999)]
    return follow_first(trap, b"".join([*parts, directory(tags)]))


def endless_directories(trap: Trap) -> str:
    """A GeoTIFF whose last directory leads to its first."""
    path = write_tiff(trap.folder / "a.tif")
    whole = bytearray(path.read_bytes())
    end = find_end(whole)
    whole[end : end + 4] = whole[4:8]
    path.write_bytes(whole)
    return str(path)


def mask_bomb(trap: Trap) -> str:
    """A small GeoTIFF with a mask of 60,000 x 60,000 pixels within it."""
    packed, size = pack_zeros(64), write_tiff(trap.folder / "a.tif").stat().st_size
    tags = numbers((254, 4), (256, 60_000), (257, 60_000), (258, 1), (259, 8), (262, 4), (277, 1),
                   (273, size + 2 + 12 * 10 + 4), (278, 60_000), (279, len(packed)))  # fmt: skip
    return follow_first(trap, directory(tags) + packed)


def raster(
    name: str, make: Callable[[Trap], Any], harmless: Callable[[Any], bool] | None = None
) -> Row:
    return Row("raster", name, make, read_named, harmless)


METADATA = b"<GDALMetadata>" + b"<Item>" * 200_000

WHOLE = (
    raster("VRT that names an address, called .tif", text("a.tif", VRT_HTTP)),
    raster("VRT that names another file, called .tif", text("a.tif", VRT_FILE)),
    raster("VRT called .vrt", text("a.vrt", VRT_FILE)),
    raster("VRT after the signature of a TIFF", text("a.tif", "II*\0" + VRT_HTTP)),
    raster("WMS description", text("a.tif", WMS)),
    raster(
        "STAC item collection",
        text(
            "a.tif",
            '{"type":"FeatureCollection","stac_version":"1.0.0",'
            '"features":[{"assets":{"a":{"href":"{url}/a.tif"}}}]}',
        ),
    ),
    raster("address of GDAL's web file system", lambda t: f"/vsicurl/{t.url}/a.tif"),
    raster("address on the web", lambda t: f"{t.url}/a.tif"),
    raster("address of GDAL's zip file system", lambda t: f"/vsizip/{t.secret}/a.tif"),
    raster("address of GDAL's memory", lambda t: "MEM:::DATAPOINTER=1,PIXELS=9,LINES=9"),
    raster(
        "a subdirectory of a TIFF at an address", lambda t: f"GTIFF_DIR:1:/vsicurl/{t.url}/a.tif"
    ),
    raster("a VRT in place of a path", lambda t: t.fill(VRT_FILE)),
    raster("a name with NUL", lambda t: f"{t.folder}/a\0.tif"),
    *(raster(name, named("a.tif", make)) for name, make in SPECIAL.items()),
    raster("link to a pipe", named("a.tif", link_pipe)),
    raster("PNG called .tif", text("a.tif", b"\x89PNG\r\n\x1a\n" + bytes(99))),
    raster("nothing", text("a.tif", "")),
    raster("signature alone", text("a.tif", b"II*\0")),
    raster(
        "bomb of 7 GB in 10 kB, sparse",
        tiff(height=60_000, width=60_000, **tiles(4096, "deflate")),
    ),
    raster(
        "bomb of 1.1 TB in 2 MB, sparse BigTIFF",
        tiff(height=750_000, width=750_000, bigtiff="yes", **tiles(4096, "deflate")),
    ),
    raster(
        "bomb of 67 MB in 2 kB, zstd",
        tiff(
            height=8192,
            width=8192,
            dtype="uint8",
            **tiles(8192, "zstd") | {"sparse_ok": False},
            data=np.zeros((1, 8192, 8192), np.uint8),
        ),
    ),
    raster(
        "bomb of 1.9 GB in 600 bytes, sparse",
        tiff(height=31_000, width=31_000, sparse_ok=True, compress="zstd", blockysize=31_000),
    ),
    raster("block of 4 GB in 1 kB", raw(lambda: tile(16, 1 << 16, pack_zeros(1)))),
    raster("block of 1 GB in 60 kB, deflate", raw(lambda: tile(16, 1 << 15, pack_zeros(60)))),
    raster(
        "image of 400 MB in one block of 40 kB, deflate",
        raw(lambda: tile(20_480, 20_480, pack_zeros(40))),
    ),
    raster("image of 1 TB in one block of 1 kB", raw(lambda: tile(10**6, 10**6, pack_zeros(1)))),
    raster("10,000 bands", tiff(count=10_000)),
    raster("65,535 bands of a pixel", tiff(count=65_535, height=1, width=1, sparse_ok=True)),
    raster(
        "30,000 x 30,000 pixels in strips of a row, which all lie at nothing",
        tiff(height=30_000, width=30_000, sparse_ok=True, blockysize=1),
    ),
    raster(
        "strips that a directory of 100 bytes counts as a billion",
        raw(
            lambda: whole_tiff(
                [
                    *numbers((256, 9), (257, 1_000_000_000), *GREY, (278, 1)),
                    (273, 4, 1_000_000_000, 8),
                    (279, 4, 1_000_000_000, 8),
                ]
            )
        ),
    ),
    raster("60,000 directories", many_directories),
    raster("directories in a circle", endless_directories),
    raster(
        "mask of 450 MB within a small image",
        mask_bomb,
        lambda found: found[0]["SR_B2"].shape == (8, 9),
    ),
    raster("overviews at an address", point_overviews("/vsicurl/{url}/a.ovr"), is_whole),
    raster("overviews in another file", point_overviews("{secret}"), is_whole),
    raster(
        "metadata with 200,000 elements in each other",
        raw(
            lambda: whole_tiff(
                [
                    *numbers((256, 1), (257, 1), *GREY, (273, 8), (278, 1), (279, 1)),
                    (42112, 2, len(METADATA), 122),
                ],
                METADATA,
            )
        ),
    ),
    raster("a mask beside it that is a link out", beside(".msk", link_out)),
    raster(
        "overviews beside it that are a link out",
        beside(".ovr", link_out),
        is_whole,
    ),
    raster("overviews beside it that are a pipe", beside(".ovr", make_pipe), is_whole),
    raster("facts beside it that are a pipe", beside(".aux.xml", make_pipe), is_whole),
    raster(
        "facts beside it that change its numbers",
        beside(
            ".aux.xml",
            write_words("<PAMDataset><PAMRasterBand band='1'><Scale>9</Scale></PAMRasterBand>"),
        ),
    ),
    raster("complex numbers", tiff(dtype="complex128")),
    raster("a place that is no number", tiff(transform=rasterio.Affine(30, 0, np.nan, 0, -30, 0))),
    raster(
        "a place beyond the Earth", tiff(transform=rasterio.Affine(30, 0, 1e300, 0, -30, 1e300))
    ),
    raster("pixels of 1e-300 m", tiff(transform=rasterio.Affine(1e-300, 0, 0, 0, -1e-300, 0))),
    raster(
        "a CRS that reads a grid file",
        lambda t: tiff(crs=t.fill(GRIDS))(t),
        lambda _: True,
    ),
    raster("cut short", cog(lambda data: data[: len(data) // 2])),
    raster("a tile at 2^31", cog(lambda data: data.replace(data[8:12], b"\xff\xff\xff\x7f", 1))),
    raster("an unknown compression", raw(lambda: tile(16, 256, bytes(99), 50_123))),
)
"""Rasters that are read at once."""


def read_rows(path: str | Path) -> int:
    """A raster as it is read to be mapped, a few rows at a time."""
    with open_landsat(path, {"SR_B4"}) as image:
        height = image.grid.height
        for top in range(0, height, 256):
            image.read(top, min(256, height - top))
    return height


def read_images(place: str) -> list[int]:
    """Images of one's own as they are found, named, told from others, and read."""
    files = find_images(place)
    checksum_all(path for _, path in name_files(files))
    return [read_rows(path) for path in files]


def read_month(image: str) -> int:
    """A month of the archive as it is mapped: of the checksum in its record, made to fit or not."""
    record = Path(image).with_suffix(".sha256")
    with store.local_copy(image, record.read_text()) as path:
        return read_rows(path)


def among_images(change: Make) -> Callable[[Trap], str]:
    """A folder with a good image and, after it, another made by a function."""

    def make(trap: Trap) -> str:
        (trap.folder / "a.tif").write_bytes(encode_cog({"SR_B4": coordinates()["SR_B3"]}, GRID, {}))
        change(trap.folder / "b.tif", trap)
        return str(trap.folder)

    return make


def recorded(change: Make, is_known: bool = True) -> Callable[[Trap], str]:
    """A month whose file was changed by a function, and the record too where that is known."""

    def make(trap: Trap) -> str:
        path = trap.folder / "2014-07.tif"
        path.write_bytes(encode_cog(coordinates(), GRID, {}))
        found = store.checksum(path.read_bytes())
        change(path, trap)
        if is_known:
            found = store.checksum(path.read_bytes())
        path.with_suffix(".sha256").write_text(found)
        return str(path)

    return make


def cut(path: Path, trap: Trap) -> None:
    """A raster whose last pixels are not there."""
    data = encode_cog({"SR_B4": coordinates()["SR_B3"]}, GRID, {})
    path.write_bytes(data[:-16])


def lengthen(path: Path, trap: Trap) -> None:
    """A file of a terabyte that takes no room."""
    path.touch()
    os.truncate(path, 1 << 40)


def instead(make: Make) -> Make:
    """Something in the place of a file."""

    def change(path: Path, trap: Trap) -> None:
        path.unlink(missing_ok=True)
        make(path, trap)

    return change


def image(name: str, make: Callable[[Trap], str], names: str = "") -> Row:
    return Row("images", name, make, read_images, None, names)


def month(name: str, change: Make, is_known: bool = True) -> Row:
    return Row("archive", name, recorded(instead(change), is_known), read_month)


LARGE = {"height": 750_000, "width": 750_000, "bigtiff": "yes", **tiles(4096, "deflate")}
FOUND: dict[str, Make] = {
    "VRT that names an address": write_words(VRT_HTTP),
    "VRT that names another file": write_words(VRT_FILE),
    "bomb of 1.1 TB in 2 MB": lambda path, _: write_tiff(path, **LARGE),
    "image of 1 TB in one block of 1 kB": (
        lambda path, _: path.write_bytes(tile(10**6, 10**6, pack_zeros(1)))
    ),
    "image cut short": cut,
}
"""Name to maker of what lies where an image is looked for."""

MAPPED = (
    *(image(f"{name}, in a folder", among_images(make), "b.tif") for name, make in FOUND.items()),
    image("link out of the folder", among_images(link_out), "b.tif"),
    image("pipe, in a folder", among_images(make_pipe), "b.tif"),
    image("link to a device, in a folder", among_images(link_device), "b.tif"),
    image("file of 1 TB, sparse, in a folder", among_images(lengthen), "b.tif"),
    image("file of 1 TB, sparse", named("a.tif", lengthen)),
    image("address of GDAL's web file system", lambda t: f"/vsicurl/{t.url}/a.tif"),
    image("address on the web", lambda t: f"{t.url}/a.tif"),
    image("a VRT in place of a path", lambda t: t.fill(VRT_FILE), "VRTDataset"),
    image(
        "file by whose name its map would be another's item",
        among_images(lambda path, _: write_tiff(path.with_name("b.item.tif"))),
        "b.item",
    ),
    *(month(name, make) for name, make in FOUND.items()),
    *(month(f"{name}, unknown to its record", make, False) for name, make in FOUND.items()),
    month("pipe", make_pipe, False),
)
"""Images of one's own and months of the archive, as they are found and mapped."""

ROWS = (
    *WHOLE,
    *(
        Row("map", f"{row.name}, to be mapped", row.make, read_rows)
        for row in WHOLE
        if row.harmless is None
    ),
    *MAPPED,
)
"""All of them."""
