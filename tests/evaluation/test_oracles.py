"""Our metrics against those of torchmetrics and MONAI, and what ours say where theirs do not.

Both are test dependencies alone. 200 random cases each, to 1e-6.

Differences of definition, and how they are met:

- MONAI takes the edge of the image for an outline; here it is none. A ring of ground around
  the case makes the two the same.
- torchmetrics' binary calibration error has a bin of its own for a probability of exactly 1;
  here the last bin holds it. The cases stay below 1.
- MONAI's surface Dice adds up the near pixels of both outlines; the F1 here is the harmonic mean
  of its two shares. The shares are compared, one by one and put together as MONAI does.
- MONAI works in float32, hence a relative 1e-6 on metres.
"""

import numpy as np
import pytest
import torch
from monai.metrics import (
    compute_average_surface_distance,
    compute_hausdorff_distance,
    compute_surface_dice,
)
from monai.metrics.utils import get_edge_surface_distance
from scipy import ndimage
from torchmetrics.functional.classification import (
    binary_calibration_error,
    binary_f1_score,
    binary_jaccard_index,
    binary_precision,
    binary_recall,
)
from torchmetrics.functional.segmentation import dice_score, hausdorff_distance

from glacier.evaluation.boundary import measure_boundary
from glacier.evaluation.calibration import BINS, measure_reliability
from glacier.evaluation.metrics import Counts, count_pixels
from glacier.labels import IGNORE

CASES = 200
OVERLAPS = {
    "dice": binary_f1_score,
    "iou": binary_jaccard_index,
    "precision": binary_precision,
    "recall": binary_recall,
}


def blobs(rng: np.random.Generator, sides: tuple[int, int]) -> np.ndarray:
    """A mask of a few lumps, from nearly empty to nearly full."""
    field = ndimage.gaussian_filter(rng.normal(size=sides), rng.uniform(0.5, 3))
    mask = field > np.quantile(field, rng.uniform(0.2, 0.95))
    mask.flat[rng.integers(mask.size)] ^= True
    return mask


def cases() -> list[tuple[np.random.Generator, np.ndarray, np.ndarray]]:
    """Prediction and truth of each case, every third a good prediction."""
    found = []
    for seed in range(CASES):
        rng = np.random.default_rng(seed)
        sides = (int(rng.integers(8, 30)), int(rng.integers(8, 30)))
        truth = blobs(rng, sides)
        predicted = np.roll(truth, 1, axis=seed % 2) if seed % 3 == 0 else blobs(rng, sides)
        found.append((rng, predicted, truth))
    return found


def one_hot(mask: np.ndarray) -> torch.Tensor:
    """(1, 2, H, W), ground and glacier."""
    return torch.from_numpy(np.stack([~mask, mask])[None].astype(np.uint8))


def test_overlaps_are_those_of_torchmetrics() -> None:
    for rng, predicted, truth in cases():
        label = truth.astype(np.uint8)
        label[rng.random(label.shape) < 0.2] = IGNORE
        counts = count_pixels(predicted, label)
        answer, target = (
            torch.from_numpy(predicted.astype(int)),
            torch.from_numpy(label.astype(int)),
        )
        for name, oracle in OVERLAPS.items():
            expected = float(oracle(answer, target, ignore_index=IGNORE))
            assert getattr(counts, name) == pytest.approx(expected, abs=1e-6), name


def test_the_calibration_error_is_that_of_torchmetrics() -> None:
    for rng, predicted, truth in cases():
        label = truth.astype(np.uint8)
        label[rng.random(label.shape) < 0.2] = IGNORE
        field = np.where(predicted, 0.7, 0.2) + rng.uniform(-0.2, 0.29, truth.shape)
        probability = field.astype(np.float64)
        ours = measure_reliability(probability, label).ece
        theirs = binary_calibration_error(
            torch.from_numpy(probability),
            torch.from_numpy(label.astype(int)),
            n_bins=BINS,
            ignore_index=IGNORE,
        )
        assert ours == pytest.approx(float(theirs), abs=1e-6)


@pytest.mark.filterwarnings("ignore::FutureWarning:monai")
def test_distances_of_outlines_are_those_of_monai() -> None:
    for rng, predicted, truth in cases():
        spacing = [float(rng.choice([10.0, 30.0])), float(rng.choice([10.0, 30.0]))]
        tolerance = float(rng.choice([10.0, 30.0, 45.0]))
        predicted, truth = np.pad(predicted, 1), np.pad(truth, 1)
        found = measure_boundary(
            predicted, truth.astype(np.uint8), (spacing[0], spacing[1]), tolerance
        )
        pair = (one_hot(predicted), one_hot(truth))
        mean = compute_average_surface_distance(*pair, symmetric=True, spacing=spacing)
        assert found.mean_m == pytest.approx(float(mean), rel=1e-6)
        p95 = compute_hausdorff_distance(*pair, percentile=95, spacing=spacing)
        assert found.p95_m == pytest.approx(float(p95), rel=1e-6)
        _, sides, _ = get_edge_surface_distance(
            torch.from_numpy(predicted), torch.from_numpy(truth), spacing=spacing, symmetric=True
        )
        for share, side in zip((found.precision, found.recall), sides, strict=True):
            assert share == pytest.approx(float((side <= tolerance).double().mean()), abs=1e-6)
        near = found.predicted.near + found.true.near
        length = len(found.predicted.metres) + len(found.true.metres)
        dice = compute_surface_dice(*pair, class_thresholds=[tolerance], spacing=spacing)
        assert near / length == pytest.approx(float(dice), abs=1e-6)


EMPTY, SPOT = np.zeros((5, 7), bool), np.zeros((5, 7), bool)
SPOT[2, 3] = True
DIAGONAL_M = 30 * np.hypot(5, 7)


@pytest.mark.filterwarnings("ignore:::monai")
def test_where_the_oracles_say_nan_or_infinity_ours_has_a_value() -> None:
    both = (one_hot(EMPTY), one_hot(EMPTY))
    label = EMPTY.astype(np.uint8)
    assert torch.isnan(dice_score(*both, num_classes=2, include_background=False)).all()
    assert count_pixels(EMPTY, label).dice == 1
    assert torch.isnan(compute_surface_dice(*both, class_thresholds=[30.0])).all()
    assert torch.isnan(compute_average_surface_distance(*both, symmetric=True)).all()
    assert torch.isnan(compute_hausdorff_distance(*both, percentile=95)).all()
    none = measure_boundary(EMPTY, label, (30, 30), 30)
    assert (none.f1, none.mean_m, none.p95_m) == (1, 0, 0)
    for predicted, truth in ((SPOT, EMPTY), (EMPTY, SPOT)):
        pair = (one_hot(predicted), one_hot(truth))
        assert torch.isinf(compute_average_surface_distance(*pair, symmetric=True)).all()
        assert not torch.isfinite(compute_hausdorff_distance(*pair, percentile=95)).any()
        missed = measure_boundary(predicted, truth.astype(np.uint8), (30, 30), 30)
        assert missed.f1 == 0
        assert missed.mean_m == missed.p95_m == pytest.approx(DIAGONAL_M)


def test_where_the_oracle_raises_ours_has_a_value() -> None:
    with pytest.raises(RuntimeError):
        hausdorff_distance(one_hot(EMPTY), one_hot(EMPTY), num_classes=2)
    assert measure_boundary(EMPTY, EMPTY.astype(np.uint8), (30, 30), 30).p95_m == 0


def test_where_no_pixel_is_known_ours_has_a_value() -> None:
    unknown = np.full((5, 7), IGNORE, np.uint8)
    target = torch.from_numpy(unknown.astype(int))
    error = binary_calibration_error(torch.rand(5, 7), target, n_bins=BINS, ignore_index=IGNORE)
    assert torch.isnan(error)
    assert measure_reliability(np.ones((5, 7)), unknown).ece == 0
    assert float(binary_f1_score(target * 0, target, ignore_index=IGNORE)) == 0  # not a NaN: a 0
    counts = count_pixels(SPOT, unknown)
    assert counts == Counts() and counts.dice == counts.iou == 1
    found = measure_boundary(SPOT, unknown, (30, 30), 30)
    assert (found.f1, found.mean_m, found.p95_m) == (1, 0, 0)
