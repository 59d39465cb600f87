"""Made-up scenes in tiles, as Sentinel-2 and the harmonised data lie in files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from glacier.geo.raster import Grid

FINE = {"B02", "B03", "B04", "blue", "green", "red"}
"""Bands of 10 m."""


def write_band(path: Path, numbers: NDArray[Any], grid: Grid, pixel_m: float) -> None:
    """Write one band as a GeoTIFF whose first pixel begins where a grid does."""
    height, width = numbers.shape
    place = rasterio.Affine(pixel_m, 0, grid.left_m, 0, -pixel_m, grid.top_m)
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=1, dtype=numbers.dtype,
        crs=grid.crs, transform=place,
    ) as file:  # fmt: skip
        file.write(numbers, 1)


def write_tile(
    folder: Path,
    reflectance: Mapping[str, NDArray[Any]],
    quality: NDArray[np.uint8],
    grid: Grid,
    offset: float = 0.0,
) -> dict[str, Path]:
    """Write a scene of Sentinel-2.

    Args:
        folder: Of the scene.
        reflectance: Name of an asset to (h, w) of 20 m, or (2 h, 2 w) of 10 m; NaN: no data.
        quality: (h, w) scene classification, 20 m.
        grid: Of the quality band.
        offset: Of the reflectance.
    """
    files = {name: folder / f"{name}.tif" for name in reflectance}
    for name, values in reflectance.items():
        numbers = np.where(np.isfinite(values), np.rint((values - offset) * 1e4), 0)
        pixel_m = grid.pixel_m * quality.shape[0] / values.shape[0]
        write_band(files[name], numbers.astype(np.uint16), grid, pixel_m)
    name = "scl" if "red" in reflectance else "SCL"
    files[name] = folder / f"{name}.tif"
    write_band(files[name], quality, grid, grid.pixel_m)
    return files
