"""From fold scores to a verdict: spread, a paired test, and who is told from whom."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from glacier.evaluation.metrics import Counts

SIGNIFICANCE_LEVEL = 0.05
"""Probability of naming a winner among equals that is accepted."""
POWER = 0.8
"""Probability of being found that a difference must have to count as detectable."""
CONFIDENCE = 0.95
"""Share of intervals that should hold the true value."""
RESAMPLES = 5_000
"""Draws of the bootstrap."""
ROUNDING = 1e-12
"""Scores that differ by less differ by the arithmetic alone."""


@dataclass(frozen=True)
class Pair:
    """Two methods on the same folds."""

    first: str
    second: str
    difference: float
    """Mean over the folds of the first one's score less the second one's."""
    low: float | None
    """Lower end of its interval; the variance is corrected as in :func:`corrected_p`. None where
    the differences have no spread, likewise below."""
    high: float | None
    """Upper end. The interval is of this pair alone, not widened for the number of pairs."""
    effect: float | None
    """Paired standardised mean difference: the mean difference over the standard deviation of
    the differences (Cohen's d_z); None where all folds differ by the same amount."""
    p: float | None
    """Corrected paired test of this pair alone; None where the differences have no spread."""
    p_holm: float | None
    """The same, with Holm's correction for the number of pairs."""
    detectable: float | None
    """Smallest true difference that such folds would show with probability ``POWER``."""


@dataclass(frozen=True)
class Verdict:
    """Whether the folds tell the methods apart."""

    ranked: tuple[str, ...]
    """Methods, the highest mean first."""
    unbeaten: tuple[str, ...]
    """Those that none is shown to beat, in the same order."""
    pairs: tuple[Pair, ...]
    """Every two methods."""

    @property
    def winner(self) -> str | None:
        """The only one of several that none is shown to beat, or None."""
        return self.unbeaten[0] if len(self.unbeaten) == 1 < len(self.ranked) else None


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation (ddof 1; 0 for a single value)."""
    array = np.asarray(values, float)
    return float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else 0.0


def corrected_p(
    first: Sequence[float], second: Sequence[float], ratio: float | None = None
) -> float | None:
    """Chance that two methods with equal means differ as much over the same K folds.

    Args:
        first: K scores of one method, fold by fold.
        second: K scores of the other, over the same folds.
        ratio: Size of a test part over that of its training part; None: 1/(K - 1), as of K
            folds that set nothing aside for validation.

    Returns:
        Two-sided p; None where all folds differ by the same, as one fold does: without a spread
        nothing says what chance does.

    Source:
        Nadeau & Bengio 2003, Machine Learning 52: the t statistic with the variance scaled by
        1/K + ratio, since the folds share training data.
    """
    difference = np.asarray(first, float) - np.asarray(second, float)
    if not has_spread(difference):
        return None
    error = corrected_error(difference, ratio)
    t = float(difference.mean()) / error
    return float(2 * stats.t.sf(abs(t), len(difference) - 1))


def has_spread(difference: NDArray[np.float64]) -> bool:
    """Whether differences (K,) are not all the same but for rounding."""
    return len(difference) > 1 and float(np.ptp(difference)) > ROUNDING


def corrected_error(difference: NDArray[np.float64], ratio: float | None = None) -> float:
    """Standard error of a mean difference over K folds, which share training data.

    Args:
        difference: (K,) difference per fold, K >= 2.
        ratio: As in :func:`corrected_p`.
    """
    folds = len(difference)
    shared = 1 / (folds - 1) if ratio is None else ratio
    return math.sqrt((1 / folds + shared) * float(difference.var(ddof=1)))


def detectable_errors(level: float, freedom: int) -> float:
    """True difference, in standard errors, that a two-sided t test finds at ``POWER``.

    Args:
        level: Of the test.
        freedom: Degrees of freedom.

    Source:
        The noncentral t distribution; Cohen 1988, Statistical Power Analysis, chapter 2.
    """
    edge = float(stats.t.isf(level / 2, freedom))
    return float(
        optimize.brentq(lambda shift: stats.nct.sf(edge, freedom, shift) - POWER, 0, 4 * edge)
    )


def correct_holm(ps: Sequence[float | None], planned: int = 0) -> list[float | None]:
    """P values such that any of them is below a level by chance as seldom as one alone was.

    A comparison without a p value stays one of the family, which is all that was to be compared.

    Args:
        ps: P values.
        planned: Size of the family as it was before any result, which a failure does not make
            smaller; 0: the comparisons that are here.

    Source:
        Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure.
    """
    corrected: list[float | None] = [None] * len(ps)
    largest = 0.0
    known = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, p * (max(planned, len(ps)) - rank)))
        corrected[place] = largest
    return corrected


def compare_pairs(
    scores: Mapping[str, Sequence[float]], ratio: float | None = None, planned: int = 0
) -> tuple[Pair, ...]:
    """Every two methods on the same folds.

    Args:
        scores: Method to its score per fold, the same folds in the same order.
        ratio: As in :func:`corrected_p`.
        planned: Methods that were to be compared, also those that failed; 0: those of the scores.
    """
    names = list(combinations(scores, 2))
    family = math.comb(max(planned, len(scores)), 2)
    ps = [corrected_p(scores[a], scores[b], ratio) for a, b in names]
    pairs = []
    for (a, b), p, p_holm in zip(names, ps, correct_holm(ps, family), strict=True):
        difference = np.asarray(scores[a], float) - np.asarray(scores[b], float)
        mean, sd = spread(difference.tolist())
        low = high = detectable = None
        if has_spread(difference):
            freedom = len(difference) - 1
            error = corrected_error(difference, ratio)
            reach = float(stats.t.isf((1 - CONFIDENCE) / 2, freedom)) * error
            low, high = mean - reach, mean + reach
            detectable = detectable_errors(SIGNIFICANCE_LEVEL / family, freedom) * error
        effect = mean / sd if has_spread(difference) else None
        pairs.append(Pair(a, b, mean, low, high, effect, p, p_holm, detectable))
    return tuple(pairs)


def bootstrap_dice(units: Sequence[Counts]) -> tuple[float, float] | None:
    """Interval of the Dice of all test pixels, as if other units had been looked at.

    Whole units are drawn with replacement, and their counts added up. Pixels are never drawn:
    those of one unit are alike. With fewer than about ten units such an interval is too narrow.

    Args:
        units: Counts per independent unit: block, year or region.

    Returns:
        Percentile interval at ``CONFIDENCE``, with a fixed seed; None for fewer than two units.

    Source:
        Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    if len(units) < 2:
        return None
    parts = np.array([(2 * unit.tp, 2 * unit.tp + unit.fp + unit.fn) for unit in units])
    share = np.full(len(units), 1 / len(units))
    draws = np.random.default_rng(0).multinomial(len(units), share, RESAMPLES)
    overlap, both = (draws @ parts).T
    dice = np.where(both == 0, 1.0, overlap / np.maximum(both, 1))
    low, high = np.quantile(dice, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return float(low), float(high)


def judge(
    dice: Mapping[str, Sequence[float]], ratio: float | None = None, planned: int = 0
) -> Verdict:
    """Rank methods by their mean test Dice, and say which the folds tell apart.

    A method is beaten where any other is shown to be better by the corrected paired test, with
    Holm's correction for the number of all pairs, since the best was picked from them.

    Args:
        dice: Method to its test Dice per fold, the same folds in the same order.
        ratio: As in :func:`corrected_p`.
        planned: As in :func:`compare_pairs`.
    """
    ranked = tuple(sorted(dice, key=lambda name: (-spread(dice[name])[0], name)))
    pairs = compare_pairs({name: dice[name] for name in ranked}, ratio, planned)
    beaten = {p.second for p in pairs if p.p_holm is not None and p.p_holm < SIGNIFICANCE_LEVEL}
    return Verdict(ranked, tuple(name for name in ranked if name not in beaten), pairs)


def count_folds(folds: int) -> str:
    """``5 folds``, ``1 fold``."""
    return f"{folds} fold" + ("" if folds == 1 else "s")
