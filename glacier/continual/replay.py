"""Experience replay: each step learns from a batch of earlier tasks, too."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue
from torch import Tensor

from glacier.continual.chips import Batch, TaskChips
from glacier.continual.memory import Reservoir
from glacier.continual.strategy import Facts, Setup, Strategy, Tensors
from glacier.continual.trial import bytes_of_chip
from glacier.training.losses import dice_loss


class Replay(Strategy):
    """A reservoir of chips within the budget, of which every step draws as many as of the task.

    Source:
        Chaudhry et al. 2019, On tiny episodic memories in continual learning, ICML workshop;
        Ratcliff 1990, Psychological Review 97.
    """

    def __init__(self, setup: Setup) -> None:
        """Begin with an empty memory."""
        super().__init__(setup)
        self.memory = Reservoir(setup.budget_bytes // bytes_of_chip(setup.bands, setup.size_px))

    def loss(self, batch: Batch) -> Tensor:
        """The mean of the Dice losses of the task's batch and of one from the memory."""
        now = super().loss(batch)
        if not len(self.memory):
            return now
        old = self.memory.draw(len(batch), self.rng)
        return (now + dice_loss(self.net(old["images"]), old["labels"])) / 2

    def after_task(self, task: TaskChips) -> None:
        """Show the memory every chip of the task once."""
        self.memory.offer(task.train.take(self.rng.permutation(len(task.train))), self.rng)

    def kept(self) -> Tensors:
        """The memory."""
        return self.memory.state()

    def facts(self) -> Facts:
        """How many chips the memory was shown."""
        return {"seen": self.memory.seen}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, JsonValue]) -> None:
        """Take the memory back."""
        self.memory.restore(tensors, facts["seen"])
