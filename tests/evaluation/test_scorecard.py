"""One arithmetic for every method: counts by image and unit, outlines, area, calibration."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from glacier.evaluation.boundary import measure_boundary
from glacier.evaluation.calibration import measure_reliability
from glacier.evaluation.metrics import Counts, count_pixels, pool_counts
from glacier.evaluation.scorecard import Scorecard
from glacier.labels import SHADED, Surface, label_truth
from glacier.samples.dataset import MonthImage, pixel_sides

SHAPE = (40, 60)
GRID = {"pixel_m": 30, "height": 80, "width": 60}
"""Twice as high as the sample: it was resized, so its pixels are 60 x 30 m."""
SUMMARY = {
    "blocks": [2, 3],
    "regions": {"a": {"grid": GRID, "shape": SHAPE}},
    "classes": "truth",
    "label": {"kind": "outlines"},
}
TEST = ("a/r0c1", "a/r1c1")
PART = np.zeros(SHAPE, bool)
PART[:, 20:40] = True


def make_image(month: int = 1) -> MonthImage:
    rng = np.random.default_rng(month)
    label = (np.add.outer(np.arange(40), np.arange(60)) > 40 + month).astype(np.uint8)
    label[rng.random(SHAPE) < 0.1] = 255
    return MonthImage("a", date(2020, month, 1), np.zeros((1, *SHAPE), np.float32), label)


def probability(image: MonthImage) -> np.ndarray:
    rng = np.random.default_rng([9, image.month.month])
    return np.clip(0.3 + 0.4 * (image.label == 1) + rng.normal(0, 0.15, SHAPE), 0, 1)


def fill(answers: list) -> dict:
    card = Scorecard(SUMMARY, "by_block", TEST)
    for month, answer in enumerate(answers, 1):
        card.add(make_image(month), PART, answer)
    return card.as_dict()


def test_a_margin_at_the_outlines_hides_where_they_lie() -> None:
    """Its rim is none: one far false pixel would be the whole predicted outline."""
    marked = SUMMARY | {"label": {"kind": "outlines", "margin_m": 60.0}}
    card = Scorecard(marked, "by_block", TEST)
    card.add(make_image(), PART, probability(make_image()))
    scores = card.as_dict()
    measures = dict.fromkeys(("boundary_f1", "boundary_mean_m", "boundary_p95_m"))
    assert scores["boundary"] == {"tolerance_m": 60, **measures}
    assert measures.items() <= scores["tested"][0].items()
    other = Scorecard(marked | {"label": {"kind": "truth", "margin_m": 60.0}}, "by_block", TEST)
    other.add(make_image(), PART, probability(make_image()))
    assert other.as_dict()["boundary"]["boundary_mean_m"] is not None  # no margin is cut out there


def test_the_valid_share_is_that_of_what_was_seen_whatever_the_label() -> None:
    image = make_image()
    image.image[:, :10] = np.nan
    card = Scorecard(SUMMARY, "by_block", TEST)
    card.add(image, PART, probability(image))
    assert card.as_dict()["tested"][0]["valid_share"] == 0.75


def test_pixels_of_resized_samples_are_as_large_as_on_the_ground() -> None:
    assert pixel_sides(SUMMARY, "a") == (60, 30)


def test_units_images_and_the_whole_part_add_up_to_the_same() -> None:
    images = [make_image(1), make_image(2)]
    scores = fill([probability(image) for image in images])
    whole = sum(
        (count_pixels(probability(image) >= 0.5, image.label, PART) for image in images), Counts()
    )
    assert [row["unit"] for row in scores["units"]] == list(TEST)
    assert pool_counts(scores["units"]) == pool_counts(scores["tested"]) == whole


def test_outlines_and_probabilities_are_pooled_over_the_images() -> None:
    images = [make_image(1), make_image(2)]
    scores = fill([probability(image) for image in images])
    single = [
        measure_boundary(probability(image) >= 0.5, image.label, (60, 30), 60, PART)
        for image in images
    ]
    lengths = [len(b.predicted.metres) + len(b.true.metres) for b in single]
    mean = np.average([b.mean_m for b in single], weights=lengths)
    assert scores["boundary"]["boundary_mean_m"] == pytest.approx(mean)
    assert scores["boundary"]["tolerance_m"] == 60
    assert [row["boundary_f1"] for row in scores["tested"]] == [b.f1 for b in single]
    both = [measure_reliability(probability(i), i.label, PART) for i in images]
    assert scores["calibration"]["ece"] == pytest.approx((both[0] + both[1]).ece)


def test_area_errors_of_opposite_sign_cancel_only_where_they_may() -> None:
    scores = fill([np.ones(SHAPE, bool), np.zeros(SHAPE, bool)])
    labels = [make_image(month).label[PART] for month in (1, 2)]
    too_much, missed = int((labels[0] == 0).sum()), int((labels[1] == 1).sum())
    true = int((labels[0] == 1).sum()) + missed
    area, pixel_km2 = scores["area"], 60 * 30 / 1e6
    assert area["area_error_km2"] == pytest.approx((too_much - missed) / 2 * pixel_km2)
    assert area["area_error_abs_km2"] == pytest.approx((too_much + missed) / 2 * pixel_km2)
    assert area["area_error_percent"] == pytest.approx(100 * (too_much - missed) / true)
    assert scores["calibration"] is None  # a plain answer has no probability


def test_a_part_without_images_has_values() -> None:
    scores = fill([])
    assert scores["tested"] == scores["units"] == []
    assert set(scores["area"].values()) == {0}
    assert scores["boundary"]["boundary_f1"] == 1


def test_stale_labels_are_told_apart_from_the_truth_class_by_class() -> None:
    """Outlines of a larger glacier: a perfect copy of them calls bare rock ice."""
    label, surface = np.zeros(SHAPE, np.uint8), np.full(SHAPE, Surface.ROCK, np.uint8)
    label[:, 20:35] = 1
    surface[:, 20:30], surface[:5, 20:30] = Surface.CLEAN_ICE, Surface.DEBRIS_ICE
    image = MonthImage("a", date(2020, 1, 1), np.zeros((1, *SHAPE)), label, surface=surface)
    card = Scorecard(SUMMARY, "by_block", TEST)
    card.add(image, PART, label == 1)
    scores = card.as_dict()
    assert scores["classes"] == {
        "rock": {"pixels": 400, "called": 200},
        "clean_ice": {"pixels": 350, "called": 350},
        "debris_ice": {"pixels": 50, "called": 50},
    }
    (row,) = scores["truth"]
    assert row["answer"] == row["label"]
    assert [row["label"][name] for name in ("tp", "fp", "fn", "tn")] == [400, 200, 0, 200]
    assert row["label"]["boundary_mean_m"] == 5 * 30
    assert scores["tested"][0]["fp"] == 0
    assert scores["tested"][0]["valid_share"] == 1


def test_shaded_pixels_count_in_their_surface_and_once_more_as_shaded() -> None:
    surface = np.full(SHAPE, Surface.ROCK, np.uint8)
    surface[:, 20:30] = Surface.CLEAN_ICE
    surface[:, 15:25] |= SHADED
    label = label_truth(surface)
    image = MonthImage("a", date(2020, 1, 1), np.zeros((1, *SHAPE)), label, surface=surface)
    card = Scorecard(SUMMARY | {"label": {"kind": "truth"}}, "by_block", TEST)
    called = np.zeros(SHAPE, bool)
    called[:, 18:28] = True
    card.add(image, np.ones(SHAPE, bool), called)
    rows, cols = SHAPE
    assert card.as_dict()["classes"] == {
        "rock": {"pixels": rows * (cols - 10), "called": rows * 2},
        "clean_ice": {"pixels": rows * 10, "called": rows * 8},
        "shaded_ground": {"pixels": rows * 5, "called": rows * 2},
        "shaded_glacier": {"pixels": rows * 5, "called": rows * 5},
    }


def test_labels_that_are_the_truth_are_not_scored_twice() -> None:
    image = make_image()
    image = replace(image, surface=np.where(image.label == 1, 5, 1).astype(np.uint8))
    card = Scorecard(SUMMARY | {"label": {"kind": "truth"}}, "by_block", TEST)
    card.add(image, PART, image.label == 1)
    assert card.as_dict()["truth"] == []
