"""GeoTIFFs as users have them: months of an archive's form, and images without band names."""

from pathlib import Path

import numpy as np
import rasterio

from glacier.geo.raster import Grid, encode_cog
from glacier.settings.regions import Region

REGION = Region(name="mendenhall")
GRID = Grid("EPSG:32608", 522075.0, 6494565.0, 30.0, 12, 10)


def coordinates(seed: int = 0) -> dict[str, np.ndarray]:
    """Bands whose values say where they lie, so that any flip or shift shows."""
    rows, cols = np.indices((GRID.height, GRID.width))
    return {
        "SR_B3": (20_000 + 100 * rows + cols + seed).astype(np.uint16),
        "SR_B5": (30_000 + 100 * rows + cols + seed).astype(np.uint16),
    }


def write_month(folder: Path, name: str, bands: dict | None = None, grid: Grid = GRID) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(encode_cog(bands or coordinates(), grid, {}))


def write_image(path: Path, data: np.ndarray, grid: Grid = GRID) -> None:
    """An image as users have them: bands without names."""
    with rasterio.open(
        path, "w", driver="GTiff", height=grid.height, width=grid.width, count=len(data),
        dtype=data.dtype, crs=grid.crs, transform=grid.transform,
    ) as out:  # fmt: skip
        out.write(data)
