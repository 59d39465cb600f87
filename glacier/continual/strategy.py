"""What a strategy is: how it learns each task of a stream, and what it keeps of those before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import JsonValue
from torch import Tensor, nn

from glacier.continual.chips import Batch, TaskChips
from glacier.continual.network import SmallUNet
from glacier.training.losses import dice_loss

NET = "net."
"""How the names of the network's tensors begin in a strategy's state."""

Tensors = dict[str, Tensor]
Facts = dict[str, JsonValue]


@dataclass(frozen=True)
class Setup:
    """What every strategy is given alike."""

    bands: int
    size_px: int
    """Side of a chip."""
    levels: int
    """Of the U-Net."""
    width: int
    """Channels of its first level."""
    tasks: int
    """How many are coming."""
    steps: int
    """Batches of a task."""
    batch_size: int
    rate: float
    """Step size of Adam."""
    strength: float
    """Weight of a strategy's own term of the loss."""
    budget_bytes: int
    """What may be kept of earlier tasks besides one network."""
    seed: int


class Strategy:
    """Plain training on one task after the other, which others build upon.

    For each task the learner calls ``before_task``; for each batch ``loss``, takes a step of the
    optimiser, and calls ``after_step``; at last ``after_task``. What is random comes from ``rng``,
    which is new in every task, so that a stream goes on from a saved state to the same bits.
    """

    def __init__(self, setup: Setup) -> None:
        """Make the network, whose weights follow torch's global seed."""
        self.setup = setup
        self.rng = np.random.default_rng(setup.seed)
        self.net: nn.Module = self.build()

    def build(self) -> nn.Module:
        """The network before any task."""
        return SmallUNet(self.setup.bands, self.setup.levels, self.setup.width)

    def begin(self, place: int) -> None:
        """Set all that is random in a task by the seed and the task's place alone."""
        self.rng = np.random.default_rng([self.setup.seed, place])
        torch.manual_seed(int(self.rng.integers(2**32)))

    def before_task(self, task: TaskChips) -> None:
        """Make ready for a task whose training chips alone may be looked at."""

    def trained(self) -> Iterable[nn.Parameter]:
        """Weights that the optimiser moves in the task that has begun."""
        return self.net.parameters()

    def loss(self, batch: Batch) -> Tensor:
        """What one step lowers, for a batch of the task that has begun."""
        return dice_loss(self.net(batch.images), batch.labels)

    def after_step(self, batch: Batch) -> None:
        """Note what a step has changed."""

    def after_task(self, task: TaskChips) -> None:
        """Keep what is needed of a task before it goes."""

    def predict(self, images: Tensor, place: int) -> Tensor:
        """Logits of images, (N, 1, S, S).

        Args:
            images: (N, B, S, S) float32.
            place: The images' task; only what ``knows_task`` in the registry may look at it.
        """
        found: Tensor = self.net(images)
        return found

    def kept(self) -> Tensors:
        """Tensors besides the network that the next task needs."""
        return {}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, JsonValue]) -> None:
        """Take back what ``kept`` and ``facts`` gave; before that, the network gets its shape."""

    def facts(self) -> Facts:
        """Numbers and names that the next task needs."""
        return {}

    def state(self) -> tuple[Tensors, Facts]:
        """All that the next task needs, as tensors by name and as JSON."""
        net = {NET + name: value for name, value in self.net.state_dict().items()}
        tensors = net | self.kept()
        return {name: value.detach().clone().contiguous() for name, value in tensors.items()}, (
            self.facts()
        )

    def load(self, tensors: Mapping[str, Tensor], facts: Mapping[str, JsonValue]) -> None:
        """Go on from a state that the same kind of strategy has given."""
        self.restore({k: v for k, v in tensors.items() if not k.startswith(NET)}, facts)
        self.net.load_state_dict(
            {k.removeprefix(NET): v for k, v in tensors.items() if k.startswith(NET)}
        )

    def notes(self) -> dict[str, float]:
        """What the strategy has measured of itself, by name."""
        return {}

    def memory_bytes(self) -> int:
        """What is kept besides one plain network, bytes."""
        plain = SmallUNet(self.setup.bands, self.setup.levels, self.setup.width)
        return count_bytes(self.state()[0]) - count_bytes(plain.state_dict())


def count_bytes(tensors: Mapping[str, Tensor]) -> int:
    """Bytes of tensors."""
    return sum(value.nbytes for value in tensors.values())
