"""Polygons of a grid -> polygons on the Earth, with their area, length and place.

Areas and lengths are those on the ellipsoid, so that they depend on no projection: in a UTM zone a
square kilometre of the map is 0.998 to 1.0008 of one on the ground.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyproj
import shapely

from glacier.geo.polygons import mend, take_area
from glacier.geo.raster import WGS84
from glacier.geo.scale import utm_zone

GEOD = pyproj.Geod(ellps="WGS84")


@lru_cache(maxsize=8)
def find_way(crs: str) -> pyproj.Transformer:
    """The way from a CRS to longitude and latitude."""
    return pyproj.Transformer.from_crs(crs, WGS84, always_xy=True)


def to_degrees(polygon: shapely.Polygon, crs: str) -> list[shapely.Polygon]:
    """A polygon of a projected CRS in longitude and latitude, valid and two-dimensional.

    Over the date line longitudes go on beyond 180, so that it stays in one piece.

    Returns:
        One polygon; several where a line between two corners, straight in metres and so bent in
        degrees, went through another corner.
    """
    lon, lat = find_way(crs).transform(*shapely.get_coordinates(polygon).T)
    if np.ptp(lon) > 180:
        lon = np.where(lon < 0, lon + 360, lon)
    corners = np.stack([lon, lat], axis=1)
    placed = shapely.set_coordinates(shapely.force_2d(polygon), corners)
    mended = take_area(mend(np.array([placed], dtype=object))[0])
    return [] if mended is None else list(shapely.get_parts(mended))


def measure(polygon: shapely.Polygon) -> tuple[float, float]:
    """Area, km2, and length of the outline with its holes, km, of a polygon in degrees.

    Source:
        Karney 2013, Algorithms for geodesics, Journal of Geodesy 87, 43-55 (pyproj's ``Geod``).
    """
    area_m2, _ = GEOD.geometry_area_perimeter(shapely.orient_polygons(polygon))
    return area_m2 / 1e6, GEOD.geometry_length(polygon.boundary) / 1e3


def find_inner_point(polygon: shapely.Polygon) -> tuple[float, float]:
    """Longitude, -180 to 180, and latitude of a point within a polygon in degrees."""
    point = polygon.point_on_surface()
    return (point.x + 180) % 360 - 180, point.y


def utm_number(lon_deg: float) -> int:
    """Number of the UTM zone of a longitude, 1 to 60."""
    return int(utm_zone(lon_deg)[-2:])
