"""A small convolutional autoencoder that draws chips with their labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from glacier.continual.chips import Batch
from glacier.labels import IGNORE

HALVINGS = 3
"""Times that a chip is halved on the way to its code; sides are multiples of 2 to that power."""
CODE = 8
"""Channels of the code."""
WEIGHT = 1e-3
"""Of the code's divergence, for each pixel of the image: chips are to be sharp before all."""
WIDTHS = (32, 24, 16, 12, 8, 6, 4, 3, 2, 1)
"""Channels of its layers that are tried until its weights fit."""


class ChipVae(nn.Module):
    """Codes of images and labels together, and images and labels of codes.

    Source:
        Kingma & Welling 2014, Auto-encoding variational Bayes, ICLR.
    """

    def __init__(self, bands: int, size_px: int, width: int) -> None:
        """Make the layers.

        Args:
            bands: B of a chip.
            size_px: Its side, a multiple of 8.
            width: Channels of the layers.
        """
        super().__init__()
        self.bands, self.code_px = bands, size_px // 2**HALVINGS
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        for at in range(HALVINGS):
            down += [nn.Conv2d(width if at else bands + 1, width, 4, 2, 1), nn.ReLU()]
            up += [nn.ConvTranspose2d(width, width, 4, 2, 1), nn.ReLU()]
        self.down = nn.Sequential(*down, nn.Conv2d(width, 2 * CODE, 1))
        self.up = nn.Sequential(nn.Conv2d(CODE, width, 1), *up, nn.Conv2d(width, bands + 1, 1))

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of the codes, (N, CODE, h, w) each."""
        truth = (batch.labels == 1).to(batch.images.dtype)
        mean, spread = self.down(torch.cat([batch.images, truth], 1)).chunk(2, 1)
        return mean, spread.clamp(-8, 8)

    def loss(self, batch: Batch) -> Tensor:
        """What training lowers: error of the images, of the known labels, and the divergence."""
        mean, spread = self.encode(batch)
        drawn = self.up(mean + torch.randn_like(mean) * (spread / 2).exp())
        images, labels = drawn[:, : self.bands], drawn[:, self.bands :]
        known = batch.labels != IGNORE
        truth = (batch.labels == 1).to(images.dtype)
        crossed = functional.binary_cross_entropy_with_logits(labels, truth, reduction="none")
        error = functional.mse_loss(images, batch.images)
        labelled = (crossed * known).sum() / known.sum().clamp_min(1)
        return error + labelled + WEIGHT * divergence(mean, spread)

    def draw(self, count: int) -> Batch:
        """New chips with labels, by torch's global seed."""
        with torch.no_grad():
            made = self.up(torch.randn(count, CODE, self.code_px, self.code_px))
        labels = (made[:, self.bands :] > 0).to(torch.uint8)
        return Batch(made[:, : self.bands].contiguous(), labels)


def divergence(mean: Tensor, spread: Tensor) -> Tensor:
    """Mean over codes of their divergence from a standard normal distribution, nats.

    Args:
        mean: (N, ...) of the codes.
        spread: Logarithm of their variance, likewise.
    """
    each = (mean.square() + spread.exp() - 1 - spread) / 2
    return each.flatten(1).sum(1).mean()


def choose_width(bands: int, size_px: int, budget_bytes: int) -> int | None:
    """The widest autoencoder whose weights fit into a budget; None where none does."""
    for width in WIDTHS:
        with torch.device("meta"):
            net = ChipVae(bands, size_px, width)
        if sum(value.nbytes for value in net.state_dict().values()) <= budget_bytes:
            return width
    return None
