"""Scenes on pixels of their own with the truth of any grid: exact areas, by other means than ours.

The truth of a pixel is the mean of the clear own pixels by the area that they share with it, which
shapely cuts out of polygons.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
import rasterio
import shapely

from glacier.geo.raster import Grid
from glacier.landsat import CLEAR, CLOUD, reflectance

SIDE_PX = 96
"""Rows and columns of a scene."""

HERE = (480_015.0, 3_105_015.0)
"""Upper left corner in zone 45, metres."""


def patchy(rng: np.random.Generator) -> np.ndarray:
    """(H, W) bool: cloud in patches of three pixels, over a third of the scene."""
    return np.kron(rng.random((SIDE_PX // 3, SIDE_PX // 3)) < 0.35, np.ones((3, 3))).astype(bool)


def striped(rng: np.random.Generator) -> np.ndarray:
    """(H, W) bool: stripes of five clear and three cloudy rows."""
    return np.broadcast_to(np.arange(SIDE_PX)[:, None] % 8 >= 5, (SIDE_PX, SIDE_PX)).copy()


CLOUDS = {"patchy": patchy, "striped": striped}


@dataclass(frozen=True)
class OwnScene:
    """A scene in some zone: ground of rock and ice, cloud far brighter."""

    crs: str
    left_m: float
    top_m: float
    numbers: np.ndarray
    """(H, W) uint16 of every band."""
    cloud: np.ndarray
    """(H, W) bool."""

    @property
    def qa_pixel(self) -> np.ndarray:
        return np.where(self.cloud, 22280, 21824).astype(np.uint16)  # as USGS writes them


def make_scene(kind: str, zone: str, seed: int = 0) -> OwnScene:
    """A scene over the same place, in its own zone or, turned, in the neighbour's."""
    rng = np.random.default_rng(seed)
    ground = np.where(rng.random((SIDE_PX, SIDE_PX)) < 0.5, 9_000, 30_000)
    ground = ground + rng.integers(0, 500, ground.shape)
    ground[:6] = 0  # where the scene ends
    cloud = CLOUDS[kind](rng)
    assert CLEAR & 21824 and CLOUD & 22280
    numbers = np.where(ground == 0, 0, np.where(cloud, 60_000, ground)).astype(np.uint16)
    left, top = HERE
    if zone == "EPSG:32644":
        x, y = pyproj.Transformer.from_crs("EPSG:32645", zone, always_xy=True).transform(left, top)
        left, top = round(x / 30) * 30 + 15.0, round(y / 30) * 30 + 15.0
    return OwnScene(zone, left, top, numbers, cloud)


def grid_over(pixel_m: float) -> Grid:
    """A grid in zone 45 that reaches beyond the scene on every side but one."""
    side = int(SIDE_PX * 30 / pixel_m) + 1
    return Grid("EPSG:32645", HERE[0] - pixel_m, HERE[1] + pixel_m, pixel_m, side + 1, side)


def write_own(folder: Path, scene: OwnScene, name: str, bands: tuple[str, ...]) -> dict[str, Path]:
    """The scene's files by band, as USGS delivers them."""
    home = folder / name
    home.mkdir(parents=True)
    layers = dict.fromkeys(bands, scene.numbers) | {"QA_PIXEL": scene.qa_pixel}
    files = {band: home / f"{name}_{band}.TIF" for band in layers}
    place = rasterio.Affine(30, 0, scene.left_m, 0, -30, scene.top_m)
    for band, pixels in layers.items():
        with rasterio.open(
            files[band], "w", driver="GTiff", height=SIDE_PX, width=SIDE_PX, count=1,
            dtype="uint16", crs=scene.crs, transform=place, nodata=1 if band == "QA_PIXEL" else 0,
        ) as out:  # fmt: skip
            out.write(pixels, 1)
    return files


def true_means(scene: OwnScene, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """What a grid should show of a scene.

    Returns:
        (H, W) float mean number of the clear area, NaN where none is; (H, W) share that is clear.
    """
    edges = np.arange(SIDE_PX + 1) * 30.0
    x0, y0 = np.meshgrid(scene.left_m + edges[:-1], scene.top_m - edges[:-1])
    clear = ~scene.cloud & (scene.numbers > 0)
    boxes = shapely.box(x0, y0 - 30, x0 + 30, y0)[clear]
    tree, numbers = shapely.STRtree(boxes), scene.numbers[clear].astype(float)
    pixels = shapely.polygons(pixel_corners(grid, scene.crs))
    first, second = tree.query(pixels, predicate="intersects")
    areas = shapely.area(shapely.intersection(pixels[first], boxes[second]))
    sums = [np.bincount(first, w, len(pixels)) for w in (areas, areas * numbers[second])]
    share = sums[0] / shapely.area(pixels)
    with np.errstate(invalid="ignore"):
        return (sums[1] / sums[0]).reshape(grid.shape), share.reshape(grid.shape)


def pixel_corners(grid: Grid, crs: str) -> np.ndarray:
    """(H * W, 5, 2) corners of a grid's pixels, in another zone."""
    columns, rows = np.meshgrid(np.arange(grid.width + 1), np.arange(grid.height + 1))
    x, y = grid.left_m + columns * grid.pixel_m, grid.top_m - rows * grid.pixel_m
    if crs != grid.crs:
        x, y = pyproj.Transformer.from_crs(grid.crs, crs, always_xy=True).transform(x, y)
    at = np.stack([x, y], axis=-1)
    ring = [at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1], at[:-1, :-1]]
    return np.stack(ring, axis=2).reshape(-1, 5, 2)


def share_off(found: np.ndarray, scene: OwnScene, grid: Grid, most: float = 0.05) -> float:
    """Share of the shown pixels whose reflectance is off by more, and none that should be hidden.

    Args:
        found: (H, W) uint16 numbers, 0 where hidden.
        scene: The scene.
        grid: The grid.
        most: Reflectance.
    """
    mean, share = true_means(scene, grid)
    shown = found > 0
    sure = np.abs(share - 0.5) > 1e-6
    np.testing.assert_array_equal(shown[sure], (share >= 0.5)[sure])
    assert shown.mean() > 0.2
    off = np.abs(reflectance(found[shown]) - (mean[shown] * 2.75e-5 - 0.2))
    return float((off > most).mean())
