"""Elastic weight consolidation: weights that earlier tasks need are held back by springs."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue
from torch import Tensor

from glacier.continual.chips import Batch, TaskChips
from glacier.continual.importance import (
    choose_chips,
    clone_weights,
    measure_fisher,
    name_tensors,
    quadratic_penalty,
    strip_tensors,
)
from glacier.continual.strategy import Facts, Setup, Strategy, Tensors


class Ewc(Strategy):
    """For each earlier task a penalty: the Fisher-weighted distance from where it was learned.

    Source:
        Kirkpatrick et al. 2017, Overcoming catastrophic forgetting in neural networks, PNAS 114.
    """

    def __init__(self, setup: Setup) -> None:
        """Begin without springs."""
        super().__init__(setup)
        self.springs: list[tuple[Tensors, Tensors]] = []
        """Importance and anchor of each task so far."""

    def loss(self, batch: Batch) -> Tensor:
        """The Dice loss and, times the strength, the penalty of every task so far."""
        return super().loss(batch) + self.setup.strength * self.penalty()

    def penalty(self) -> Tensor | float:
        """Pull of all springs: 0 where the weights are as they were."""
        return sum(quadratic_penalty(self.net, *spring) for spring in self.springs)

    def measure(self, task: TaskChips) -> Tensors:
        """Importance of each weight to a task."""
        return measure_fisher(self.net, choose_chips(task.train, self.rng))

    def after_task(self, task: TaskChips) -> None:
        """Add the springs of the task."""
        self.springs.append((self.measure(task), clone_weights(self.net)))

    def kept(self) -> Tensors:
        """Importance and anchor of every task."""
        found: Tensors = {}
        for at, (importance, anchor) in enumerate(self.springs):
            found |= name_tensors(f"importance.{at}.", importance)
            found |= name_tensors(f"anchor.{at}.", anchor)
        return found

    def facts(self) -> Facts:
        """How many springs there are."""
        return {"springs": len(self.springs)}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, JsonValue]) -> None:
        """Take the springs back."""
        self.springs = [
            (strip_tensors(f"importance.{at}.", tensors), strip_tensors(f"anchor.{at}.", tensors))
            for at in range(int(str(facts["springs"])))
        ]
