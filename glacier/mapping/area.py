"""Area of glacier on class maps: over what was seen, and over what all dates saw.

A pixel that nobody saw is never ground. A date's own area is of the pixels that it saw, with
bounds for the rest; dates are compared on the pixels that all of them saw, so that a cloud does
not look like retreat. Maps come as strips of rows, and nothing here grows with their number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glacier.errors import SeriesError
from glacier.map_codes import UNSEEN

Classes = NDArray[np.uint8]
"""Class map: 1 glacier, 0 not, 255 unseen."""


@dataclass(frozen=True)
class StackedRows:
    """Some rows of the class maps of several dates, on one grid."""

    classes: Classes
    """(T, h, W)."""
    frame: NDArray[np.bool_] | None = None
    """(h, W) ground that counts, such as within a glacier's outline; None: all of it."""


@dataclass(frozen=True)
class MapArea:
    """Glacier of one date within a frame."""

    area_km2: float
    """Of the seen pixels that are glacier."""
    unseen_km2: float
    """Ground of the frame that was not seen; of compared dates, by one of them at least."""
    seen_share: float
    """Share of the frame that counts, 0..1; 0 of a frame without ground."""
    outline_km: float
    """Length of the sides that glacier pixels share with ground. Neither the edge of the frame nor
    the rim of what was not seen is an outline. Along sides of pixels a slanting outline is up to
    1.41 times as long as a straight line, 1.27 times in the mean over all directions."""
    half_pixel_km2: float
    """Area within half a pixel of the outline, on one side of it."""

    @property
    def least_km2(self) -> float:
        """Area where none of the unseen ground is glacier."""
        return self.area_km2

    @property
    def most_km2(self) -> float:
        """Area where all of the unseen ground is glacier."""
        return self.area_km2 + self.unseen_km2


@dataclass(frozen=True)
class ComparedAreas:
    """Glacier of several dates."""

    own: tuple[MapArea, ...]
    """(T,) of each date over the pixels that it saw itself; not to be compared."""
    common: tuple[MapArea, ...]
    """(T,) of each date over the pixels that all of them saw."""


def measure_areas(strips: Iterable[StackedRows], pixel_m: tuple[float, float]) -> ComparedAreas:
    """Glacier area of several dates.

    Args:
        strips: From the top of the maps to their end, of any height; T and W are the same in all.
        pixel_m: Height and width of a pixel, metres.

    Raises:
        SeriesError: There is no strip, or they are not of the same dates and width.

    Source:
        Granshaw & Fountain 2006, Journal of Glaciology 52 (half a pixel along the outline).
    """
    own, common, frame_px, shape = Tally(), Tally(), 0, None
    for strip in strips:
        count, _, width = strip.classes.shape
        if shape not in (None, (count, width)):
            raise SeriesError(
                f"a strip has {count} dates of {width} columns, and one above it {shape}; "
                "give maps of one grid"
            )
        shape = count, width
        frame = np.True_ if strip.frame is None else strip.frame
        classes = np.where(frame, strip.classes, np.uint8(UNSEEN))
        frame_px += int(np.broadcast_to(frame, classes.shape[1:]).sum())
        own.add(classes)
        seen = (classes != UNSEEN).all(axis=0)
        common.add(np.where(seen, classes, np.uint8(UNSEEN)))
    if shape is None:
        raise SeriesError("there are no maps to be measured; give one at least")
    return ComparedAreas(own.measure(frame_px, pixel_m), common.measure(frame_px, pixel_m))


class Tally:
    """Pixels and outlines of T maps, strip by strip."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.counts: NDArray[np.int64] | int = 0
        self.last: Classes | None = None

    def add(self, classes: Classes) -> None:
        """Count the next strip, (T, h, W)."""
        glacier, seen = (found.sum(axis=(1, 2)) for found in (classes == 1, classes != UNSEEN))
        upright = count_sides(classes[:, :, :-1], classes[:, :, 1:])
        joined = classes if self.last is None else np.concatenate([self.last, classes], axis=1)
        level = count_sides(joined[:, :-1], joined[:, 1:])
        self.counts = self.counts + np.stack([glacier, seen, upright, level])
        self.last = joined[:, -1:]

    def measure(self, frame_px: int, pixel_m: tuple[float, float]) -> tuple[MapArea, ...]:
        """(T,) areas.

        Args:
            frame_px: Pixels that would count were they seen.
            pixel_m: Height and width of a pixel, metres.
        """
        height_m, width_m = pixel_m
        pixel_km2 = height_m * width_m / 1e6
        return tuple(
            MapArea(
                area_km2=glacier * pixel_km2,
                unseen_km2=(frame_px - seen) * pixel_km2,
                seen_share=seen / frame_px if frame_px else 0.0,
                outline_km=(upright * height_m + level * width_m) / 1e3,
                half_pixel_km2=(upright + level) * pixel_km2 / 2,
            )
            for glacier, seen, upright, level in np.asarray(self.counts).T.tolist()
        )


def count_sides(first: Classes, second: Classes) -> NDArray[np.int64]:
    """(T,) sides between glacier and ground, of neighbours (T, h, w) in the same places."""
    known = (first != UNSEEN) & (second != UNSEEN)
    return np.asarray((known & (first != second)).sum(axis=(1, 2)), np.int64)
