"""Images at another pixel size, a few rows at a time.

To larger pixels by the mean over their area, to smaller ones bilinear between the middles of the
given ones. What was not seen counts for nothing, and a pixel is seen where half of what it is made
of was. Both are sums along columns and along rows, so that any rows can be had by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window
from scipy.sparse import csr_array

from glacier.geo.raster import Grid
from glacier.geo.raster_files import MAX_STREAMED_BYTES, safe_open
from glacier.geo.raster_rows import LandsatRows
from glacier.landsat import NODATA
from glacier.map_codes import decode_probability

MIN_SEEN = 0.5
"""Share of what a pixel is made of from which it counts as seen, as in the archive."""

ROUNDING = 1e-6
"""Shares so much below count as equal."""

ROWS = 512
"""Rows that are worked on at once, of the finer of two images."""

Floats = NDArray[np.float32]


def change_pixels(grid: Grid, pixel_m: float) -> Grid:
    """The grid of other pixels over the ground of a grid, with the same upper left corner."""
    height, width = (max(1, math.ceil(side * grid.pixel_m / pixel_m - 1e-9)) for side in grid.shape)
    return replace(grid, pixel_m=pixel_m, height=height, width=width)


@lru_cache(maxsize=8)
def weigh(given: int, ratio: float, first: int, count: int) -> tuple[int, csr_array]:
    """What pixels along a line are made of, in shares that add up to 1.

    Args:
        given: Number of the given pixels along the line.
        ratio: Side of a wanted pixel, in given ones.
        first: The first wanted pixel.
        count: Number of wanted pixels.

    Returns:
        The first given pixel that is needed, and (count, needed) shares of those from there on.
    """
    starts = np.arange(first, first + count)[:, None] * ratio
    if ratio >= 1:
        places = np.floor(starts) + np.arange(math.ceil(ratio) + 1)
        shares = np.minimum(starts + ratio, places + 1) - np.maximum(starts, places)
    else:
        middles = np.clip(starts + ratio / 2 - 0.5, 0, given - 1)
        places = np.floor(middles) + np.arange(2)
        shares = 1 - np.abs(middles - places)
    shares = np.where(places < given, np.clip(shares, 0, None), 0)  # beyond the edge is nothing
    shares /= shares.sum(axis=1, keepdims=True)
    begin, end = int(places[0, 0]), min(given, int(places[-1, -1]) + 1)
    columns = np.minimum(places, end - 1).astype(np.int64) - begin
    rows = np.repeat(np.arange(count), shares.shape[1])
    entries = (shares.ravel().astype(np.float32), (rows, columns.ravel()))
    return begin, csr_array(entries, shape=(count, end - begin))


@dataclass(frozen=True)
class Rescaling:
    """From one pixel size to another, over the same ground."""

    given: Grid
    wanted: Grid

    @property
    def ratio(self) -> float:
        """Side of a wanted pixel, in given ones."""
        return self.wanted.pixel_m / self.given.pixel_m

    def find_rows(self, top: int, rows: int) -> tuple[int, int]:
        """The first given row that some wanted rows need, and how many."""
        begin, shares = weigh(self.given.height, self.ratio, top, rows)
        return begin, shares.shape[1]

    def resample(self, values: Floats, top: int, rows: int) -> Floats:
        """Some wanted rows.

        Args:
            values: (h, W) float32 of the given rows that they need, NaN where unseen.
            top: The first wanted row.
            rows: How many.

        Returns:
            (rows, w) float32, NaN where unseen.
        """
        _, down = weigh(self.given.height, self.ratio, top, rows)
        _, across = weigh(self.given.width, self.ratio, 0, self.wanted.width)
        seen = np.isfinite(values)
        total, share = (
            (across @ (down @ layer).T).T
            for layer in (np.where(seen, values, np.float32(0)), seen.astype(np.float32))
        )
        mean = np.full_like(total, np.nan)
        np.divide(total, share, out=mean, where=share >= MIN_SEEN - ROUNDING)
        return np.asarray(mean, np.float32)

    def list_strips(self, top: int, rows: int) -> Iterator[tuple[int, int]]:
        """Wanted rows in strips that need some :data:`ROWS` given or wanted ones: top and rows."""
        step = max(1, int(ROWS / max(1, self.ratio)))
        for first in range(top, top + rows, step):
            yield first, min(step, top + rows - first)


@dataclass(frozen=True)
class ResampledRows(LandsatRows):
    """An open raster as if it had other pixels, read by rows; ``grid`` is that of these."""

    native: LandsatRows
    """The raster with its own."""

    @staticmethod
    def of(native: LandsatRows, pixel_m: float) -> ResampledRows:
        """A raster as if its pixels had this side."""
        grid = change_pixels(native.grid, pixel_m)
        return ResampledRows(native.source, grid, native.places, native)

    def read(self, top: int, rows: int) -> dict[str, NDArray[np.uint16]]:
        """Rows of all bands by name, (rows, W) uint16, 0 where unseen.

        Raises:
            RasterError: They cannot be read, or nothing says what their numbers are.
        """
        way = Rescaling(self.native.grid, self.grid)
        strips: dict[str, list[NDArray[np.uint16]]] = {name: [] for name in self.places}
        for first, count in way.list_strips(top, rows):
            for name, band in self.native.read(*way.find_rows(first, count)).items():
                values = np.where(band == NODATA, np.float32(np.nan), band.astype(np.float32))
                mean = np.rint(way.resample(values, first, count))
                strips[name].append(np.nan_to_num(mean, nan=NODATA).astype(np.uint16))
        return {name: np.concatenate(parts) for name, parts in strips.items()}


def resample_probability(path: Path, way: Rescaling) -> Iterator[tuple[int, Floats]]:
    """A map of probabilities at other pixels, strip by strip: its first row, and the strip.

    Args:
        path: GeoTIFF of uint8 on the given grid: 0 to 254 stand for 0 to 1, 255 for unseen.
        way: From its pixels to the wanted ones.

    Raises:
        RasterError: It cannot be read.
    """
    with safe_open(path, MAX_STREAMED_BYTES) as source:
        for top, rows in way.list_strips(0, way.wanted.height):
            begin, count = way.find_rows(top, rows)
            window = Window(0, begin, way.given.width, count)
            values = decode_probability(source.read(1, window=window))
            yield top, way.resample(values, top, rows)
