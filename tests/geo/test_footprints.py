"""The ground of grids in degrees, at places where degrees are awkward, and of bounds."""

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from glacier.geo.footprints import Footprint, cover_bounds, find_footprint, name_crs
from glacier.geo.raster import Grid

STEP = 2e-7
"""Degrees: what rounding may move a corner by, and a little more."""


def shape(footprint: Footprint) -> shapely.Geometry:
    return shapely.MultiPolygon([shapely.Polygon(ring) for ring in footprint.rings])


def corners(grid: Grid) -> list[shapely.Point]:
    """Corners of the pixels' ground in degrees, by pyproj, -180 to 180."""
    left, bottom, right, top = grid.bounds
    way = pyproj.Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    lon, lat = way.transform((left, right, right, left), (top, top, bottom, bottom))
    return [shapely.Point(x, y) for x, y in zip(lon, lat, strict=True)]


def check(grid: Grid) -> Footprint:
    """What holds of every footprint."""
    found = find_footprint(grid)
    assert found is not None
    ground = shape(found)
    assert ground.is_valid
    assert all(ground.distance(corner) < STEP for corner in corners(grid))
    for ring in found.rings:
        assert ring[0] == ring[-1] and shapely.LinearRing(ring).is_ccw
    west, south, east, north = found.bounds
    boxes = [(west, south, east, north)]
    if west > east:
        boxes = [(west, south, 180, north), (-180, south, east, north)]
    assert shapely.union_all([shapely.box(*box) for box in boxes]).buffer(STEP).covers(ground)
    return found


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    zone=st.integers(1, 60),
    left=st.integers(170_000, 800_000),
    top=st.integers(-8_500_000, 9_000_000),
    height=st.integers(1, 3000),
    width=st.integers(1, 3000),
)
def test_a_footprint_holds_the_corners_and_lies_in_its_bounds(
    zone: int, left: int, top: int, height: int, width: int
) -> None:
    check(Grid(f"EPSG:{32600 + zone}", left, top, 30, height, width))


def test_a_frame_over_the_date_line_is_cut_there() -> None:
    found = check(Grid("EPSG:32601", 300_000, 7_500_000, 1000, 20, 200))
    assert len(found.rings) == 2
    west, _, east, _ = found.bounds
    assert 170 < west < 180 and -180 < east < -170
    assert {180.0, -180.0} <= {lon for ring in found.rings for lon, _ in ring}


@pytest.mark.parametrize(("crs", "pole"), [("EPSG:3031", -90), ("EPSG:3413", 90)])
def test_a_frame_around_a_pole_is_a_cap(crs: str, pole: int) -> None:
    found = check(Grid(crs, -50_000, 50_000, 1000, 100, 100))
    west, south, east, north = found.bounds
    assert (west, east) == (-180, 180) and pole in (south, north)


def test_a_frame_beyond_the_edge_of_its_projection_has_none() -> None:
    """Lambert's azimuthal projection ends in a circle; a square around it has no ground."""
    assert find_footprint(Grid("EPSG:3408", -9e6, -12e6, 1e5, 10, 10)) is None


def test_the_ground_agrees_with_the_area_of_the_pixels() -> None:
    found = check(Grid("EPSG:32608", 480_000, 6_500_000, 30, 700, 500))
    (ring,) = found.rings
    area, _ = pyproj.Geod(ellps="WGS84").polygon_area_perimeter(*np.array(ring).T)
    assert area == pytest.approx(0.0009e6 * 700 * 500, rel=1e-3)  # UTM's scale, 0.9996 squared


def test_bounds_are_covered() -> None:
    alps, alaska = (6.0, 45.0, 8.0, 46.0), (-135.0, 58.0, -134.0, 59.0)
    over = (179.0, 51.0, -179.0, 52.0)
    assert cover_bounds([alps]).bounds == alps
    assert cover_bounds([alps, alaska]).bounds == (-135, 45, 8, 59)
    assert cover_bounds([over]).bounds == over
    assert cover_bounds([alps, over]).bounds == (-180, 45, 180, 52)
    assert len(cover_bounds([over]).rings) == 2
    assert shape(cover_bounds([alps, alaska])).area == pytest.approx(3)
    assert shape(cover_bounds([alps, alps])).area == pytest.approx(2)  # ground counts once


def test_a_crs_has_a_code_or_its_words() -> None:
    place = (500_000, 6_500_000, 30, 10, 10)
    assert name_crs(Grid("EPSG:32608", *place)) == ("EPSG:32608", None)
    own = pyproj.CRS("+proj=laea +lat_0=60 +lon_0=-140 +datum=WGS84")
    code, words = name_crs(Grid(own.to_wkt("WKT1_GDAL"), *place))
    assert code is None and words is not None and words.startswith("PROJCRS[")
    here = pyproj.Transformer.from_crs(words, own).transform(120_000.0, -70_000.0)
    assert here == pytest.approx((120_000, -70_000), abs=1e-3)
