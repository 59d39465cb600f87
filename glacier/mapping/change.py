"""Where glacier was lost and gained between two dates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from glacier import map_codes
from glacier.errors import SeriesError

Classes = NDArray[np.uint8]


class Change(IntEnum):
    """Codes of a change map."""

    NEVER = 0
    """Ground at both dates."""
    KEPT = 1
    """Glacier at both dates."""
    LOST = 2
    """Glacier at the first date alone."""
    GAINED = 3
    """Glacier at the second date alone."""
    UNSEEN = map_codes.UNSEEN
    """Not seen at one of the dates at least: nodata."""


CODES = np.array([[Change.NEVER, Change.GAINED], [Change.LOST, Change.KEPT]], np.uint8)
"""Code by the class at the first and at the second date."""


@dataclass(frozen=True)
class ChangedAreas:
    """Ground by what became of it, km2."""

    lost_km2: float
    gained_km2: float
    kept_km2: float
    never_km2: float
    """Of ground at both dates."""
    unseen_km2: float
    """Of ground that one of the dates did not see, so that nothing is known of its change."""

    @property
    def net_km2(self) -> float:
        """Change of the area where both dates saw."""
        return self.gained_km2 - self.lost_km2


def map_change(before: Classes, after: Classes) -> NDArray[np.uint8]:
    """What became of each pixel.

    Args:
        before: (H, W) uint8 class map of the first date: 1 glacier, 0 not, 255 unseen.
        after: The same of the second date, on the same grid.

    Returns:
        (H, W) uint8 codes of :class:`Change`.

    Raises:
        SeriesError: The maps differ in size.
    """
    if before.shape != after.shape:
        raise SeriesError(
            f"maps of {before.shape} and {after.shape} pixels have no change between them; "
            "give maps of one grid"
        )
    seen = (before != Change.UNSEEN) & (after != Change.UNSEEN)
    return np.where(seen, CODES[before & 1, after & 1], np.uint8(Change.UNSEEN))


def measure_change(strips: Iterable[NDArray[np.uint8]], pixel_km2: float) -> ChangedAreas:
    """Areas of a change map.

    Args:
        strips: (h, W) uint8 rows of it, of any height.
        pixel_km2: Area of a pixel.
    """
    counts = np.zeros(256, np.int64)
    for strip in strips:
        counts += np.bincount(strip.ravel(), minlength=256)
    return ChangedAreas(
        **{f"{code.name.lower()}_km2": int(counts[code]) * pixel_km2 for code in Change}
    )
