"""Trend of a yearly series with gaps: slope, its interval, and a test that seldom cries wolf.

Values of neighbouring years are alike, and ten of them hardly tell how much. What is used for
long series (Mann-Kendall, prewhitening, a corrected variance, a block bootstrap) then finds
trends where there are none: ``results/trend`` has how often. Here the limit of the test is set by
simulation, for the very years that there are.

The statistic is the Theil-Sen slope over the scatter around its line, and the more alike the
neighbours seem, the larger it must be:

    log(|slope| / scatter) - k r > limit,

where r is the autocorrelation that the values suggest. Series without a trend are simulated with
autocorrelations from 0 to 0.6, ``k`` is the smallest that keeps false alarms near the level at
each of them, and p is the share of these series that exceed the one at hand. All slopes that the
test does not reject are the interval, so that both always say the same.

The level holds on the average over all series of such years, not for each kind apart. Of ten
years, the fifth of series whose neighbours happen to seem least alike has nearly all of the false
alarms, and its intervals are too narrow; those of the others are wide. Of what was tried nothing
gentler had nearly as many false alarms at 0 as at 0.6. Beyond 0.6 it alarms too often.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from glacier.errors import SeriesError
from glacier.evaluation.verdict import ROUNDING, SIGNIFICANCE_LEVEL

Floats = NDArray[np.float64]

MAX_AUTOCORRELATION = 0.6
"""Largest autocorrelation of neighbouring years for which the false alarms are held."""

MIN_YEARS = 5
"""Fewest values that are tested; fewer have a slope alone."""

CANDIDATES = np.linspace(0, MAX_AUTOCORRELATION, 13)
"""Autocorrelations that are weighed against each other for the values at hand."""

SIMULATED = (0.0, 0.2, 0.4, MAX_AUTOCORRELATION)
"""Autocorrelations of the series without a trend."""

MOST_DRAWS, FEWEST_DRAWS = 6_000, 2_000
"""Series of each of them; long ones, which take longer, are fewer."""

SLOPES = 300_000
"""Slopes of pairs of years that are looked at for each of them, where the draws allow it."""

ACCEPTED = (0.75, 1.4)
"""False alarms at any one autocorrelation that are accepted, in multiples of the level."""

STEEPNESS = np.arange(0, 40.5, 0.5)
"""Values of ``k`` that are tried."""


@dataclass(frozen=True)
class Trend:
    """A straight line through yearly values, in their unit."""

    slope: float
    """Change a year: the median slope of all pairs of years."""
    level: float
    """Value of the line in the middle year."""
    middle_year: float
    """Mean of the years that have a value."""
    years: int
    """Number of years that have a value."""
    autocorrelation: float | None = None
    """Of neighbouring years around the line, 0..0.6, as the values suggest; None, as all below,
    for fewer than ``MIN_YEARS`` values, and where they have no scatter around the line."""
    low: float | None = None
    """Lower end of the slope's interval at 95 %."""
    high: float | None = None
    """Upper end. The interval is without 0 where ``p`` is at most the level, and nowhere else."""
    p: float | None = None
    """Share of series without a trend that seem to have one as much as this."""

    def at(self, year: float) -> float:
        """Value of the line in a year."""
        return self.level + self.slope * (year - self.middle_year)


def fit_trend(years: Sequence[int], values: Sequence[float | None]) -> Trend | None:
    """Trend of yearly values.

    Args:
        years: Each year once, in any order.
        values: Their values; NaN or None for a gap, which is no year at all.

    Returns:
        None for fewer than two values.

    Raises:
        SeriesError: A year is there twice, or a value is infinite.

    Source:
        Sen 1968, J. Am. Stat. Assoc. 63 (slope); Harville 1977, J. Am. Stat. Assoc. 72 (restricted
        likelihood of the autocorrelation); Davison & Hinkley 1997, Bootstrap Methods and their
        Application, chapter 4 (Monte Carlo test).
    """
    known = order_years(years, values)
    if len(known) < 2:
        return None
    places = np.array([year for year, _ in known], float)
    series = np.array([[value for _, value in known]])
    slopes, scatters = fit_lines(places, series)
    slope, scatter, middle = float(slopes[0]), float(scatters[0]), float(places.mean())
    level = float(np.median(series[0] - slope * (places - middle)))
    line = Trend(slope, level, middle, len(known))
    if len(known) < MIN_YEARS or scatter <= ROUNDING * float(np.abs(series).max()):
        return line
    null = simulate_null(tuple(year - known[0][0] for year, _ in known))
    alike = float(estimate_autocorrelation(places, series)[0])
    reach = scatter * math.exp(null.limit + null.steepness * alike)
    p = null.p_value(abs(slope) / scatter, alike)
    return Trend(slope, level, middle, len(known), alike, slope - reach, slope + reach, p)


def order_years(years: Sequence[int], values: Sequence[float | None]) -> list[tuple[int, float]]:
    """Years that have a value, in order.

    Raises:
        SeriesError: A year is there twice, or a value is infinite.
    """
    pairs = sorted(
        (year, value)
        for year, value in zip(years, values, strict=True)
        if value is not None and not math.isnan(value)
    )
    found = [year for year, _ in pairs]
    if twice := sorted({year for year in found if found.count(year) > 1}):
        raise SeriesError(f"year {twice[0]} has several values; give one value a year")
    if endless := [year for year, value in pairs if math.isinf(value)]:
        raise SeriesError(f"the value of year {endless[0]} is infinite; give a number, or a gap")
    return pairs


def fit_lines(years: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Theil-Sen slope of each of many series, and the scatter around its line.

    Args:
        years: (T,) years, all different.
        values: (N, T).

    Returns:
        (N,) slope a year; (N,) standard deviation of the residuals, two parameters fitted.
    """
    first, second = np.triu_indices(len(years), 1)
    steps = (values[:, second] - values[:, first]) / (years[second] - years[first])
    slopes = np.median(steps, axis=1)
    rest = values - slopes[:, None] * (years - years.mean())
    free = max(1, len(years) - 2)
    return slopes, rest.std(axis=1) * math.sqrt(len(years) / free)


def estimate_autocorrelation(years: Floats, values: Floats) -> Floats:
    """Autocorrelation of neighbouring years around a straight line, of each of many series.

    Years k apart have its k-th power (AR(1)), so gaps are no matter. It is the mean over
    ``CANDIDATES``, each weighed by its restricted likelihood: of few years that is steadier than
    the likeliest one, and less too low.

    Args:
        years: (T,) years, T >= 3.
        values: (N, T), not on a straight line.
    """
    count = len(years)
    line = np.stack([np.ones(count), years - years.mean()], axis=1)
    centred = values - values.mean(axis=1, keepdims=True)
    logs = np.empty((len(CANDIDATES), len(values)))
    for k, rho in enumerate(CANDIDATES):
        covariance = correlate_years(years, rho)
        inverse = np.linalg.inv(covariance)
        fisher = line.T @ inverse @ line
        project = inverse - inverse @ line @ np.linalg.solve(fisher, line.T @ inverse)
        squares = np.einsum("ni,ij,nj->n", centred, project, centred, optimize=True)
        sizes = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(fisher)[1]
        logs[k] = -(sizes + (count - 2) * np.log(squares)) / 2
    weights = np.exp(logs - logs.max(axis=0))
    return np.asarray(CANDIDATES @ weights / weights.sum(axis=0))


def correlate_years(years: Floats, rho: float) -> Floats:
    """(T, T) correlation of an AR(1) series between its years."""
    apart = np.abs(years[:, None] - years)
    return np.where(apart == 0, 1.0, float(rho) ** apart)


@dataclass(frozen=True)
class NullSeries:
    """What series of certain years do that have no trend."""

    steepness: float
    """``k``: how much more slope likeness of neighbours asks for."""
    excesses: Floats
    """(M,) log(|slope| / scatter) - k r of each, in rising order."""

    @property
    def allowed(self) -> int:
        """Simulated series that may exceed the one at hand for p to be at most the level."""
        return math.floor(SIGNIFICANCE_LEVEL * (len(self.excesses) + 1)) - 1

    @property
    def limit(self) -> float:
        """What a series must exceed for p to be at most the level."""
        return float(self.excesses[-1 - self.allowed])

    def p_value(self, ratio: float, autocorrelation: float) -> float:
        """Share of series that exceed one, itself counted.

        Args:
            ratio: |slope| / scatter.
            autocorrelation: As estimated for it.
        """
        if not ratio:
            return 1.0
        excess = math.log(ratio) - self.steepness * autocorrelation
        above = len(self.excesses) - int(np.searchsorted(self.excesses, excess))
        return (above + 1) / (len(self.excesses) + 1)


@lru_cache(maxsize=64)
def simulate_null(years: tuple[int, ...]) -> NullSeries:
    """Series without a trend, with autocorrelations from 0 to 0.6, and the rule for them.

    Args:
        years: Counted from the first, which alone matters; rising.
    """
    places = np.array(years, float)
    draws = int(np.clip(SLOPES // math.comb(len(years), 2), FEWEST_DRAWS, MOST_DRAWS))
    rng = np.random.default_rng(0)
    ratios, alike = np.empty((2, len(SIMULATED), draws))
    for row, rho in enumerate(SIMULATED):
        noise = rng.standard_normal((draws, len(years)))
        values = noise @ np.linalg.cholesky(correlate_years(places, rho)).T
        slopes, scatters = fit_lines(places, values)
        ratios[row] = np.log(np.abs(slopes) / scatters)
        alike[row] = estimate_autocorrelation(places, values)
    steepness = choose_steepness(ratios, alike)
    return NullSeries(steepness, np.sort((ratios - steepness * alike).ravel()))


def choose_steepness(ratios: Floats, alike: Floats) -> float:
    """The smallest ``k`` with which false alarms are as many as accepted at any autocorrelation.

    The smallest, since a larger one finds fewer of the trends that there are.

    Args:
        ratios: (R, N) log(|slope| / scatter) of N series of each of R autocorrelations.
        alike: (R, N) their estimated autocorrelations.

    Returns:
        The ``k`` that comes nearest, where none is good enough, as with five or six years.
    """
    fewest, most = ACCEPTED
    misfits = []
    for steepness in STEEPNESS:
        excesses = ratios - steepness * alike
        limit = np.quantile(excesses, 1 - SIGNIFICANCE_LEVEL)
        alarms = (excesses > limit).mean(axis=1) / SIGNIFICANCE_LEVEL
        misfits.append(max(alarms.max() / most, fewest / max(alarms.min(), ROUNDING)))
        if misfits[-1] <= 1:
            break
    return float(STEEPNESS[int(np.argmin(misfits))])
