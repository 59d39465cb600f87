"""Replay by a self-organising map: chips are kept evenly over the map, not over time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from pydantic import JsonValue
from torch import Tensor

from glacier.continual.chips import Batch, TaskChips, join_chips
from glacier.continual.feature_map import (
    SIDE,
    Features,
    choose_evenly,
    measure_distances,
    quantisation_error,
    topographic_error,
    train_map,
)
from glacier.continual.memory import SHORT
from glacier.continual.network import SmallUNet
from glacier.continual.replay import Replay
from glacier.continual.strategy import Facts, Setup, Tensors
from glacier.continual.trial import bytes_of_chip

AT_ONCE = 64
"""Chips that are encoded together."""


class MapReplay(Replay):
    """A map of encoder features says what to keep: every unit the same number of chips.

    Before a task it tells how new its chips are: how much farther they lie from the map than what
    it was made of. The map and its chips share the budget.

    Source:
        Kohonen 1982, Biological Cybernetics 43; Bashivan et al. 2019, Continual learning with
        self-organizing maps, NeurIPS workshop.
    """

    def __init__(self, setup: Setup) -> None:
        """Begin without a map."""
        super().__init__(setup)
        map_bytes = SIDE**2 * 2 * setup.width * torch.float32.itemsize
        room = max(0, setup.budget_bytes - map_bytes)
        self.memory.capacity = room // bytes_of_chip(setup.bands, setup.size_px)
        self.units: Tensor | None = None
        self.known = 0.0
        """Distance from the map of what it was made of."""
        self.measured: dict[str, float] = {}

    def encode(self, images: Tensor) -> Features:
        """(N, F) float64 features of images."""
        assert isinstance(self.net, SmallUNet)
        starts = range(0, len(images), AT_ONCE)
        with torch.no_grad():
            parts = [self.net.encode(images[start : start + AT_ONCE]) for start in starts]
        return np.asarray(torch.cat(parts).numpy(), np.float64)

    def before_task(self, task: TaskChips) -> None:
        """Measure how new the task is to the map."""
        if self.units is not None:
            found = quantisation_error(self.units.double().numpy(), self.encode(task.train.images))
            self.measured[f"novelty_{task.place + 1}"] = found / max(self.known, 1e-12)

    def after_task(self, task: TaskChips) -> None:
        """Choose among what was kept and the task's chips, evenly over a new map of both."""
        shown = Batch(task.train.images.to(SHORT).float(), task.train.labels)
        if len(self.memory):
            old = self.memory.take(np.arange(len(self.memory)))
            shown = join_chips([Batch(old["images"], old["labels"]), shown])
        features = self.encode(shown.images)
        units = train_map(None, features, self.rng)
        self.units = torch.from_numpy(units).float()
        self.known = quantisation_error(units, features)
        self.measured[f"topographic_error_{task.place + 1}"] = topographic_error(units, features)
        nearest = measure_distances(units, features).argmin(axis=1)
        chosen = choose_evenly(nearest, self.memory.capacity, self.rng)
        self.memory.layers = {}
        if len(chosen):
            kept = shown.take(chosen)
            self.memory.layers = {"images": kept.images.to(SHORT), "labels": kept.labels}

    def kept(self) -> Tensors:
        """The memory and the map."""
        return super().kept() | ({} if self.units is None else {"units": self.units})

    def facts(self) -> Facts:
        """What was measured."""
        return {**super().facts(), "known": self.known, "measured": dict(self.measured)}

    def notes(self) -> dict[str, float]:
        """How new each task was, in distances of what was known, and how well the map is laid."""
        return dict(self.measured)

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, JsonValue]) -> None:
        """Take both back."""
        super().restore(tensors, facts)
        self.units = tensors["units"].clone() if "units" in tensors else None
        measured = facts["measured"]
        assert isinstance(measured, dict)
        self.known = float(str(facts["known"]))
        self.measured = {name: float(str(value)) for name, value in measured.items()}
