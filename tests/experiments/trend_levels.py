"""How often tests of a trend cry wolf: ours, those that are usual, and that of ``climate-shift``.

    OMP_NUM_THREADS=1 python tests/experiments/trend_levels.py      # writes results/trend/
    OMP_NUM_THREADS=1 python tests/experiments/trend_levels.py 200  # few series, only shown

Yearly values are drawn with autocorrelation and without a trend, and each method says of each
series whether there is one, at the 5 % level. Then a trend of half a standard deviation a year
(1 % a year in noise of 2 %) is added: how often does the slope's interval hold it, and how often
is a trend found? The draws are not those by which the limits of our test are set.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from glacier import store
from glacier.evaluation import trend
from glacier.evaluation.verdict import SIGNIFICANCE_LEVEL
from glacier.reports.tables import encode_csv

OUT = Path(__file__).parents[2] / "results" / "trend"
SERIES, RIVAL_SERIES = 10_000, 4_000
"""Series of a cell: of our test, and of the others."""
SLOPE = -0.5
"""Trend to be found, standard deviations of the noise a year."""
RESAMPLES = 200
RHOS = (0.0, 0.2, 0.4, 0.6, 0.8)

Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, tuple[int, int]], Floats]
"""Draws independent numbers of mean 0 and variance 1."""
Ends = tuple[Floats, Floats]
"""(N,) lower and (N,) upper end of the slope's interval of each series."""


@dataclass(frozen=True)
class Pattern:
    """Which of the years have a value."""

    name: str
    years: tuple[int, ...]


def leave_out(count: int, *missing: int) -> Pattern:
    """Years without some, which are counted from 1."""
    kept = tuple(year for year in range(1, count + 1) if year not in missing)
    gaps = f" without {', '.join(map(str, missing))}" if missing else ""
    return Pattern(f"{count} years{gaps}", kept)


TEN = (leave_out(10), leave_out(10, 4, 7), leave_out(10, 5, 6), leave_out(10, 2, 9))
TWO_GAPS = tuple(leave_out(10, *pair) for pair in itertools.combinations(range(2, 10), 2))
"""Ten years with all two gaps that leave the first and the last."""
OTHERS = (
    leave_out(5), leave_out(6), leave_out(7), leave_out(12, 4, 7), leave_out(15),
    leave_out(20), leave_out(20, 5, 6, 7, 14), leave_out(30), leave_out(40),
)  # fmt: skip


def draw_normal(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Noise as the limits of our test suppose it."""
    return rng.standard_normal(shape)


def draw_heavy(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Student's t with 3 degrees of freedom: some years are far off."""
    return rng.standard_t(3, shape) / math.sqrt(3)


def draw_skewed(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Exponential: some years have far too much, as when snow is taken for ice."""
    return rng.exponential(size=shape) - 1


def draw_series(
    rng: np.random.Generator, count: int, rho: float, years: Floats, noise: Noise
) -> Floats:
    """(N, T) series of variance 1, yearly AR(1) with a run-up, of which some years are kept."""
    last = int(years[-1] - years[0])
    shocks: Floats = noise(rng, (count, last + 31)) * math.sqrt(1 - rho**2)
    for t in range(1, shocks.shape[1]):
        shocks[:, t] += rho * shocks[:, t - 1]
    return shocks[:, 30 + (years - years[0]).astype(int)]


def ours(years: Floats, values: Floats) -> Ends:
    """``fit_trend``, all series at once."""
    null = trend.simulate_null(tuple(int(year - years[0]) for year in years))
    slopes, scatters = trend.fit_lines(years, values)
    alike = trend.estimate_autocorrelation(years, values)
    reach = scatters * np.exp(null.limit + null.steepness * alike)
    return slopes - reach, slopes + reach


def climate_shift(years: Floats, values: Floats) -> Ends:
    """Rolling median of three, then least squares on pairs drawn as if they were independent.

    Source:
        bijanf/climate-shift 25c9681, ``analyze/statistics.py`` and ``analyze/glacier_area.py``.
    """
    padded = np.pad(values, ((0, 0), (1, 1)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 3, axis=1)
    smooth = np.nanmedian(windows, axis=2)
    rng = np.random.default_rng(42)
    slopes: list[Floats] = []
    while len(slopes) < 1000:
        drawn = rng.integers(0, len(years), len(years))
        x = years[drawn] - years[drawn].mean()
        if x.any():
            slopes.append(smooth[:, drawn] @ x / (x @ x))
    return percentiles(np.array(slopes))


def block_bootstrap(years: Floats, values: Floats) -> Ends:
    """Theil-Sen, with blocks of three residuals drawn anew along its line."""
    length, count = 3, len(years)
    slopes, _ = trend.fit_lines(years, values)
    rest = values - slopes[:, None] * (years - years.mean())
    rest -= np.median(rest, axis=1, keepdims=True)
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(RESAMPLES):
        starts = rng.integers(0, count - length + 1, math.ceil(count / length))
        places = (starts[:, None] + np.arange(length)).ravel()[:count]
        drawn.append(slopes + trend.fit_lines(years, rest[:, places])[0])
    return percentiles(np.array(drawn))


def percentiles(slopes: Floats) -> Ends:
    """Of (R, N) slopes drawn of each of N series."""
    low, high = np.quantile(slopes, (SIGNIFICANCE_LEVEL / 2, 1 - SIGNIFICANCE_LEVEL / 2), axis=0)
    return low, high


def least_squares(years: Floats, values: Floats) -> tuple[Floats, Floats, Floats]:
    """(N,) slopes, (N,) standard errors of independent values, (N, T) residuals."""
    x = years - years.mean()
    slopes = values @ x / (x @ x)
    rest = values - values.mean(axis=1, keepdims=True) - slopes[:, None] * x
    return slopes, np.sqrt((rest**2).sum(axis=1) / (len(years) - 2) / (x @ x)), rest


def lag_one(rest: Floats) -> Floats:
    """(N,) autocorrelation of residuals, less its bias in short series, 0..0.9."""
    count = rest.shape[1]
    found: Floats = (rest[:, 1:] * rest[:, :-1]).sum(axis=1) / (rest**2).sum(axis=1)
    return np.clip((found * count + 1) / (count - 4) if count > 5 else found, 0, 0.9)


def student(years: Floats, values: Floats) -> Ends:
    """Least squares with Student's t, as if the years were independent."""
    slopes, errors, _ = least_squares(years, values)
    reach = stats.t.isf(SIGNIFICANCE_LEVEL / 2, len(years) - 2) * errors
    return slopes - reach, slopes + reach


def effective_years(years: Floats, values: Floats) -> Ends:
    """The same with the number of years made smaller by their autocorrelation.

    Source:
        Santer et al. 2000, J. Geophys. Res. 105; bias of the autocorrelation: Marriott & Pope
        1954, Biometrika 41.
    """
    slopes, errors, rest = least_squares(years, values)
    rho = lag_one(rest)
    effective = np.maximum(len(years) * (1 - rho) / (1 + rho), 2.1)
    wider = np.sqrt((len(years) - 2) / (effective - 2))
    reach = stats.t.isf(SIGNIFICANCE_LEVEL / 2, effective - 2) * errors * wider
    return slopes - reach, slopes + reach


def mann_kendall(years: Floats, values: Floats) -> Ends:
    """Mann-Kendall, as if the years were independent."""
    return kendall_ends(values, np.ones(len(values)))


def yue_wang(years: Floats, values: Floats) -> Ends:
    """Mann-Kendall with its variance made larger by the autocorrelation.

    Source:
        Yue & Wang 2004, Water Resources Management 18.
    """
    rho = lag_one(least_squares(years, values)[2])
    lags = np.arange(1, len(years))
    growth = 1 + 2 * ((1 - lags / len(years)) * rho[:, None] ** lags).sum(axis=1)
    return kendall_ends(values, growth)


def prewhitening(years: Floats, values: Floats) -> Ends:
    """Mann-Kendall on values without their trend's autocorrelation, the trend put back.

    Source:
        Yue et al. 2002, Hydrological Processes 16 (trend-free prewhitening).
    """
    slopes, _ = trend.fit_lines(years, values)
    line = slopes[:, None] * (years - years[0])
    rest = values - line - (values - line).mean(axis=1, keepdims=True)
    rho = lag_one(rest)[:, None]
    white = rest[:, 1:] - rho * rest[:, :-1] + line[:, 1:]
    return kendall_ends(white, np.ones(len(values)))


def kendall_ends(values: Floats, growth: Floats) -> Ends:
    """Ends that hold 0 where Kendall's S is not shown to differ from it; they say no more."""
    count = values.shape[1]
    first, second = np.triu_indices(count, 1)
    s = np.sign(values[:, second] - values[:, first]).sum(axis=1)
    spread = np.sqrt(growth * count * (count - 1) * (2 * count + 5) / 18)
    z = np.sign(s) * np.maximum(np.abs(s) - 1, 0) / spread
    edge = stats.norm.isf(SIGNIFICANCE_LEVEL / 2)
    return z - edge, z + edge


def restricted_likelihood(years: Floats, values: Floats) -> Ends:
    """Generalised least squares with the likeliest autocorrelation, Student's t.

    Source:
        Harville 1977, J. Am. Stat. Assoc. 72.
    """
    line = np.stack([np.ones(len(years)), years - years.mean()], axis=1)
    free = len(years) - 2
    best = np.full(len(values), -np.inf)
    slopes, errors = np.zeros((2, len(values)))
    for rho in np.linspace(0, 0.95, 20):
        covariance = trend.correlate_years(years, rho)
        inverse = np.linalg.inv(covariance)
        fisher = line.T @ inverse @ line
        found = values @ inverse @ line @ np.linalg.inv(fisher)
        rest = values - found @ line.T
        squares = np.einsum("ni,ij,nj->n", rest, inverse, rest, optimize=True)
        sizes = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(fisher)[1]
        logs = -(sizes + free * np.log(squares)) / 2
        error = np.sqrt(squares / free * np.linalg.inv(fisher)[1, 1])
        slopes = np.where(logs > best, found[:, 1], slopes)
        errors = np.where(logs > best, error, errors)
        best = np.maximum(best, logs)
    reach = stats.t.isf(SIGNIFICANCE_LEVEL / 2, free) * errors
    return slopes - reach, slopes + reach


Method = Callable[[Floats, Floats], Ends]
RIVALS: tuple[Method, ...] = (
    climate_shift, block_bootstrap, student, effective_years, mann_kendall, yue_wang,
    prewhitening, restricted_likelihood,
)  # fmt: skip
WITHOUT_INTERVAL = (mann_kendall, yue_wang, prewhitening)


def measure_cell(
    method: Method, pattern: Pattern, rho: float, count: int, noise: Noise
) -> dict[str, Any]:
    """A row: false alarms of a method, with their binomial interval, coverage and power."""
    years = np.array(pattern.years, float)
    seed = [2, round(100 * rho), *pattern.years]
    values = draw_series(np.random.default_rng(seed), count, rho, years, noise)
    alarms = finds_trend(method(years, values))
    low, high = method(years, values + SLOPE * (years - years.mean()))
    exact = stats.binomtest(int(alarms.sum()), count).proportion_ci(0.95)
    held = float(((low <= SLOPE) & (SLOPE <= high)).mean())
    return {
        "method": method.__name__,
        "noise": noise.__name__.removeprefix("draw_"),
        "years": pattern.name,
        "values": len(years),
        "rho": rho,
        "series": count,
        "false_alarms_percent": round(100 * float(alarms.mean()), 2),
        "low_percent": round(100 * exact.low, 2),
        "high_percent": round(100 * exact.high, 2),
        "coverage_percent": None if method in WITHOUT_INTERVAL else round(100 * held, 2),
        "power_percent": round(100 * float(finds_trend((low, high)).mean()), 2),
    }


def finds_trend(ends: Ends) -> NDArray[np.bool_]:
    """(N,) bool, where an interval is without 0."""
    low, high = ends
    return (low > 0) | (high < 0)


def measure_fifths(count: int) -> list[str]:
    """False alarms of our test by how alike neighbours seem, as a Markdown table."""
    years = np.array(TEN[0].years, float)
    lines = ["| autocorrelation | least alike | | | | most alike |", "|---" * 6 + "|"]
    for rho in RHOS[:4]:
        rng = np.random.default_rng([3, round(100 * rho)])
        values = draw_series(rng, count, rho, years, draw_normal)
        alarms = finds_trend(ours(years, values))
        order = np.argsort(trend.estimate_autocorrelation(years, values))
        cells = [f"{100 * alarms[part].mean():.1f}" for part in np.array_split(order, 5)]
        lines.append(f"| {rho} | " + " | ".join(cells) + " |")
    return lines


def plan_cells(count: int, rival_count: int) -> Iterator[tuple[Method, Pattern, float, int, Noise]]:
    """All cells, as :func:`measure_cell` takes them."""
    for pattern, rho in itertools.product(TEN, RHOS):
        yield ours, pattern, rho, count, draw_normal
        for method in RIVALS:
            yield method, pattern, rho, rival_count, draw_normal
    for pattern, rho, method in itertools.product(OTHERS, RHOS, (ours, climate_shift)):
        yield method, pattern, rho, rival_count, draw_normal
    for noise, rho in itertools.product((draw_heavy, draw_skewed), RHOS):
        yield ours, TEN[0], rho, rival_count, noise
    gapped = [pattern for pattern in TWO_GAPS if pattern not in TEN]
    for pattern, rho in itertools.product(gapped, (0.0, 0.6)):
        yield ours, pattern, rho, count, draw_normal


def measure(count: int, rival_count: int) -> list[dict[str, Any]]:
    """Rows of all cells."""
    rows = []
    for cell in plan_cells(count, rival_count):
        rows.append(measure_cell(*cell))
        print({name: rows[-1][name] for name in SHOWN}, flush=True)
    return rows


SHOWN = ("method", "noise", "years", "rho", "false_alarms_percent", "power_percent")


def tabulate(rows: list[dict[str, Any]], field: str, by: str) -> list[str]:
    """A Markdown table of one field: a line per value of a column, a column per autocorrelation."""
    lines = [
        f"| {by} | " + " | ".join(f"{rho}" for rho in RHOS) + " |",
        "|---" * (len(RHOS) + 1) + "|",
    ]
    for name in dict.fromkeys(row[by] for row in rows):
        cells = [say_cell(row, field) for row in rows if row[by] == name]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def say_cell(row: dict[str, Any], field: str) -> str:
    """``5.1 (4.7-5.5)``, or the number alone."""
    if row[field] is None:
        return "-"
    if field != "false_alarms_percent":
        return f"{row[field]:.0f}"
    return f"{row[field]:.1f} ({row['low_percent']:.1f}-{row['high_percent']:.1f})"


def list_alarms(rows: list[dict[str, Any]], patterns: tuple[Pattern, ...]) -> list[float]:
    """False alarms with some years, up to the autocorrelation for which they are promised."""
    names = {pattern.name for pattern in patterns}
    return [
        row["false_alarms_percent"]
        for row in rows
        if row["years"] in names and row["rho"] <= trend.MAX_AUTOCORRELATION
    ]


def write_page(rows: list[dict[str, Any]], fifths: list[str]) -> str:
    """The README: what was asked, the tables, and what follows."""
    normal = [row for row in rows if row["noise"] == "normal"]
    shown = [pattern.name for pattern in TEN + OTHERS]
    all_mine = [row for row in normal if row["method"] == "ours"]
    mine = [row for row in all_mine if row["years"] in shown]
    shift = [row for row in normal if row["method"] == "climate_shift"]
    alarms = list_alarms(all_mine, TEN)
    gapped = list_alarms(all_mine, TWO_GAPS)
    loud = list_alarms(shift, TEN)
    plain = [row for row in normal if row["years"] == TEN[0].name]
    gaps = [row for row in normal if row["years"] == TEN[1].name]
    odd = [row for row in rows if row["noise"] != "normal"]
    return "\n".join(
        [
            "# False alarms of a trend in short series",
            "",
            *PREFACE,
            "",
            f"**In short: over ten years, with and without two gaps, and autocorrelations from 0 "
            f"to 0.6, our test alarms in {min(alarms):.1f} to {max(alarms):.1f} % of series "
            f"without a trend; the way of climate-shift in {min(loud):.0f} to {max(loud):.0f} %.**",
            "",
            "## Our test: false alarms, per cent of series",
            "",
            *tabulate(mine, "false_alarms_percent", "years"),
            "",
            f"With any two of the eight inner years missing of ten ({len(TWO_GAPS)} patterns): "
            f"{min(gapped):.1f} to {max(gapped):.1f} % up to 0.6.",
            "",
            "The slope's interval is all slopes that the test does not reject, so its coverage is "
            "100 less these numbers. Values far off or skewed, ten years:",
            "",
            *tabulate(odd, "false_alarms_percent", "noise"),
            "",
            "These are averages over series. Those of ten years by how alike their neighbours "
            "seem, a fifth each:",
            "",
            *fifths,
            "",
            "## Our test: trends found, per cent, where there is one of half a standard deviation "
            "a year",
            "",
            *tabulate(mine, "power_percent", "years"),
            "",
            "## The way of climate-shift: false alarms, per cent",
            "",
            *tabulate(shift, "false_alarms_percent", "years"),
            "",
            "Its interval holds the true slope in so many per cent:",
            "",
            *tabulate(shift, "coverage_percent", "years"),
            "",
            "## All methods, ten years without a gap: false alarms, per cent",
            "",
            *tabulate(plain, "false_alarms_percent", "method"),
            "",
            "Trends found, per cent; of no worth where there are many false alarms:",
            "",
            *tabulate(plain, "power_percent", "method"),
            "",
            "## All methods, ten years without the fourth and seventh: false alarms, per cent",
            "",
            *tabulate(gaps, "false_alarms_percent", "method"),
            "",
            *AFTERWORD,
            "",
        ]
    )


PREFACE = (
    "Columns are the autocorrelation of neighbouring years; in brackets the binomial interval at "
    "95 %. All tests are at the 5 % level. Numbers of all cells: [levels.csv](levels.csv).",
    "",
    "    OMP_NUM_THREADS=1 python tests/experiments/trend_levels.py",
)

AFTERWORD = (
    "## What follows",
    "",
    "- Ten years hardly tell how alike neighbouring years are, so every method that puts one "
    "estimate of it in the place of the truth (prewhitening, effective number of years, corrected "
    "variance, restricted likelihood) alarms too often where they are alike. A block bootstrap "
    "does so even where they are not: a block of three is a third of the series.",
    "- The test of `glacier.evaluation.trend` has its limit from simulated series of the very "
    "years at hand, see there. The price is power where the years are independent.",
    "- Beyond 0.6 it alarms too often, and so does every other method here. With seven years or "
    "fewer it seldom finds a trend of that size, with ten about every second one, with fifteen "
    "most of them.",
    "- The level is one of all series together. Where neighbours happen to seem unlike, the "
    "interval is too narrow for those series, and where they seem alike it is very wide: ten years "
    "do not tell which is so. Read a trend of ten years with its autocorrelation beside it.",
    "- Its rule was chosen on series of other seeds. A first one, which bounded false alarms from "
    "above alone, had 2.7 % in one cell of ten years, so that they are bounded from below as well "
    "since; the cells here were drawn anew after that.",
    "- `climate-shift` takes a rolling median of three, which makes neighbours alike, and then "
    "draws pairs as if they were independent.",
)


def main(arguments: list[str]) -> None:
    """Measure all cells; kept where the number of series is the fixed one."""
    count = int(arguments[0]) if arguments else SERIES
    rows = measure(count, min(count, RIVAL_SERIES))
    page = write_page(rows, measure_fifths(4 * count))
    print(page)
    if count == SERIES:
        store.write_bytes(str(OUT / "levels.csv"), encode_csv(rows))
        store.write_bytes(str(OUT / "README.md"), page.encode())


if __name__ == "__main__":
    main(sys.argv[1:])
