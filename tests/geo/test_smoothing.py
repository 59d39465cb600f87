import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from glacier.geo.polygonise import Strip, polygonise
from glacier.geo.raster import Grid
from glacier.geo.smoothing import AREA_ERROR, smooth

SIDE_M = 30.0


def outline(mask: np.ndarray) -> list[shapely.Polygon]:
    grid = Grid("EPSG:32608", 500025.0, 6500025.0, SIDE_M, *mask.shape)
    strip = Strip(mask, np.zeros(mask.shape, np.uint8))
    return [patch.polygon for patch in polygonise([strip], grid)]


def disc(radius_px: float) -> np.ndarray:
    y, x = np.indices((64, 64)) - 31.5
    return np.hypot(x, y) < radius_px


def test_a_disc_of_pixels_becomes_round() -> None:
    (steps,) = outline(disc(25))
    smoothed = smooth(steps, SIDE_M)
    assert smoothed.area == pytest.approx(steps.area, rel=AREA_ERROR)
    circle = 2 * np.sqrt(np.pi * steps.area)
    assert steps.length > 1.25 * circle
    assert smoothed.length == pytest.approx(circle, rel=0.06)


def test_the_line_moves_by_less_than_a_pixel() -> None:
    (steps,) = outline(disc(25) & ~disc(12))
    smoothed = smooth(steps, SIDE_M)
    assert len(smoothed.interiors) == 1
    assert shapely.hausdorff_distance(smoothed.boundary, steps.boundary) < 0.75 * SIDE_M


@settings(derandomize=True, deadline=None, max_examples=25)
@given(mask=arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_any_outline_stays_valid_and_keeps_its_area(mask: np.ndarray) -> None:
    for steps in outline(mask):
        smoothed = smooth(steps, SIDE_M)
        assert smoothed.is_valid and smoothed.geom_type == "Polygon"
        assert smoothed.area == pytest.approx(steps.area, rel=1e-3)
