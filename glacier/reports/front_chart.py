"""Where the parts of a chart of fronts stand: years along, metres since the first year up.

Distances since each line's own first year can be compared, positions along different lines cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from glacier.plots.figures import COLOURS
from glacier.reports.area_chart import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    list_ticks,
    place_years,
)
from glacier.reports.mapped import FrontSeries

MOST_LINES = len(COLOURS)
"""Lines that a chart shows; of more, those that moved farthest."""


@dataclass(frozen=True)
class FrontPoint:
    """A year of a line."""

    x: float
    y: float
    says: str


@dataclass(frozen=True)
class FrontCurve:
    """A glacier's front through the years."""

    name: str
    colour: str
    points: tuple[FrontPoint, ...]
    links: tuple[tuple[float, float, float, float], ...]
    """Lines between years that follow each other: x and y of both ends."""


@dataclass(frozen=True)
class FrontChart:
    """A chart, laid out."""

    curves: tuple[FrontCurve, ...]
    lines: tuple[tuple[float, str], ...]
    """Lines across: height and label."""
    labels: tuple[tuple[float, int], ...]
    """Years that are named: place and year."""
    left_out: int
    """Lines that it does not show."""
    size: tuple[int, int] = (WIDTH, HEIGHT)
    plot: tuple[int, int, int, int] = (LEFT, RIGHT, TOP, BOTTOM)


def lay_fronts(fronts: Sequence[FrontSeries]) -> FrontChart | None:
    """Place the fronts of a region; None where none is known in two years.

    Args:
        fronts: A series each centre line.
    """
    moves = {front.line: measure_moves(front) for front in fronts if len(front.positions_m) > 1}
    if not moves:
        return None
    ranked = sorted(moves, key=lambda line: -max(map(abs, moves[line].values())))
    shown = [line for line in moves if line in ranked[:MOST_LINES]]
    values = [metres for line in shown for metres in moves[line].values()]
    numbers = [year for line in shown for year in moves[line]]
    places, named = place_years(min(numbers), max(numbers))
    ticks = list_ticks(min(values), max(values))

    def height(metres: float) -> float:
        return round(BOTTOM - (metres - ticks[0]) / (ticks[-1] - ticks[0]) * (BOTTOM - TOP), 1)

    curves = []
    for colour, line in zip(COLOURS, shown, strict=False):
        years = {y: FrontPoint(places[y], height(m), f"{line}, {y}: {m:+.0f} m")
                 for y, m in moves[line].items()}  # fmt: skip
        links = [(years[a], years[b]) for a, b in pairwise(years) if b == a + 1]
        drawn = tuple((a.x, a.y, b.x, b.y) for a, b in links)
        curves.append(FrontCurve(line, colour, tuple(years.values()), drawn))
    return FrontChart(
        tuple(curves),
        tuple((height(tick), f"{tick:+.0f}" if tick else "0") for tick in ticks),
        tuple((places[year], year) for year in named),
        len(moves) - len(shown),
    )


def measure_moves(front: FrontSeries) -> dict[int, float]:
    """Year, in order, to how far the front is beyond that of the first year; less: a retreat."""
    years = sorted(front.positions_m)
    return {year: front.positions_m[year] - front.positions_m[years[0]] for year in years}
