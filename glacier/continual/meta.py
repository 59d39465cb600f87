"""Weights to begin with that learn fast: what meta-learning strategies share."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from glacier.continual.chips import Batch, TaskChips
from glacier.continual.strategy import Strategy, Tensors

SMALL_TASKS = 8
"""Parts of the first task that stand in for tasks, since no other is known yet."""


class MetaStart(Strategy):
    """Before the first task its weights are made fit for learning; then as naive fine-tuning.

    The first task's chips are parted by order, and so by place and time, into small tasks.
    """

    def before_task(self, task: TaskChips) -> None:
        """Find the weights to begin with, before the first task alone."""
        if task.place:
            return
        small = part_chips(task.train)
        for _ in range(max(1, self.setup.steps // SMALL_TASKS)):
            self.net.load_state_dict(self.meta_step(small))

    @abstractmethod
    def meta_step(self, small: list[Batch]) -> Tensors:
        """Weights after one step over all small tasks."""

    def draw_from(self, chips: Batch) -> Batch:
        """A batch of a small task."""
        return chips.draw(self.setup.batch_size, self.rng)


def part_chips(chips: Batch) -> list[Batch]:
    """Chips in parts of neighbours, each of two at least where there are four or more."""
    count = max(1, min(SMALL_TASKS, len(chips) // 2))
    return [chips.take(part) for part in np.array_split(np.arange(len(chips)), count)]
