"""Which months are unlike their season in other years: scores, and a level of known false alarms.

Every reference month is first judged by the other years, as a new month is judged by all of them.
The level is the score that only the wanted share of those exceeds, so false alarms are as many as
asked wherever new years are like the reference years.

Source: Vovk, Gammerman & Shafer 2005, Algorithmic Learning in a Random World (conformal levels).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from glacier.monitoring.sketch import MonthSketch
from glacier.monitoring.traits import Row, Trait, compare_month, find_middle, list_traits

MIN_REFERENCES = 3
"""Months of the season in other years that a month is compared with, at least."""

APART_MONTHS = 6
"""Months that lie nearer than this share weather and snow, so neither judges the other."""

SHARED = 5
"""Reference months that the spread of all seasons counts as, beside that of the season itself."""

TAIL, TAIL_SIGMA = 0.9, 1.645
"""Share of the reference months whose distance from what is usual is the spread of a trait, and the
same distance in standard deviations of a normal distribution. Traits that a snowfall moves far have
long tails, which a median would not know."""

Status = Literal["alarm", "usual", "not judged"]

Marks = NDArray[np.bool_]


@dataclass(frozen=True)
class Finding:
    """A trait in which a month differs."""

    trait: Trait
    value: float
    """How far it lies from what is usual, in the trait's own unit."""
    times: float
    """The same in standard deviations of the reference months."""

    def __str__(self) -> str:
        """It in words."""
        return self.trait.tell(self.value)


@dataclass(frozen=True)
class Judgement:
    """A month beside its season in the reference years."""

    region: str
    month: date
    """First day."""
    status: Status
    score: float | None = None
    """Largest difference of all traits, in standard deviations; None where it is not judged."""
    findings: tuple[Finding, ...] = ()
    """Traits, the farthest first."""
    why: str = ""
    """Why it is not judged."""


@dataclass(frozen=True)
class Reference:
    """What is usual in a region, month by month."""

    sketches: tuple[MonthSketch, ...]
    """R months, in order."""
    season_months: int
    """Calendar months on either side that count as the same season."""
    traits: tuple[Trait, ...]
    rows: Row
    """(R, J) how each differs from its season in the other years; NaN where that is not known."""
    scores: Row
    """(R,) of each, judged by the other years; NaN where it cannot be."""

    def find_level(self, month: date, false_alarms: float) -> float | None:
        """Score from which a month is an alarm; None where there are too few months to say so.

        By the months of its season in all years where they are enough, since a calm season knows
        smaller differences than one of snow; else by those of all seasons.
        """
        others = np.array([abs(count_months(month, s.month)) >= APART_MONTHS
                           for s in self.sketches])  # fmt: skip
        season = mark_season(month, self.sketches, self.season_months)
        own = find_level(self.scores[season], false_alarms)
        return find_level(self.scores[others], false_alarms) if own is None else own

    def count_false_alarms(self, false_alarms: float) -> tuple[int, int]:
        """Reference months that the other years would call an alarm, and how many were judged."""
        levels = [self.find_level(sketch.month, false_alarms) for sketch in self.sketches]
        judged = [
            score > level
            for score, level in zip(self.scores, levels, strict=True)
            if level is not None and np.isfinite(score)
        ]
        return sum(judged), len(judged)


def find_level(scores: Row, false_alarms: float) -> float | None:
    """The smallest score that at most a share of new ones like these exceeds, or None.

    Args:
        scores: (R,) NaN where not known.
        false_alarms: The share, 0..1.
    """
    known = np.sort(scores[np.isfinite(scores)])
    rank = ceil((known.size + 1) * (1 - false_alarms))
    return float(known[rank - 1]) if 0 < rank <= known.size else None


def learn_reference(sketches: Sequence[MonthSketch], season_months: int) -> Reference:
    """What is usual in a region.

    Args:
        sketches: Its reference months, one at least, all of the same bands.
        season_months: Calendar months on either side that count as the same season.
    """
    ordered = tuple(sorted(sketches, key=lambda sketch: sketch.month))
    traits = tuple(list_traits(ordered[0].bands))
    rows = np.full((len(ordered), len(traits)), np.nan)
    for k, sketch in enumerate(ordered):
        others = [
            ordered[j] for j in mark_season(sketch.month, ordered, season_months).nonzero()[0]
        ]
        row = compare_month(sketch, others) if len(others) >= MIN_REFERENCES else None
        if row is not None:
            rows[k] = row
    begun = Reference(ordered, season_months, traits, rows, np.full(len(ordered), np.nan))
    scores = np.array([max_times(measure_times(begun, s.month, row))
                       for s, row in zip(ordered, rows, strict=True)])  # fmt: skip
    return Reference(ordered, season_months, traits, rows, scores)


def count_months(first: date, last: date) -> int:
    """Months from one to another, negative where it lies before."""
    return 12 * (last.year - first.year) + last.month - first.month


def mark_season(month: date, sketches: Sequence[MonthSketch], season_months: int) -> Marks:
    """Which months are of the same season, (R,) bool, and not of the same half year or so."""
    apart = np.array([count_months(month, sketch.month) for sketch in sketches])
    around = (apart + 6) % 12 - 6
    return np.asarray((np.abs(around) <= season_months) & (np.abs(apart) >= APART_MONTHS), np.bool_)


def measure_times(reference: Reference, month: date, row: Row) -> Row:
    """How far a month's traits lie from what is usual, (J,) in standard deviations.

    What is usual is told by months of other years alone, so a reference month is measured as a new
    one is. The spread is that of the season, drawn towards that of all months where it is known
    of few.
    """
    apart = np.array([abs(count_months(month, s.month)) >= APART_MONTHS
                      for s in reference.sketches])  # fmt: skip
    season = mark_season(month, reference.sketches, reference.season_months)
    centre = find_middle(reference.rows[season])
    near = np.abs(reference.rows[season] - centre)
    wide = np.abs(reference.rows[apart] - find_middle(reference.rows[apart]))
    known = np.isfinite(near).sum(axis=0)
    spread = np.nan_to_num(find_tail(near)) * known + SHARED * find_tail(wide)
    floors = np.array([trait.floor for trait in reference.traits])
    sigma = np.maximum(spread / TAIL_SIGMA / (known + SHARED), floors)
    return np.asarray((row - centre) / sigma)


def find_tail(distances: Row) -> Row:
    """Distance of each column that a share ``TAIL`` does not exceed; NaN where nothing is known."""
    known = np.isfinite(distances)
    ordered = np.sort(np.where(known, distances, np.inf), axis=0)
    rank = np.maximum(np.ceil(TAIL * known.sum(axis=0)).astype(int), 1) - 1
    if not len(distances):
        return np.full(distances.shape[1], np.nan)
    found = np.take_along_axis(ordered, rank[None], axis=0)[0]
    return np.where(known.any(axis=0), found, np.nan)


def max_times(times: Row) -> float:
    """Score of a month; NaN where no trait is known."""
    known = np.abs(times[np.isfinite(times)])
    return float(known.max()) if known.size else float("nan")


def judge_month(month: MonthSketch, reference: Reference, false_alarms: float) -> Judgement:
    """Whether a month is unlike its season in the reference years.

    Args:
        month: Of the same region; a reference month is judged by the other years.
        reference: What is usual.
        false_alarms: Share of usual months that may be called an alarm, 0..1.
    """

    def pass_over(why: str) -> Judgement:
        return Judgement(month.region, month.month, "not judged", why=why)

    if month.bands != reference.sketches[0].bands:
        return pass_over(
            f"it has the bands {', '.join(month.bands)}, and the reference months "
            f"{', '.join(reference.sketches[0].bands)}"
        )
    season = mark_season(month.month, reference.sketches, reference.season_months)
    others = [reference.sketches[k] for k in season.nonzero()[0]]
    if len(others) < MIN_REFERENCES:
        return pass_over(
            f"{len(others)} reference months of its season, and {MIN_REFERENCES} are needed"
        )
    row = compare_month(month, others)
    if row is None:
        return pass_over("too little of the ground was seen, now or in the reference years")
    return weigh(month, reference, row, reference.find_level(month.month, false_alarms))


def weigh(month: MonthSketch, reference: Reference, row: Row, level: float | None) -> Judgement:
    """Judge a month by its traits, (J,)."""
    season = mark_season(month.month, reference.sketches, reference.season_months)
    centre = find_middle(reference.rows[season])
    times = measure_times(reference, month.month, row)
    order = [j for j in np.argsort(-np.nan_to_num(np.abs(times))) if np.isfinite(times[j])]
    findings = tuple(
        Finding(reference.traits[j], float(row[j] - centre[j]), float(times[j])) for j in order
    )
    score = max_times(times)
    if level is None:
        known = int(np.isfinite(reference.scores).sum())
        why = f"{known} reference months are too few for so few false alarms"
        return Judgement(month.region, month.month, "not judged", score, findings, why)
    status: Status = "alarm" if score > level else "usual"
    return Judgement(month.region, month.month, status, score, findings)
