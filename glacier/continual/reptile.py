"""Reptile: weights to begin with, moved towards where each of many small tasks leads."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from glacier.continual.chips import Batch
from glacier.continual.meta import MetaStart
from glacier.continual.strategy import Tensors
from glacier.training.losses import dice_loss

INNER_STEPS = 4
"""Steps within a small task."""
INNER_RATE = 0.05
"""Step size within a small task, of plain gradient descent."""
OUTER_RATE = 0.5
"""Share of the mean difference that is taken. Source: Nichol et al. 2018 use 0.1 to 1."""


class Reptile(MetaStart):
    """Steps to the mean of where small tasks lead, without second derivatives.

    Source:
        Nichol, Achiam & Schulman 2018, On first-order meta-learning algorithms, arXiv:1803.02999.
    """

    def meta_step(self, small: list[Batch]) -> Tensors:
        """Weights after one step."""
        led = [self.adapt(chips).state_dict() for chips in small]
        return step_towards(self.net.state_dict(), led)

    def adapt(self, chips: Batch) -> nn.Module:
        """A copy of the network after some steps on a small task."""
        net = copy.deepcopy(self.net)
        optimizer = torch.optim.SGD(net.parameters(), INNER_RATE)
        for _ in range(INNER_STEPS):
            batch = self.draw_from(chips)
            optimizer.zero_grad(set_to_none=True)
            dice_loss(net(batch.images), batch.labels).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return net


def step_towards(weights: Tensors, led: list[Tensors]) -> Tensors:
    """Weights moved by a share of the mean of the differences that tasks have led to."""

    def move(name: str, value: Tensor) -> Tensor:
        return value + OUTER_RATE * torch.stack([each[name] - value for each in led]).mean(0)

    return {name: move(name, value) for name, value in weights.items()}
