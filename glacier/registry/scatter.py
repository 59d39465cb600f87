"""How far a paired difference strays where nothing has changed, from the scatter of its pieces."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from glacier.registry.cells import COUNTS, Cells, measure_iou

MIN_PIECES = 6
"""Fewer images, or blocks, say nothing of their own scatter that could be relied on."""

LEAST_ERROR = 0.02
"""A model that is nearly perfect on a part is taken to lack so much of an IoU of 1."""

Measure = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Sums (..., WIDTH) to values (...)."""

Pieces = Literal["image", "block"]

PIECES: tuple[Pieces, ...] = ("image", "block")
"""What is taken to err by itself: an image, or a block of ground in all of its images."""


def measure_allowed(part: Cells, elsewhere: Cells, measure: Measure, level: float) -> float | None:
    """Fall that chance makes in no more than a share of cases; None: nobody knows.

    Args:
        part: What is judged.
        elsewhere: All other cells.
        measure: What it is judged by.
        level: One-sided.
    """
    found = [
        scatter.bound(level)
        for pieces in PIECES
        if (scatter := borrow_scatter(part, elsewhere, pieces, measure))
    ]
    return max((bound for bound in found if bound is not None), default=None)


@dataclass(frozen=True)
class Scatter:
    """How far a difference strays where nothing has changed."""

    variance: float
    """Of the difference."""
    freedom: float
    """Degrees of freedom."""
    evenness: float
    """Sum of the squares of the shares that the pieces have: 1 over their number, or more."""

    def bound(self, level: float) -> float | None:
        """What it exceeds with a probability, upwards."""
        if self.freedom < 1:
            return None
        return float(stats.t.isf(level, self.freedom)) * math.sqrt(self.variance)


def measure_scatter(cells: Cells, pieces: Pieces, measure: Measure) -> Scatter | None:
    """Scatter of a paired difference by its own pieces; None where they are too few.

    Args:
        cells: Of a part.
        pieces: What is left out, one at a time.
        measure: What is measured.

    Source:
        Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 11, the jackknife;
        Kish 1965, Survey Sampling: n pieces of unequal weight count as (sum w)^2 / sum w^2.
    """
    names, place = np.unique(getattr(cells, pieces), return_inverse=True)
    count = len(names)
    if count < MIN_PIECES:
        return None
    serving, candidate = (
        np.stack(
            [np.bincount(place, values, count).astype(np.float64) for values in model.T], axis=1
        )
        for model in (cells.serving, cells.candidate)
    )
    weight = weigh(serving + candidate, measure)
    if not weight.any():
        return None
    evenness = float((weight**2).sum() / weight.sum() ** 2)
    change = measure(candidate.sum(0) - candidate) - measure(serving.sum(0) - serving)
    variance = (count - 1) / count * float(((change - change.mean()) ** 2).sum())
    return Scatter(variance, 1 / evenness - 1, evenness)


def borrow_scatter(
    part: Cells, elsewhere: Cells, pieces: Pieces, measure: Measure
) -> Scatter | None:
    """Scatter of a part as its pieces scatter in the other folds, or else by its own.

    Its own would hide a fall: what is lost in one block, or in a few images, makes them scatter.

    Args:
        part: What is judged.
        elsewhere: All other cells.
        pieces: What is taken to err by itself.
        measure: What it is judged by.

    Returns:
        None where nobody knows.
    """
    own = measure_scatter(part, pieces, measure)
    if own is None or measure is not measure_iou:
        return own
    others = [elsewhere.take(elsewhere.fold == fold) for fold in np.unique(elsewhere.fold)]
    found = [
        (scatter, lack_of_iou(other))
        for other in others
        if (scatter := measure_scatter(other, pieces, measure))
    ]
    if not found:
        return own
    ratio = sum(scatter.variance for scatter, _ in found) / sum(
        scatter.evenness * lack for scatter, lack in found
    )
    freedom = min(scatter.freedom for scatter, _ in found)  # folds differ; their sum is too sure
    return Scatter(ratio * own.evenness * lack_of_iou(part), freedom, own.evenness)


def lack_of_iou(cells: Cells) -> float:
    """What the serving model lacks of an IoU of 1: where it errs more, another differs more."""
    return max(LEAST_ERROR, 1 - float(measure_iou(cells.serving.sum(axis=0))))


def weigh(sums: NDArray[np.float64], measure: Measure) -> NDArray[np.float64]:
    """(P,) pixels that a measure is a share of, of pieces (P, WIDTH)."""
    counted = sums[:, :3] if measure is measure_iou else sums[:, :COUNTS]
    return np.asarray(counted.sum(axis=1))
