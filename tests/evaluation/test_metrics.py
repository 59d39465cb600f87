import itertools

import numpy as np
import pytest
from sklearn import metrics as oracle

from glacier.evaluation.metrics import Counts, count_by_size, count_pixels, percent_of, pool_counts
from glacier.labels import IGNORE


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.choice([0, 1, IGNORE], (13, 17), p=[0.5, 0.3, 0.2]).astype(np.uint8)
    return rng.random((13, 17)) < 0.4, label


@pytest.mark.parametrize("seed", range(6))
def test_metrics_are_those_of_scikit_learn(seed: int) -> None:
    predicted, label = random_case(seed)
    counts = count_pixels(predicted, label)
    valid = label != IGNORE
    truth, claimed = label[valid], predicted[valid]
    assert counts.dice == pytest.approx(oracle.f1_score(truth, claimed), abs=1e-12)
    assert counts.iou == pytest.approx(oracle.jaccard_score(truth, claimed), abs=1e-12)
    assert counts.precision == pytest.approx(oracle.precision_score(truth, claimed), abs=1e-12)
    assert counts.recall == pytest.approx(oracle.recall_score(truth, claimed), abs=1e-12)
    tn, fp, fn, tp = oracle.confusion_matrix(truth, claimed).ravel().tolist()
    assert counts == Counts(tp, fp, fn, tn)


@pytest.mark.parametrize("seed", range(3))
def test_counts_of_the_parts_add_up_to_those_of_the_whole(seed: int) -> None:
    predicted, label = random_case(seed)
    rng = np.random.default_rng(seed)
    owner = rng.integers(0, 4, label.shape)  # any partition, such as blocks or workers
    parts = [count_pixels(predicted, label, owner == k) for k in range(4)]
    whole = count_pixels(predicted, label)
    for order in itertools.permutations(parts):
        assert sum(order, Counts()) == whole
    strips = [count_pixels(predicted[a : a + 5], label[a : a + 5]) for a in (0, 5, 10)]
    assert sum(strips, Counts()) == whole


def test_unknown_pixels_count_nowhere() -> None:
    predicted = np.array([[True, False, True, False]])
    label = np.array([[IGNORE, IGNORE, 1, 0]], np.uint8)
    assert count_pixels(predicted, label) == Counts(tp=1, tn=1)
    everywhere = np.ones((1, 4), bool)
    assert count_pixels(predicted, label, everywhere) == Counts(tp=1, tn=1)
    assert count_pixels(predicted, np.full((1, 4), IGNORE, np.uint8)) == Counts()


def test_pixels_outside_the_part_count_nowhere_and_the_part_is_left_alone() -> None:
    predicted, label = np.ones((2, 2), bool), np.array([[1, 0], [0, IGNORE]], np.uint8)
    part = np.array([[True, True], [False, True]])
    assert count_pixels(predicted, label, part) == Counts(tp=1, fp=1)
    assert part.tolist() == [[True, True], [False, True]]
    assert count_pixels(predicted, label, np.zeros((2, 2), bool)) == Counts()


@pytest.mark.parametrize(
    ("counts", "dice", "iou", "precision", "recall"),
    [
        (Counts(tn=9), 1, 1, 1, 1),  # no glacier, none called
        (Counts(), 1, 1, 1, 1),
        (Counts(fp=3, tn=6), 0, 0, 0, 0),  # no glacier, some called
        (Counts(fn=3, tn=6), 0, 0, 0, 0),  # a glacier, none called
        (Counts(tp=4, tn=5), 1, 1, 1, 1),
        (Counts(tp=2, fp=1, fn=1, tn=5), 2 / 3, 0.5, 2 / 3, 2 / 3),
    ],
)
def test_metrics_at_the_edges(
    counts: Counts, dice: float, iou: float, precision: float, recall: float
) -> None:
    found = (counts.dice, counts.iou, counts.precision, counts.recall)
    assert found == pytest.approx((dice, iou, precision, recall))


def test_iou_is_symmetric_and_below_dice() -> None:
    for seed in range(5):
        predicted, label = random_case(seed)
        valid = label != IGNORE
        forth = count_pixels(predicted, label)
        back = count_pixels(label == 1, np.where(valid, predicted, IGNORE).astype(np.uint8))
        assert forth.iou == back.iou and forth.dice == back.dice
        assert 0 < forth.iou < forth.dice < 1
        assert forth.dice == pytest.approx(2 * forth.iou / (1 + forth.iou))


def test_pooled_counts_are_the_sum() -> None:
    rows = [Counts(tp=1, fp=2, fn=3, tn=4), Counts(tp=10, fp=20, fn=30, tn=40)]
    assert pool_counts(rows) == Counts(11, 22, 33, 44) and pool_counts([]) == Counts()
    assert pool_counts(rows).iou == pytest.approx(11 / 66)


def test_the_area_error_is_signed_and_its_per_cent_defined_without_a_glacier() -> None:
    assert Counts(tp=6, fp=1, fn=4, tn=9).area_error_px == -3
    assert Counts(fp=2, fn=2).area_error_px == 0  # as much too much as too little
    assert percent_of(-3, 10) == pytest.approx(-30)
    assert percent_of(0, 0) == 0
    assert percent_of(3, 0) is None


def test_pixels_count_for_the_size_of_the_glacier_area_they_are_next_to() -> None:
    """100 km2 and 1 pixel: ice found beside the small area is held against small ones alone."""
    label = np.zeros((20, 40), np.uint8)
    label[:, :10], label[10, 30], label[0, 39] = 1, 1, 255
    predicted = label == 1
    predicted[10, 31:34] = True
    sizes = count_by_size(predicted, label, np.ones(label.shape, bool), 0.05)
    assert list(sizes) == ["small", "large"]
    assert (sizes["small"].tp, sizes["small"].fp, sizes["small"].fn) == (1, 3, 0)
    assert sizes["large"].iou == 1
    assert sizes["small"] + sizes["large"] == count_pixels(predicted, label)


def test_without_ice_no_pixel_has_a_size() -> None:
    label = np.zeros((4, 4), np.uint8)
    assert count_by_size(label == 0, label, label == 0, 1.0) == {}


def test_areas_that_touch_at_a_corner_are_one() -> None:
    label = np.eye(8, dtype=np.uint8)
    assert list(count_by_size(label == 1, label, label < 9, 0.1)) == ["medium"]
