"""Generative replay: a network that draws chips of earlier tasks stands in for them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import JsonValue
from torch import Tensor

from glacier.continual.chips import Batch, TaskChips, join_chips
from glacier.continual.importance import name_tensors, strip_tensors
from glacier.continual.strategy import Facts, Setup, Strategy, Tensors
from glacier.continual.vae import HALVINGS, ChipVae, choose_width
from glacier.errors import TrainingError
from glacier.training.losses import dice_loss

RATE = 2e-3
"""Step size of the autoencoder's Adam."""


class GenerativeReplay(Strategy):
    """An autoencoder of chips with labels, as wide as the budget allows, of which each step draws.

    After each task it learns the task's chips and what it drew itself of those before.

    Source:
        Shin et al. 2017, Continual learning with deep generative replay, NeurIPS.
    """

    def __init__(self, setup: Setup) -> None:
        """Make the autoencoder.

        Raises:
            TrainingError: None fits into the budget, or none can be made of such chips.
        """
        super().__init__(setup)
        width = choose_width(setup.bands, setup.size_px, setup.budget_bytes)
        if width is None or setup.size_px % 2**HALVINGS:
            raise TrainingError(
                f"no autoencoder of chips of {setup.size_px} px fits into {setup.budget_bytes} "
                f"bytes: raise continual.budgets_percent, with prepare.size_px a multiple of "
                f"{2**HALVINGS}"
            )
        self.vae = ChipVae(setup.bands, setup.size_px, width)
        self.earlier = 0

    def before_task(self, task: TaskChips) -> None:
        """Count the tasks that the autoencoder has learned."""
        self.earlier = task.place

    def loss(self, batch: Batch) -> Tensor:
        """The mean of the Dice losses of the task's batch and of one that is drawn anew."""
        now = super().loss(batch)
        if not self.earlier:
            return now
        old = self.vae.draw(len(batch))
        return (now + dice_loss(self.net(old.images), old.labels)) / 2

    def after_task(self, task: TaskChips) -> None:
        """Teach the autoencoder the task, and itself as it was: a share of each batch by tasks."""
        before = ChipVae(self.setup.bands, self.setup.size_px, self.width)
        before.load_state_dict(self.vae.state_dict())
        optimizer = torch.optim.Adam(self.vae.parameters(), RATE)
        for _ in range(self.setup.steps):
            batch = task.train.draw(self.setup.batch_size, self.rng)
            old = int(self.rng.binomial(len(batch), task.place / (task.place + 1)))
            if old:
                kept = Batch(batch.images[old:], batch.labels[old:])
                batch = join_chips([before.draw(old), kept])
            optimizer.zero_grad(set_to_none=True)
            self.vae.loss(batch).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        self.earlier = task.place + 1

    @property
    def width(self) -> int:
        """Channels of the autoencoder."""
        return int(self.vae.up[0].out_channels)  # type: ignore[arg-type]

    def kept(self) -> Tensors:
        """The autoencoder."""
        return name_tensors("vae.", self.vae.state_dict())

    def facts(self) -> Facts:
        """How many tasks it has learned."""
        return {"earlier": self.earlier}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, JsonValue]) -> None:
        """Take it back."""
        self.vae.load_state_dict(strip_tensors("vae.", tensors))
        self.earlier = int(str(facts["earlier"]))
