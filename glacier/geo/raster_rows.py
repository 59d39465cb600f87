"""Rasters of any height, read and written a few rows at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.windows import Window

from glacier.errors import RasterError
from glacier.geo.gdal import RASTER
from glacier.geo.raster import (
    COG_LAYOUT,
    COG_TILE_PX,
    Grid,
    grid_of,
    overview_factors,
    place_bands,
    read_placed,
)
from glacier.geo.raster_files import MAX_STREAMED_BYTES, safe_open
from glacier.landsat import BANDS
from glacier.settings.folder import Band


@dataclass(frozen=True)
class LandsatRows:
    """An open raster of Landsat's digital numbers, read by rows."""

    source: DatasetReader
    grid: Grid
    places: dict[str, int]
    """Band name to position, from 1."""

    def read(self, top: int, rows: int) -> dict[str, NDArray[np.uint16]]:
        """Rows of all bands by name, (rows, W) uint16, 0 where the raster hides them.

        Raises:
            RasterError: They cannot be read, or nothing says what their numbers are.
        """
        window = Window(0, top, self.grid.width, rows)
        try:
            bands = read_placed(self.source, self.places, window)
        except rasterio.errors.RasterioError as error:
            raise RasterError(f"cannot read {self.source.name}: {error}") from error
        for name, band in bands.items():
            if band.dtype != np.uint16:
                raise RasterError(
                    f"{self.source.name}: band {name} holds {band.dtype}; wanted Landsat digital "
                    "numbers in uint16: (reflectance + 0.2) / 2.75e-5, 0 for no data; or declare "
                    "the scale of other numbers (gdal_edit.py -scale 0.0001 -offset 0)"
                )
        return bands


@contextmanager
def open_landsat(
    path: str | Path,
    wanted: Collection[str],
    places: Mapping[Band, int] | None = None,
    welcome: Collection[str] = (),
) -> Iterator[LandsatRows]:
    """Open a raster to read some of its bands by rows.

    Args:
        path: Local GeoTIFF.
        wanted: Landsat names of the bands that it must have.
        welcome: Of those that are read where it has them.
        places: Band name to position, from 1; None: as its own descriptions say.

    Raises:
        RasterError: It is no plain GeoTIFF on square pixels in metres, or lacks a band.
    """
    with safe_open(path, MAX_STREAMED_BYTES) as source:
        grid = grid_of(source)
        found = place_bands(source) if places is None else {str(n): at for n, at in places.items()}
        lacking = sorted(name for name in wanted if not 1 <= found.get(name, 0) <= source.count)
        if lacking:
            there = ", ".join(f"{name} at {at}" for name, at in found.items()) or "none by name"
            raise RasterError(
                f"{path} lacks {', '.join(lacking)}, which the model was trained on; it has "
                f"{source.count} bands: {there}. Name its bands by Landsat's names, or give "
                "predict.bands: {SR_B4: 1, ...}"
            )
        read = {*wanted, *found.keys() & set(welcome)}
        yield LandsatRows(source, grid, {name: found[name] for name in BANDS if name in read})


@dataclass(frozen=True)
class ByteBand:
    """What a map of one band of uint8 says of itself."""

    name: str
    """Description of the band."""
    nodata: int
    scale: float = 1.0
    """Factor from its numbers to the value."""
    overviews: Literal["nearest", "average"] = "nearest"
    """How a pixel of an overview follows from those that it covers."""


class RowWriter:
    """A raster of one uint8 band that is written from top to bottom."""

    def __init__(self, out: DatasetWriter) -> None:
        """Begin with the first row."""
        self.out, self.row = out, 0

    def write(self, rows: NDArray[np.uint8]) -> None:
        """Write the next (rows, W)."""
        self.out.write(rows, 1, window=Window(0, self.row, rows.shape[1], len(rows)))
        self.row += len(rows)


@contextmanager
def write_cog(
    path: Path, grid: Grid, band: ByteBand, tags: Mapping[str, str]
) -> Iterator[RowWriter]:
    """Write a cloud-optimised GeoTIFF by rows; it is there once the block has ended.

    Tiles lie uncompressed beside it until then, so that memory does not grow with the raster.

    Args:
        path: Local file, in a folder of the caller's own.
        grid: Where its pixels lie.
        band: What it holds.
        tags: Metadata of the file.
    """
    tiles = path.with_suffix(".tiles")
    profile: dict[str, Any] = {
        "driver": "GTiff", "height": grid.height, "width": grid.width, "count": 1,
        "dtype": "uint8", "crs": grid.crs, "transform": grid.transform, "nodata": band.nodata,
        "tiled": True, "blockxsize": COG_TILE_PX, "blockysize": COG_TILE_PX, "bigtiff": "if_safer",
    }  # fmt: skip
    try:
        with rasterio.Env(**RASTER):
            with rasterio.open(tiles, "w", **profile) as out:
                yield RowWriter(out)
                out.descriptions = (band.name,)
                out.scales = (band.scale,)
                out.update_tags(**tags)
            with rasterio.open(tiles, "r+") as out:
                out.build_overviews(overview_factors(*grid.shape), Resampling[band.overviews])
            rasterio.shutil.copy(str(tiles), str(path), **COG_LAYOUT)
    finally:
        tiles.unlink(missing_ok=True)
