"""What a row of the benchmarks is, and how two works are timed against each other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any


class NotHere(Exception):
    """A row that cannot be measured on this machine; its text says why."""


@dataclass(frozen=True)
class Row:
    """One comparison of ours with a baseline."""

    what: str
    """What ours does."""
    against: str
    """How the baseline is written."""
    ours: float
    baseline: float
    unit: str
    repeats: int
    target: float | None = None
    """Least ratio that is wanted; None: the row only informs."""
    limit: str = ""
    """What keeps ours from being faster."""
    higher_is_better: bool = False
    """Of ours and baseline, such as for a score."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Further numbers, units in their names."""

    @property
    def ratio(self) -> float:
        """Above 1 is better than the baseline."""
        better, worse = self.baseline, self.ours
        return worse / better if self.higher_is_better else better / worse

    def as_dict(self, name: str) -> dict[str, Any]:
        """The row as it stands in ``summary.json``."""
        command = f"make bench ROW={name}"
        return {"name": name, **asdict(self), "ratio": self.ratio, "command": command}


def time_in_turn(repeats: int, *works: Callable[[], object]) -> list[float]:
    """Median seconds of each work, run alternately so that all meet the same machine.

    Each runs once before that, so that none pays for imports, caches or a first allocation.
    """
    taken: list[list[float]] = [[] for _ in works]
    for turn in range(repeats + 1):
        for times, work in zip(taken, works, strict=True):
            began = time.perf_counter()
            work()
            if turn:
                times.append(time.perf_counter() - began)
    return [statistics.median(times) for times in taken]
