"""What a model that learns task after task keeps, from a matrix of scores.

Row 0 of a matrix is the model before any task, row i the model after i tasks; column j is the
task that is the j-th to be learned, counted from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from glacier.settings.model import Model


class Forgetting(Model):
    """What is left of a stream of T tasks once all are learned, in the unit of the scores."""

    average: float
    """Mean score over all tasks of the last model."""
    worst: float
    """Lowest score of the last model in any task."""
    forgetting: float | None
    """Mean over all tasks but the last of the best score there ever was less the last; None for
    a single task, likewise below."""
    backward: float | None
    """Mean over the same tasks of the last score less that right after the task was learned."""
    forward: float | None
    """Mean over all tasks but the first of the score just before a task is learned less that of a
    model that has learned nothing."""
    learned: float
    """Mean score of a task right after it was learned."""


class ScoreMatrix(Model):
    """Scores of the models of a stream in its tasks."""

    tasks: tuple[str, ...]
    """T names, in the order in which they are learned."""
    rows: tuple[tuple[float, ...], ...]
    """(T + 1, T) scores, 0..1."""

    @model_validator(mode="after")
    def check_shape(self) -> Self:
        """Refuse rows that are not those of the tasks."""
        count = len(self.tasks)
        if not count or {len(row) for row in self.rows} != {count} or len(self.rows) != count + 1:
            raise ValueError(
                f"{len(self.rows)} rows for {count} tasks: wanted one before the first task, then "
                "one after each, each with a score for every task"
            )
        return self

    def measure(self) -> Forgetting:
        """What is kept, lost and carried over."""
        return measure_forgetting(np.array(self.rows))

    def reorder(self, tasks: Sequence[str]) -> NDArray[np.float64]:
        """Scores with the columns in another order: (T + 1, T) float64."""
        return np.array(self.rows)[:, [self.tasks.index(name) for name in tasks]]


def measure_forgetting(scores: NDArray[np.float64]) -> Forgetting:
    """What a stream of tasks keeps, loses and carries over.

    Args:
        scores: (T + 1, T) scores; row 0 before any task.

    Source:
        Lopez-Paz & Ranzato 2017, Gradient Episodic Memory, NeurIPS: average, backward and forward
        transfer. Chaudhry et al. 2018, Riemannian Walk, ECCV: forgetting.
    """
    before, after = scores[0], scores[1:]
    last, own = after[-1], np.diag(after)
    several = len(after) > 1
    return Forgetting(
        average=float(last.mean()),
        worst=float(last.min()),
        forgetting=float((after[:-1, :-1].max(axis=0) - last[:-1]).mean()) if several else None,
        backward=float((last - own)[:-1].mean()) if several else None,
        forward=float((np.diag(after, 1) - before[1:]).mean()) if several else None,
        learned=float(own.mean()),
    )


def close_gap(score: float, floor: float, ceiling: float) -> float | None:
    """Share of the gap between two scores that a third one closes; None where there is no gap.

    Args:
        score: Of a method.
        floor: Of the method that does nothing.
        ceiling: Of the one that may do everything.
    """
    return (score - floor) / (ceiling - floor) if ceiling > floor else None
