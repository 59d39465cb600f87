"""Which frames share ground, by rectangles whose answer is plain."""

from dataclasses import replace

import numpy as np
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glacier.geo.frames import find_corners, find_overlaps, is_southern
from glacier.geo.raster import Grid


def frame(left: int, top: int, width: int = 10, height: int = 10, crs: str = "EPSG:32608") -> Grid:
    """A frame in steps of 30 m near 58 N."""
    return Grid(crs, 500_000 + 30 * left, 6_500_000 + 30 * top, 30, height, width)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    places=st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 15), st.integers(1, 15)),
        min_size=1, max_size=7,
    ),
)  # fmt: skip
def test_groups_are_those_of_rectangles_that_cross(places: list[tuple[int, ...]]) -> None:
    """Against the definition, over and over until no more are joined."""
    grids = {f"r{k}": frame(*place) for k, place in enumerate(places)}

    def cross(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
        (left, top, width, height), (other_left, other_top, other_width, other_height) = a, b
        beside = left >= other_left + other_width or other_left >= left + width
        above = top - height >= other_top or other_top - other_height >= top
        return not (beside or above)

    groups = [{k} for k in range(len(places))]
    for _ in places:
        for k, a in enumerate(places):
            for m, b in enumerate(places):
                one, two = (next(g for g in groups if n in g) for n in (k, m))
                if one is not two and cross(a, b):
                    groups.remove(two)
                    one |= two
    wanted = sorted(sorted(f"r{k}" for k in group) for group in groups if len(group) > 1)
    assert sorted(sorted(group) for group in find_overlaps(grids)) == wanted


def test_frames_side_by_side_share_nothing_and_one_pixel_is_enough() -> None:
    assert find_overlaps({"a": frame(0, 0), "b": frame(10, 0)}) == []
    assert find_overlaps({"a": frame(0, 0), "b": frame(9, 9)}) == [{"a", "b"}]
    assert find_overlaps({"a": frame(0, 0)}) == []


def test_frames_of_two_zones_are_compared_on_the_ground() -> None:
    """132 W is the east edge of zone 8 and the west edge of zone 9."""
    west = Grid("EPSG:32608", 671_000, 6_500_000, 30, 100, 100)  # 3.3 km to the edge
    over = Grid("EPSG:32609", 324_000, 6_500_000, 30, 100, 100)  # begins 1.7 km before it
    beyond = Grid("EPSG:32609", 327_000, 6_500_000, 30, 100, 100)  # where the other one ends
    assert find_overlaps({"west": west, "over": over}) == [{"west", "over"}]
    assert find_overlaps({"west": west, "beyond": beyond, "over": over}) == [{"west", "over"}]


@pytest.mark.parametrize(
    ("crs", "left_m", "shared"),
    [("EPSG:32601", 359_000, True), ("EPSG:32601", 366_000, False),
     ("EPSG:32660", 637_000, True), ("EPSG:32660", 632_000, False)],
)  # fmt: skip
def test_the_date_line_parts_no_frame(crs: str, left_m: float, shared: bool) -> None:
    """A frame from 1.4 km before 180 degrees to 4.6 km beyond, and one on either side of it."""
    over = Grid("EPSG:32660", 640_000, 7_213_000, 30, 100, 200)
    other = Grid(crs, left_m, 7_213_000, 30, 100, 120)
    assert bool(find_overlaps({"over": over, "other": other})) is shared


def test_the_hemisphere_is_told_by_the_middle_of_the_frame() -> None:
    """Landsat's southern scenes have northern zones with negative northings."""
    north = Grid("EPSG:32608", 500_000, 6_500_000, 30, 100, 100)
    assert not is_southern(north)
    assert is_southern(replace(north, top_m=-5_000_000))
    assert is_southern(replace(north, crs="EPSG:32719", top_m=4_000_000))


@pytest.mark.parametrize("crs", ["EPSG:32608", "EPSG:32601"])
def test_corners_go_around_from_the_north_west(crs):
    """In zone 1 the frame crosses the date line: longitudes run on."""
    west = Grid(crs, 300_000, 6_500_000, 1000, 200, 300)
    if crs == "EPSG:32601":
        west = replace(west, left_m=100_000)
    nw, ne, se, sw = find_corners(west)
    assert nw[1] > sw[1] and ne[1] > se[1] and nw[0] < ne[0] and sw[0] < se[0]
    assert max(abs(ne[0] - nw[0]), abs(se[0] - sw[0])) < 7
    back = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    np.testing.assert_allclose(
        back.transform(*se), (west.bounds.right, west.bounds.bottom), atol=0.01
    )
