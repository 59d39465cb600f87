"""Simple methods: what they see, and that they are scored as the networks are."""

import dataclasses
from datetime import date

import numpy as np
import pytest

from glacier.config import Config
from glacier.errors import SampleError
from glacier.evaluation.metrics import Counts
from glacier.evaluation.results import BaselineFold
from glacier.samples.coding import Coding
from glacier.samples.folds import FoldMasks, Split
from glacier.samples.month_images import MonthImage
from glacier.samples.sample_set import SampleSet
from glacier.training import baselines
from tests.support.discs import make_samples
from tests.support.months import make_month

BANDS = ("nir", "red", "green")


def make_images() -> list[MonthImage]:
    """Rough ice beside smooth rock of the same brightness; a strip nobody has seen."""
    rng = np.random.default_rng(0)
    images = []
    for month in range(1, 7):
        label = np.zeros((64, 64), np.uint8)
        label[:, 20 + 4 * month :] = 1
        noise = rng.normal(0, 0.08, (3, 64, 64)) * label + rng.normal(0, 0.005, (3, 64, 64))
        picture = (0.4 + noise).astype(np.float32)
        label[:4], picture[:, :4] = 255, np.nan
        extra = np.where(label == 1, 0.1, 0.3).astype(np.float32)[None]
        extra[:, :4] = np.nan
        images.append(make_month("a", date(2020, month, 1), picture, label, extra))
    return images


SAMPLES = make_samples(64, extra_bands=("swir1",))
MASKS = FoldMasks("shuffled", SAMPLES.blocks)
METHODS = {method.name: method for method in baselines.BASELINES}
SPLIT = Split(0, ("a/2020-01",), ("a/2020-02",), tuple(f"a/2020-0{m}" for m in (3, 4, 5, 6)))
POLYGON = ((0, 0), (1, 0), (1, 1))
CONFIG = Config(
    name="x",
    regions=({"name": "a", "polygon": POLYGON},),
    sweep={"folds": {"kind": "shuffled", "count": 2}},
)


def score(
    name: str, images: list | None = None, samples: SampleSet = SAMPLES, split: Split = SPLIT
) -> BaselineFold | str:
    images = make_images() if images is None else images
    return baselines.score_baseline(METHODS[name], CONFIG, images, samples, MASKS, split)


def counts_of(found: BaselineFold | str) -> Counts:
    """Counts of the one test image."""
    assert isinstance(found, BaselineFold)
    (image,) = found.scorecard.images
    return image.counts


def test_the_forest_learns_texture_that_a_threshold_cannot_see() -> None:
    iou = {}
    for name in ("random_forest", "threshold", "all_glacier"):
        iou[name] = counts_of(score(name)).iou
    assert iou["random_forest"] > 0.85 > iou["all_glacier"] > iou["threshold"]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_scored_on_the_labelled_test_pixels(name: str) -> None:
    found = score(name)
    assert counts_of(found).pixels == 60 * 64
    assert found.scorecard.images[0].month == date(2020, 1, 1)


def test_the_forest_is_the_same_every_time() -> None:
    assert score("random_forest") == score("random_forest")


def test_a_method_whose_bands_are_missing_says_so() -> None:
    samples = SAMPLES.model_copy(update={"bands": ("ndsi", "red", "green")})
    assert score("threshold", samples=samples) == "the samples hold ndsi, red, green, not nir"
    with pytest.raises(SampleError):
        baselines.threshold_prediction(np.zeros((1, 2, 2), np.float32), ["ndsi"], (0, 1), 128)


def test_the_threshold_is_on_grey_of_the_shown_range() -> None:
    image = np.array([0.4, 0.6], np.float32) * np.ones((3, 1, 1), np.float32)
    predicted = [
        baselines.threshold_prediction(image.reshape(3, 1, 2), BANDS, (0.0, top), 128).tolist()
        for top in (1.0, 0.5, 2.0)
    ]
    assert predicted == [[[False, True]], [[True, True]], [[False, False]]]


def test_neighbourhoods_are_means_and_deviations() -> None:
    image = np.zeros((1, 31, 31), np.float32)
    image[0, 15, 15] = 1
    features = baselines.pixel_features(image)
    assert features.shape == (31, 31, 1 + 2 * len(baselines.NEIGHBOURHOODS_PX))
    for k, side in enumerate(baselines.NEIGHBOURHOODS_PX):
        share = 1 / side**2
        assert features[15, 15, 1 + 2 * k] == pytest.approx(share)
        assert features[15, 15, 2 + 2 * k] == pytest.approx(np.sqrt(share - share**2), rel=1e-4)


def test_pixels_are_drawn_from_the_labelled_part_alone() -> None:
    image = make_images()[0]
    part = np.zeros((64, 64), bool)
    part[:10, 30:] = True
    coded = make_month("a", image.month, np.indices((64, 64)).astype(np.float32), image.label)
    features, label = baselines.draw_pixels(
        coded.image, coded.label, part, 100, np.random.default_rng(0)
    )
    assert len(label) == 100 and set(label) <= {0, 1}
    rows, cols = features[:, 0], features[:, 1 + 2 * len(baselines.NEIGHBOURHOODS_PX)]
    assert rows.min() >= 4 and rows.max() < 10 and cols.min() >= 30
    assert len(set(zip(rows, cols, strict=True))) == 100


def test_ndsi_is_over_its_threshold_and_near_infrared_tells_water() -> None:
    """One row: ice, snow, water, rock, and a pixel that nobody saw."""
    label = np.array([[1, 1, 0, 0, 255]], np.uint8)
    nir, red, green, swir = (
        np.array([values], np.float32)
        for values in (
            [0.5, 0.8, 0.02, 0.3, np.nan],
            [0.6, 0.9, 0.04, 0.25, np.nan],
            [0.6, 0.9, 0.06, 0.2, np.nan],
            [0.05, 0.1, 0.01, 0.3, np.nan],
        )
    )
    image = make_month("a", date(2020, 1, 1), np.stack([nir, red, green]), label, swir[None])
    part = np.ones((1, 5), bool)
    lesson = baselines.Lesson(CONFIG, SAMPLES, [(image, part)], 0)
    predicted = {
        name: METHODS[name].fit(lesson).predict(image, part)[0].tolist()
        for name in ("ndsi", "ndsi_nir")
    }
    assert predicted["ndsi"] == [True, True, True, False, False]
    assert predicted["ndsi_nir"] == [True, True, False, False, False]


def test_the_ratio_learns_its_threshold_from_the_training_part_alone() -> None:
    found = score("band_ratio")
    assert 0.4 / 0.3 < found.fitted["ratio_above"] < 0.4 / 0.1  # rock and ice of make_images
    assert counts_of(found).iou > 0.95
    images = make_images()
    upside_down = np.where(images[0].label == 255, 255, 1 - images[0].label).astype(np.uint8)
    images[0] = dataclasses.replace(images[0], label=upside_down)
    again = score("band_ratio", images)
    assert again.fitted == found.fitted and again.scorecard != found.scorecard


def test_the_best_threshold_of_separable_values_parts_them() -> None:
    values = np.array([0.1, 0.2, 0.3, 0.7, 0.8], np.float32)
    above = baselines.best_threshold(values, np.array([0, 0, 0, 1, 1], np.uint8))
    assert 0.3 <= above < 0.7


@pytest.mark.parametrize("name", ["ndsi", "ndsi_nir", "band_ratio"])
def test_an_archive_without_short_wave_infrared_is_a_reason(name: str) -> None:
    images = [dataclasses.replace(i, extra_numbers=i.extra_numbers * 0) for i in make_images()]
    found = score(name, images)
    assert isinstance(found, str) and "has no swir1: the archive does not hold the band" in found


@pytest.mark.parametrize("name", ["ndsi", "ndsi_nir", "band_ratio"])
def test_a_month_that_shows_nothing_is_no_lack_of_a_band(name: str) -> None:
    images = make_images()
    empty = dataclasses.replace(
        images[0], numbers=images[0].numbers * 0, extra_numbers=images[0].extra_numbers * 0,
        label=np.full_like(images[0].label, 255),
    )  # fmt: skip
    assert counts_of(score(name, [empty, *images[1:]])).pixels == 0


def test_bands_over_their_own_maximum_are_not_taken_for_reflectance() -> None:
    extra = {"scale": "own_maximum", "extra_bands": ("green", "red", "nir", "swir1")}
    samples = SAMPLES.model_copy(update=extra)
    plain = np.stack([np.full((64, 64), v, np.float32) for v in (0.6, 0.5, 0.4, 0.3)])
    lesson = baselines.Lesson(CONFIG, samples, [], 0)
    numbers = Coding.plain(4).encode(plain)
    stored = dataclasses.replace(make_images()[0], extra_numbers=numbers)
    assert np.unique(lesson.band(stored, "green")).tolist() == [pytest.approx(0.6, abs=2e-5)]
    with pytest.raises(SampleError, match="do not hold blue"):
        lesson.band(stored, "blue")


def test_a_fold_without_labelled_training_pixels_is_a_reason() -> None:
    split = dataclasses.replace(SPLIT, train=())
    for name in METHODS:
        assert score(name, split=split) == "fold 0 has no labelled training pixel"


def test_a_fold_whose_training_part_nobody_saw_in_infrared_is_a_reason() -> None:
    images = make_images()
    for image in images[2:]:
        image.numbers[:, :4], image.extra_numbers[:, :4] = 22000, 18000
        image.extra_numbers[:, 4:] = 0
    found = score("band_ratio", images)
    assert isinstance(found, str) and "no labelled training pixel" in found


def test_only_a_method_with_probabilities_is_calibrated() -> None:
    assert score("threshold").scorecard.reliability is None
    assert 0 <= score("random_forest").scorecard.reliability.ece < 0.2


def test_held_out_images_teach_and_test_no_method() -> None:
    """A year is in the test split; the month of it that is held out is not."""
    images, split = make_images(), Split(0, ("2020",), (), ("2021",))
    images += [dataclasses.replace(i, month=i.month.replace(year=2021)) for i in images]
    found = baselines.score_baseline(
        METHODS["all_glacier"], CONFIG, images, SAMPLES,
        FoldMasks("by_year", (2, 2), ("a/2020-06", "a/2021-01")), split,
    )  # fmt: skip
    assert [image.month.month for image in found.scorecard.images] == [1, 2, 3, 4, 5]


def test_a_label_made_by_a_rule_has_no_rival_in_that_rule() -> None:
    rivals = {
        kind: {m.name for m in baselines.BASELINES if m.describe(kind).is_rival}
        for kind in ("truth", "ndsi", "threshold")
    }
    assert rivals["truth"] == set(METHODS)
    assert rivals["truth"] - rivals["ndsi"] == {"ndsi", "ndsi_nir"}
    assert rivals["truth"] - rivals["threshold"] == {"threshold"}
