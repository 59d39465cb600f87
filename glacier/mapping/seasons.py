"""Which month stands for a year: the one of late summer with the least snow, or none.

Snow on the ground outside the glacier hides where the ice ends, and it only ever adds area. So a
year is the map of one month, that with the least snow, and no mean, which would carry some of the
other month's snow along; and a year whose months are all snowy, cloudy or not there is a gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from glacier.archive.records import Status
from glacier.evaluation.breakdown import LATE_SUMMER, NEW_SNOW_SHARE
from glacier.settings.model import Model

WELL_SEEN = 0.8
"""Share of the ground from which a month counts as seen."""

Gap = Literal["", "snowy", "cloudy", "empty", "failed", "absent"]
"""Why a year has no value, or that it has one."""

NEARNESS: tuple[Gap, ...] = ("snowy", "cloudy", "empty", "failed", "absent")
"""Gaps, that which came nearest to a value first: it names the year's."""


class MonthFacts(Model):
    """What is known of a month's map before its area counts."""

    month: date
    """First day."""
    status: Status
    reason: str = ""
    """Why there is no map."""
    seen_share: float | None = None
    """Share of the ground that was seen, 0..1; None without a map."""
    snow_outside: float | None = None
    """Share of the seen ground outside the outlines under snow, 0..1; None: nobody knows."""


class YearChoice(Model):
    """The month that stands for a year."""

    year: int
    month: date | None = None
    """First day; None: a gap."""
    gap: Gap = ""
    why: str
    """The verdict on each month of the season, in words."""


@dataclass(frozen=True)
class Season:
    """Months that may stand for a year, and what they must show."""

    months: tuple[int, ...]
    """Calendar months, 1..12, all of one calendar year."""
    min_seen: float = WELL_SEEN
    """Least share of the ground that was seen, 0..1."""
    max_snow: float = NEW_SNOW_SHARE
    """Share of the ground outside the outlines from which snow is too much, 0..1."""


def late_summer_of(is_southern: bool) -> tuple[int, ...]:
    """Calendar months, 1..12, of late summer in a hemisphere."""
    return LATE_SUMMER["south" if is_southern else "north"]


def choose_months(facts: Iterable[MonthFacts], season: Season) -> list[YearChoice]:
    """The month that stands for each year.

    Among those that are well seen and not snowy it is the least snowy; a month of whose snow
    nothing is known comes after those, then the better seen one, then the later one.

    Args:
        facts: All months of one region, in any order; their years are chosen for.
        season: What may stand for a year.

    Returns:
        Years in order, from the first to the last that there are, gaps included.
    """
    months = sorted(facts, key=lambda month: month.month)
    if not months:
        return []
    years = range(months[0].month.year, months[-1].month.year + 1)
    return [
        choose_month(
            year,
            [m for m in months if m.month.year == year and m.month.month in season.months],
            season,
        )
        for year in years
    ]


def choose_month(year: int, months: Sequence[MonthFacts], season: Season) -> YearChoice:
    """The month that stands for one year, among those of its season."""
    verdicts = {month.month: judge_month(month, season) for month in months}
    why = "; ".join(f"{month:%Y-%m} {text}" for month, (_, text) in verdicts.items())
    usable = [month for month in months if not verdicts[month.month][0]]
    if usable:
        best = min(usable, key=rank_month).month
        chosen = f"{best:%Y-%m} stands for {year}: "
        return YearChoice(year=year, month=best, why=chosen + why)
    gaps = [gap for gap, _ in verdicts.values()]
    nearest = min(gaps, key=NEARNESS.index, default="absent")
    return YearChoice(year=year, gap=nearest, why=why or "no month of the season is there")


def rank_month(month: MonthFacts) -> tuple[bool, float, float, int]:
    """Sorts the month first that stands for a year."""
    is_unknown = month.snow_outside is None
    return is_unknown, month.snow_outside or 0.0, -(month.seen_share or 0.0), -month.month.month


def judge_month(month: MonthFacts, season: Season) -> tuple[Gap, str]:
    """Why a month cannot stand for its year (or nothing), and that in words."""
    if month.status == "failed":
        return "failed", f"failed ({month.reason})"
    if month.status != "ok" or month.seen_share is None:
        return "empty", f"is empty ({month.reason})"
    if month.seen_share < season.min_seen:
        return "cloudy", f"is cloudy ({month.seen_share:.0%} seen, {season.min_seen:.0%} asked)"
    if month.snow_outside is None:
        return "", "is used without a verdict on snow, of which nothing is known"
    snow = f"snow on {month.snow_outside:.1%} of the ground outside, limit {season.max_snow:.1%}"
    if month.snow_outside >= season.max_snow:
        return "snowy", f"is snowy ({snow})"
    return "", f"is clear ({snow})"
