"""A scene's own pixels onto a region's grid: the mean over the valid area, never a mix with cloud.

A pixel of the grid is laid over the scene's own pixels as a quadrilateral (in another zone it is
turned), and each own pixel weighs with the area that both share, exactly. What is not valid weighs
nothing; where it is more than half of the area, the pixel is not valid.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pyproj
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.io import DatasetReader
from rasterio.windows import Window
from scipy import sparse

from glacier.errors import RasterError
from glacier.geo.grid_files import find_grid_file
from glacier.geo.raster import WGS84, Grid
from glacier.landsat import NODATA

MIN_VALID_AREA = 0.5
"""Least share of a pixel's area that must be valid (seen, no cloud) for the pixel to be, 0..1."""

ROUNDING = 1e-6
"""Shares that are equal but for the arithmetic: half of four pixels is half."""

ALIGNED_PX = 1e-3
"""Grids whose edges differ by less, in pixels, are the same: 3 cm of 30 m."""

STRIP_ENTRIES = 1 << 18
"""Pairs of a pixel and an own pixel that are worked on at once."""

MAX_KEPT_ENTRIES = 1 << 22
"""So many of them are remembered for the next scene, 50 MB: a region of 680 x 680 px of 30 m."""

Strip = tuple[slice, slice, sparse.csr_array]
"""Rows of a grid, own rows below them, and what :func:`weigh_own_pixels` says of both."""

DEGREE_M = 110_574.0
"""A degree of latitude at the equator, where it is shortest, metres."""

EDGE_STEPS = 64
"""Steps along the sides of a grid when its place in a scene is looked for."""


@dataclass(frozen=True)
class OwnPixels:
    """The pixels of a scene as it was delivered, north up, not always square.

    Those of an image may be in degrees.
    """

    crs: CRS
    transform: rasterio.Affine
    height: int
    width: int

    @classmethod
    def of(cls, source: DatasetReader, in_degrees: bool = False) -> OwnPixels:
        """The pixels of an open raster.

        Args:
            source: The raster.
            in_degrees: Longitude and latitude are allowed, too.

        Raises:
            RasterError: It says not where it lies, is turned, or has a CRS that reads a file.
        """
        t, crs = source.transform, source.crs
        name = source.name.rpartition("/")[2].partition("?")[0]
        known = crs is not None and (crs.is_projected or (in_degrees and crs.is_geographic))
        if not known or t.b or t.d or t.a <= 0 or t.e >= 0:
            degrees = " or degrees" if in_degrees else ""
            raise RasterError(
                f"{name}: CRS {crs}, transform {tuple(t)[:6]}; wanted a projected CRS{degrees} and "
                "pixels that are north up"
            )
        if grids := find_grid_file(crs.to_wkt()):
            raise RasterError(f"{name}: its CRS would read the file {grids}; that is no scene")
        return cls(crs, t, source.height, source.width)

    @property
    def sides_m(self) -> tuple[float, float]:
        """Width and height of a pixel in the middle, metres."""
        t = self.transform
        if self.crs.is_projected:
            return t.a, -t.e
        latitude = math.radians(self.centre()[0])
        return t.a * DEGREE_M * math.cos(latitude), -t.e * DEGREE_M

    def describe(self) -> str:
        """The pixels in words."""
        t, (wide, high) = self.transform, self.sides_m
        return (
            f"{self.height} x {self.width} px of {wide:.4g} x {high:.4g} m at "
            f"({t.c:.6g}, {t.f:.6g}) in EPSG:{self.crs.to_epsg()}"
        )

    def cut(self, window: Window) -> OwnPixels:
        """Those of a window."""
        t = self.transform
        left, top = t.c + t.a * window.col_off, t.f + t.e * window.row_off
        moved = rasterio.Affine(t.a, 0, left, 0, t.e, top)
        return replace(self, transform=moved, height=window.height, width=window.width)

    def window_over(self, grid: Grid) -> Window | None:
        """The window that covers a grid; None where they share no ground."""
        steps = np.linspace(0, 1, EDGE_STEPS + 1)
        side = np.concatenate([steps * 0, steps, steps * 0 + 1, steps])
        along = np.concatenate([steps, steps * 0, steps, steps * 0 + 1])
        columns, rows = self.locate(grid, side * grid.width, along * grid.height)
        if not (np.isfinite(columns) & np.isfinite(rows)).all():
            return None
        margin = 1  # a side bends between its steps, by far less than a pixel
        left, top = (max(0, int(np.floor(v.min() + ALIGNED_PX)) - margin) for v in (columns, rows))
        right = min(self.width, int(np.ceil(columns.max() - ALIGNED_PX)) + margin)
        bottom = min(self.height, int(np.ceil(rows.max() - ALIGNED_PX)) + margin)
        touches = (
            columns.max() > ALIGNED_PX and columns.min() < self.width - ALIGNED_PX
            and rows.max() > ALIGNED_PX and rows.min() < self.height - ALIGNED_PX
        )  # fmt: skip
        return Window(left, top, right - left, bottom - top) if touches else None

    def locate(
        self, grid: Grid, columns: NDArray[np.float64], rows: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Own (column, row), with fractions, of places given by a grid's; 0, 0 is a corner."""
        x, y = grid.left_m + columns * grid.pixel_m, grid.top_m - rows * grid.pixel_m
        if self.crs != CRS.from_user_input(grid.crs):
            x, y = transformer(grid.crs, self.crs.to_wkt()).transform(x, y)
        t = self.transform
        return (np.asarray(x) - t.c) / t.a, (np.asarray(y) - t.f) / t.e

    def centre(self) -> tuple[float, float]:
        """Latitude and longitude of the middle, degrees."""
        t = self.transform
        x, y = t.c + t.a * self.width / 2, t.f + t.e * self.height / 2
        longitude, latitude = transformer(self.crs.to_wkt(), WGS84).transform(x, y)
        return float(latitude), float(longitude)

    def offset_of(self, grid: Grid) -> tuple[int, int] | None:
        """Own (column, row) of the grid's first pixel where both share their pixels, else None."""
        if self.crs != CRS.from_user_input(grid.crs):
            return None
        t = self.transform
        column, row = (grid.left_m - t.c) / t.a, (grid.top_m - t.f) / t.e
        drift_px = max(
            abs(grid.pixel_m / t.a - 1) * grid.width, abs(grid.pixel_m / -t.e - 1) * grid.height
        )
        off_px = max(abs(column - round(column)), abs(row - round(row)), drift_px)
        return (round(column), round(row)) if off_px < ALIGNED_PX else None


@lru_cache(maxsize=32)
def transformer(source: str, target: str) -> pyproj.Transformer:
    """From one coordinate system to another, x before y."""
    return pyproj.Transformer.from_crs(source, target, always_xy=True)


def place_layers(
    layers: Mapping[str, NDArray[np.uint16]], own: OwnPixels, grid: Grid
) -> dict[str, NDArray[np.uint16]]:
    """Layers of a scene on a region's grid.

    Args:
        layers: Name to (h, w) uint16 on the scene's own pixels, 0 where it is not valid.
        own: Those pixels.
        grid: The region's grid.

    Returns:
        Name to (H, W) uint16: the stored number where both share their pixels, else the mean of
        the valid own pixels by the area shared, rounded half up; 0 where less than
        ``MIN_VALID_AREA`` of the pixel is valid.
    """
    placed = {name: np.zeros(grid.shape, np.uint16) for name in layers}
    if (offset := own.offset_of(grid)) is not None:
        for name, layer in layers.items():
            copy_shared(layer, offset, placed[name])
        return placed
    for rows, own_rows, weights in recall_strips(own, grid):
        values = np.stack([layer[own_rows].ravel() for layer in layers.values()], axis=1)
        known, places = split_masks(values != NODATA)
        both = weights @ np.concatenate([values, known], axis=1, dtype=np.float64)
        totals, shares = both[:, : len(layers)], both[:, len(layers) :]
        for k, name in enumerate(layers):
            share = shares[:, places[k]]
            valid = share >= MIN_VALID_AREA - ROUNDING
            mean = np.divide(totals[:, k], share, out=np.zeros_like(share), where=valid)
            placed[name][rows] = np.floor(mean + 0.5).reshape(-1, grid.width)
    return placed


def split_masks(known: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], list[int]]:
    """The different columns of a mask, and which of them each column is.

    The bands of a scene mostly share their holes, so that their shares are worked out once.
    """
    different: list[int] = []
    places: list[int] = []
    for k in range(known.shape[1]):
        same = (at for at, j in enumerate(different) if np.array_equal(known[:, j], known[:, k]))
        place = next(same, len(different))
        if place == len(different):
            different.append(k)
        places.append(place)
    return known[:, different], places


def copy_shared(
    layer: NDArray[np.uint16], offset: tuple[int, int], out: NDArray[np.uint16]
) -> None:
    """Copy the pixels that a layer and a grid share; ``offset`` is the grid's (column, row)."""
    column, row = offset
    top, left = max(0, -row), max(0, -column)
    part = layer[max(0, row) :, max(0, column) :][: out.shape[0] - top, : out.shape[1] - left]
    out[top : top + part.shape[0], left : left + part.shape[1]] = part


def recall_strips(own: OwnPixels, grid: Grid) -> Iterable[Strip]:
    """What :func:`weigh_strips` yields, remembered where that is small.

    Scenes of one zone have their pixels on one lattice, so over a region all are weighed alike.
    """
    if math.prod(grid.shape) * count_touched(own, grid) > MAX_KEPT_ENTRIES:
        return weigh_strips(own, grid)
    return keep_strips(own, grid)


@lru_cache(maxsize=2)
def keep_strips(own: OwnPixels, grid: Grid) -> tuple[Strip, ...]:
    """All strips of a grid over a scene."""
    return tuple(weigh_strips(own, grid))


def count_touched(own: OwnPixels, grid: Grid) -> int:
    """Own pixels that a pixel touches at the most, turned by 45 degrees."""
    ratio = grid.pixel_m / min(own.sides_m)
    return (int(1.5 * ratio) + 2) ** 2


def weigh_strips(own: OwnPixels, grid: Grid) -> Iterator[Strip]:
    """Rows of a grid, some at a time, with the shares of their pixels' areas.

    Yields:
        The rows, the own rows below them, and (their pixels, own pixels of those rows) the share
        of a pixel's area in an own pixel.
    """
    step = max(1, STRIP_ENTRIES // (grid.width * count_touched(own, grid)))
    for top in range(0, grid.height, step):
        bottom = min(top + step, grid.height)
        columns, rows = np.meshgrid(np.arange(grid.width + 1.0), np.arange(top, bottom + 1.0))
        place = np.stack(own.locate(grid, columns, rows), axis=-1)
        place[~np.isfinite(place).all(axis=-1)] = -1e6  # off the map of the scene's zone
        corners = [place[:-1, :-1], place[:-1, 1:], place[1:, 1:], place[1:, :-1]]
        quads = np.stack(corners, axis=2).reshape(-1, 4, 2)
        first = max(0, math.floor(quads[..., 1].min()))
        last = min(own.height, math.ceil(quads[..., 1].max()))
        if first < last and quads[..., 0].max() > 0 and quads[..., 0].min() < own.width:
            quads[..., 1] -= first
            weights = weigh_own_pixels(quads, last - first, own.width)
            yield slice(top, bottom), slice(first, last), weights


def weigh_own_pixels(quads: NDArray[np.float64], height: int, width: int) -> sparse.csr_array:
    """Share of each quadrilateral's area in each own pixel.

    Args:
        quads: (N, 4, 2) corners in order, as (column, row) on the own pixels.
        height: Own rows.
        width: Own columns.

    Returns:
        (N, height * width), 0..1; a row sums to 1 where the quadrilateral lies wholly inside.
    """
    base = np.floor(quads.min(axis=1) + 1e-9)
    corners = quads - base[:, None]
    side = int(np.ceil(corners.max() - 1e-9))
    following = np.roll(corners, -1, axis=1)
    area = np.sum(corners[..., 0] * following[..., 1] - following[..., 0] * corners[..., 1], axis=1)
    shares = share_cells(corners, following, side) / (area / 2)[:, None, None]
    rows = base[:, 1, None, None] + np.arange(side)[:, None]
    columns = base[:, 0, None, None] + np.arange(side)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    shares[~inside] = 0
    whole = np.int32 if max(height * width, shares.size) < 1 << 31 else np.int64
    places = np.where(inside, rows * width + columns, 0).astype(whole)
    starts = np.arange(len(quads) + 1, dtype=whole) * side**2
    return sparse.csr_array(
        (shares.ravel(), places.ravel(), starts), shape=(len(quads), height * width)
    )


def share_cells(
    first: NDArray[np.float64], second: NDArray[np.float64], side: int
) -> NDArray[np.float64]:
    """Area that polygons share with the cells of a square raster at the origin, exactly.

    Along a row of cells, what a polygon covers of a cell is the difference of its right and left
    edge, each cut to the cell; so the area is a sum over the edges of the integral of a cut line,
    which has a closed form.

    Args:
        first: (N, 4, 2) starts of the edges, as (x, y).
        second: (N, 4, 2) their ends.
        side: Cells of a row and of a column.

    Returns:
        (N, side, side) signed area by (y, x), positive for corners that turn from x to y.
    """
    (x0, y0), (x1, y1) = np.moveaxis(first, -1, 0), np.moveaxis(second, -1, 0)
    level = y1 == y0
    slope = np.divide(x1 - x0, y1 - y0, out=np.zeros_like(x0), where=~level)
    areas = np.zeros((len(first), side, side))
    for row in range(side):
        low, high = np.clip(y0, row, row + 1), np.clip(y1, row, row + 1)
        start, end = x0 + (low - y0) * slope, x0 + (high - y0) * slope
        run, rise = end - start, high - low
        steep = np.abs(run) < 1e-9
        for column in range(side):
            swept = integrate_cut(end - column) - integrate_cut(start - column)
            mean = np.divide(swept, run, out=np.clip(start - column, 0, 1), where=~steep)
            areas[:, row, column] = np.sum(rise * mean, axis=1)
    return areas


def integrate_cut(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integral from 0 to x of a line that is cut to 0..1."""
    return np.asarray(np.clip(x, 0, 1) ** 2 / 2 + np.maximum(x - 1, 0))
