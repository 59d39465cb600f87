"""Whether a probability means what it says: of the pixels called 70 % glacier, 70 % are."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from operator import add

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from glacier.labels import IGNORE

BINS = 15
"""Equal steps of the probability. Fixed, so that counts add up over images and folds.

Source: Guo et al. 2017, On Calibration of Modern Neural Networks, use 15.
"""


Sums = tuple[float, ...]
"""(BINS,) a number a bin."""


@dataclass(frozen=True)
class ReliabilityStep:
    """A point of the reliability curve: the pixels of one bin."""

    start: float
    """Lower end of the bin, 0..1."""
    pixels: int
    probability: float
    """Mean of the probabilities that were given, 0..1."""
    glacier: float
    """Share of the pixels that is glacier, 0..1."""


@dataclass(frozen=True)
class Reliability:
    """Known pixels by the probability that was given to them. Adding is exact but for rounding."""

    pixels: Sums = (0.0,) * BINS
    """Number of pixels."""
    probability: Sums = (0.0,) * BINS
    """Sum of their probabilities."""
    glacier: Sums = (0.0,) * BINS
    """Number of them that are glacier."""

    def __add__(self, other: Reliability) -> Reliability:
        """Pixels of both together."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Reliability(*(tuple(map(add, a, b)) for a, b in pairs))

    @property
    def ece(self) -> float:
        """Expected calibration error: the mean gap between probability and truth, 0..1.

        Bins weigh by their pixels; 0 without any pixel, since nothing was claimed.

        Source:
            Naeini et al. 2015, Obtaining Well Calibrated Probabilities Using Bayesian Binning,
            on the probability of glacier (not of the likelier class).
        """
        total = sum(self.pixels)
        gaps = np.abs(np.subtract(self.probability, self.glacier))
        return float(gaps.sum() / total) if total else 0.0

    @property
    def curve(self) -> tuple[ReliabilityStep, ...]:
        """The reliability curve: a point for each bin that holds pixels."""
        return tuple(
            ReliabilityStep(k / BINS, int(pixels), given / pixels, glacier / pixels)
            for k, (pixels, given, glacier) in enumerate(zip(*astuple(self), strict=True))
            if pixels
        )


def measure_reliability(
    probability: NDArray[np.floating],
    label: NDArray[np.uint8],
    mask: NDArray[np.bool_] | None = None,
) -> Reliability:
    """Sort the known pixels of an image by their probability.

    Args:
        probability: (H, W) probability of glacier, 0..1. A bin holds its lower end; the last
            one holds 1 too.
        label: (H, W) uint8: 1 glacier, 0 not, 255 unknown.
        mask: (H, W) bool, pixels that count; None: all. Unknown pixels never count.
    """
    known = label != IGNORE
    if mask is not None:
        known &= mask
    given = probability[known].astype(np.float64)
    place = np.minimum((given * BINS).astype(np.int64), BINS - 1)
    sums = (None, given, (label[known] == 1).astype(np.float64))
    return Reliability(*(
        tuple(np.bincount(place, weights, BINS).astype(np.float64).tolist()) for weights in sums
    ))  # fmt: skip


@dataclass(frozen=True)
class Calibration:
    """How a model's logits become a probability, and from where on that is glacier."""

    temperature: float = 1.0
    """Logits are divided by it; above 1 makes the model less sure of itself."""
    threshold: float = 0.5
    """Probability from which a pixel is called glacier."""

    def probability(self, logits: NDArray[np.floating]) -> NDArray[np.float32]:
        """Probability of glacier, float32, without overflow; NaN stays NaN."""
        return np.asarray(0.5 * (1 + np.tanh(0.5 / self.temperature * logits)), np.float32)


def fit_calibration(logits: NDArray[np.floating], label: NDArray[np.uint8]) -> Calibration:
    """The temperature that explains the labels best, and the threshold with the highest Dice.

    Args:
        logits: Any shape; pixels of the validation part, never of the test part.
        label: The same shape, uint8: 1 glacier, 0 not, 255 unknown.

    Returns:
        Temperature within 0.05..20, threshold in steps of 0.01 within 0.05..0.95; 1 and 0.5
        where the part holds only one kind of pixel, which says nothing of either.

    Source:
        Guo et al. 2017, On Calibration of Modern Neural Networks: one temperature, by the
        lowest cross-entropy.
    """
    known = label != IGNORE
    scores, truth = logits[known].astype(np.float64), label[known] == 1
    if truth.all() or not truth.any():
        return Calibration()
    sign = np.where(truth, -1.0, 1.0)

    def cross_entropy(log_temperature: float) -> float:
        return float(np.logaddexp(0, sign * scores * np.exp(-log_temperature)).mean())

    limit = np.log(20)
    found = minimize_scalar(cross_entropy, bounds=(-limit, limit), method="bounded")
    temperature = float(np.exp(found.x))
    probability = Calibration(temperature).probability(scores)
    return Calibration(temperature, choose_threshold(probability, truth))


def choose_threshold(probability: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    """The threshold with the highest Dice; of equals the one nearest to 0.5.

    Args:
        probability: (P,) probability of glacier of P pixels.
        truth: (P,) bool, True on glacier.
    """
    steps = np.arange(5, 96)
    # Pixels at or above each step: the counts of whole steps, summed from above.
    place = np.clip(np.floor(probability * 100 + 1e-6).astype(np.int64), 0, 100)
    predicted = np.bincount(place, minlength=101)[::-1].cumsum()[::-1][steps]
    hit = np.bincount(place[truth], minlength=101)[::-1].cumsum()[::-1][steps]
    dice = 2 * hit / np.maximum(predicted + truth.sum(), 1)
    best = steps[dice == dice.max()]
    return float(best[np.argmin(np.abs(best - 50))] / 100)
