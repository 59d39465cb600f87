"""MAML: weights to begin with from which one step on a task's chips helps with its others."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from glacier.continual.chips import Batch
from glacier.continual.meta import MetaStart
from glacier.continual.strategy import Tensors
from glacier.training.losses import Loss, dice_loss

INNER_RATE = 0.05
"""Step size within a small task, of plain gradient descent."""
OUTER_RATE = 0.05
"""Step size of the weights to begin with."""


class Maml(MetaStart):
    """Descends the loss after a step, through that step, with second derivatives.

    Source:
        Finn, Abbeel & Levine 2017, Model-agnostic meta-learning, ICML.
    """

    def meta_step(self, small: list[Batch]) -> Tensors:
        """Weights after one step."""
        pairs = [(self.draw_from(chips), self.draw_from(chips)) for chips in small]
        gradients = meta_gradient(self.net, pairs, dice_loss)
        weights = self.net.state_dict()
        return {
            name: value - OUTER_RATE * gradients[name] if name in gradients else value
            for name, value in weights.items()
        }


def meta_gradient(net: nn.Module, pairs: list[tuple[Batch, Batch]], loss: Loss) -> Tensors:
    """Gradient of the mean loss on the second batch of each pair after a step on the first.

    Args:
        net: The network.
        pairs: Two batches of each task.
        loss: Of logits and labels.
    """
    weights = dict(net.named_parameters())
    total = torch.stack(
        [
            loss(functional_call(net, step_once(net, weights, first, loss), (second.images,)),
                 second.labels)
            for first, second in pairs
        ]
    ).mean()  # fmt: skip
    found = torch.autograd.grad(total, list(weights.values()))
    return dict(zip(weights, found, strict=True))


def step_once(
    net: nn.Module, weights: Mapping[str, Tensor], batch: Batch, loss: Loss
) -> dict[str, Tensor]:
    """Weights after a step on a batch, which gradients can go back through."""
    value = loss(functional_call(net, dict(weights), (batch.images,)), batch.labels)
    found = torch.autograd.grad(value, list(weights.values()), create_graph=True)
    return {
        name: weight - INNER_RATE * gradient
        for (name, weight), gradient in zip(weights.items(), found, strict=True)
    }
