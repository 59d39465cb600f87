"""Integrated gradients and Grad-CAM: what a network's own derivatives say of a place.

Source:
    Sundararajan, Taly and Yan 2017, Axiomatic Attribution for Deep Networks; Selvaraju et al. 2017,
    Grad-CAM, on a sum of logits as Vinogradova et al. 2020 have it for segmentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from glacier.explaining.subject import Windows
from glacier.training.unet import normalise
from glacier.windows import blend_weights

TOGETHER = 8
"""Windows whose gradients are computed at once."""


class Attribution(NamedTuple):
    """A difference of the strength of an answer, dealt out among the numbers of an image."""

    values: NDArray[np.float64]
    """(B, H, W)."""
    difference: float
    """Strength on the image less that on the baseline: what the values should add up to."""

    @property
    def gap(self) -> float:
        """What the values lack of it; it shrinks with more steps."""
        return self.difference - float(self.values.sum())


def integrate_gradients(
    windows: Sequence[Windows],
    image: NDArray[np.float32],
    baseline: NDArray[np.float32],
    steps: int,
) -> Attribution:
    """Gradients along the way from the baseline to the image, at the middles of its steps.

    Args:
        windows: In which the place is looked at.
        image: (B, H, W), NaN where unseen.
        baseline: Likewise, where the way begins.
        steps: Of the way.
    """
    values, difference = np.zeros(image.shape), 0.0
    for each in windows:
        for at, share, end, start in list_batches(each, image, baseline):
            total = torch.zeros_like(end)
            for step in range(steps):
                point = (start + (step + 0.5) / steps * (end - start)).requires_grad_()
                weighed = (answer(each, point) * share).sum()
                (slope,) = torch.autograd.grad(weighed, point)
                total += slope
            with torch.no_grad():
                ends = [(answer(each, x) * share).double().sum().item() for x in (start, end)]
            difference += ends[1] - ends[0]
            found = ((end - start) * total / steps).cpu().numpy()
            for (row, col), own in zip(at, found, strict=True):
                values[:, row : row + own.shape[1], col : col + own.shape[2]] += own
    return Attribution(values, difference)


def list_batches(
    windows: Windows, image: NDArray[np.float32], baseline: NDArray[np.float32]
) -> Iterator[tuple[Sequence[tuple[int, int]], torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Starts of some windows, what their logits count, and the numbers of image and baseline."""
    device = next(open_module(windows).parameters()).device
    ends, begins = (scale(windows, each) for each in (image, baseline))
    for first in range(0, len(windows.starts), TOGETHER):
        part = slice(first, first + TOGETHER)
        share, end, start = (
            torch.from_numpy(np.ascontiguousarray(each[part])).to(device)
            for each in (windows.share, ends, begins)
        )
        yield windows.starts[part], share, end, start


def open_module(windows: Windows) -> nn.Module:
    """The network whose layers are looked into, as it answers."""
    assert windows.network.module is not None
    return windows.network.module.eval()


def scale(windows: Windows, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The windows of an image as the network's first layer sees them: (N, B, size, size)."""
    look = windows.network.card.inference
    mean, std = (np.array(each, np.float32) for each in (look.mean, look.std))
    return normalise(windows.cut(image), mean, std)


def answer(windows: Windows, pixels: torch.Tensor) -> torch.Tensor:
    """Logits (n, size, size) of scaled windows, over as many turns as the model is asked for."""
    module, turns = open_module(windows), windows.network.card.inference.orientations
    return torch.stack([ask_turned(module, pixels, way) for way in range(turns)]).mean(dim=0)


def ask_turned(module: nn.Module, pixels: torch.Tensor, way: int) -> torch.Tensor:
    """The answer to windows turned as :func:`glacier.windows.turn` does, turned back."""
    turned = torch.rot90(pixels, way % 4, (-2, -1))
    turned = turned.flip(-1) if way >= 4 else turned
    found: torch.Tensor = module(turned)[:, 0]
    found = found.flip(-1) if way >= 4 else found
    return torch.rot90(found, -(way % 4), (-2, -1))


def find_layer(module: nn.Module) -> nn.Module:
    """The layer of Grad-CAM: the middle block of the decoder, else the last convolution but one.

    The deepest layer knows the class best but has hardly a pixel a window; the last one repeats
    the map.
    """
    blocks = getattr(getattr(module, "decoder", None), "blocks", None)
    if blocks is not None and len(blocks) > 1:
        middle: nn.Module = list(blocks)[len(blocks) // 2]
        return middle
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    return layers[max(0, len(layers) - 2)]


def map_activation(windows: Sequence[Windows], image: NDArray[np.float32]) -> NDArray[np.float64]:
    """Grad-CAM: where features lie that make the answer stronger, whatever the band.

    Returns:
        (H, W) float64, from 0, in no unit; blended over windows.
    """
    total, weight = np.zeros((2, *image.shape[1:]))
    for each in windows:
        weights = blend_weights(each.share.shape[-1])
        for at, share, pixels, _ in list_batches(each, image, image):
            for (row, col), own in zip(at, weigh_features(each, pixels, share), strict=True):
                place = np.s_[row : row + len(own), col : col + len(own)]
                total[place] += own * weights
                weight[place] += weights
    blended: NDArray[np.float64] = total / np.where(weight > 0, weight, 1)
    return blended


def weigh_features(
    windows: Windows, pixels: torch.Tensor, share: torch.Tensor
) -> NDArray[np.float64]:
    """Features of a layer, each weighted by its mean gradient: (n, size, size), from 0."""
    kept: list[torch.Tensor] = []

    def keep(_layer: nn.Module, _given: object, found: torch.Tensor) -> None:
        kept.append(found)

    module = open_module(windows)
    hook = find_layer(module).register_forward_hook(keep)
    try:
        with torch.enable_grad():
            logits = module(pixels.requires_grad_())[:, 0]
            (slope,) = torch.autograd.grad((logits * share).sum(), kept[0])
    finally:
        hook.remove()
    cam = functional.relu((slope.mean(dim=(2, 3), keepdim=True) * kept[0]).sum(1, keepdim=True))
    size = tuple(pixels.shape[-2:])
    large = functional.interpolate(cam, size, mode="bilinear", align_corners=False)
    values: NDArray[np.float64] = large[:, 0].detach().double().cpu().numpy()
    return values
