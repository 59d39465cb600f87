"""A Hebbian head: the last layer follows what fires together, and no gradient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from pydantic import JsonValue
from torch import Tensor, nn
from torch.nn import functional

from glacier.continual.chips import Batch
from glacier.continual.network import SmallUNet
from glacier.continual.strategy import Setup, Strategy, Tensors
from glacier.training.losses import dice_loss

RATE = 0.02
"""Share of a weight that a step moves towards the correlation of its batch."""
SCALE = 4.0
"""Logit of a pixel whose features are those of ice on average, less that of one halfway."""


class Hebbian(Strategy):
    """The body learns by gradients, the head by Hebb's rule with a decay: two means of features.

    A weight grows where its feature fires with the label, and decays at the same rate, so that it
    runs after the correlation of the two; ice and ground weigh the same. The head is the line
    halfway between the two means.

    Source:
        Hebb 1949, The organization of behavior; Oja 1982, Simplified neuron model as a principal
        component analyzer, Journal of Mathematical Biology 15, for a rule that stays bounded.
    """

    net: SmallUNet

    def __init__(self, setup: Setup) -> None:
        """Begin with a head that the network's own first weights give."""
        super().__init__(setup)
        weight = self.net.head.weight.detach().flatten()
        self.means = torch.stack([-weight, weight])
        """(2, width): mean features of ground and of ice."""

    def trained(self) -> Iterable[nn.Parameter]:
        """All weights but those of the head."""
        return self.net.stages.parameters()

    def answer(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features of every pixel, of unit length, and the head's logits."""
        features = functional.normalize(self.net.pixel_features(images))
        ground, ice = self.means
        line = ice - ground
        middle = (line * (ice + ground)).sum() / 2
        along = torch.einsum("nchw,c->nhw", features, line) - middle
        reach = line.square().sum().clamp_min(1e-6) / 2
        return features, (SCALE * along / reach)[:, None]

    def loss(self, batch: Batch) -> Tensor:
        """The Dice loss of the head as it is, which the body alone follows."""
        return dice_loss(self.answer(batch.images)[1], batch.labels)

    def after_step(self, batch: Batch) -> None:
        """Let the head follow the batch."""
        with torch.no_grad():
            features, _ = self.answer(batch.images)
            self.means = follow(self.means, features, batch.labels)

    def predict(self, images: Tensor, place: int) -> Tensor:
        """The head's logits."""
        return self.answer(images)[1]

    def kept(self) -> Tensors:
        """The head."""
        return {"means": self.means}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, JsonValue]) -> None:
        """Take it back."""
        self.means = tensors["means"].clone()


def follow(means: Tensor, features: Tensor, labels: Tensor) -> Tensor:
    """Weights after a Hebbian step: w + rate (mean of feature x label - w), for each label.

    Args:
        means: (2, C), the weights of ground and of ice.
        features: (N, C, H, W).
        labels: (N, 1, H, W), 255 unknown.

    Returns:
        (2, C); a label that is not there leaves its weights alone.
    """
    moved = []
    for label, weight in enumerate(means):
        fires = (labels == label).to(features.dtype)
        count = fires.sum()
        found = (features * fires).sum(dim=(0, 2, 3)) / count.clamp_min(1)
        moved.append(weight + RATE * (found - weight) * (count > 0))
    return torch.stack(moved)
