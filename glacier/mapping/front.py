"""Where a glacier ends along a given line."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from glacier.errors import SeriesError
from glacier.evaluation.verdict import ROUNDING
from glacier.geo.raster import Grid
from glacier.map_codes import UNSEEN

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Front:
    """The end of a glacier on its centre line."""

    position_m: float | None
    """From the line's upper end, metres along it; None: not known."""
    why: Literal["", "unseen", "beyond_line", "upside_down"] = ""
    """Why it is not known: the ice was last seen before a pixel that nobody saw, or beside the
    map; there is glacier as far as the line goes; or the line begins on ground and ends on
    glacier, as one that was drawn from below."""


def find_front(classes: NDArray[np.uint8], grid: Grid, line: Floats, bridge_m: float = 0) -> Front:
    """The end of the glacier that a line's upper end lies on.

    The line is followed exactly, from pixel to pixel. Glacier that lies beyond ground is another
    one, unless the ground between is short.

    Args:
        classes: (H, W) uint8 class map: 1 glacier, 0 not, 255 unseen.
        grid: Where its pixels lie.
        line: (N, 2) x and y in the grid's coordinates, the upper end first, N >= 2.
        bridge_m: Ground along the line that is no end yet, such as a moraine or a wrong pixel,
            metres; 0: the first pixel of ground is.

    Returns:
        0 where the upper end lies on ground.

    Raises:
        SeriesError: The line has fewer than two points, or some that are no numbers.
    """
    if line.ndim != 2 or line.shape[1] != 2 or len(line) < 2 or not np.isfinite(line).all():
        raise SeriesError(
            f"a centre line of shape {line.shape} is none; give two or more points of finite x, y"
        )
    ends_m, values = follow_line(classes, grid, line)
    if values[0] == 0 and values[-1] == 1:
        return Front(None, "upside_down")
    starts_m = np.concatenate([[0.0], ends_m[:-1]])
    front_m = 0.0
    for start_m, end_m, value in zip(starts_m, ends_m, values, strict=True):
        if value == UNSEEN:
            return Front(None, "unseen")
        if value == 1:
            if start_m - front_m > bridge_m:
                return Front(front_m)
            front_m = float(end_m)
        elif end_m - front_m > bridge_m:
            return Front(front_m)
    return Front(None, "beyond_line") if values[-1] == 1 else Front(front_m)


def follow_line(
    classes: NDArray[np.uint8], grid: Grid, line: Floats
) -> tuple[Floats, NDArray[np.uint8]]:
    """Pieces of a line, each within one pixel.

    Args:
        classes: (H, W) uint8.
        grid: Where its pixels lie.
        line: (N, 2) x and y.

    Returns:
        (P,) end of each piece, metres along the line; (P,) its class, 255 beside the map.
    """
    corners = np.array([grid.left_m, grid.top_m])
    places = (line - corners) / np.array([grid.pixel_m, -grid.pixel_m])  # column, row
    ends, values, before_m = [], [], 0.0
    for first, second in pairwise(places):
        length_m = float(np.hypot(*(second - first))) * grid.pixel_m
        cuts = cut_segment(first, second)
        middles = first + ((cuts[:-1] + cuts[1:]) / 2)[:, None] * (second - first)
        ends.append(before_m + cuts[1:] * length_m)
        values.append(read_places(classes, middles))
        before_m += length_m
    return np.concatenate(ends), np.concatenate(values)


def cut_segment(first: Floats, second: Floats) -> Floats:
    """Shares of a segment, from 0 to 1, at which it enters another pixel; both ends included.

    Args:
        first: Column and row of its start, in pixels from the corner of the map.
        second: The same of its end.
    """
    shares = [np.array([0.0, 1.0])]
    for start, end in zip(first, second, strict=True):
        low, high = sorted((start, end))
        edges = np.arange(np.ceil(low), np.floor(high) + 1)
        if start != end:
            shares.append((edges - start) / (end - start))
    cuts = np.unique(np.clip(np.concatenate(shares), 0, 1))
    # Through a corner a line enters one pixel, though rounding may make two cuts of it.
    cuts = cuts[np.diff(cuts, prepend=-1) > ROUNDING]
    cuts[-1] = 1
    return cuts


def read_places(classes: NDArray[np.uint8], places: Floats) -> NDArray[np.uint8]:
    """(P,) class at (P, 2) columns and rows; 255 beside the map."""
    height, width = classes.shape
    cols, rows = np.floor(places).astype(np.int64).T
    inside = (cols >= 0) & (cols < width) & (rows >= 0) & (rows < height)
    values = np.full(len(places), UNSEEN, np.uint8)
    values[inside] = classes[rows[inside], cols[inside]]
    return values
