"""Masks and probabilities that others have made, on the grid of a region."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glacier.errors import RasterError
from glacier.geo.declared import declared_scale, find_hidden
from glacier.geo.raster import Grid
from glacier.geo.raster_files import safe_open
from glacier.labels import IGNORE
from glacier.landsat import NODATA
from glacier.sources.resample import OwnPixels, place_layers

NONE, ALL = 1, 60_001
"""Numbers of probability 0 and 1 where pixels are averaged; what lies between is between."""

HALF = (NONE + ALL) // 2
"""From here on it is glacier."""


@dataclass(frozen=True)
class GivenMask:
    """What a method says of a region."""

    glacier: NDArray[np.bool_]
    """(H, W) bool: called glacier. What it leaves unknown is not."""
    covered: NDArray[np.bool_]
    """(H, W) bool: within its raster, whatever it says there."""


def read_given_mask(path: Path, grid: Grid) -> GivenMask:
    """A mask or a probability on a region's grid: by area, where its own pixels are others.

    Args:
        path: GeoTIFF of one band: whole numbers 1 glacier, 0 not, 255 unknown; or a probability,
            0..1, of floating-point numbers or as its declared scale makes them. From one half on
            it is glacier.
        grid: Where the pixels lie.

    Raises:
        RasterError: It cannot be used, or holds other numbers.
    """
    with safe_open(path) as source:
        drawn = source.read(1)
        hidden = find_hidden(source, 1, drawn)
        own = OwnPixels.of(source, in_degrees=True)
        scale, offset = declared_scale(source, 1) or (1.0, 0.0)
    unknown = np.asarray(drawn == IGNORE if drawn.dtype.kind in "ui" else ~np.isfinite(drawn))
    if hidden is not None:
        unknown |= hidden
    values = np.where(unknown, 0.0, drawn * scale + offset)
    check_values(path.name, values)
    numbers = np.rint(NONE + values * (ALL - NONE)).astype(np.uint16)
    numbers[unknown] = NODATA
    layers = {"": numbers, "covered": np.ones(drawn.shape, np.uint16)}
    placed = place_layers(layers, own, grid)
    return GivenMask(placed[""] >= HALF, placed["covered"] != NODATA)


def check_values(name: str, values: NDArray[np.float64]) -> None:
    """Refuse numbers that are neither a mask nor a probability.

    Raises:
        RasterError: With the lowest and the highest.
    """
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    if low < 0 or high > 1:
        raise RasterError(
            f"{name} holds numbers from {low:g} to {high:g}: wanted a mask of 1 glacier, 0 not, "
            "255 unknown, or a probability of 0 to 1"
        )
