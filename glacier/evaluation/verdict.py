"""From fold scores to a verdict: spread, a paired test, and one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from glacier.evaluation.metrics import Counts
from glacier.wording import join_words

SIGNIFICANCE_LEVEL = 0.05
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
    low: float | None
    """Lower end of its interval; the variance is corrected as in :func:`corrected_p`. None with
    one fold, which has no spread, likewise below."""
    high: float | None
    """Upper end. The interval is of this pair alone, not widened for the number of pairs."""
    effect: float | None
    """Paired standardised mean difference: the mean difference over the standard deviation of
    the differences (Cohen's d_z); None where all folds differ by the same amount."""
    p: float
    """Corrected paired test of this pair alone."""
    p_holm: float
    """The same, with Holm's correction for the number of pairs."""
    detectable: float | None
    """Smallest true difference that such folds would show with probability ``POWER``."""


@dataclass(frozen=True)
class Verdict:
    """Whether the folds tell the methods apart."""

    winner: str | None
    """The only method that none is shown to beat, or None."""
    choice: str
    """The method to take: the winner, else the fastest of those not shown to be worse."""
    sentence: str
    """The same for people."""
    pairs: tuple[Pair, ...]
    """Every two methods."""


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation (ddof 1; 0 for a single value)."""
    array = np.asarray(values, float)
    return float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else 0.0


def corrected_p(
    first: Sequence[float], second: Sequence[float], ratio: float | None = None
) -> float:
    """Chance that two methods with equal means differ as much over the same K folds.

    Args:
        first: K scores of one method, fold by fold.
        second: K scores of the other, over the same folds.
        ratio: Size of a test part over that of its training part; None: 1/(K - 1), as of K
            folds that set nothing aside for validation.

    Returns:
        Two-sided p; 1 where all differences are zero or there is one fold.

    Source:
        Nadeau & Bengio 2003, Machine Learning 52: the t statistic with the variance scaled by
        1/K + ratio, since the folds share training data.
    """
    difference = np.asarray(first, float) - np.asarray(second, float)
    if len(difference) < 2 or not difference.any():
        return 1.0
    error = corrected_error(difference, ratio)
    if error == 0:
        return 0.0
    t = float(difference.mean()) / error
    return float(2 * stats.t.sf(abs(t), len(difference) - 1))


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


def compare_pairs(
    scores: Mapping[str, Sequence[float]], ratio: float | None = None
) -> tuple[Pair, ...]:
    """Every two methods on the same folds.

    Args:
        scores: Method to its score per fold, the same folds in the same order.
        ratio: As in :func:`corrected_p`.
    """
    names = list(combinations(scores, 2))
    ps = [corrected_p(scores[a], scores[b], ratio) for a, b in names]
    pairs = []
    for (a, b), p, p_holm in zip(names, ps, correct_holm(ps), strict=True):
        difference = np.asarray(scores[a], float) - np.asarray(scores[b], float)
        mean, sd = spread(difference.tolist())
        low = high = detectable = None
        if freedom := len(difference) - 1:
            error = corrected_error(difference, ratio)
            reach = float(stats.t.isf((1 - CONFIDENCE) / 2, freedom)) * error
            low, high = mean - reach, mean + reach
            detectable = detectable_errors(SIGNIFICANCE_LEVEL / len(names), freedom) * error
        effect = mean / sd if sd else None
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
    dice: Mapping[str, Sequence[float]],
    epoch_s: Mapping[str, float] | None = None,
    ratio: float | None = None,
) -> Verdict:
    """Name the encoder with the best mean test Dice, if the folds support it.

    An encoder is out of the running where any other is shown to be better by the corrected
    paired test, with Holm's correction for the number of all pairs, since the best was picked
    from them. The winner is the only one left; among several the fastest is the one to take.

    Args:
        dice: Encoder to its test Dice per fold, the same folds in the same order.
        epoch_s: Encoder to the seconds of an epoch; None: the best is taken.
        ratio: As in :func:`corrected_p`.
    """
    ranked = sorted(dice, key=lambda name: (-spread(dice[name])[0], name))
    best = ranked[0]
    mean, sd = spread(dice[best])
    score = f"test Dice {mean:.3f} ± {sd:.3f}"
    if len(ranked) == 1:
        return Verdict(None, best, f"{best} is the only encoder to rank: {score}.", ())
    pairs = compare_pairs({name: dice[name] for name in ranked}, ratio)
    score = f"mean {score} over {count_folds(len(dice[best]))}"
    beaten = {pair.second for pair in pairs if pair.p_holm < SIGNIFICANCE_LEVEL}
    among = [name for name in ranked if name not in beaten]
    if among == [best]:
        second = pairs[0]
        lead = f"{second.difference:.3f} above {second.second}"
        sentence = f"{best} is best: {score}, {lead} (corrected paired test, "
        return Verdict(best, best, f"{sentence}p = {second.p_holm:.2g}).", pairs)
    choice = min(among, key=lambda name: epoch_s[name]) if epoch_s else best
    rivals = [pair for pair in pairs if pair.first == best and pair.second in among]
    sentence = describe_draw(f"{best} leads with {score}", rivals, len(ranked))
    return Verdict(None, choice, f"{sentence}; {describe_choice(choice, epoch_s)}.", pairs)


def describe_draw(lead: str, rivals: Sequence[Pair], encoders: int) -> str:
    """Between whom no difference was found, by which test, and what it cannot see.

    Args:
        lead: Who leads with what score.
        rivals: Comparisons of the best with those not shown to be worse.
        encoders: Number of all encoders.
    """
    names = [rivals[0].first, *(pair.second for pair in rivals)]
    whom = "the encoders" if len(names) == encoders else join_words(names)
    if rivals[0].detectable is None:
        return f"No difference found between {whom}: {lead}, and one fold shows no difference"
    gaps = [
        f"{pair.difference:.3f} above {pair.second} (p = {pair.p_holm:.2g}; a true difference "
        f"below {pair.detectable:.3f} may go unseen)"
        for pair in rivals
    ]
    return (
        f"No difference found between {whom} by the corrected paired test: {lead}, "
        f"{join_words(gaps)}"
    )


def count_folds(folds: int) -> str:
    """``5 folds``, ``1 fold``."""
    return f"{folds} fold" + ("" if folds == 1 else "s")


def describe_choice(choice: str, epoch_s: Mapping[str, float] | None) -> str:
    """What to take where nothing was found, and why."""
    if epoch_s is None:
        return f"take {choice}, which leads"
    return f"take {choice}, which trains fastest of these ({epoch_s[choice]:.3g} s an epoch)"
