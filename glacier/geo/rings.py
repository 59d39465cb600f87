"""Polygons as plain corners, for those who draw them."""

from __future__ import annotations

from collections.abc import Iterable

import shapely

Ring = list[tuple[float, float]]
"""Corners (x, y), the last one as the first."""


def list_rings(polygons: Iterable[shapely.Polygon], tolerance_m: float) -> list[list[Ring]]:
    """Each polygon as its outer ring and its holes.

    Args:
        polygons: In metres.
        tolerance_m: Corners are left out that lie so near to the line without them; 0: none.
    """
    drawn = [shapely.simplify(polygon, tolerance_m) for polygon in polygons]
    return [
        [[(x, y) for x, y in ring.coords] for ring in (polygon.exterior, *polygon.interiors)]
        for polygon in drawn
        if not polygon.is_empty
    ]
