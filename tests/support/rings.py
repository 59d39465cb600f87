"""Polygons of any kind, and by hand which points they hold: an oracle without GEOS and GDAL."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import shapely
from hypothesis import strategies as st

SIDE = 40
"""Corners lie within a square of so many steps."""

CORNER = st.tuples(st.integers(0, SIDE), st.integers(0, SIDE))
RING = st.lists(CORNER, min_size=3, max_size=9)


def box_at(corner: tuple[int, int], size: int) -> list[tuple[int, int]]:
    x, y = corner
    return [(x, y), (x + size, y), (x + size, y + size), (x, y + size)]


RINGS = st.one_of(
    RING,
    st.builds(box_at, CORNER, st.integers(1, 25)),
    RING.map(lambda ring: ring + ring[::-1]),  # there and back: no area, or some twice
    RING.map(lambda ring: ring * 2),  # drawn twice
)
POLYGON = st.builds(shapely.Polygon, RINGS, st.lists(RINGS, max_size=2))
SHAPE = st.one_of(
    POLYGON,
    st.lists(POLYGON, min_size=1, max_size=3).map(shapely.MultiPolygon),
    st.tuples(POLYGON, CORNER).map(
        lambda pair: shapely.GeometryCollection([pair[0], shapely.Point(pair[1])])
    ),
)
SOUP = st.lists(SHAPE, min_size=1, max_size=4).flatmap(
    lambda shapes: st.lists(st.sampled_from(shapes), max_size=2).map(lambda more: shapes + more)
)
"""Overlapping, nested, crossing themselves, doubled, tiny, without area."""


def wind(ring: shapely.LinearRing, points: np.ndarray) -> np.ndarray:
    """Which points a ring goes round (another number of times than none): (N,) bool."""
    corners, (x, y) = np.asarray(ring.coords), points.T
    turns = np.zeros(len(points), int)
    for (x0, y0), (x1, y1) in pairwise(corners):
        side = (x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)
        turns += ((y0 <= y) & (y1 > y) & (side > 0)).astype(int)
        turns -= ((y0 > y) & (y1 <= y) & (side < 0)).astype(int)
    return turns != 0


def hold(shape: shapely.Geometry, points: np.ndarray) -> np.ndarray:
    """Which points a shape holds: (N,) bool.

    An inner ring is cut out of the outer one; one wholly outside it is ground of its own. An outer
    ring without area holds nothing.
    """
    if hasattr(shape, "geoms"):
        return np.any([hold(part, points) for part in shape.geoms], axis=0)
    if not isinstance(shape, shapely.Polygon):
        return np.zeros(len(points), bool)
    held = wind(shape.exterior, points)
    outer, *inner = map(close, (shape.exterior, *shape.interiors))
    if outer.is_empty:
        return held
    for ring, ground in zip(shape.interiors, inner, strict=True):
        if outer.intersects(ground):
            held &= ~wind(ring, points)
    for ring, ground in zip(shape.interiors, inner, strict=True):
        if not outer.intersects(ground):
            held |= wind(ring, points)
    return held


def close(ring: shapely.LinearRing) -> shapely.Geometry:
    """The ground within a ring, to see whether two rings meet."""
    return shapely.make_valid(shapely.Polygon(ring), method="structure", keep_collapsed=False)


def near_edge(shape: shapely.Geometry, points: np.ndarray, within: float) -> np.ndarray:
    """Points that lie so near a ring that rounding decides, (N,) bool."""
    lines = [
        line
        for part in shapely.get_parts(shapely.GeometryCollection([shape]))
        for polygon in getattr(part, "geoms", [part])
        if isinstance(polygon, shapely.Polygon)
        for line in (polygon.exterior, *polygon.interiors)
    ]
    return shapely.distance(shapely.points(points), shapely.MultiLineString(lines)) < within
