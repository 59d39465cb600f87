from datetime import date
from typing import Any

import pytest

from glacier.mapping.seasons import (
    MonthFacts,
    Season,
    choose_months,
    late_summer_of,
)

SEASON = Season(late_summer_of(is_southern=False))


def facts(text: str, **more: Any) -> MonthFacts:
    known = {"status": "ok", "seen_share": 0.95, "snow_outside": 0.01, **more}
    return MonthFacts(month=date.fromisoformat(f"{text}-01"), **known)


def empty(text: str, reason: str = "all_masked") -> MonthFacts:
    return MonthFacts(month=date.fromisoformat(f"{text}-01"), status="empty", reason=reason)


def test_late_summer_by_hemisphere() -> None:
    assert late_summer_of(is_southern=False) == (8, 9)
    assert late_summer_of(is_southern=True) == (2, 3)


def test_the_least_snowy_month_stands_for_its_year() -> None:
    (year,) = choose_months(
        [facts("2019-07", snow_outside=0.0), facts("2019-08", snow_outside=0.03), facts("2019-09")],
        SEASON,
    )
    assert year.month == date(2019, 9, 1) and year.gap == ""
    assert year.why == (
        "2019-09 stands for 2019: "
        "2019-08 is clear (snow on 3.0% of the ground outside, limit 5.0%); "
        "2019-09 is clear (snow on 1.0% of the ground outside, limit 5.0%)"
    )


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [
        ({"snow_outside": None}, {}, 9),  # what is known of comes first
        ({}, {"snow_outside": None}, 8),
        ({"seen_share": 0.9}, {"seen_share": 0.99}, 9),
        ({"seen_share": 0.99}, {"seen_share": 0.9}, 8),
        ({}, {}, 9),  # the longer it melted
    ],
)
def test_which_month_of_equals(first: dict[str, Any], second: dict[str, Any], chosen: int) -> None:
    (year,) = choose_months([facts("2019-08", **first), facts("2019-09", **second)], SEASON)
    assert year.month == date(2019, chosen, 1)


def test_a_month_without_a_verdict_on_snow_says_so() -> None:
    (year,) = choose_months([facts("2019-08", snow_outside=None)], SEASON)
    assert year.month and "without a verdict on snow" in year.why


def test_gaps_have_their_reason_and_are_rows() -> None:
    years = choose_months(
        [
            facts("2014-08", snow_outside=0.05),
            facts("2015-09", seen_share=0.4),
            empty("2016-08"),
            facts("2017-06"),
            MonthFacts(month=date(2018, 8, 1), status="failed", reason="SourceError"),
            empty("2020-08"), facts("2020-09", snow_outside=0.6),
        ],
        SEASON,
    )  # fmt: skip
    assert [year.year for year in years] == list(range(2014, 2021))
    gaps = ["snowy", "cloudy", "empty", "absent", "failed", "absent", "snowy"]
    assert [year.gap for year in years] == gaps
    assert all(year.month is None for year in years)
    assert years[1].why == "2015-09 is cloudy (40% seen, 80% asked)"
    assert years[-1].why.startswith("2020-08 is empty (all_masked); 2020-09 is snowy (snow on 60")
    assert choose_months([], SEASON) == []


def test_months_and_limits_are_settings() -> None:
    season = Season((2, 3), min_seen=0.3, max_snow=0.7)
    (year,) = choose_months([facts("2019-02", seen_share=0.4, snow_outside=0.6)], season)
    assert year.month == date(2019, 2, 1)
