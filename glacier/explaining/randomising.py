"""Whether a picture hangs on what a model learned: its weights are dealt out anew, layer by layer.

Source:
    Adebayo et al. 2018, Sanity Checks for Saliency Maps: cascading randomisation from the output
    on. Weights are dealt out within their tensor, which keeps their size, so that the network
    still answers to its image.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import nn

from glacier.explaining.explanation import Randomised, Stage
from glacier.explaining.gradients import integrate_gradients, open_module
from glacier.explaining.subject import Windows

STAGES = 5
"""Times that a picture is drawn on the way from the output to the first layer."""

IGNORANT = 4
"""Models with all layers dealt out anew, whose pictures are held against each other."""

STEPS = 4
"""Of integrated gradients: ranks need fewer than sums."""

HARDLY = 0.1
"""Rank correlation at which two pictures share a hundredth of their ranks' variance, and so
nothing that could be seen, whatever two ignorant models share."""

MOST_WINDOWS = 4
"""Windows on which pictures are compared."""


def judge_weights(
    windows: Windows, image: NDArray[np.float32], baseline: NDArray[np.float32], seed: int
) -> Randomised:
    """Compare the picture of a network with those of its randomised copies.

    Args:
        windows: In which one network looks at the place.
        image: (B, H, W), NaN where unseen.
        baseline: Likewise, where integrated gradients begin.
        seed: Of the dealing.
    """
    some = replace(
        windows, starts=windows.starts[:MOST_WINDOWS], share=windows.share[:MOST_WINDOWS]
    )

    module = open_module(windows)
    plain = draw_map(some, module, image, baseline)
    drawn = [
        (layers, draw_map(some, copy, image, baseline))
        for layers, copy in randomise(module, STAGES, seed)
    ]
    ignorant = [drawn[-1][1]]
    for other in range(1, IGNORANT):
        *_, (_, copy) = randomise(module, 1, seed + other)
        ignorant.append(draw_map(some, copy, image, baseline))
    pairs = [correlate(a, b) for k, a in enumerate(ignorant) for b in ignorant[:k]]
    left = float(np.mean([correlate(plain, other) for other in ignorant]))
    stages = [Stage(layers=n, correlation=correlate(plain, found)) for n, found in drawn]
    return Randomised(
        stages=tuple(stages),
        left=left,
        random_pairs=max(pairs),
        passed=left <= max(HARDLY, *pairs),
    )


def draw_map(
    windows: Windows,
    module: nn.Module,
    image: NDArray[np.float32],
    baseline: NDArray[np.float32],
) -> NDArray[np.float64]:
    """The picture of integrated gradients with a module in the network's place: (H, W)."""
    own = replace(windows, network=windows.network._replace(module=module))
    return np.asarray(integrate_gradients([own], image, baseline, STEPS).values.sum(axis=0))


def correlate(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Rank correlation of two pictures where either says something, 0..1; its sign is left out."""
    told = (first != 0) | (second != 0)
    if np.ptp(first[told], axis=None) == 0 or np.ptp(second[told], axis=None) == 0:
        return 0.0
    return float(abs(spearmanr(first[told], second[told]).statistic))


def randomise(module: nn.Module, stages: int, seed: int) -> Iterator[tuple[int, nn.Module]]:
    """Copies of a network with more and more layers dealt out anew, from the output on.

    Args:
        module: The network, which stays as it is.
        stages: Copies; in the last one no layer is left.
        seed: Of the dealing.

    Yields:
        How many layers were dealt out, and the copy, which the next step changes.
    """
    copy, generator = deepcopy(module).eval(), torch.Generator().manual_seed(seed)
    layers = [each for each in copy.modules() if list(each.parameters(recurse=False))][::-1]
    done = 0
    for end in np.unique(np.linspace(0, len(layers), stages + 1).round().astype(int)[1:]):
        for layer in layers[done:end]:
            deal_out(layer, generator)
        done = int(end)
        yield done, copy


def deal_out(layer: nn.Module, generator: torch.Generator) -> None:
    """Deal the weights of a layer out anew among themselves."""
    with torch.no_grad():
        for weights in layer.parameters(recurse=False):
            order = torch.randperm(weights.numel(), generator=generator)
            weights.copy_(weights.flatten()[order.to(weights.device)].reshape(weights.shape))
