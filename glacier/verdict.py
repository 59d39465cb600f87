"""From fold scores to a verdict: spread, a paired test, and one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from glacier.metrics import Counts
from glacier.progress import duration

LEVEL = 0.05
"""Probability of naming a winner among equals that is accepted."""
POWER = 0.8
"""Probability of being found that a difference must have to count as detectable."""
CONFIDENCE = 0.95
"""Share of intervals that should hold the true value."""
RESAMPLES = 5_000
"""Draws of the bootstrap."""


@dataclass(frozen=True)
class Pair:
    """Two methods on the same folds."""

    first: str
    second: str
    difference: float
    """Mean over the folds of the first one's score less the second one's."""
    low: float
    """Lower end of its interval; the variance is corrected as in :func:`corrected_p`."""
    high: float
    """Upper end. The interval is of this pair alone, not widened for the number of pairs."""
    effect: float | None
    """Paired standardised mean difference: the mean difference over the standard deviation of
    the differences (Cohen's d_z); None where all folds differ by the same amount."""
    p: float
    """Corrected paired test of this pair alone."""
    p_holm: float
    """The same, with Holm's correction for the number of pairs."""
    detectable: float
    """Smallest true difference that such folds would show with probability ``POWER``."""


@dataclass(frozen=True)
class Verdict:
    """Whether the folds tell the methods apart."""

    winner: str | None
    """The method that beats every other, or None."""
    choice: str
    """The method to take: the winner, else the cheapest of those not shown to be worse."""
    sentence: str
    """The same for people."""
    pairs: tuple[Pair, ...]
    """Every two methods."""


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
    if len(difference) < 2 or not difference.any():
        return 1.0
    error = corrected_error(difference)
    if error == 0:
        return 0.0
    t = float(difference.mean()) / error
    return float(2 * stats.t.sf(abs(t), len(difference) - 1))


def corrected_error(difference: NDArray[np.float64]) -> float:
    """Standard error of a mean difference over K folds, which share training data.

    Args:
        difference: (K,) difference per fold, K >= 2.
    """
    folds = len(difference)
    return math.sqrt((1 / folds + 1 / (folds - 1)) * float(difference.var(ddof=1)))


def correct_holm(ps: Sequence[float]) -> list[float]:
    """P values such that any of them is below a level by chance as seldom as one alone was.

    Source:
        Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure.
    """
    corrected, largest = [0.0] * len(ps), 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda k: ps[k])):
        largest = max(largest, min(1.0, ps[place] * (len(ps) - rank)))
        corrected[place] = largest
    return corrected


def compare_pairs(scores: Mapping[str, Sequence[float]]) -> tuple[Pair, ...]:
    """Every two methods on the same folds.

    Args:
        scores: Method to its score per fold, the same folds in the same order. With one fold
            there is no spread: the intervals and the detectable difference are infinite.
    """
    names = list(combinations(scores, 2))
    ps = [corrected_p(scores[a], scores[b]) for a, b in names]
    pairs = []
    for (a, b), p, p_holm in zip(names, ps, correct_holm(ps), strict=True):
        difference = np.asarray(scores[a], float) - np.asarray(scores[b], float)
        freedom = len(difference) - 1
        mean, sd = spread(difference.tolist())
        error = corrected_error(difference) if freedom else math.inf
        reach = float(stats.t.isf((1 - CONFIDENCE) / 2, max(freedom, 1))) * error
        level = LEVEL / len(names)
        sides = (stats.t.isf(level / 2, max(freedom, 1)), stats.t.isf(1 - POWER, max(freedom, 1)))
        pairs.append(
            Pair(
                first=a,
                second=b,
                difference=mean,
                low=mean - reach,
                high=mean + reach,
                effect=mean / sd if sd else None,
                p=p,
                p_holm=p_holm,
                detectable=float(sum(sides)) * error,
            )
        )
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
    dice: Mapping[str, Sequence[float]], train_s: Mapping[str, float] | None = None
) -> Verdict:
    """Name the encoder with the best mean test Dice, if the folds support it.

    Every other encoder must differ from the best by the corrected paired test, with Holm's
    correction for the number of all pairs, since the best was picked from them. Where there is
    no winner, the encoder to take is the one that trained in the least time among the best and
    those that are not shown to be worse.

    Args:
        dice: Encoder to its test Dice per fold, the same folds in the same order.
        train_s: Encoder to the seconds of all its training; None: the best is taken.
    """
    ranked = sorted(dice, key=lambda name: (-spread(dice[name])[0], name))
    best = ranked[0]
    mean, sd = spread(dice[best])
    if len(ranked) == 1:
        only = f"{best} is the only encoder to rank: test Dice {mean:.3f} ± {sd:.3f}."
        return Verdict(best, best, only, ())
    pairs = compare_pairs({name: dice[name] for name in ranked})
    rivals = {pair.second: pair for pair in pairs if pair.first == best}
    equals = [name for name in ranked[1:] if rivals[name].p_holm >= LEVEL]
    folds, second = len(dice[best]), rivals[ranked[1]]
    numbers = (
        f"mean test Dice {mean:.3f} ± {sd:.3f} over {folds} folds, {second.difference:.3f} above "
        f"{second.second}"
    )
    if not equals:
        return Verdict(best, best, f"{best} is best: {numbers}.", pairs)
    among = [best, *equals]
    choice = min(among, key=lambda name: train_s[name]) if train_s else best
    sentence = describe_draw(among, ranked, numbers, rivals)
    return Verdict(None, choice, f"{sentence}; {describe_choice(choice, train_s)}.", pairs)


def describe_draw(
    among: Sequence[str], ranked: Sequence[str], numbers: str, rivals: Mapping[str, Pair]
) -> str:
    """Between whom no difference was found, by which test, and what it cannot see.

    Args:
        among: The best and those not shown to be worse.
        ranked: All encoders, the best first.
        numbers: Score and lead of the best.
        rivals: Encoder to its comparison with the best.
    """
    whom = "the encoders" if len(among) == len(ranked) else join_names(among)
    closest = max((rivals[name] for name in among[1:]), key=lambda pair: pair.p_holm)
    unseen = max(rivals[name].detectable for name in among[1:])
    limit = (
        f"a true difference below {unseen:.3f} would probably go unseen"
        if math.isfinite(unseen)
        else "one fold shows no difference"
    )
    return (
        f"No difference found between {whom}: {among[0]} leads with {numbers}, which is within "
        f"the spread of the folds (corrected paired test, p = {closest.p_holm:.2f}; {limit})"
    )


def describe_choice(choice: str, train_s: Mapping[str, float] | None) -> str:
    """What to take where nothing was found, and why."""
    if train_s is None:
        return f"take {choice}, which leads"
    return f"take {choice}, which trained in the least time of these ({duration(train_s[choice])})"


def join_names(names: Sequence[str]) -> str:
    """``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]])
