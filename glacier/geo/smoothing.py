"""Outlines along pixels -> smooth ones of the same area."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

ROUNDS = 2
"""Times that corners are cut."""

AREA_ERROR = 1e-4
"""Share of its area by which a smooth outline may differ from the one along pixels."""

MAX_STEPS = 10
"""Steps towards that area; three do for all but the smallest polygons."""


def smooth(polygon: shapely.Polygon, pixel_m: float) -> shapely.Polygon:
    """A polygon along pixels with its steps smoothed and its area kept.

    The line runs through the middles of the pixels' edges, and its corners are cut. What that takes
    from the area, half a pixel a ring, is given back by moving the whole line outward.

    Args:
        polygon: Along the edges of pixels.
        pixel_m: Side of a pixel, in the unit of its corners.

    Returns:
        A valid polygon whose area differs by less than ``AREA_ERROR``; the given one where there
        is none, as for a few pixels around a hole.

    Source:
        Chaikin 1974, An algorithm for high-speed curve generation, Computer Graphics and Image
        Processing 3, 346-349.
    """
    edges = shapely.segmentize(polygon, pixel_m)
    rings = [smooth_ring(shapely.get_coordinates(ring)[:-1]) for ring in
             (edges.exterior, *edges.interiors)]  # fmt: skip
    found = shapely.Polygon(rings[0], rings[1:])
    for _ in range(MAX_STEPS):
        lost = polygon.area - found.area
        if not found.is_valid or found.geom_type != "Polygon":
            break
        if abs(lost) <= AREA_ERROR * polygon.area:
            return found
        found = found.buffer(lost / found.length, join_style="mitre")
    return polygon


def smooth_ring(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corners (N, 2) of a ring, a pixel apart -> those of a smooth one."""
    corners = (corners + np.roll(corners, -1, axis=0)) / 2
    for _ in range(ROUNDS):
        following = np.roll(corners, -1, axis=0)
        pairs = [0.75 * corners + 0.25 * following, 0.25 * corners + 0.75 * following]
        corners = np.stack(pairs, axis=1).reshape(-1, 2)
    return corners
