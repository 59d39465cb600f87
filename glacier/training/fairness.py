"""Losses that know regions: what training lowers so that none is served worse than the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from glacier.settings.fairness import Fairness
from glacier.training.losses import Loss

HIDDEN = 64
"""Units of the layer within the head that guesses the region."""


class BatchLoss(nn.Module):
    """The loss of a batch, whatever regions its windows show; the base of those that ask."""

    def __init__(self, loss: Loss) -> None:
        """Keep what is lowered where all regions count alike."""
        super().__init__()
        self.loss = loss

    def forward(
        self, logits: Tensor, target: Tensor, regions: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """What a step lowers, and the loss of the batch as it is noted, () float32 each.

        Args:
            logits: (N, 1, H, W) float32.
            target: (N, 1, H, W) labels, 255 unknown.
            regions: (N,) int64 number of the region that each window shows; None: nobody asked.
        """
        found = self.loss(logits, target)
        return found, found

    def watch(self, model: nn.Module) -> AbstractContextManager[None]:
        """Context in which the network is run, for those that look at its features."""
        return nullcontext()

    def split(self, logits: Tensor, target: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
        """(R,) regions that a batch shows, and the (R,) loss of the windows of each."""
        shown = torch.unique(regions)
        parts = [regions == region for region in shown]
        return shown, torch.stack([self.loss(logits[part], target[part]) for part in parts])


class RobustLoss(BatchLoss):
    """Regions with the higher losses weigh more: group DRO.

    Source:
        Sagawa et al. 2020, Distributionally Robust Neural Networks for Group Shifts, ICLR,
        algorithm 1: exponentiated gradient ascent on the weights, batch by batch.
    """

    weights: Tensor

    def __init__(self, loss: Loss, regions: int, step: float) -> None:
        """Begin with the same weight for every region."""
        super().__init__(loss)
        self.step = step
        self.register_buffer("weights", torch.full((regions,), 1 / regions))

    def forward(
        self, logits: Tensor, target: Tensor, regions: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The weighted sum of the regions' losses, and their mean."""
        assert regions is not None
        shown, losses = self.split(logits, target, regions)
        self.weights[shown] *= torch.exp(self.step * losses.detach())
        self.weights /= self.weights.sum()
        return (self.weights[shown] * losses).sum(), losses.mean()


class ConstrainedLoss(BatchLoss):
    """The mean of the regions' losses, such that none lies above it by more than a tolerance.

    Each region has a Lagrange multiplier that rises while its constraint is broken and falls, to
    0 at the least, while it holds. The mean that a region is held against is taken as given, so
    that no other is made worse to meet it.

    Source:
        Cotter et al. 2019, Optimization with Non-Differentiable Constraints, JMLR 20.
    """

    multipliers: Tensor

    def __init__(self, loss: Loss, regions: int, step: float, tolerance: float) -> None:
        """Begin without a penalty."""
        super().__init__(loss)
        self.step, self.tolerance = step, tolerance
        self.register_buffer("multipliers", torch.zeros(regions))

    def forward(
        self, logits: Tensor, target: Tensor, regions: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The mean with the penalties of those that lie above it, and without."""
        assert regions is not None
        shown, losses = self.split(logits, target, regions)
        mean = losses.mean()
        excess = losses - mean.detach() - self.tolerance
        moved = self.multipliers[shown] + self.step * excess.detach()
        self.multipliers[shown] = moved.clamp_min(0)
        return mean + (self.multipliers[shown] * excess).sum(), mean


class Reversal(torch.autograd.Function):
    """Nothing forward; backward the gradient times minus a strength."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, strength: float) -> Tensor:
        """The features as they are."""
        ctx.strength = strength
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """What moves the encoder away from telling regions apart."""
        return -ctx.strength * gradients[0], None


def reverse_gradient(features: Tensor, strength: float) -> Tensor:
    """The same features, whose gradient is minus ``strength`` times what comes back."""
    found: Tensor = Reversal.apply(features, strength)
    return found


class AdversarialLoss(BatchLoss):
    """A small head guesses the region from the encoder's features, which learn to hide it.

    Source:
        Ganin et al. 2016, Domain-Adversarial Training of Neural Networks, JMLR 17.
    """

    def __init__(self, loss: Loss, regions: int, channels: int, strength: float) -> None:
        """Make the head.

        Args:
            loss: What is lowered beside it.
            regions: How many there are.
            channels: Of the encoder's last features.
            strength: What hiding the region is worth.
        """
        super().__init__(loss)
        self.strength = strength
        self.head = nn.Sequential(
            nn.Linear(channels, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, regions)
        )
        self.features: Tensor | None = None

    @contextmanager
    def watch(self, model: nn.Module) -> Iterator[None]:
        """Keep the last features of the encoder, averaged over each window."""

        def keep(layer: nn.Module, given: Any, features: Sequence[Tensor]) -> None:
            self.features = features[-1].float().mean(dim=(2, 3))

        handle = model.get_submodule("encoder").register_forward_hook(keep)
        try:
            yield
        finally:
            handle.remove()

    def forward(
        self, logits: Tensor, target: Tensor, regions: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The loss with the head's cross-entropy, whose gradient the encoder sees reversed."""
        assert regions is not None and self.features is not None
        guess = self.head(reverse_gradient(self.features, self.strength))
        self.features = None
        found = self.loss(logits, target)
        return found + functional.cross_entropy(guess, regions), found


def make_batch_loss(loss: Loss, settings: Fairness, regions: int, channels: int) -> BatchLoss:
    """What the steps of a trial lower.

    Args:
        loss: Of windows, wherever they lie.
        settings: What is done against unfairness.
        regions: Number of regions that train.
        channels: Of the encoder's last features.
    """
    if settings.kind == "group_dro":
        return RobustLoss(loss, regions, settings.step)
    if settings.kind == "worst_group":
        return ConstrainedLoss(loss, regions, settings.step, settings.tolerance)
    if settings.kind == "adversarial":
        return AdversarialLoss(loss, regions, channels, settings.strength)
    return BatchLoss(loss)


def count_channels(model: nn.Module) -> int:
    """Channels of the last features of a network's encoder."""
    encoder: Any = model.get_submodule("encoder")
    return int(encoder.out_channels[-1])
