"""Shapes of any kind -> valid polygons of the same ground."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

AREAL = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


def take_area(shape: Any) -> Any:
    """What of a shape holds area, without heights and measures.

    Args:
        shape: Any shape, or None.

    Returns:
        A polygon, several, or None: points, lines and what is empty hold none. The polygons of
        a collection may overlap.
    """
    if shape is None or shape.is_empty:
        return None
    if shapely.get_type_id(shape) in AREAL:
        return shapely.force_2d(shape)
    areas = [take_area(part) for part in getattr(shape, "geoms", ())]
    parts = [part for area in areas if area is not None for part in shapely.get_parts(area)]
    return shapely.multipolygons(parts) if parts else None


def mend(shapes: NDArray[np.object_]) -> NDArray[np.object_]:
    """Invalid polygons as valid ones that cover the same ground; valid ones as they are.

    Ground that a ring goes round more often than not at all is inside (the non-zero rule), so
    that a ring over itself, or two parts over each other, are their union. What an inner ring
    goes round is cut out, unless it lies wholly outside the outer one: then it is a part of its
    own, as in files whose writer took every further ring for an inner one. GDAL's own filling
    would call ground outside that is covered twice.

    Args:
        shapes: (N,) polygons with finite corners.
    """
    mended = shapes.copy()
    bad = ~shapely.is_valid(shapes)
    mended[bad] = shapely.make_valid(shapes[bad], method="structure", keep_collapsed=False)
    return mended


def are_finite(shapes: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Which shapes have numbers for all their corners: (N,) bool."""
    corners, owner = shapely.get_coordinates(shapes, return_index=True)
    wrong = owner[~np.isfinite(corners).all(axis=1)]
    return ~np.isin(np.arange(len(shapes)), wrong)


def swap_axes(shapes: NDArray[np.object_]) -> NDArray[np.object_]:
    """The shapes with the two numbers of every corner the other way round."""
    return np.asarray(shapely.transform(shapes, lambda corners: corners[:, ::-1]), dtype=object)


def fill_holes(shapes: Sequence[shapely.Polygon], max_area: float) -> NDArray[np.object_]:
    """Polygons without those holes whose area is smaller than a limit.

    Args:
        shapes: N polygons.
        max_area: The limit, in the square of the unit of their corners.

    Returns:
        (N,) polygons.
    """

    def fill(polygon: shapely.Polygon) -> shapely.Polygon:
        kept = [ring for ring in polygon.interiors if shapely.Polygon(ring).area >= max_area]
        return shapely.Polygon(polygon.exterior, kept)

    return np.array([*map(fill, shapes), None], dtype=object)[:-1]


def find_covered(shapes: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Which of some polygons whose outlines do not cross lie within another one: (N,) bool."""
    inside, holder = shapely.STRtree(shapes).query(
        shapely.point_on_surface(shapes), predicate="within"
    )
    smaller = shapely.area(shapes[inside]) < shapely.area(shapes[holder])
    return np.isin(np.arange(len(shapes)), inside[smaller])
