"""A small U-Net that two cores train in seconds: its stages, and how they are strung together."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

Run = Callable[[int, Tensor], Tensor]
"""Place of a stage and its input -> its output."""

GROUPS = 4
"""Of channels that are normalised together at most: statistics over batches would be of the last
task alone. Source: Wu & He 2018, Group Normalization, ECCV."""


class Stage(nn.Module):
    """Two convolutions, each normalised in groups and rectified."""

    def __init__(self, inner: int, outer: int) -> None:
        """Make the layers.

        Args:
            inner: Channels of its input.
            outer: Channels of its output.
        """
        super().__init__()
        groups = next(count for count in range(min(GROUPS, outer), 0, -1) if outer % count == 0)
        self.first = nn.Conv2d(inner, outer, 3, padding=1)
        self.second = nn.Conv2d(outer, outer, 3, padding=1)
        self.norms = nn.ModuleList([nn.GroupNorm(groups, outer) for _ in range(2)])

    def forward(self, image: Tensor, beside: Tensor | None = None) -> Tensor:
        """(N, inner, H, W) to (N, outer, H, W).

        Args:
            image: The input.
            beside: (N, outer, H, W), added to what the first convolution makes; None: nothing.
        """
        found = self.first(image)
        found = found if beside is None else found + beside
        found = functional.relu(self.norms[0](found))
        return functional.relu(self.norms[1](self.second(found)))


def list_channels(bands: int, levels: int, width: int) -> list[tuple[int, int]]:
    """Channels into and out of each stage: down all levels, then up again.

    Args:
        bands: B of the image.
        levels: Levels of the network.
        width: Channels of the first level; the others have twice as many.
    """
    widths = [width, *[2 * width] * (levels - 1)]
    down = list(zip([bands, *widths], widths, strict=False))
    up = [(widths[at + 1] + widths[at], widths[at]) for at in reversed(range(levels - 1))]
    return down + up


def string_stages(image: Tensor, levels: int, run: Run) -> list[Tensor]:
    """Outputs of all stages of a U-Net, the last of full resolution.

    Args:
        image: (N, B, H, W) float32; H and W multiples of 2 to the power of levels - 1.
        levels: Levels of the network.
        run: Runs one stage.
    """
    outputs: list[Tensor] = []
    for level in range(levels):
        inner = functional.max_pool2d(outputs[-1], 2) if level else image
        outputs.append(run(level, inner))
    for at, level in enumerate(reversed(range(levels - 1))):
        wide = functional.interpolate(outputs[-1], scale_factor=2.0)
        outputs.append(run(levels + at, torch.cat([wide, outputs[level]], 1)))
    return outputs


class SmallUNet(nn.Module):
    """A U-Net with one output, the logit of glacier.

    Source:
        Ronneberger et al. 2015, U-Net, MICCAI; with group normalisation.
    """

    def __init__(self, bands: int, levels: int, width: int) -> None:
        """Make the stages and the head; the weights follow torch's global seed."""
        super().__init__()
        self.levels = levels
        self.stages = nn.ModuleList(Stage(*pair) for pair in list_channels(bands, levels, width))
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, B, H, W) float32 to (N, 1, H, W) logits."""
        found: Tensor = self.head(self.pixel_features(image))
        return found

    def pixel_features(self, image: Tensor) -> Tensor:
        """(N, width, H, W): what the head sees of each pixel."""
        return string_stages(image, self.levels, lambda at, inner: self.stages[at](inner))[-1]

    def encode(self, image: Tensor) -> Tensor:
        """(N, 2 width): mean over the image of the lowest level's output."""
        found = image
        for level in range(self.levels):
            found = self.stages[level](functional.max_pool2d(found, 2) if level else found)
        return found.mean(dim=(2, 3))
