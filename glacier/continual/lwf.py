"""Learning without forgetting: the network of before says of new chips what is to stay."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from pydantic import JsonValue
from torch import Tensor, nn
from torch.nn import functional

from glacier.continual.chips import Batch, TaskChips
from glacier.continual.importance import name_tensors, strip_tensors
from glacier.continual.strategy import Facts, Setup, Strategy, Tensors
from glacier.training.losses import dice_loss

WARMTH = 2.0
"""Temperature that probabilities are softened by. Source: Li & Hoiem 2016."""


class Distillation(Strategy):
    """The Dice loss and how far the answers have moved from the network of before the task.

    Source:
        Li & Hoiem 2016, Learning without forgetting, ECCV; Hinton et al. 2015, Distilling the
        knowledge in a neural network.
    """

    def __init__(self, setup: Setup) -> None:
        """Begin without a network of before."""
        super().__init__(setup)
        self.teacher: nn.Module | None = None

    def before_task(self, task: TaskChips) -> None:
        """Keep the network as it is, once it has learned anything."""
        if task.place:
            self.teacher = copy.deepcopy(self.net).requires_grad_(False)

    def loss(self, batch: Batch) -> Tensor:
        """The Dice loss and, times the strength, the distance from the answers of before."""
        logits = self.net(batch.images)
        loss = dice_loss(logits, batch.labels)
        if self.teacher is None:
            return loss
        with torch.no_grad():
            before = self.teacher(batch.images)
        return loss + self.setup.strength * distil(logits, before)

    def kept(self) -> Tensors:
        """The network of before."""
        return name_tensors("teacher.", self.teacher.state_dict()) if self.teacher else {}

    def facts(self) -> Facts:
        """Whether there is one."""
        return {"has_teacher": self.teacher is not None}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, JsonValue]) -> None:
        """Take it back."""
        if facts["has_teacher"]:
            self.teacher = copy.deepcopy(self.net).requires_grad_(False)
            self.teacher.load_state_dict(strip_tensors("teacher.", tensors))


def distil(logits: Tensor, before: Tensor) -> Tensor:
    """Mean divergence of the softened answers of now from those of before, nats; 0 where equal.

    Args:
        logits: (N, 1, H, W) of now.
        before: Likewise, of before.
    """
    wanted = torch.sigmoid(before / WARMTH)
    crossed = functional.binary_cross_entropy_with_logits(logits / WARMTH, wanted)
    least = functional.binary_cross_entropy_with_logits(before / WARMTH, wanted)
    return (crossed - least) * WARMTH**2
