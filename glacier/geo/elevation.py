"""Surface heights of a GeoTIFF on the grid of a map."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import MaskFlags, Resampling
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT

from glacier import store
from glacier.errors import RasterError
from glacier.geo.declared import declared_scale
from glacier.geo.grid_files import find_grid_file
from glacier.geo.raster import Grid
from glacier.geo.raster_files import MAX_STREAMED_BYTES, check_file, safe_open

LOWEST_M, HIGHEST_M = -500.0, 9000.0
"""Heights that there are on Earth, around that of the shore of the Dead Sea and of Everest."""

TRIED_PX = 50
"""Side of a grid on which it is only looked whether there are heights, pixels."""


def checksum_elevation(address: str) -> str:
    """sha256 of the file, hexadecimal.

    Raises:
        RasterError: It is no plain GeoTIFF.
        StoreError: It cannot be read.
    """
    with store.local_copy(address) as path:
        check_file(str(path), None)
        return store.checksum_file(path)


def check_elevation(address: str, grids: Iterable[Grid]) -> None:
    """Refuse a file that cannot be used, or holds no height on any of some grids.

    Raises:
        RasterError: With the reason and what to do.
        StoreError: It cannot be read.
    """
    for grid in grids:
        step = math.ceil(max(grid.shape) / TRIED_PX)
        height, width = math.ceil(grid.height / step), math.ceil(grid.width / step)
        coarse = replace(grid, pixel_m=step * grid.pixel_m, height=height, width=width)
        if np.isfinite(read_elevation(address, coarse)).any():
            return
    raise RasterError(
        f"{address} says the height of no region's ground; give a file that does, or leave "
        "series.dem out"
    )


def read_elevation(address: str, grid: Grid) -> NDArray[np.float32]:
    """Heights on a grid, by bilinear interpolation; of finer pixels their weighted mean.

    Only the part of the file that the grid needs is decoded.

    Args:
        address: GeoTIFF of one band, heights in metres, in any CRS.
        grid: The grid.

    Returns:
        (H, W) float32, metres, NaN where the file says nothing.

    Raises:
        RasterError: The file cannot be used, or holds what is no height.
        StoreError: It cannot be read.
    """
    with store.local_copy(address) as path, safe_open(path, MAX_STREAMED_BYTES) as source:
        scale, offset = check_heights(source)
        with WarpedVRT(
            source, crs=grid.crs, transform=grid.transform, height=grid.height, width=grid.width,
            resampling=Resampling.bilinear, dtype="float32", nodata=np.nan,
        ) as warped:  # fmt: skip
            heights = np.asarray(warped.read(1), np.float32)
    heights = heights * np.float32(scale) + np.float32(offset)
    known = heights[np.isfinite(heights)]
    if known.size and not LOWEST_M <= known.min() <= known.max() <= HIGHEST_M:
        raise RasterError(
            f"{address} holds heights of {known.min():g} to {known.max():g} m; wanted metres, and "
            "the number for no data declared (gdal_edit.py -a_nodata)"
        )
    return heights


def check_heights(source: DatasetReader) -> tuple[float, float]:
    """Refuse what is no raster of heights; returns the scale and offset that it declares.

    Raises:
        RasterError: With the reason and what to do.
    """
    if source.count != 1:
        raise RasterError(
            f"{source.name} has {source.count} bands; heights are one (gdal_translate -b 1)"
        )
    if source.crs is None:
        raise RasterError(f"{source.name} has no CRS; assign one (gdal_edit.py -a_srs)")
    if grids := find_grid_file(source.crs.to_wkt()):
        raise RasterError(
            f"{source.name}: its CRS would read the file {grids}; name the CRS by its code "
            "(gdal_edit.py -a_srs EPSG:326NN)"
        )
    if source.mask_flag_enums[0] not in ([MaskFlags.all_valid], [MaskFlags.nodata]):
        raise RasterError(
            f"{source.name} hides pixels by a mask; declare a number for no data instead "
            "(gdal_translate -a_nodata -9999)"
        )
    return declared_scale(source, 1) or (1.0, 0.0)
