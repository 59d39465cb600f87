import numpy as np
import pytest

from glacier.evaluation.boundary import find_boundary, measure_boundary, pool_boundaries
from glacier.labels import IGNORE

SIDE = 20


def left_of(column: int) -> np.ndarray:
    """Glacier left of a column."""
    mask = np.zeros((SIDE, SIDE), bool)
    mask[:, :column] = True
    return mask


def test_a_shifted_straight_edge_is_as_far_as_it_was_moved() -> None:
    found = measure_boundary(left_of(13), left_of(10).astype(np.uint8), (30, 20), 59)
    assert found.mean_m == pytest.approx(60) and found.p95_m == pytest.approx(60)
    assert (found.precision, found.recall, found.f1) == (0, 0, 0)
    assert measure_boundary(left_of(13), left_of(10).astype(np.uint8), (30, 20), 60).f1 == 1


def test_precision_and_recall_tell_a_false_outline_from_a_missed_one() -> None:
    truth = left_of(5)
    islet = truth.copy()
    islet[10, 15] = True
    false = measure_boundary(islet, truth.astype(np.uint8), (30, 30), 30)
    assert (false.precision, false.recall) == (pytest.approx(20 / 21), 1)
    missed = measure_boundary(truth, islet.astype(np.uint8), (30, 30), 30)
    assert (missed.precision, missed.recall) == (1, pytest.approx(20 / 21))
    assert false.f1 == missed.f1 == pytest.approx(2 * (20 / 21) / (41 / 21))
    assert missed.mean_m == pytest.approx(11 * 30 / 41)  # ten columns and one pixel of rest


def test_the_edge_of_what_counts_is_no_outline() -> None:
    label = left_of(10).astype(np.uint8)
    whole = find_boundary(label == 1, np.ones(label.shape, bool))
    assert np.argwhere(whole)[:, 1].tolist() == [9] * SIDE  # not the rim of the image
    label[:, 8:12] = IGNORE  # the margin itself is unknown
    assert not find_boundary(label == 1, label != IGNORE).any()
    part = np.zeros(label.shape, bool)
    part[:, :8] = True
    found = measure_boundary(left_of(8), label, (30, 30), 30, part)
    assert (found.f1, found.mean_m) == (1, 0)


def test_unknown_pixels_and_those_outside_the_part_change_nothing() -> None:
    rng = np.random.default_rng(1)
    label = left_of(10).astype(np.uint8)
    label[rng.random(label.shape) < 0.2] = IGNORE
    part = rng.random(label.shape) < 0.9
    counted = part & (label != IGNORE)
    answers = [left_of(12), np.where(counted, left_of(12), rng.random(label.shape) < 0.5)]
    first, second = (measure_boundary(a, label, (30, 30), 30, part) for a in answers)
    assert first.mean_m == second.mean_m > 0 and first.f1 == second.f1
    assert part.any() and (label == IGNORE).any()


@pytest.mark.parametrize(
    ("predicted", "truth", "f1", "distance_px"),
    [
        (left_of(0), left_of(0), 1, 0),
        (left_of(SIDE), left_of(SIDE), 1, 0),
        (left_of(SIDE), left_of(0), 0, SIDE),
        (left_of(0), left_of(SIDE), 0, SIDE),
        (left_of(0), left_of(5), 0, SIDE),
        (left_of(5), left_of(SIDE), 0, SIDE),
    ],
)
def test_masks_without_an_outline(
    predicted: np.ndarray, truth: np.ndarray, f1: float, distance_px: int
) -> None:
    found = measure_boundary(predicted, truth.astype(np.uint8), (30, 30), 1e9)
    diagonal_m = 30 * distance_px * np.sqrt(2)
    assert (found.f1, found.mean_m, found.p95_m) == (
        f1,
        pytest.approx(diagonal_m),
        pytest.approx(diagonal_m),
    )


def test_pooling_is_over_boundary_pixels() -> None:
    truth = left_of(10).astype(np.uint8)
    near, far = (measure_boundary(left_of(c), truth, (30, 30), 30) for c in (11, 14))
    short = measure_boundary(left_of(14)[:5], truth[:5], (30, 30), 30)
    pooled = pool_boundaries([near, short])
    assert pooled.mean_m == pytest.approx((20 * 30 + 5 * 120) / 25)
    assert pooled.precision == pooled.recall == pytest.approx(20 / 25)
    assert pool_boundaries([near, far]).p95_m == 120
    assert (pool_boundaries([]).f1, pool_boundaries([]).mean_m) == (1, 0)
