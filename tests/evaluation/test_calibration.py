import numpy as np
import pytest

from glacier.evaluation.calibration import (
    BINS,
    Calibration,
    Reliability,
    ReliabilityStep,
    choose_threshold,
    fit_calibration,
    measure_reliability,
)
from glacier.evaluation.scorecard import Scorecard
from glacier.labels import IGNORE


def test_a_probability_that_means_what_it_says_has_no_error() -> None:
    label = np.array([[1, 1, 1, 0, IGNORE]], np.uint8)
    found = measure_reliability(np.full((1, 5), 0.75), label)
    assert found.ece == 0
    (step,) = found.curve
    assert step == ReliabilityStep(start=11 / BINS, pixels=4, probability=0.75, glacier=0.75)


def test_the_error_is_the_mean_gap_weighted_by_pixels() -> None:
    probability = np.array([[0.9, 0.9, 0.9, 0.1]])
    label = np.array([[1, 0, 0, 0]], np.uint8)
    expected = (3 * (0.9 - 1 / 3) + 0.1) / 4
    assert measure_reliability(probability, label).ece == pytest.approx(expected)


def test_the_ends_of_the_scale_lie_in_the_first_and_last_bin() -> None:
    curve = measure_reliability(np.array([[0.0, 1.0]]), np.array([[0, 1]], np.uint8)).curve
    assert [step.start for step in curve] == [0, (BINS - 1) / BINS]


def test_parts_add_up_to_the_whole_and_survive_json() -> None:
    rng = np.random.default_rng(0)
    probability = rng.random((9, 11), np.float32)
    label = rng.choice([0, 1, IGNORE], (9, 11)).astype(np.uint8)
    mask = rng.random((9, 11)) < 0.5
    both = measure_reliability(probability, label, mask)
    both += measure_reliability(probability, label, ~mask)
    whole = measure_reliability(probability, label)
    assert both.pixels == whole.pixels
    assert both.ece == pytest.approx(whole.ece)
    card = Scorecard(reliability=both)
    assert Scorecard.model_validate_json(card.model_dump_json()).reliability == both
    assert Reliability().ece == 0 and Reliability().curve == ()


def draw_logits(temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are too large by a factor, and labels drawn from the true probabilities."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0, 2, 200_000)
    label = (rng.random(true.size) < 1 / (1 + np.exp(-true))).astype(np.uint8)
    return true * temperature, label


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_spoiled_the_logits_is_found(temperature: float) -> None:
    logits, label = draw_logits(temperature)
    found = fit_calibration(logits, label)
    assert found.temperature == pytest.approx(temperature, rel=0.02)
    ece = measure_reliability(found.probability(logits)[None], label[None]).ece
    assert ece < 0.01
    if temperature != 1:
        assert measure_reliability(Calibration().probability(logits)[None], label[None]).ece > 0.05


def test_the_threshold_is_that_of_the_highest_dice() -> None:
    """Against every threshold one by one."""
    logits, label = draw_logits(2.0, seed=1)
    found = fit_calibration(logits[:5000], label[:5000])
    probability, truth = found.probability(logits[:5000]), label[:5000] == 1

    def dice(threshold: float) -> float:
        predicted = probability >= threshold
        return 2 * (predicted & truth).sum() / (predicted.sum() + truth.sum())

    steps = np.arange(5, 96) / 100
    assert dice(found.threshold) == pytest.approx(max(dice(t) for t in steps), abs=1e-9)
    assert 0.2 < found.threshold < 0.5  # Dice rewards finding more than half would


def test_equal_thresholds_fall_to_the_middle() -> None:
    truth = np.array([True, True, False, False])
    assert choose_threshold(np.array([0.9, 0.8, 0.2, 0.1]), truth) == 0.5
    assert choose_threshold(np.array([0.9, 0.7, 0.6, 0.1]), truth) == pytest.approx(0.61)


@pytest.mark.parametrize("label", [[0, 0, 255], [1, 1, 255], [255, 255, 255]])
def test_one_kind_of_pixel_calibrates_nothing(label: list[int]) -> None:
    found = fit_calibration(np.array([1.0, -2.0, 3.0]), np.array(label, np.uint8))
    assert found == Calibration(1.0, 0.5)


def test_probabilities_of_extreme_logits_are_finite_and_unseen_stays_unseen() -> None:
    found = Calibration(0.5).probability(np.array([-1e9, 0.0, 1e9, np.nan], np.float32))
    assert found[:3].tolist() == [0.0, 0.5, 1.0] and np.isnan(found[3])
