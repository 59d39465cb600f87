"""A class map and its probabilities, read together by strips of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.windows import Window

from glacier.errors import RasterError
from glacier.geo.polygonise import Strip
from glacier.geo.raster import COG_TILE_PX, Grid, grid_of
from glacier.geo.raster_files import safe_open
from glacier.map_codes import GLACIER, UNSEEN

Classes = NDArray[np.uint8]
"""Class maps: 1 glacier, 0 not, 255 unseen."""

STRIP_PX = 2 * COG_TILE_PX
"""Rows that are read at once: whole tiles, so that none is decoded twice."""


def read_map_grid(classes: str | Path, probability: str | Path) -> Grid:
    """Grid of a class map and of its probabilities.

    Raises:
        RasterError: One cannot be read, is no single band of uint8, or they differ in their grids.
    """
    grids = []
    for path in (classes, probability):
        with safe_open(path) as source:
            if source.count != 1 or source.dtypes[0] != "uint8":
                raise RasterError(
                    f"{path} has {source.count} bands of {source.dtypes[0]}; a map has one of uint8"
                )
            grids.append(grid_of(source))
    if grids[0] != grids[1]:
        raise RasterError(
            f"{classes} and {probability} do not lie on the same grid ({grids[0]}; {grids[1]}); "
            "give the two that were made together"
        )
    return grids[0]


@dataclass(frozen=True)
class MapStrips:
    """Strips of a map, read anew each time that they are gone through."""

    classes: str | Path
    """GeoTIFF: 0 no glacier, 1 glacier, 255 unseen."""
    probability: str | Path
    """GeoTIFF: 0 to 254 stand for 0 to 1, 255 for unseen."""
    rows: int = STRIP_PX
    """Height of a strip; the outlines do not depend on it."""

    def __iter__(self) -> Iterator[Strip]:
        """From north to south: where the map says glacier, and the probabilities as stored.

        Raises:
            RasterError: A file cannot be read, or there is glacier where nothing was seen.
        """
        with safe_open(self.classes) as kinds, safe_open(self.probability) as chances:
            for top in range(0, kinds.height, self.rows):
                window = Window(0, top, kinds.width, min(self.rows, kinds.height - top))
                mask = kinds.read(1, window=window) == GLACIER
                values = chances.read(1, window=window)
                if np.any(values[mask] == UNSEEN):
                    raise RasterError(
                        f"{self.classes} says glacier where {self.probability} says unseen, near "
                        f"row {top}; give the two that were made together"
                    )
                yield Strip(mask, values)


def read_class_strips(paths: Sequence[str | Path], rows: int = STRIP_PX) -> Iterator[Classes]:
    """Rows of the class maps of several dates on one grid, (T, h, W) uint8, from north to south.

    Raises:
        RasterError: A file cannot be read, or they do not lie on one grid.
    """
    with ExitStack() as stack:
        sources = [stack.enter_context(safe_open(path)) for path in paths]
        for source in sources[1:]:
            if grid_of(source) != grid_of(sources[0]):
                raise RasterError(
                    f"{sources[0].name} and {source.name} do not lie on one grid, so that their "
                    "dates cannot be compared; map the region again"
                )
        for top in range(0, sources[0].height if sources else 0, rows):
            window = Window(0, top, sources[0].width, min(rows, sources[0].height - top))
            yield np.stack([source.read(1, window=window) for source in sources])


def read_reduced(path: str | Path, most_px: int) -> Classes:
    """A map of codes for a picture: (h, w) uint8, each the code at its place.

    The commonest of a block would hide what was not seen, and thin strips of change.

    Args:
        path: GeoTIFF of one band of uint8.
        most_px: Longest side, pixels; a smaller map stays as it is.

    Raises:
        RasterError: It cannot be read.
    """
    with safe_open(path) as source:
        share = min(1.0, most_px / max(source.height, source.width))
        shape = tuple(max(1, round(side * share)) for side in (source.height, source.width))
        return np.asarray(source.read(1, out_shape=shape, resampling=Resampling.nearest), np.uint8)
