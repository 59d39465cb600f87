"""Dark experience replay: chips are kept with what the network said of them at the time."""

from __future__ import annotations

import torch
from torch import Tensor

from glacier.continual.chips import Batch, TaskChips
from glacier.continual.memory import SHORT, Reservoir
from glacier.continual.replay import Replay
from glacier.continual.strategy import Setup
from glacier.continual.trial import bytes_of_chip
from glacier.training.losses import dice_loss


class DarkReplay(Replay):
    """DER++: a reservoir of drawn chips with their logits, which are to stay, and their labels.

    Source:
        Buzzega et al. 2020, Dark experience for general continual learning, NeurIPS.
    """

    def __init__(self, setup: Setup) -> None:
        """Begin with an empty memory; logits take of the budget what they need."""
        super().__init__(setup)
        logits = setup.size_px**2 * SHORT.itemsize
        each = bytes_of_chip(setup.bands, setup.size_px) + logits
        self.memory = Reservoir(setup.budget_bytes // each)
        self.logits = torch.zeros(0)

    def loss(self, batch: Batch) -> Tensor:
        """The Dice losses of the task's batch and of a drawn one, and the shift of kept logits."""
        now = self.net(batch.images)
        self.logits = now.detach()
        loss = dice_loss(now, batch.labels)
        if not len(self.memory):
            return loss
        dark, seen = (self.memory.draw(len(batch), self.rng) for _ in range(2))
        shift = (self.net(dark["images"]) - dark["logits"].float()).square().mean()
        labelled = dice_loss(self.net(seen["images"]), seen["labels"])
        total: Tensor = (loss + labelled) / 2 + self.setup.strength * shift
        return total

    def after_step(self, batch: Batch) -> None:
        """Show the memory the batch with the logits that it was just given."""
        self.memory.offer(batch, self.rng, {"logits": self.logits.to(SHORT)})

    def after_task(self, task: TaskChips) -> None:
        """Nothing: each batch was shown as it was drawn."""
