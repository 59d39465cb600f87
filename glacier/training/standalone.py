"""A network with all that its card says around it, as one module: image in, probability out."""

from __future__ import annotations

import math

import torch
from torch import nn

from glacier.training.eight_bit import LEVELS, STEPS, Ranges, list_ranges
from glacier.training.joined_rule import JoinedRule
from glacier.training.model_card import ModelCard


class Standalone(nn.Module):
    """Windows of an image -> probability of glacier, as our own inference has it in float32.

    In: (N, B, size, size) float32, what the card calls its bands and its scale, NaN where unseen;
    reflectance beyond the card's range is clipped. Out: (N, 1, size, size) float32, NaN where any
    band is unseen.
    """

    low: torch.Tensor
    high: torch.Tensor
    fill: torch.Tensor
    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: nn.Module, card: ModelCard) -> None:
        """Put a network between what is done before and after it.

        Args:
            network: (N, B, size, size) normalised windows -> (N, 1, size, size) logits.
            card: Of the model.
        """
        super().__init__()
        self.network = network
        self.temperature, self.orientations = card.temperature, card.inference.orientations
        is_bounded = card.image.scale == "reflectance"
        ranges = list_ranges(card.image) if is_bounded else [(-math.inf, math.inf)] * len(card.fill)
        register(self, low=[low for low, _ in ranges], high=[high for _, high in ranges])
        self.rule = card.inference.rule
        register(self, fill=card.fill, mean=card.inference.mean, std=card.inference.std)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Probability of glacier."""
        seen = torch.isfinite(image).all(dim=1, keepdim=True)
        clipped = torch.minimum(torch.maximum(image, self.low), self.high)
        pixels = torch.where(seen, clipped, self.fill)
        logits = self.average((pixels - self.mean) / self.std)
        if self.rule:
            logits = join_rule(logits, pixels, self.rule)
        return torch.where(seen, torch.sigmoid(logits / self.temperature), math.nan)

    def average(self, windows: torch.Tensor) -> torch.Tensor:
        """Logits, the mean over as many flips and quarter turns as the card asks for."""
        ways = range(self.orientations)
        turned = torch.cat([turn(windows, way) for way in ways])
        answers = self.network(turned).unflatten(0, (len(ways), -1)).unbind()
        back = [turn_back(answer, way) for way, answer in zip(ways, answers, strict=True)]
        return torch.stack(back).mean(dim=0)


def join_rule(logits: torch.Tensor, pixels: torch.Tensor, rule: JoinedRule) -> torch.Tensor:
    """Logits (N, 1, size, size) within what a rule allows, as :meth:`JoinedRule.join`."""
    green, nir, swir1 = (pixels[:, at : at + 1] for at in (rule.green, rule.nir, rule.swir1))
    green, swir1 = green.clamp(min=0), swir1.clamp(min=0)
    is_high = (green - swir1) / (green + swir1) > rule.ndsi_above
    is_bright = nir > rule.nir_above
    if rule.bright is not None:
        logits = torch.where(is_high & is_bright, logits.clamp(min=rule.least), logits)
    if rule.dark is not None:
        logits = torch.where(is_high & ~is_bright, logits.clamp(max=rule.most), logits)
    return logits


def turn(windows: torch.Tensor, way: int) -> torch.Tensor:
    """Windows (N, C, size, size) in one of eight orientations, as ``glacier.windows.turn``."""
    turned = torch.rot90(windows, way % 4, (-2, -1))
    return turned.flip(-1) if way >= 4 else turned


def turn_back(windows: torch.Tensor, way: int) -> torch.Tensor:
    """The inverse of :func:`turn`."""
    turned = windows.flip(-1) if way >= 4 else windows
    return torch.rot90(turned, -(way % 4), (-2, -1))


class EightBit(nn.Module):
    """The same for images of 8 bits, see ``eight_bit``: no level is NaN, and neither is an answer.

    In: (N, B, size, size) float32, levels / 255; level 0 in any band: unseen. Out: (N, 1, size,
    size) float32, 0 where unseen, which is below every threshold.
    """

    low: torch.Tensor
    step: torch.Tensor

    def __init__(self, standalone: Standalone, ranges: Ranges) -> None:
        """Put levels before a module that takes values.

        Args:
            standalone: The module.
            ranges: (B,) what level 1 and level 255 of each band mean.
        """
        super().__init__()
        self.standalone = standalone
        steps = [(high - low) / STEPS for low, high in ranges]
        register(self, low=[low for low, _ in ranges], step=steps)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Probability of glacier."""
        levels = image * LEVELS
        seen = (levels > 0.5).all(dim=1, keepdim=True)
        values = self.low + (levels - 1) * self.step
        answer = self.standalone(torch.where(seen, values, math.nan))
        return torch.where(seen, answer, 0.0)


def register(module: nn.Module, **numbers: list[float] | tuple[float, ...]) -> None:
    """Keep a number a band in a module, (B, 1, 1) float32, under their names."""
    for name, values in numbers.items():
        module.register_buffer(name, torch.tensor(values, dtype=torch.float32)[:, None, None])
