import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import linalg, stats

from glacier.errors import SeriesError
from glacier.evaluation.trend import (
    CANDIDATES,
    MIN_YEARS,
    correlate_years,
    estimate_autocorrelation,
    fit_lines,
    fit_trend,
    simulate_null,
)
from glacier.evaluation.verdict import SIGNIFICANCE_LEVEL

LEVELS = Path(__file__).parents[2] / "results" / "trend" / "levels.csv"
TEN = np.arange(2014, 2024)
GAPS = np.delete(TEN, [3, 6])


def draw(count: int, years: NDArray[np.int64], rho: float, seed: int = 7) -> NDArray[np.float64]:
    """Series without a trend, of independent normal shocks year by year."""
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky(correlate_years(years.astype(float), rho))
    return rng.standard_normal((count, len(years))) @ root.T


def test_the_slope_is_that_of_theil_and_sen() -> None:
    for values in draw(20, GAPS, 0.3):
        found = fit_trend(GAPS.tolist(), values.tolist())
        assert found is not None
        assert found.slope == pytest.approx(stats.theilslopes(values, GAPS).slope, rel=1e-12)


def test_one_wrong_year_does_not_move_the_slope() -> None:
    values = 100 - 2.0 * np.arange(10)
    values[4] += 50  # snow taken for ice
    found = fit_trend(TEN.tolist(), values.tolist())
    assert found is not None and found.slope == pytest.approx(-2)
    assert found.at(2023) == pytest.approx(82)


def test_a_gap_is_no_year() -> None:
    values = draw(1, TEN, 0.0)[0].tolist()
    absent = fit_trend(GAPS.tolist(), [values[year - 2014] for year in GAPS])
    for gap in (None, float("nan")):
        with_gaps = [gap if year not in GAPS else values[year - 2014] for year in TEN]
        assert fit_trend(TEN.tolist(), with_gaps) == absent
    assert absent is not None and absent.years == 8


def test_order_does_not_matter() -> None:
    values = draw(1, TEN, 0.4)[0]
    turned = fit_trend(TEN[::-1].tolist(), values[::-1].tolist())
    assert turned == fit_trend(TEN.tolist(), values.tolist())


def test_few_years_have_a_slope_alone() -> None:
    assert fit_trend([2014], [3.0]) is None and fit_trend([2014, 2015], [None, 1.0]) is None
    found = fit_trend([2014, 2016, 2017, 2018], [4.0, 2.0, 1.5, 0.0])
    assert found is not None and found.slope == pytest.approx(-1)
    assert found.p is found.low is found.high is found.autocorrelation is None
    assert MIN_YEARS == 5


def test_without_scatter_nothing_says_what_chance_does() -> None:
    for slope in (0.0, -0.3):
        found = fit_trend(TEN.tolist(), (7.1 + slope * (TEN - 2014)).tolist())
        assert found is not None and found.slope == pytest.approx(slope) and found.p is None


def test_bad_series_are_named() -> None:
    with pytest.raises(SeriesError, match="year 2015 has several values"):
        fit_trend([2014, 2015, 2015], [1.0, 2.0, 3.0])
    with pytest.raises(SeriesError, match="year 2014 is infinite"):
        fit_trend([2014, 2015], [float("inf"), 2.0])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    slope=st.floats(-5, 5),
    level=st.floats(-1e3, 1e3),
    unit=st.floats(1e-3, 1e3),
)
def test_adding_a_line_or_changing_the_unit_says_the_same(
    seed: int, slope: float, level: float, unit: float
) -> None:
    values = draw(1, GAPS, 0.3, seed)[0]
    plain = fit_trend(GAPS.tolist(), values.tolist())
    moved = fit_trend(GAPS.tolist(), (unit * (values + level + slope * (GAPS - 2014))).tolist())
    assert plain and moved and plain.low is not None and plain.high is not None
    assert moved.slope == pytest.approx(unit * (plain.slope + slope), abs=1e-9 * unit)
    assert moved.low == pytest.approx(unit * (plain.low + slope), abs=1e-6 * unit)
    assert moved.high == pytest.approx(unit * (plain.high + slope), abs=1e-6 * unit)
    assert moved.autocorrelation == pytest.approx(plain.autocorrelation, abs=1e-6)


def test_the_interval_is_without_0_where_p_is_at_most_the_level() -> None:
    found_some = set()
    for years in (TEN, GAPS):
        for k, values in enumerate(draw(40, years, 0.3)):
            found = fit_trend(years.tolist(), (values - 0.04 * k * (years - 2014)).tolist())
            assert found is not None
            assert found.low is not None and found.high is not None and found.p is not None
            is_shown = found.p <= SIGNIFICANCE_LEVEL
            assert is_shown == (found.low > 0 or found.high < 0)
            found_some.add(is_shown)
    assert found_some == {False, True}


def test_the_autocorrelation_weighs_the_likelihood_of_contrasts() -> None:
    """Restricted likelihood is that of values from which all lines are projected out."""
    years = GAPS.astype(float)
    values = draw(3, GAPS, 0.5)
    line = np.stack([np.ones(len(years)), years], axis=1)
    contrasts = linalg.null_space(line.T)
    logs = []
    for rho in CANDIDATES:
        covariance = contrasts.T @ correlate_years(years, rho) @ contrasts
        seen = values @ contrasts
        squares = np.array([row @ np.linalg.solve(covariance, row) for row in seen])
        free = len(years) - 2
        logs.append(-(np.linalg.slogdet(covariance)[1] + free * np.log(squares)) / 2)
    weights = np.exp(np.array(logs) - np.max(logs, axis=0))
    expected = CANDIDATES @ weights / weights.sum(axis=0)
    np.testing.assert_allclose(estimate_autocorrelation(years, values), expected, rtol=1e-8)


def test_values_of_a_gap_have_the_power_of_their_distance() -> None:
    found = correlate_years(np.array([0.0, 1, 3]), 0.5)
    np.testing.assert_array_equal(found, [[1, 0.5, 0.125], [0.5, 1, 0.25], [0.125, 0.25, 1]])


@pytest.mark.parametrize("years", [TEN, GAPS], ids=["ten", "gaps"])
@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_false_alarms_are_near_the_level(years: NDArray[np.int64], rho: float) -> None:
    values = draw(3_000, years, rho)
    places = years - years[0].astype(float)
    null = simulate_null(tuple(int(place) for place in places))
    slopes, scatters = fit_lines(places, values)
    alike = estimate_autocorrelation(places, values)
    alarms = np.log(np.abs(slopes) / scatters) - null.steepness * alike > null.limit
    assert 0.025 < alarms.mean() < 0.085  # 3 to 8 %, give or take the draws


def test_the_kept_simulation_holds_what_is_promised() -> None:
    with LEVELS.open() as file:
        rows = [row for row in csv.DictReader(file) if row["noise"] == "normal"]
    ten = [row for row in rows if row["years"].startswith("10 years") and float(row["rho"]) <= 0.6]
    ours = [row for row in ten if row["method"] == "ours"]
    assert len(ours) >= 16 and all(int(row["series"]) >= 4_000 for row in ours)
    assert all(3 <= float(row["false_alarms_percent"]) <= 8 for row in ours)
    for method in {row["method"] for row in ten} - {"ours"}:  # no usual way does
        worst = max(float(row["false_alarms_percent"]) for row in ten if row["method"] == method)
        assert worst > 8
