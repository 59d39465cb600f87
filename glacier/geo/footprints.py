"""Footprints: the ground that images cover, in degrees, as GeoJSON wants it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyproj
import shapely

from glacier.geo.frames import outline_frame
from glacier.geo.polygons import mend, take_area
from glacier.geo.raster import WGS84, Grid

Bounds = tuple[float, float, float, float]
"""West, south, east and north edge, degrees; over the date line west is more than east."""

Ring = tuple[tuple[float, float], ...]
"""Longitude and latitude of corners, the first one again at the end."""

DIGITS = 7
"""Digits of a degree that are kept, 1 cm on the ground: beyond them versions of PROJ differ."""

WORLD = shapely.box(-180, -90, 180, 90)


@dataclass(frozen=True)
class Footprint:
    """Ground in degrees, cut at the date line.

    Source:
        RFC 7946, The GeoJSON Format, 3.1.6, 3.1.9 and 5.2.
    """

    rings: tuple[Ring, ...]
    """The outer ring of each of its polygons, anticlockwise, longitudes from -180 to 180."""
    bounds: Bounds


def find_footprint(grid: Grid) -> Footprint | None:
    """The ground of a grid, with all of its corners; None where that is no place on Earth."""
    with np.errstate(invalid="ignore"):  # no place on Earth is infinity
        outline = outline_frame(grid)
    if not np.isfinite(shapely.get_coordinates(outline)).all():
        return None
    if (pole := find_pole(grid)) is not None:
        edge = np.copysign(np.abs(shapely.get_coordinates(outline)[:, 1]).min(), pole)
        outline = shapely.box(-180, min(edge, pole), 180, max(edge, pole))
    (whole,) = mend(np.array([outline], dtype=object))
    ground = take_area(shapely.intersection(whole, WORLD))
    if ground is None:
        return None
    parts = shapely.get_parts(ground)
    west, south, east, north = shapely.bounds(parts).T
    ends_at_line = east == 180
    bounds = west.min(), south.min(), east.max(), north.max()
    if ends_at_line.any() and not ends_at_line.all():
        bounds = west[ends_at_line].min(), bounds[1], east[~ends_at_line].max(), bounds[3]
    return Footprint(close_rings(parts), round_bounds(bounds))


def find_pole(grid: Grid) -> float | None:
    """Latitude of the pole that lies within a grid; None where neither does."""
    to_grid = pyproj.Transformer.from_crs(WGS84, grid.crs, always_xy=True)
    left, bottom, right, top = grid.bounds
    for lat in (-90.0, 90.0):
        x, y = to_grid.transform(0.0, lat)
        if left <= x <= right and bottom <= y <= top:
            return lat
    return None


def cover_bounds(bounds: Sequence[Bounds]) -> Footprint:
    """The ground within any of some bounds, such as those of a run's regions."""
    boxes = [box for each in bounds for box in cut_at_date_line(each)]
    west, south, east, north = np.array(bounds).T
    whole = west.min(), south.min(), east.max(), north.max()
    if len(bounds) == 1:
        whole = bounds[0]
    elif (west > east).any():
        whole = -180.0, whole[1], 180.0, whole[3]
    return Footprint(close_rings(shapely.get_parts(shapely.union_all(boxes))), round_bounds(whole))


def cut_at_date_line(bounds: Bounds) -> list[shapely.Polygon]:
    """Bounds as one box, or as two on both ends of the map."""
    west, south, east, north = bounds
    if west <= east:
        return [shapely.box(west, south, east, north)]
    return [shapely.box(west, south, 180, north), shapely.box(-180, south, east, north)]


def close_rings(polygons: Iterable[shapely.Polygon]) -> tuple[Ring, ...]:
    """The outer ring of each polygon, anticlockwise."""
    rings = [shapely.orient_polygons(polygon).exterior.coords for polygon in polygons]
    return tuple(tuple((round(x, DIGITS), round(y, DIGITS)) for x, y in ring) for ring in rings)


def round_bounds(bounds: Sequence[float]) -> Bounds:
    """Bounds of as many digits as the corners of rings have."""
    west, south, east, north = (round(float(edge), DIGITS) for edge in bounds)
    return west, south, east, north


def name_crs(grid: Grid) -> tuple[str | None, str | None]:
    """Authority and code of a grid's CRS, such as ``EPSG:32608``, or its WKT2 where it has none."""
    if grid.crs.startswith("EPSG:"):
        return grid.crs, None
    return None, pyproj.CRS(grid.crs).to_wkt("WKT2_2019")
