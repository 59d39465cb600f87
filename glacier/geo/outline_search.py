"""Outlines by where they lie, and their polygons as GeoJSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely

from glacier.geo.outline_rows import OutlineRow

Box = tuple[float, float, float, float]
"""West, south, east and north, degrees; one over the date line has its west east of its east."""

DECIMALS = 7
"""Of a degree in GeoJSON: a centimetre.

Source: RFC 7946, 11.2: six of them are about 10 cm.
"""


class OutlineTree:
    """Outlines that are looked up by place; they stay in their order."""

    def __init__(self, rows: Sequence[OutlineRow]) -> None:
        """Sort the polygons of some rows by place."""
        self.polygons = np.array([row.geometry for row in rows], dtype=object)
        self.tree = shapely.STRtree(self.polygons)

    @property
    def bounds(self) -> Box | None:
        """The box around all of them; None around none."""
        if not len(self.polygons):
            return None
        west, south, east, north = shapely.total_bounds(self.polygons)
        return float(west), float(south), float(east), float(north)

    def find(self, box: Box) -> list[int]:
        """Places, in order, of the outlines that share a point with a box."""
        found = [self.tree.query(shapely.box(*part), "intersects") for part in split_box(box)]
        return sorted({int(place) for places in found for place in places})


def split_box(box: Box) -> list[Box]:
    """A box, or its two parts where it lies over the date line."""
    west, south, east, north = box
    if west <= east:
        return [box]
    return [(west, south, 180.0, north), (-180.0, south, east, north)]


def encode_polygon(polygon: shapely.Polygon) -> dict[str, Any]:
    """A polygon in degrees as a geometry of GeoJSON: outer rings run counter-clockwise.

    Source: RFC 7946, 3.1.6.
    """
    turned = shapely.orient_polygons(polygon)
    rings = [turned.exterior, *turned.interiors]
    places = [np.round(shapely.get_coordinates(ring), DECIMALS).tolist() for ring in rings]
    return {"type": "Polygon", "coordinates": places}
