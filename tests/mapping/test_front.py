import numpy as np
import pytest

from glacier.errors import SeriesError
from glacier.geo.raster import Grid
from glacier.mapping.front import Front, find_front

GRID = Grid("EPSG:32608", 500_000, 6_000_000, 30, 20, 10)
TONGUE = np.zeros((20, 10), np.uint8)
TONGUE[:12] = 1
DOWN = np.array([[500_150.0, 6_000_000], [500_150, 5_999_400]])


def test_straight_down_in_closed_form() -> None:
    assert find_front(TONGUE, GRID, DOWN) == Front(12 * 30)
    later = DOWN - [0, 45]  # begins a pixel and a half lower
    assert find_front(TONGUE, GRID, later).position_m == pytest.approx(12 * 30 - 45)


def test_a_slanting_line_and_its_bends() -> None:
    slanting = np.array([[500_000.0, 6_000_000], [500_300, 5_999_400]])
    found = find_front(TONGUE, GRID, slanting).position_m
    assert found == pytest.approx(12 * 30 * np.sqrt(1.25))
    bent = np.array([[500_015.0, 5_999_985], [500_285, 5_999_985], [500_285, 5_999_415]])
    assert find_front(TONGUE, GRID, bent).position_m == pytest.approx(270 + 345)


def test_a_line_through_corners_touches_no_pixel_beside_it() -> None:
    classes = np.eye(10, dtype=np.uint8)
    grid = Grid("EPSG:32608", 0.1, 0.1, 0.3, 10, 10)
    line = np.array([[0.1, 0.1], [0.1 + 3.0, 0.1 - 3.0]])
    assert find_front(classes, grid, line) == Front(None, "beyond_line")
    classes[7, 7] = 0
    assert find_front(classes, grid, line).position_m == pytest.approx(2.1 * np.sqrt(2))


def test_ice_beyond_ground_is_another_glacier_unless_the_ground_is_short() -> None:
    classes = TONGUE.copy()
    classes[5] = 0
    assert find_front(classes, GRID, DOWN).position_m == pytest.approx(5 * 30)
    assert find_front(classes, GRID, DOWN, bridge_m=45).position_m == pytest.approx(12 * 30)
    classes[6] = 0
    assert find_front(classes, GRID, DOWN, bridge_m=45).position_m == pytest.approx(5 * 30)


def test_what_is_not_known_is_no_number() -> None:
    clouded = TONGUE.copy()
    clouded[9] = 255
    assert find_front(clouded, GRID, DOWN) == Front(None, "unseen")
    clouded = TONGUE.copy()
    clouded[15] = 255  # below the front
    assert find_front(clouded, GRID, DOWN).position_m == pytest.approx(360)
    assert find_front(np.ones((20, 10), np.uint8), GRID, DOWN) == Front(None, "beyond_line")
    outside = np.array([[0.0, 0.0], [10.0, 10.0]])
    assert find_front(TONGUE, GRID, outside) == Front(None, "unseen")


def test_an_upper_end_on_ground_has_no_ice() -> None:
    assert find_front(np.zeros((20, 10), np.uint8), GRID, DOWN) == Front(0.0)


def test_a_line_that_was_drawn_from_below_measures_nothing() -> None:
    assert find_front(TONGUE, GRID, DOWN[::-1]) == Front(None, "upside_down")


def test_bad_lines_are_named() -> None:
    for line in (DOWN[:1], DOWN[0], DOWN * np.nan):
        with pytest.raises(SeriesError, match="two or more points"):
            find_front(TONGUE, GRID, line)
