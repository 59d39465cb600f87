from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from glacier.errors import SeriesError
from glacier.mapping.area import MapArea, StackedRows, measure_areas

Maps = NDArray[np.uint8]


def strips_of(
    maps: Maps, height: int, frame: NDArray[np.bool_] | None = None
) -> Iterator[StackedRows]:
    for top in range(0, maps.shape[1], height):
        rows = slice(top, top + height)
        yield StackedRows(maps[:, rows], None if frame is None else frame[rows])


def measure_one(classes: Maps, pixel_m: tuple[float, float] = (30.0, 30.0)) -> MapArea:
    return measure_areas([StackedRows(classes[None])], pixel_m).own[0]


def test_a_square_in_closed_form() -> None:
    classes = np.zeros((12, 14), np.uint8)
    classes[3:8, 4:10] = 1
    found = measure_one(classes, (20.0, 30.0))
    assert found.area_km2 == pytest.approx(5 * 6 * 600 / 1e6)
    assert found.outline_km == pytest.approx((2 * 5 * 20 + 2 * 6 * 30) / 1e3)
    assert found.half_pixel_km2 == pytest.approx(22 / 2 * 600 / 1e6)
    assert found.seen_share == 1 and found.unseen_km2 == 0


@pytest.mark.parametrize("radius", [50, 200])
def test_a_disc_nears_its_area_and_its_outline_along_sides(radius: int) -> None:
    y, x = np.mgrid[-radius - 2 : radius + 3, -radius - 2 : radius + 3]
    found = measure_one((np.hypot(y, x) <= radius).astype(np.uint8), (1.0, 1.0))
    assert found.area_km2 * 1e6 == pytest.approx(np.pi * radius**2, rel=1 / radius)
    assert found.outline_km * 1e3 == pytest.approx(8 * radius, rel=2 / radius)


def test_neither_the_frame_nor_the_unseen_make_an_outline() -> None:
    assert measure_one(np.ones((4, 5), np.uint8)).outline_km == 0
    classes = np.array([[1, 255, 0], [255, 1, 255]], np.uint8)
    found = measure_one(classes)
    assert found.outline_km == 0
    assert found.seen_share == 0.5
    assert (found.least_km2, found.most_km2) == pytest.approx((2 * 9e-4, 5 * 9e-4))


def test_dates_are_compared_where_all_saw() -> None:
    first = np.array([[1, 1, 1, 0]], np.uint8)
    clouded = np.array([[1, 255, 255, 0]], np.uint8)
    found = measure_areas([StackedRows(np.stack([first, clouded]))], (1000.0, 1000.0))
    assert [area.area_km2 for area in found.own] == [3, 1]
    assert [area.area_km2 for area in found.common] == [1, 1]  # a cloud is no retreat
    assert [area.seen_share for area in found.common] == [0.5, 0.5]
    assert found.own[1].most_km2 == 3


def test_only_the_frame_counts() -> None:
    classes = np.ones((1, 2, 3), np.uint8)
    frame = np.array([[True, False, False], [True, True, False]])
    classes[0, 1, 1] = 0
    found = measure_areas([StackedRows(classes, frame)], (1000.0, 1000.0)).own[0]
    assert (found.area_km2, found.unseen_km2, found.seen_share) == (2, 0, 1)
    assert found.outline_km == 1  # the side within the frame alone
    nothing = measure_areas([StackedRows(classes, np.zeros((2, 3), bool))], (30.0, 30.0)).own[0]
    assert (nothing.area_km2, nothing.seen_share) == (0, 0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), height=st.integers(1, 9))
def test_the_height_of_strips_changes_nothing(seed: int, height: int) -> None:
    rng = np.random.default_rng(seed)
    maps = rng.choice(np.array([0, 1, 255], np.uint8), (3, 8, 6))
    frame = rng.random((8, 6)) < 0.8
    whole = measure_areas([StackedRows(maps, frame)], (30.0, 20.0))
    assert measure_areas(strips_of(maps, height, frame), (30.0, 20.0)) == whole
    for own, common in zip(whole.own, whole.common, strict=True):
        assert common.area_km2 <= own.area_km2 <= own.most_km2 <= common.most_km2


def test_bad_strips_are_named() -> None:
    with pytest.raises(SeriesError, match="no maps"):
        measure_areas([], (30.0, 30.0))
    maps = [StackedRows(np.zeros((2, 1, 3), np.uint8)), StackedRows(np.zeros((2, 1, 4), np.uint8))]
    with pytest.raises(SeriesError, match="2 dates of 4 columns"):
        measure_areas(maps, (30.0, 30.0))
