"""Frames of regions on the ground: which of them share some, so that folds keep them together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyproj
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from glacier.geo.raster import WGS84, Grid

MIN_SHARED_M2 = 1.0
"""Ground that frames must share to count; those that lie side by side share a rounding error."""

EDGE_POINTS = 16
"""Points along a frame's edge: straight in metres, it bends in degrees."""

M2_PER_DEGREE2 = 111_320.0**2
"""At the equator; less elsewhere, so no shared ground goes unseen for it."""


def find_overlaps(grids: Mapping[str, Grid]) -> list[set[str]]:
    """Regions whose frames share ground.

    Args:
        grids: Region to the pixels of its frame.

    Returns:
        Groups of two or more names, in the order of their first; who shares ground with one of a
        group belongs to it.
    """
    names = sorted(grids)
    frames = np.array([outline_frame(grids[name]) for name in names], dtype=object)
    first, second = shapely.STRtree(frames).query(frames, predicate="intersects")
    shared = shapely.area(shapely.intersection(frames[first], frames[second]))
    linked = shared * M2_PER_DEGREE2 > MIN_SHARED_M2
    edges = (np.ones(int(linked.sum())), (first[linked], second[linked]))
    count, labels = connected_components(coo_array(edges, shape=(len(names), len(names))))
    groups: list[set[str]] = [set() for _ in range(count)]
    for name, label in zip(names, labels, strict=True):
        groups[label].add(name)
    return [group for group in groups if len(group) > 1]


def outline_frame(grid: Grid) -> shapely.Geometry:
    """A frame in degrees; one over the date line lies on both ends of the map."""
    left, bottom, right, top = grid.bounds
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    edge = shapely.segmentize(
        shapely.Polygon(corners), max(right - left, top - bottom) / EDGE_POINTS
    )
    x, y = np.asarray(edge.exterior.coords).T
    lon, lat = pyproj.Transformer.from_crs(grid.crs, WGS84, always_xy=True).transform(x, y)
    if np.ptp(lon) <= 180:
        return shapely.Polygon(np.stack([lon, lat], axis=1))
    ends = [np.where(lon > 0, lon - 360, lon), np.where(lon < 0, lon + 360, lon)]
    return shapely.MultiPolygon([shapely.Polygon(np.stack([end, lat], axis=1)) for end in ends])


def is_southern(grid: Grid) -> bool:
    """Whether the middle of a frame lies south of the equator."""
    left, bottom, right, top = grid.bounds
    to_degrees = pyproj.Transformer.from_crs(grid.crs, WGS84, always_xy=True)
    _, lat = to_degrees.transform((left + right) / 2, (bottom + top) / 2)
    return bool(lat < 0)


def find_corners(grid: Grid) -> tuple[tuple[float, float], ...]:
    """Longitude and latitude of the north-west, north-east, south-east and south-west corner.

    Longitudes run on past 180 degrees in a frame over the date line.
    """
    left, bottom, right, top = grid.bounds
    to_degrees = pyproj.Transformer.from_crs(grid.crs, WGS84, always_xy=True)
    lon, lat = to_degrees.transform((left, right, right, left), (top, top, bottom, bottom))
    if np.ptp(lon) > 180:
        lon = [east + 360 if east < 0 else east for east in lon]
    return tuple(zip(map(float, lon), map(float, lat), strict=True))


def locate_point(grid: Grid, longitude: float, latitude: float) -> tuple[float, float]:
    """Row and column of a point in degrees, from the upper left corner; perhaps beyond the frame.

    Those of the middle of the first pixel are 0.5.
    """
    to_metres = pyproj.Transformer.from_crs(WGS84, grid.crs, always_xy=True)
    x, y = to_metres.transform(longitude, latitude)
    return (grid.top_m - y) / grid.pixel_m, (x - grid.left_m) / grid.pixel_m
