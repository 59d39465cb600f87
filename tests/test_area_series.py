"""What the experiment on areas counts, on numbers that are known."""

from datetime import date

import numpy as np
import pytest
from scipy import stats

from glacier.mapping.area_table import AreaRow
from tests.experiments.area_series import (
    GlacierCheck,
    check_years,
    draw_glaciers,
    estimate_coverage,
    list_glaciers,
    list_years,
    mapping_config,
    summarise,
    training_config,
)


def make_check(seed: int = 1, off: float = 1.0) -> GlacierCheck:
    """Ten years of a glacier that shrinks by a tenth of a square kilometre a year."""
    years = tuple(
        {
            "year": year, "month": f"{year}-08", "area_km2": off * true, "low_km2": 0.95 * true,
            "high_km2": 1.02 * true, "answer": "tested", "half_pixel_low_km2": true,
            "half_pixel_high_km2": true, "true_km2": true, "whole_km2": 2 * true,
        }
        for year, true in ((2013 + k, 10 - 0.1 * k) for k in range(10))
    )  # fmt: skip
    return GlacierCheck.model_validate({"seed": seed, "years": years, "gaps": {2023: "snowy"}})


def test_areas_and_truth_are_of_the_pixels_that_all_years_saw() -> None:
    classes = np.ones((2, 10, 10), np.uint8)
    classes[1, 0] = 255
    truth = np.ones((2, 10, 10), np.uint8)
    truth[1, :5] = 0
    rows = [
        AreaRow(region="a", kind="year", year=year, month=date(year, 8, 1), status="ok",
                area_km2=0.3, low_km2=0.2, high_km2=0.4, answer="tested",
                half_pixel_low_km2=0.25, half_pixel_high_km2=0.35)
        for year in (2013, 2014)
    ]  # fmt: skip
    first, second = check_years(rows, classes, truth)
    assert (first.true_km2, first.whole_km2) == pytest.approx((90 * 0.0036, 100 * 0.0036))
    assert (second.true_km2, second.whole_km2) == pytest.approx((50 * 0.0036, 50 * 0.0036))
    assert second.error_percent == pytest.approx(100 * (0.3 / 0.18 - 1))
    assert first.holds and not second.holds
    assert first.half_pixel_holds and not second.half_pixel_holds


def test_a_glacier_is_judged_by_its_years_and_by_its_trend() -> None:
    good, large = make_check(), make_check(off=1.04)
    assert good.held == 10 and good.worst_percent == pytest.approx(0)
    assert large.worst_percent == pytest.approx(4)
    assert good.true_trend == pytest.approx(-0.1) and good.has_sign


def test_years_of_a_glacier_count_as_one_where_they_stand_and_fall_together() -> None:
    alike = estimate_coverage([10, 10, 10, 10, 0], [10] * 5)
    assert (alike.held, alike.years) == (40, 50)
    exact = stats.binomtest(4, 5).proportion_ci(0.95)
    assert (alike.low_percent, alike.high_percent) == pytest.approx(
        (100 * exact.low, 100 * exact.high)
    )
    spread = estimate_coverage([8] * 5, [10] * 5)  # no glacier differs: nobody knows how alike
    assert spread.effective_years == 5
    mixed = estimate_coverage([9, 7, 8, 10, 6], [10] * 5)
    assert 5 < mixed.effective_years <= 50
    full = estimate_coverage([10] * 5, [10] * 5)
    assert full.high_percent == 100 and full.low_percent == pytest.approx(100 * 0.025 ** (1 / 5))


def test_the_page_has_a_line_for_every_glacier_year_and_gap() -> None:
    checks = [make_check(seed) for seed in (1, 2)]
    assert len(list_glaciers(checks)) == 4 and "| 10 of 10 |" in list_glaciers(checks)[2]
    assert list_years(checks[0])[-1].startswith("| 2023 | gap: snowy")
    assert "20 of 20 years of 2 glaciers: 100 %" in summarise(checks)[0]
    assert draw_glaciers(checks).startswith(b"\x89PNG")


def test_no_model_learns_of_a_glacier_that_is_mapped() -> None:
    training = training_config("data")
    mapped = mapping_config(training, 1, "data/sweeps/x")
    assert mapped.seed != training.seed
    assert not {r.name for r in training.regions} & {r.name for r in mapped.regions}
