"""Scores of any method on real places, against answers that are known beforehand."""

from datetime import date

import numpy as np
import pytest

from glacier.evaluation.debris import find_debris
from glacier.evaluation.places import PlaceTable, judge_image, make_table
from glacier.geo.raster import Grid
from glacier.labels import Surface
from glacier.samples.month_images import MonthImage
from glacier.samples.sample_set import Frame, SampleSet
from tests.support.months import make_month

SIDE = 20
FRAME = Frame(grid=Grid("EPSG:32608", 0, 0, 30, SIDE, SIDE), shape=(SIDE, SIDE))
SAMPLES = SampleSet(
    bands=("blue", "green", "red", "nir", "swir1"),
    size_px=SIDE,
    layout="chips",
    blocks=(1, 1),
    regions=dict.fromkeys(("a", "good", "bad", "none"), FRAME),
)
HALF = np.arange(SIDE) < SIDE // 2
LEFT = np.broadcast_to(HALF, (SIDE, SIDE))
"""Glacier of most images here."""

ICE, ROCK = (0.8, 0.8, 0.8, 0.7, 0.1), (0.1, 0.1, 0.1, 0.2, 0.3)


def make_image(
    region: str = "a", year: int = 2020, label: np.ndarray | None = None,
    bright: np.ndarray = LEFT, surface: np.ndarray | None = None,
) -> MonthImage:  # fmt: skip
    """An image whose bright pixels look like ice."""
    image = np.where(bright, np.array(ICE)[:, None, None], np.array(ROCK)[:, None, None])
    label = LEFT.astype(np.uint8) if label is None else label.astype(np.uint8)
    return make_month(region, date(year, 3, 1), image, label, surface=surface)


def judge(found: np.ndarray, *images: MonthImage) -> PlaceTable:
    finds = [judge_image(image, found, SAMPLES) for image in images]
    return make_table("mine", "ground-1", finds)


def test_a_perfect_mask_scores_one() -> None:
    (place,) = judge(LEFT, make_image()).places
    assert (place.iou, place.dice, place.precision, place.recall) == (1, 1, 1, 1)
    assert (place.boundary_mean_m, place.boundary_f1) == (0, 1)
    assert (place.area_error_percent, place.claimed_percent) == (0, 0)
    assert place.true_km2 == place.area_km2 == pytest.approx(SIDE**2 / 2 * 900e-6)


def test_calling_all_of_it_ice_has_the_share_of_ice_as_precision() -> None:
    label = np.arange(SIDE)[None] < np.full((SIDE, 1), 5)
    (place,) = judge(np.ones((SIDE, SIDE), bool), make_image(label=label)).places
    assert place.precision == place.iou == pytest.approx(0.25) and place.recall == 1
    assert place.dice == pytest.approx(0.4)
    assert place.area_error_percent == pytest.approx(300) and place.claimed_percent == 100


def test_an_outline_that_lies_three_pixels_off_is_90_m_away() -> None:
    label = np.arange(SIDE)[None] < np.full((SIDE, 1), 5)
    found = np.arange(SIDE)[None] < np.full((SIDE, 1), 8)
    (place,) = judge(found, make_image(label=label)).places
    assert place.boundary_mean_m == pytest.approx(90) and place.boundary_f1 == 0
    assert place.area_error_percent == pytest.approx(60)


def test_debris_is_glacier_that_shows_no_ice_or_what_the_label_calls_so() -> None:
    bright = np.arange(SIDE)[None] < np.full((SIDE, 1), 4)
    image = make_image(bright=bright)
    np.testing.assert_array_equal(find_debris(image, SAMPLES), LEFT & ~bright)
    (place,) = judge(bright, image).places
    assert place.debris_recall == 0 and place.recall == pytest.approx(0.4)
    (place,) = judge(np.arange(SIDE)[None] < np.full((SIDE, 1), 7), image).places
    assert place.debris_recall == pytest.approx(0.5)
    surface = np.where(LEFT, Surface.DEBRIS_ICE, 0).astype(np.uint8)
    image = make_image(surface=surface)
    np.testing.assert_array_equal(find_debris(image, SAMPLES), LEFT)
    short = SAMPLES.model_copy(update={"bands": ("blue", "green", "red", "nir", "ndsi")})
    assert find_debris(make_image(), short) is None


def test_debris_is_not_told_by_shares_of_an_images_maximum_but_by_the_reflectance_beside() -> None:
    pixels = np.broadcast_to(np.array(ROCK)[:, None, None], (len(ROCK), SIDE, SIDE))
    seen = np.broadcast_to(np.array([0.8, 0.7, 0.1])[:, None, None], (3, SIDE, SIDE))
    image = make_month("a", date(2020, 3, 1), pixels, LEFT.astype(np.uint8), extra=seen)
    stretched = SAMPLES.model_copy(update={"scale": "own_maximum"})
    assert find_debris(image, stretched) is None
    beside = stretched.model_copy(update={"extra_bands": ("green", "nir", "swir1")})
    found = find_debris(image, beside)
    assert found is not None and not found.any()


def test_a_place_without_ice_is_scored_by_what_is_claimed_alone() -> None:
    found = np.zeros((SIDE, SIDE), bool)
    found[0, :4] = True
    (place,) = judge(found, make_image(label=np.zeros((SIDE, SIDE)))).places
    assert place.claimed_percent == pytest.approx(1)
    assert place.iou is place.dice is place.precision is place.debris_recall is None
    assert place.area_error_percent is place.boundary_mean_m is None


def test_unknown_ground_counts_nowhere() -> None:
    label = LEFT.astype(np.uint8)
    label[:, SIDE // 2 :] = 255
    (place,) = judge(np.ones((SIDE, SIDE), bool), make_image(label=label)).places
    assert place.iou == 1 and place.claimed_percent == 0


def test_the_worst_place_comes_first_and_those_without_ice_last() -> None:
    shifted = np.broadcast_to(np.roll(HALF, 5), (SIDE, SIDE))
    table = judge(
        LEFT, make_image("good"), make_image("bad", label=shifted),
        make_image("none", label=np.zeros((SIDE, SIDE))), make_image("good", 2021),
    )  # fmt: skip
    assert [place.region for place in table.places] == ["bad", "good", "none"]
    assert table.places[1].images == 2 and table.places[1].month is None
    assert table.iou_mean == pytest.approx((1 + table.places[0].iou) / 2)
    assert [(s.region, s.month) for s in table.images] == [
        ("bad", "2020-03"), ("good", "2020-03"), ("good", "2021-03"), ("none", "2020-03"),
    ]  # fmt: skip


def test_the_area_of_each_year_is_held_against_its_own_mask() -> None:
    less = np.broadcast_to(np.arange(SIDE) < 8, (SIDE, SIDE))
    table = judge(LEFT, make_image(year=2019), make_image(year=2020, label=less))
    assert [score.area_error_percent for score in table.images] == pytest.approx([0, 25])
    assert table.places[0].area_error_percent == pytest.approx(12.5)
