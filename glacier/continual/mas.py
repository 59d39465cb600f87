"""Memory-aware synapses: importance from how far the output moves with a weight, without labels."""

from __future__ import annotations

import torch
from torch import Tensor

from glacier.continual.chips import Batch, TaskChips
from glacier.continual.ewc import Ewc
from glacier.continual.importance import absolute_gradients, choose_chips, clone_weights
from glacier.continual.strategy import Tensors


class Mas(Ewc):
    """One penalty around the latest weights, by importances that add up over all tasks.

    Source:
        Aljundi et al. 2018, Memory aware synapses, ECCV.
    """

    def measure(self, task: TaskChips) -> Tensors:
        """Importance of each weight to a task, of which no label is looked at."""
        chips = choose_chips(task.train, self.rng)
        unlabelled = Batch(chips.images, torch.zeros_like(chips.labels))
        return absolute_gradients(self.net, unlabelled, measure_output)

    def after_task(self, task: TaskChips) -> None:
        """Add the importances of the task to those before."""
        found = self.measure(task)
        if self.springs:
            found = {name: value + self.springs[0][0][name] for name, value in found.items()}
        self.springs = [(found, clone_weights(self.net))]


def measure_output(logits: Tensor, known: Tensor) -> Tensor:
    """Mean squared output of all pixels, known or not: the squared length, by its size."""
    return logits.square().mean()
