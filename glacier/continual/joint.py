"""Joint training: the tasks seen so far are all kept, and learned together."""

from __future__ import annotations

from torch import Tensor

from glacier.continual.chips import Batch, TaskChips, join_chips
from glacier.continual.memory import Reservoir
from glacier.continual.replay import Replay
from glacier.continual.strategy import Setup
from glacier.training.losses import dice_loss

EVERYTHING = 2**62
"""Capacity of a memory that forgets nothing."""


class Joint(Replay):
    """The ceiling: every step draws from all chips of all tasks so far, each task alike.

    Source:
        Caruana 1997, Multitask learning, Machine Learning 28.
    """

    def __init__(self, setup: Setup) -> None:
        """Begin with an empty memory without bounds."""
        super().__init__(setup)
        self.memory = Reservoir(EVERYTHING)
        self.earlier = 0

    def before_task(self, task: TaskChips) -> None:
        """Count the tasks so far."""
        self.earlier = task.place

    def loss(self, batch: Batch) -> Tensor:
        """The Dice loss of a batch in which the task has no more chips than any other has."""
        own = int(self.rng.binomial(len(batch), 1 / (self.earlier + 1)))
        now = Batch(batch.images[:own], batch.labels[:own])
        if own < len(batch):
            old = self.memory.draw(len(batch) - own, self.rng)
            now = join_chips([now, Batch(old["images"], old["labels"])])
        return dice_loss(self.net(now.images), now.labels)
