"""One arithmetic for every method: counts by image and unit, outlines, area, calibration."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from glacier.evaluation.boundary import measure_boundary
from glacier.evaluation.calibration import measure_reliability
from glacier.evaluation.metrics import ClassPixels, Counts, count_pixels, pool_counts
from glacier.evaluation.scorecard import AreaScore, OutlineScore, Scorecard, ScorecardBuilder
from glacier.geo.raster import Grid
from glacier.labels import IGNORE, SHADED, Surface, label_truth
from glacier.samples.folds import FoldMasks
from glacier.samples.month_images import MonthImage
from glacier.samples.sample_set import Frame, SampleSet
from glacier.settings.labels import Label
from tests.support.months import make_month

SHAPE = (40, 60)
FRAME = Frame(grid=Grid("EPSG:32608", 0, 0, pixel_m=30, height=80, width=60), shape=SHAPE)
"""Twice as high as the sample: it was resized, so its pixels are 60 x 30 m."""
SAMPLES = SampleSet(
    bands=("nir",),
    size_px=32,
    classes="truth",
    layout="chips",
    blocks=(2, 3),
    label=Label(kind="outlines"),
    regions={"a": FRAME},
    months=(),
)
TEST = ("a/r0c1", "a/r1c1")
PART = np.zeros(SHAPE, bool)
PART[:, 20:40] = True


def begin(label: Label = SAMPLES.label) -> ScorecardBuilder:
    """An empty card of the part, for samples with such labels."""
    samples = SAMPLES.model_copy(update={"label": label})
    return ScorecardBuilder(samples, FoldMasks("by_block", SAMPLES.blocks), TEST)


def make_image(month: int = 1) -> MonthImage:
    rng = np.random.default_rng(month)
    label = (np.add.outer(np.arange(40), np.arange(60)) > 40 + month).astype(np.uint8)
    label[rng.random(SHAPE) < 0.1] = 255
    return make_month("a", date(2020, month, 1), np.zeros((1, *SHAPE), np.float32), label)


def probability(image: MonthImage) -> np.ndarray:
    rng = np.random.default_rng([9, image.month.month])
    return np.clip(0.3 + 0.4 * (image.label == 1) + rng.normal(0, 0.15, SHAPE), 0, 1)


def fill(predictions: list[np.ndarray]) -> Scorecard:
    card = begin()
    for month, prediction in enumerate(predictions, 1):
        card.add(make_image(month), PART, prediction)
    return card.build()


def test_a_margin_at_the_outlines_hides_where_they_lie() -> None:
    """Its rim is none: one far false pixel would be the whole predicted outline."""
    card = begin(Label(kind="outlines", margin_m=60.0))
    card.add(make_image(), PART, probability(make_image()))
    scores = card.build()
    unknown = OutlineScore(f1=None, mean_m=None, p95_m=None)
    assert (scores.tolerance_m, scores.outline) == (60, unknown)
    assert scores.images[0].outline == unknown
    other = begin(Label(kind="truth"))
    other.add(make_image(), PART, probability(make_image()))
    assert other.build().outline.mean_m is not None  # no margin is cut out there


def test_the_valid_share_is_that_of_what_was_seen_whatever_the_label() -> None:
    image = make_image()
    image.numbers[:, :10] = 0
    card = begin()
    card.add(image, PART, probability(image))
    assert card.build().images[0].valid_share == 0.75


def test_what_is_claimed_is_the_sum_of_the_known_probabilities() -> None:
    image = make_image()
    known = PART & (image.label != IGNORE)
    card = begin()
    card.add(image, PART, probability(image))
    card.add(make_image(2), PART, probability(image) >= 0.5)
    soft, hard = card.build().images
    assert soft.claimed_px == pytest.approx(probability(image)[known].sum())
    assert hard.claimed_px is None


def test_pixels_of_resized_samples_are_as_large_as_on_the_ground() -> None:
    assert FRAME.pixel_sides_m == (60, 30)


def test_units_images_and_the_whole_part_add_up_to_the_same() -> None:
    images = [make_image(1), make_image(2)]
    scores = fill([probability(image) for image in images])
    whole = sum(
        (count_pixels(probability(image) >= 0.5, image.label, PART) for image in images), Counts()
    )
    assert [unit.unit for unit in scores.units] == list(TEST)
    assert pool_counts(unit.counts for unit in scores.units) == scores.counts == whole


def test_outlines_and_probabilities_are_pooled_over_the_images() -> None:
    images = [make_image(1), make_image(2)]
    scores = fill([probability(image) for image in images])
    single = [
        measure_boundary(probability(image) >= 0.5, image.label, (60, 30), 60, PART)
        for image in images
    ]
    lengths = [len(b.predicted.metres) + len(b.true.metres) for b in single]
    mean = np.average([b.mean_m for b in single], weights=lengths)
    assert scores.outline.mean_m == pytest.approx(mean)
    assert scores.tolerance_m == 60
    assert [image.outline.f1 for image in scores.images] == [b.f1 for b in single]
    both = [measure_reliability(probability(i), i.label, PART) for i in images]
    assert scores.reliability is not None
    assert scores.reliability.ece == pytest.approx((both[0] + both[1]).ece)


def test_area_errors_of_opposite_sign_cancel_only_where_they_may() -> None:
    scores = fill([np.ones(SHAPE, bool), np.zeros(SHAPE, bool)])
    labels = [make_image(month).label[PART] for month in (1, 2)]
    too_much, missed = int((labels[0] == 0).sum()), int((labels[1] == 1).sum())
    true = int((labels[0] == 1).sum()) + missed
    area, pixel_km2 = scores.area, 60 * 30 / 1e6
    assert area.error_km2 == pytest.approx((too_much - missed) / 2 * pixel_km2)
    assert area.error_abs_km2 == pytest.approx((too_much + missed) / 2 * pixel_km2)
    assert area.error_percent == pytest.approx(100 * (too_much - missed) / true)
    assert scores.reliability is None  # a plain prediction has no probability


def test_a_part_without_images_has_values() -> None:
    scores = fill([])
    assert scores.images == scores.units == ()
    assert scores.area == AreaScore(error_km2=0, error_abs_km2=0, error_percent=0)
    assert scores.outline.f1 == 1


def test_stale_labels_are_told_apart_from_the_truth_class_by_class() -> None:
    """Outlines of a larger glacier: a perfect copy of them calls bare rock ice."""
    label, surface = np.zeros(SHAPE, np.uint8), np.full(SHAPE, Surface.ROCK, np.uint8)
    label[:, 20:35] = 1
    surface[:, 20:30], surface[:5, 20:30] = Surface.CLEAN_ICE, Surface.DEBRIS_ICE
    image = make_month("a", date(2020, 1, 1), np.zeros((1, *SHAPE)), label, surface=surface)
    card = begin()
    card.add(image, PART, label == 1)
    scores = card.build()
    assert scores.classes == {
        "rock": ClassPixels(pixels=400, predicted=200),
        "clean_ice": ClassPixels(pixels=350, predicted=350),
        "debris_ice": ClassPixels(pixels=50, predicted=50),
    }
    (row,) = scores.truth
    assert row.prediction == row.label
    assert row.label.counts == Counts(tp=400, fp=200, fn=0, tn=200)
    assert row.label.outline.mean_m == 5 * 30
    assert scores.images[0].counts.fp == 0
    assert scores.images[0].valid_share == 1


def test_shaded_pixels_count_in_their_surface_and_once_more_as_shaded() -> None:
    surface = np.full(SHAPE, Surface.ROCK, np.uint8)
    surface[:, 20:30] = Surface.CLEAN_ICE
    surface[:, 15:25] |= SHADED
    label = label_truth(surface)
    image = make_month("a", date(2020, 1, 1), np.zeros((1, *SHAPE)), label, surface=surface)
    card = begin(Label(kind="truth"))
    predicted = np.zeros(SHAPE, bool)
    predicted[:, 18:28] = True
    card.add(image, np.ones(SHAPE, bool), predicted)
    rows, cols = SHAPE
    assert card.build().classes == {
        "rock": ClassPixels(pixels=rows * (cols - 10), predicted=rows * 2),
        "clean_ice": ClassPixels(pixels=rows * 10, predicted=rows * 8),
        "shaded_ground": ClassPixels(pixels=rows * 5, predicted=rows * 2),
        "shaded_glacier": ClassPixels(pixels=rows * 5, predicted=rows * 5),
    }


def test_labels_that_are_the_truth_are_not_scored_twice() -> None:
    image = make_image()
    image = replace(image, classes=np.where(image.label == 1, 5, 1).astype(np.uint8))
    card = begin(Label(kind="truth"))
    card.add(image, PART, image.label == 1)
    assert card.build().truth == ()
