"""Small tasks in memory: discs of one brightness on ground of another, which tasks change."""

import numpy as np
import torch
from torch import nn

from glacier.continual.chips import Batch, TaskChips
from glacier.continual.strategies import load_strategy
from glacier.continual.strategy import Setup, Strategy
from glacier.continual.trial import bytes_of_chip

BANDS, SIZE_PX = 2, 16


def make_setup(**changes: object) -> Setup:
    """What a strategy is given, with room for eight chips."""
    usual = {
        "bands": BANDS, "size_px": SIZE_PX, "levels": 2, "width": 4, "tasks": 3, "steps": 3,
        "batch_size": 4, "rate": 3e-3, "strength": 1.0,
        "budget_bytes": 8 * bytes_of_chip(BANDS, SIZE_PX), "seed": 5,
    }  # fmt: skip
    return Setup(**(usual | changes))


def make_chips(count: int, sign: float, seed: int) -> Batch:
    """Chips with a disc each, brighter than the ground where the sign is positive."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:SIZE_PX, :SIZE_PX]
    centre = rng.uniform(4, SIZE_PX - 4, (count, 2, 1, 1))
    disc = (rows - centre[:, 0]) ** 2 + (cols - centre[:, 1]) ** 2 < 16
    image = sign * np.where(disc, 1.0, -1.0)[:, None] + rng.normal(
        0, 0.3, (count, BANDS, *rows.shape)
    )
    label = disc[:, None].astype(np.uint8)
    label[:, :, 0] = 255  # of a row nothing is known
    return Batch(torch.from_numpy(image.astype(np.float32)), torch.from_numpy(label))


def make_tasks(count: int = 3, chips: int = 12) -> list[TaskChips]:
    """Tasks of which every second one is the opposite of the one before."""
    parts = [
        [make_chips(chips, 1 - 2 * (place % 2), 10 * place + part) for part in range(3)]
        for place in range(count)
    ]
    return [TaskChips(f"t{place}", place, *found) for place, found in enumerate(parts)]


def make_strategy(name: str, **changes: object) -> Strategy:
    """A strategy before its first task, with the weights that its seed gives."""
    setup = make_setup(**changes)
    torch.manual_seed(setup.seed)
    return load_strategy(name)(setup)


def copy_weights(net: nn.Module) -> dict[str, torch.Tensor]:
    """All tensors of a network as they are."""
    return {name: value.detach().clone() for name, value in net.state_dict().items()}
