"""Where the parts of an area chart stand: years along, square kilometres up, an interval each.

The page's template draws it as SVG, so that a year can be clicked and the letters stay sharp.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from glacier.reports.mapped import Area, MapYear

WIDTH, HEIGHT = 380, 236
"""Of the chart, in units of its own; one is about a pixel."""
LEFT, RIGHT, TOP, BOTTOM = 46, 374, 12, 204
"""Edges of the plot within it."""

MAX_STEPS = 5
"""Most steps between the lines across."""

LABEL_WIDTH = 38
"""Room that the name of a year takes."""


@dataclass(frozen=True)
class Column:
    """A year of the chart."""

    year: MapYear
    x: float
    """Its middle."""
    width: float
    named: bool
    """Whether its name is written below it."""
    y: float | None = None
    """Height of its area; None: a gap."""
    low_y: float | None = None
    high_y: float | None = None


@dataclass(frozen=True)
class AreaChart:
    """A chart, laid out."""

    columns: tuple[Column, ...]
    lines: tuple[tuple[float, str], ...]
    """Lines across: height and label."""
    links: tuple[tuple[float, float, float, float], ...]
    """Lines between years that follow each other: x and y of both ends."""
    size: tuple[int, int] = (WIDTH, HEIGHT)
    plot: tuple[int, int, int, int] = (LEFT, RIGHT, TOP, BOTTOM)


def lay_chart(years: Sequence[MapYear]) -> AreaChart | None:
    """Place the years of a region; None where no year has an area.

    Args:
        years: In any order; a year that is missing between two others is an empty column.
    """
    by_year = {year.year: year for year in years}
    areas = [year.area for year in years if year.area]
    if not areas:
        return None
    ticks = list_ticks(min(a.low_km2 for a in areas), max(a.high_km2 for a in areas))
    low, high = ticks[0], ticks[-1]

    def height(km2: float) -> float:
        return round(BOTTOM - (km2 - low) / (high - low) * (BOTTOM - TOP), 1)

    places, named = place_years(min(by_year), max(by_year))
    width = (RIGHT - LEFT) / len(places)
    columns = []
    for number, x in places.items():
        year = by_year.get(number, MapYear(number))
        heights = place_area(year.area, height) if year.area else (None, None, None)
        columns.append(Column(year, x, round(width, 1), number in named, *heights))
    decimals = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
    lines = tuple((height(tick), f"{tick:.{decimals}f}") for tick in ticks)
    return AreaChart(tuple(columns), lines, link_columns(columns))


def place_years(first: int, last: int) -> tuple[dict[int, float], list[int]]:
    """Each year from one to another with the middle of its column, and those with room for a name.

    Args:
        first: The first year.
        last: The last, not before it.
    """
    width = (RIGHT - LEFT) / (last - first + 1)
    years = range(first, last + 1)
    places = {year: round(LEFT + (k + 0.5) * width, 1) for k, year in enumerate(years)}
    return places, list(years[:: math.ceil(LABEL_WIDTH / width)])


def place_area(area: Area, height: Callable[[float], float]) -> tuple[float, float, float]:
    """Heights of an area and of both ends of its interval."""
    return height(area.km2), height(area.low_km2), height(area.high_km2)


def link_columns(columns: Sequence[Column]) -> tuple[tuple[float, float, float, float], ...]:
    """Lines between neighbours that both have an area: over a gap there is none."""
    return tuple(
        (a.x, a.y, b.x, b.y) for a, b in pairwise(columns) if a.y is not None and b.y is not None
    )


def list_ticks(low: float, high: float) -> list[float]:
    """Round numbers in even steps of 1, 2 or 5 times a power of ten around two values, two or more.

    Args:
        low: Smallest value.
        high: Largest value; may be the same.
    """
    span = max(high - low, 1e-3 * max(abs(high), 1e-3))
    power = 10.0 ** math.floor(math.log10(span / MAX_STEPS))
    step = next(power * k for k in (1, 2, 5, 10) if span / (power * k) <= MAX_STEPS)
    start = math.floor(low / step + 1e-9)
    stop = max(math.ceil(high / step - 1e-9), start + 1)
    return [round(k * step, 12) for k in range(start, stop + 1)]
