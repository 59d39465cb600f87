"""How much new snow lies on ground that is bare in late summer, month by month.

It needs no outlines: what is bare in most late summers is no glacier but under debris, and what
is white there in another month is snow of the season. A map that misses ice, or takes snow for
ice, does not change it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glacier import store
from glacier.errors import RasterError
from glacier.geo.raster_rows import LandsatRows, open_landsat
from glacier.indices import colour
from glacier.labels import IGNORE, label_ndsi
from glacier.samples.bands import name_bands
from glacier.settings.labels import Label

COLOURS = ("green", "nir", "swir1")
"""What tells snow."""

SNOW = Label()
"""Snow is what the default thresholds on NDSI and near infrared call so."""

BARE = 0.5
"""Share of the late summers that saw a pixel from which it is bare ground."""

STACK_BYTES = 1 << 26
"""Of the rows of all months that are looked at together."""

Month = tuple[date, str, str]
"""First day, address of the image, its sha256."""


def measure_new_snow(months: Sequence[Month], season: Collection[int]) -> dict[date, float | None]:
    """Share of the bare ground under snow in each month of a region.

    Args:
        months: All months that have an image, on one grid.
        season: Calendar months, 1..12, of late summer, which say what is bare.

    Returns:
        First day to the share, 0..1; None where nothing bare was seen. None for all where an image
        lacks a band, or no month is of the season.

    Raises:
        DamagedError: An image differs from its checksum.
        RasterError: One cannot be read.
    """
    days = [day for day, _, _ in months]
    unknown: dict[date, float | None] = dict.fromkeys(days)
    in_season = np.array([day.month in season for day in days], bool)
    if not in_season.any():
        return unknown
    with ExitStack() as stack:
        paths = [stack.enter_context(store.local_copy(at, sha256)) for _, at, sha256 in months]
        rasters = open_all(paths, stack)
        if rasters is None:
            return unknown
        snowy, known = np.zeros((2, len(days)), np.int64)
        for snow in read_snow(rasters):
            bare = find_bare(snow[in_season])
            snowy += ((snow == 1) & bare).sum(axis=(1, 2))
            known += ((snow != IGNORE) & bare).sum(axis=(1, 2))
    return {
        day: int(white) / int(seen) if seen else None
        for day, white, seen in zip(days, snowy, known, strict=True)
    }


def open_all(paths: Sequence[Path], stack: ExitStack) -> list[LandsatRows] | None:
    """The images, open for as long as the stack lasts; None where one lacks a band.

    Raises:
        RasterError: One cannot be read, or they do not lie on one grid.
    """
    wanted = name_bands(COLOURS)
    rasters = [stack.enter_context(open_landsat(path, (), welcome=wanted)) for path in paths]
    if any(set(raster.places) != wanted for raster in rasters):
        return None
    for path, raster in zip(paths, rasters, strict=True):
        if raster.grid != rasters[0].grid:
            raise RasterError(f"{path} and {paths[0]} do not lie on one grid; ingest them again")
    return rasters


def read_snow(rasters: Sequence[LandsatRows]) -> Iterator[NDArray[np.uint8]]:
    """Rows of all months, (T, h, W) uint8: 1 snow or ice, 0 not, 255 unknown."""
    height, width = rasters[0].grid.shape
    rows = max(1, STACK_BYTES // (len(rasters) * width))
    for top in range(0, height, rows):
        count = min(rows, height - top)
        yield np.stack([label_snow(raster.read(top, count)) for raster in rasters])


def label_snow(bands: Mapping[str, NDArray[np.uint16]]) -> NDArray[np.uint8]:
    """Snow and ice of some rows: (h, W) uint8."""
    green, nir, swir1 = (colour(dict(bands), name) for name in COLOURS)
    return label_ndsi(green, nir, swir1, SNOW.ndsi_above, SNOW.nir_above)


def find_bare(snow: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels, (h, W) bool, that were bare in more than ``BARE`` of the late summers that saw them.

    Args:
        snow: (S, h, W) uint8 of late summers: 1 snow or ice, 0 not, 255 unknown.
    """
    seen = (snow != IGNORE).sum(axis=0)
    return np.asarray((snow == 0).sum(axis=0) > BARE * seen)
