"""From fold scores to a verdict: spread, a paired test, and one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.05
"""Probability of naming a winner among equals that is accepted."""


@dataclass(frozen=True)
class Verdict:
    """Whether the folds tell the methods apart."""

    winner: str | None
    """The method that beats every other, or None."""
    sentence: str
    """The same for people."""


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation (ddof 1; 0 for a single value)."""
    array = np.asarray(values, float)
    return float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else 0.0


def corrected_p(first: Sequence[float], second: Sequence[float]) -> float:
    """Chance that two methods with equal means differ as much over the same K folds.

    Args:
        first: K scores of one method, fold by fold.
        second: K scores of the other, over the same folds.

    Returns:
        Two-sided p; 1 where all differences are zero or there is one fold.

    Source:
        Nadeau & Bengio 2003, Machine Learning 52: the t statistic with the variance scaled by
        1/K + (test size)/(training size), since the folds share training data. In K folds that
        ratio is 1/(K - 1).
    """
    difference = np.asarray(first, float) - np.asarray(second, float)
    folds = len(difference)
    if folds < 2 or not difference.any():
        return 1.0
    variance = float(difference.var(ddof=1))
    if variance == 0:
        return 0.0
    t = float(difference.mean()) / math.sqrt((1 / folds + 1 / (folds - 1)) * variance)
    return float(2 * stats.t.sf(abs(t), folds - 1))


def judge(dice: Mapping[str, Sequence[float]]) -> Verdict:
    """Name the encoder with the best mean test Dice, if the folds support it.

    Every other encoder must differ from the best by the corrected paired test, with Holm's
    correction for the number of comparisons.

    Args:
        dice: Encoder to its test Dice per fold, the same folds in the same order.
    """
    ranked = sorted(dice, key=lambda name: (-spread(dice[name])[0], name))
    best = ranked[0]
    mean, sd = spread(dice[best])
    if len(ranked) == 1:
        only = f"{best} is the only encoder to rank: test Dice {mean:.3f} ± {sd:.3f}."
        return Verdict(best, only)
    pairs = sorted((corrected_p(dice[best], dice[other]), other) for other in ranked[1:])
    p = min(1.0, max(p * (len(pairs) - k) for k, (p, _) in enumerate(pairs)))  # Holm
    apart = p < LEVEL
    second = ranked[1]
    gap = mean - spread(dice[second])[0]
    folds = len(dice[best])
    numbers = f"mean test Dice {mean:.3f} ± {sd:.3f} over {folds} folds, {gap:.3f} above {second}"
    if apart:
        return Verdict(best, f"{best} is best: {numbers}.")
    return Verdict(
        None,
        f"No difference found between the encoders: {best} leads with {numbers}, which is "
        f"within the spread of the folds (corrected paired test, p = {p:.2f}).",
    )
