"""Outlines as GeoJSON: polygons in degrees, cut at the date line, with an inventory's columns."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import date
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from glacier.geo.footprints import DIGITS
from glacier.geo.outline_rows import OutlineRow
from glacier.geo.polygons import take_area

UNDATED = ("src_date", "src_date_min", "src_date_max", "year", "month")
"""Columns that are empty where nobody knows when the image was taken."""

COLUMNS = tuple(field.name for field in fields(OutlineRow) if field.name != "geometry")
"""Names of the properties of a feature, those of the other files of outlines."""

WORLD, BEYOND = shapely.box(-180, -90, 180, 90), shapely.box(180, -90, 540, 90)


def encode_outlines(rows: Iterable[OutlineRow], unknown: Collection[str] = ()) -> bytes:
    """A GeoJSON file of outlines.

    Args:
        rows: The outlines.
        unknown: Columns of which nobody knows anything, such as ``UNDATED``.

    Source:
        RFC 7946, The GeoJSON Format, 3.1.6, 3.1.9, 4 and 5.
    """
    features = [describe_outline(row, unknown) for row in rows]
    collection = {"type": "FeatureCollection", "features": features}
    return json.dumps(collection, allow_nan=False, separators=(",", ":")).encode()


def describe_outline(row: OutlineRow, unknown: Collection[str] = ()) -> dict[str, Any]:
    """An outline as a feature of GeoJSON."""
    cells = {name: None if name in unknown else as_json(getattr(row, name)) for name in COLUMNS}
    return {"type": "Feature", "geometry": describe_shape(row.geometry), "properties": cells}


def as_json(value: Any) -> Any:
    """A value as JSON has it: days as text."""
    return value.isoformat() if isinstance(value, date) else value


def describe_shape(polygon: shapely.Polygon) -> dict[str, Any]:
    """A polygon in degrees as a geometry of GeoJSON, outer rings anticlockwise.

    Args:
        polygon: Longitudes may go on beyond 180.

    Returns:
        A MultiPolygon where it lies on both sides of the date line.
    """
    parts = [list_corners(part) for part in cut_at_date_line(polygon)]
    if len(parts) == 1:
        return {"type": "Polygon", "coordinates": parts[0]}
    return {"type": "MultiPolygon", "coordinates": parts}


def cut_at_date_line(polygon: shapely.Polygon) -> Iterator[shapely.Polygon]:
    """The parts of a polygon on either side of the date line, longitudes from -180 to 180."""
    if polygon.bounds[2] <= 180:
        yield polygon
        return
    for side, shift_deg in ((WORLD, 0.0), (BEYOND, -360.0)):
        found = take_area(shapely.intersection(polygon, side))
        for part in () if found is None else shapely.get_parts(found):
            corners = shapely.get_coordinates(part) + np.array([shift_deg, 0.0])
            yield shapely.set_coordinates(part, corners)


def list_corners(polygon: shapely.Polygon) -> list[list[Sequence[float]]]:
    """Corners of the rings of a polygon, the outer one first."""
    placed = shapely.orient_polygons(polygon)
    return [round_corners(ring) for ring in (placed.exterior, *placed.interiors)]


def round_corners(ring: shapely.LinearRing) -> list[Sequence[float]]:
    """Longitude and latitude of the corners of a ring."""
    corners: NDArray[np.float64] = shapely.get_coordinates(ring)
    found: list[Sequence[float]] = np.round(corners, DIGITS).tolist()
    return found
