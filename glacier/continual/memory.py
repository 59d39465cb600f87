"""Chips that are kept: a memory of bounded size that is an even sample of all that it was shown."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import JsonValue
from torch import Tensor

from glacier.continual.chips import Batch

SHORT = torch.float16
"""How images are kept: as many bytes as the samples have on disk."""


class Reservoir:
    """Chips with what belongs to each, at most ``capacity`` of them.

    Each chip that was ever offered is in it with the same probability, whenever it came.

    Source:
        Vitter 1985, Random sampling with a reservoir, ACM Transactions on Mathematical Software
        11, algorithm R.
    """

    def __init__(self, capacity: int) -> None:
        """An empty memory.

        Args:
            capacity: Most chips; 0 keeps none.
        """
        self.capacity, self.seen = capacity, 0
        self.layers: dict[str, Tensor] = {}
        """``images``, ``labels`` and others by name, (n, ...) each."""

    def __len__(self) -> int:
        """Chips that are kept."""
        return len(self.layers["labels"]) if self.layers else 0

    def offer(
        self, batch: Batch, rng: np.random.Generator, extra: Mapping[str, Tensor] | None = None
    ) -> None:
        """Show chips one after the other, each of which may take another's place.

        Args:
            batch: N chips.
            rng: Draws.
            extra: What is kept of each besides, (N, ...) by name.
        """
        shown = {"images": batch.images.to(SHORT), "labels": batch.labels, **(extra or {})}
        fits = min(len(batch), self.capacity - len(self))
        for name, values in shown.items() if fits else ():
            self.layers[name] = torch.cat([self.layers.get(name, values[:0]), values[:fits]])
        self.seen += fits
        for at in range(fits, len(batch)):
            self.seen += 1
            if (place := int(rng.integers(self.seen))) < self.capacity:
                for name, values in shown.items():
                    self.layers[name][place] = values[at]

    def draw(self, count: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Layers of chips drawn at random, with repeats; the memory is not empty."""
        return self.take(rng.integers(len(self), size=count))

    def take(self, places: NDArray[np.int64]) -> dict[str, Tensor]:
        """Layers of some chips, the images as float32."""
        at = torch.from_numpy(np.asarray(places, np.int64))
        found = {name: values[at] for name, values in self.layers.items()}
        return found | {"images": found["images"].float()}

    def state(self) -> dict[str, Tensor]:
        """Tensors to save."""
        return {f"memory.{name}": values for name, values in self.layers.items()}

    def restore(self, tensors: Mapping[str, Tensor], seen: JsonValue) -> None:
        """Take back what was saved.

        Args:
            tensors: Of :meth:`state`, among others.
            seen: ``seen`` of that time.
        """
        start = "memory."
        self.layers = {
            name.removeprefix(start): values.clone()
            for name, values in tensors.items()
            if name.startswith(start)
        }
        self.seen = int(str(seen))
