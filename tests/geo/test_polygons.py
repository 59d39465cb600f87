"""Any shape -> the ground that it holds, against rings counted by hand."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings

from glacier.geo.polygons import are_finite, mend, swap_axes, take_area
from tests.support.rings import RINGS, SIDE, near_edge, wind

POINTS = np.stack(np.meshgrid(*[np.arange(SIDE * 2) / 2 + 0.25] * 2), -1).reshape(-1, 2)
SQUARE = "((0 0, 4 0, 4 4, 0 4, 0 0))"


@settings(derandomize=True, deadline=None, max_examples=300)
@given(ring=RINGS)
def test_a_ring_holds_what_it_goes_round(ring: list) -> None:
    polygon = shapely.Polygon(ring)
    (mended,) = mend(np.array([polygon], object))
    assert shapely.is_valid(mended)
    sure = ~near_edge(polygon, POINTS, 1e-9)
    found = shapely.contains_xy(mended, *POINTS.T)
    np.testing.assert_array_equal(found[sure], wind(polygon.exterior, POINTS)[sure])


@pytest.mark.parametrize(
    ("text", "area"),
    [
        # A square and a second one over half of it, in one ring, by a bridge.
        ("POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0, 2 0, 6 0, 6 4, 2 4, 2 0, 0 0))", 24),
        # A hole drawn as a cut: there and back along one line.
        ("POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0, 1 1, 1 3, 3 3, 3 1, 1 1, 0 0))", 12),
        ("POLYGON ((0 0, 4 4, 4 0, 0 4, 0 0))", 8),  # a bow tie
        ("MULTIPOLYGON (((0 0, 4 0, 4 4, 0 4, 0 0)), ((2 0, 6 0, 6 4, 2 4, 2 0)))", 24),
        ("POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0), (1 1, 3 1, 3 3, 1 3, 1 1))", 12),
        ("POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0), (1 1, 3 1, 3 3, 1 1), (1 1, 3 1, 2 2, 1 1))", 14),
        ("POLYGON ((0 0, 4 0, 2 0, 0 0))", 0),
    ],
)  # fmt: skip
def test_known_areas(text: str, area: float) -> None:
    (mended,) = mend(np.array([shapely.from_wkt(text)], object))
    assert mended.area == pytest.approx(area)


@pytest.mark.parametrize(
    ("text", "area"),
    [
        (f"POLYGON {SQUARE}", 16),
        ("POLYGON Z ((0 0 7, 4 0 7, 4 4 7, 0 4 7, 0 0 7))", 16),
        (f"MULTIPOLYGON ({SQUARE})", 16),
        (f"GEOMETRYCOLLECTION (POINT (9 9), POLYGON {SQUARE})", 16),
        (f"GEOMETRYCOLLECTION (GEOMETRYCOLLECTION (MULTIPOLYGON ({SQUARE})))", 16),
        ("LINESTRING (0 0, 4 0, 4 4, 0 4, 0 0)", None),
        ("MULTIPOINT (0 0, 1 1)", None),
        ("GEOMETRYCOLLECTION (POINT (9 9))", None),
        ("POLYGON EMPTY", None),
    ],
)
def test_what_holds_area_is_taken_whatever_its_type(text: str, area: float | None) -> None:
    taken = take_area(shapely.from_wkt(text))
    assert (taken if area is None else taken.area) == area
    assert taken is None or not taken.has_z
    assert take_area(None) is None


def test_corners_that_are_no_numbers_are_found() -> None:
    good = shapely.from_wkt(f"POLYGON {SQUARE}")
    bad = shapely.transform(good, lambda xy: np.where(xy == 4, np.inf, xy))
    assert are_finite(np.array([good, bad, good], object)).tolist() == [True, False, True]
    assert are_finite(np.array([], object)).tolist() == []


def test_axes_swap() -> None:
    shapes = np.array([shapely.box(1, 2, 3, 9)], object)
    assert swap_axes(shapes)[0].bounds == (2, 1, 9, 3)
