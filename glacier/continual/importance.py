"""How much each weight matters to a task, and what it costs to move those that do."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from glacier.continual.chips import Batch
from glacier.labels import IGNORE

MOST = 64
"""Chips that importance is measured on; each takes a step backwards of its own."""

Measure = Callable[[Tensor, Tensor], Tensor]
"""(1, 1, S, S) logits and which pixels are known -> the number whose gradient tells."""


def clone_weights(net: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights of a network by name."""
    return {name: value.detach().clone() for name, value in net.named_parameters()}


def quadratic_penalty(
    net: nn.Module, importance: Mapping[str, Tensor], anchor: Mapping[str, Tensor]
) -> Tensor:
    """Half the squared distance of a network from an anchor, each weight by its importance."""
    parts = [
        (importance[name] * (value - anchor[name]) ** 2).sum()
        for name, value in net.named_parameters()
    ]
    return torch.stack(parts).sum() / 2


def squared_gradients(net: nn.Module, chips: Batch, measure: Measure) -> dict[str, Tensor]:
    """Mean over chips of the squared gradient of a measure, for each weight."""
    return mean_gradients(net, chips, measure, torch.square)


def absolute_gradients(net: nn.Module, chips: Batch, measure: Measure) -> dict[str, Tensor]:
    """Mean over chips of the size of the gradient of a measure, for each weight."""
    return mean_gradients(net, chips, measure, torch.abs)


def mean_gradients(
    net: nn.Module, chips: Batch, measure: Measure, change: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """Mean over chips of the changed gradient of a measure, chip by chip."""
    weights = dict(net.named_parameters())
    total = {name: torch.zeros_like(value) for name, value in weights.items()}
    for image, label in zip(*chips, strict=True):
        value = measure(net(image[None]), label[None] != IGNORE)
        found = torch.autograd.grad(value, list(weights.values()))
        for name, gradient in zip(weights, found, strict=True):
            total[name] += change(gradient) / len(chips)
    return total


def measure_fisher(net: nn.Module, chips: Batch) -> dict[str, Tensor]:
    """Diagonal of the Fisher information of the mean log-likelihood of a chip's known pixels.

    The labels are drawn from what the network itself predicts, with torch's global seed.

    Source:
        Kunstner et al. 2019, Limitations of the empirical Fisher approximation, NeurIPS: drawn
        labels give the Fisher information, given ones do not.
    """

    def log_likelihood(logits: Tensor, known: Tensor) -> Tensor:
        drawn = torch.bernoulli(logits.detach().sigmoid())
        each = functional.binary_cross_entropy_with_logits(logits, drawn, reduction="none")
        return (each * known).sum() / known.sum().clamp_min(1)

    return squared_gradients(net, chips, log_likelihood)


def choose_chips(chips: Batch, rng: np.random.Generator) -> Batch:
    """At most ``MOST`` of some chips, none twice."""
    return chips.take(rng.permutation(len(chips))[:MOST])


def name_tensors(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors with a prefix before their names."""
    return {f"{prefix}{name}": value for name, value in tensors.items()}


def strip_tensors(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with a prefix, without it."""
    return {
        name.removeprefix(prefix): value.clone()
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
