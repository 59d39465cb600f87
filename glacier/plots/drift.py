"""How far the months of a region lie from what is usual, over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import nan

import numpy as np
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from glacier.plots.figures import (
    COLOURS,
    HAIR,
    INK,
    MUTED,
    Picture,
    add_legend,
    encode_figure,
    new_figure,
    style_axes,
)

NAMED, APART_DAYS = 8, 150
"""Alarms that a picture names, the farthest first; of those that lie nearer only the farthest, as
their names would cover each other."""

TICKS = (0, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Scores that the axis names: even up to 10, where the months of every year lie."""


@dataclass(frozen=True)
class ScoredMonth:
    """A month as the picture shows it."""

    month: date
    score: float
    """Largest difference, in standard deviations."""
    level: float | None
    """Score from which it is an alarm."""
    is_reference: bool

    @property
    def is_alarm(self) -> bool:
        """Whether it lies above its level."""
        return self.level is not None and self.score > self.level


def draw_drift(region: str, months: Sequence[ScoredMonth]) -> Picture:
    """Scores of a region's months, with the level of each.

    Args:
        region: As people write it.
        months: Those that have a score, one at least.
    """
    figure = new_figure(9.6, 3.4)
    axes = figure.add_subplot()
    style_axes(axes, "", "difference from its season,\nstandard deviations")
    ordered = sorted(months, key=lambda month: month.month)
    levels = [nan if month.level is None else month.level for month in ordered]
    axes.plot(
        place(ordered), levels, color=MUTED, linewidth=1, linestyle="--", label="alarm above this"
    )
    kinds = {
        "reference month, judged by the other years": (True, COLOURS[5], "o"),
        "new month": (False, COLOURS[0], "o"),
    }
    for label, (is_reference, colour, mark) in kinds.items():
        some = [m for m in ordered if m.is_reference is is_reference and not m.is_alarm]
        axes.scatter(place(some), [m.score for m in some], s=18, color=colour,
                     marker=mark, label=label, zorder=3)  # fmt: skip
    alarms = sorted((m for m in ordered if m.is_alarm), key=lambda m: -m.score)
    axes.scatter(place(alarms), [m.score for m in alarms], s=34, color=COLOURS[1],
                 marker="D", label="alarm", zorder=4)  # fmt: skip
    axes.set_yscale("symlog", linthresh=10)
    top = 1.35 * max([*(month.score for month in ordered), 10])
    axes.set_ylim(bottom=0, top=top)
    axes.set_yticks([tick for tick in TICKS if tick < top], minor=False)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    for month in choose_named(alarms):
        axes.annotate(f"{month.month:%Y-%m}", (place([month])[0], month.score), (4, 4),
                      textcoords="offset points", fontsize=9, color=INK)  # fmt: skip
    axes.axhline(0, color=HAIR, linewidth=0.7)
    add_legend(figure)
    names = ", ".join(f"{month.month:%Y-%m}" for month in alarms) or "none"
    return encode_figure(figure, f"{region}: {len(ordered)} months; alarms: {names}")


def choose_named(alarms: Sequence[ScoredMonth]) -> list[ScoredMonth]:
    """Alarms that are named, of those that are given the farthest first."""
    named: list[ScoredMonth] = []
    for alarm in alarms:
        if all(abs((alarm.month - other.month).days) >= APART_DAYS for other in named):
            named.append(alarm)
    return named[:NAMED]


def place(months: Sequence[ScoredMonth]) -> NDArray[np.datetime64]:
    """Where months stand along the axis of time."""
    return np.array([month.month for month in months], "datetime64[D]")
