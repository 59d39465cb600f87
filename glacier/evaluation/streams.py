"""Strategies on the same streams: what each keeps, how far it is from the floor, whom to take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

from glacier.evaluation.forgetting import Forgetting, ScoreMatrix, close_gap
from glacier.evaluation.verdict import (
    SIGNIFICANCE_LEVEL,
    Pair,
    compare_pairs,
    correct_holm,
    corrected_p,
    spread,
)
from glacier.settings.model import Model

Cell = tuple[int, int]
"""Order and seed of a trial."""

Runs = Mapping[Cell, ScoreMatrix]
"""What came of one method, trial by trial."""

HALF = 0.5
"""Share of the gap between floor and ceiling that a strategy is to close."""


class Spread(Model):
    """A number over the trials of a method."""

    mean: float
    sd: float
    """ddof 1; 0 for a single trial."""


class Against(Model):
    """A method's average score less that of another in the same trials."""

    difference: float
    low: float | None
    """Lower end of its 95 % interval; None where the differences have no spread, likewise below."""
    high: float | None
    p: float | None
    """Corrected paired test of this pair alone."""
    p_holm: float | None
    """The same, with Holm's correction for all methods."""

    @property
    def sure(self) -> bool:
        """Whether the methods are told apart."""
        return self.p_holm is not None and self.p_holm < SIGNIFICANCE_LEVEL


class MethodRow(Model):
    """One strategy with its budget."""

    method: str
    """As the page names it."""
    runs: int
    average: Spread
    worst: Spread
    learned: Spread
    forgetting: Spread
    backward: Spread
    forward: Spread
    gap_closed: float | None
    """Share of the gap between the floor and the ceiling; None where there is none."""
    against_floor: Against | None
    """None for the floor itself, and without a trial that both finished."""


def rank_methods(
    runs: Mapping[str, Runs], floor: str, ceiling: str, ratio: float, planned: int = 0
) -> list[MethodRow]:
    """A row for every method that finished a trial, in the order in which they are given.

    Args:
        runs: Method to its trials.
        floor: The method that does nothing against forgetting.
        ceiling: The one that may keep all.
        ratio: Units of a test part over those of its training part, as in
            :func:`verdict.corrected_p`.
        planned: Methods that were to be compared with the floor, also those that failed; 0: those
            that are here.
    """
    done = {name: found for name, found in runs.items() if found}
    others = [name for name in done if name != floor and done.get(floor)]
    against = compare_with(done, floor, others, ratio, planned)
    ends = [average_of(done[name]) if name in done else None for name in (floor, ceiling)]
    return [
        make_row(name, found, ends[0], ends[1], against.get(name)) for name, found in done.items()
    ]


def make_row(
    name: str, found: Runs, low: float | None, high: float | None, against: Against | None
) -> MethodRow:
    """The row of one method, from the average scores of floor and ceiling."""
    kept = [matrix.measure() for matrix in found.values()]
    closed = None
    if low is not None and high is not None:
        closed = close_gap(average_of(found), low, high)
    return MethodRow(
        method=name,
        runs=len(found),
        gap_closed=closed,
        against_floor=against,
        **{
            field: spread_of(kept, field)
            for field in ("average", "worst", "learned", "forgetting", "backward", "forward")
        },
    )


def average_of(found: Runs) -> float:
    """Mean over trials of the average score at the end."""
    return mean(matrix.measure().average for matrix in found.values())


def spread_of(kept: Sequence[Forgetting], field: str) -> Spread:
    """Mean and standard deviation of one measure over trials."""
    middle, sd = spread([getattr(each, field) or 0.0 for each in kept])
    return Spread(mean=middle, sd=sd)


def pair_averages(one: Runs, other: Runs) -> tuple[list[float], list[float]]:
    """Average scores of two methods in the trials that both finished, in the same order."""
    cells = sorted(one.keys() & other.keys())
    first, second = ([runs[cell].measure().average for cell in cells] for runs in (one, other))
    return first, second


def compare_with(
    runs: Mapping[str, Runs], reference: str, others: Sequence[str], ratio: float, planned: int = 0
) -> dict[str, Against]:
    """Methods against one of them, by the corrected paired test with Holm's correction.

    Args:
        runs: Method to its trials.
        reference: The one.
        others: Which others; those without a common trial are left out.
        ratio: As in :func:`verdict.corrected_p`.
        planned: How many others were to be compared; 0: those that are here.
    """
    pairs = {name: pair_averages(runs[name], runs[reference]) for name in others}
    pairs = {name: pair for name, pair in pairs.items() if pair[0]}
    ps = [corrected_p(*pair, ratio) for pair in pairs.values()]
    holm = correct_holm(ps, planned)
    return {
        name: describe_pair(pair, p, ratio)
        for (name, pair), p in zip(pairs.items(), holm, strict=True)
    }


def describe_pair(
    scores: tuple[list[float], list[float]], p_holm: float | None, ratio: float
) -> Against:
    """The difference of two methods with its interval."""
    pair: Pair
    (pair,) = compare_pairs({"first": scores[0], "second": scores[1]}, ratio)
    return Against(
        difference=pair.difference, low=pair.low, high=pair.high, p=pair.p, p_holm=p_holm
    )


def recommend(
    runs: Mapping[str, Runs], rows: Sequence[MethodRow], floor: str, ceiling: str, ratio: float
) -> str:
    """Which method to take, or that no difference was found, in one sentence.

    Args:
        runs: Method to its trials.
        rows: Of :func:`rank_methods`.
        floor: As there.
        ceiling: Likewise; it keeps all and is no candidate.
        ratio: As in :func:`verdict.corrected_p`.
    """
    better = [
        row
        for row in rows
        if row.method not in (floor, ceiling)
        and row.against_floor
        and row.against_floor.sure
        and row.against_floor.difference > 0
    ]
    if not better:
        return f"No difference found: no method is shown to end above {floor}."
    better.sort(key=lambda row: (-row.average.mean, row.method))
    best, *rest = better
    found = compare_with(runs, best.method, [row.method for row in rest], ratio)
    alike = [name for name, against in found.items() if not against.sure]
    beside = f"; no difference found between it and {', '.join(alike)}" if alike else ""
    assert best.against_floor
    return (
        f"Use {best.method}: it ends at a mean IoU of {best.average.mean:.3f} over all tasks, "
        f"{best.against_floor.difference:.3f} above {floor}{beside}."
    )


def judge_replay(rows: Sequence[MethodRow], replay: str, floor: str, ceiling: str) -> str:
    """Whether replay closes half of the gap between floor and ceiling, else what does.

    Args:
        rows: Of :func:`rank_methods`.
        replay: The method that is asked for.
        floor: As there.
        ceiling: Likewise.
    """
    found = {row.method: row for row in rows}
    if missing := [name for name in (replay, floor, ceiling) if name not in found]:
        return f"Whether replay closes the gap is not known: no trial of {missing[0]} ended."
    low, high = found[floor].average.mean, found[ceiling].average.mean
    gap = f"between {floor} ({low:.3f}) and {ceiling} ({high:.3f})"
    closed = found[replay].gap_closed
    if closed is None:
        return f"There is no gap {gap} that could be closed."
    said = f"{replay} closes {closed:.0%} of the gap {gap}"
    if closed >= HALF:
        return f"{said}, at least half of it."
    enough = [
        f"{row.method} ({row.gap_closed:.0%})"
        for row in sorted(rows, key=lambda row: -(row.gap_closed or 0))
        if row.method not in (floor, ceiling) and (row.gap_closed or 0) >= HALF
    ]
    who = (
        f"half of it or more is closed by {', '.join(enough)}"
        if enough
        else "no method closes half"
    )
    return f"{said}, less than half; {who}."
