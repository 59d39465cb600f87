"""Where the batches of a packed fold come from: the GPU's memory, or the host's ahead of time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from glacier.samples.month_images import MonthImage
from glacier.training.learner import Learner
from glacier.training.resident import Places, ResidentImages
from glacier.training.sampler import WindowTable
from glacier.training.unet import normalise

AHEAD = 4
"""Batches that are cut before they are needed."""

T = TypeVar("T")


class Feed(Protocol):
    """Gives the batches of an epoch, in order."""

    def load(self, table: WindowTable) -> None:
        """Begin an epoch."""

    def advance(self, size: int) -> None:
        """Do what the host has to do for the next batch, of so many windows."""

    def batch(self, size: int, at: Tensor) -> tuple[Tensor, Tensor]:
        """A batch on the device; a recorded step does it again without the host.

        Args:
            size: Windows N.
            at: (1,) int64 number of the batch within the epoch.

        Returns:
            (N, B, H, W) float32 of mean 0 and deviation 1; (N, 1, H, W) labels.
        """


class ResidentFeed:
    """Windows of images that lie on the device, gathered as a table there says."""

    def __init__(self, learner: Learner, images: ResidentImages) -> None:
        """Make room for the table of an epoch."""
        self.images, device = images, learner.device
        self.scaling = learner.scaling()
        sizes = learner.sampler.batch_sizes(learner.settings)
        self.rows = torch.tensor([[k < size for k in range(max(sizes))] for size in sizes])
        shape, settings = self.rows.shape, learner.settings
        coarse = torch.ones(shape, dtype=torch.int64, device=device)
        hidden = torch.zeros((*shape, images.bands), dtype=torch.bool, device=device)
        self.table = Places(
            image=torch.zeros(shape, dtype=torch.int64, device=device),
            start=torch.zeros((*shape, 2), dtype=torch.int64, device=device),
            way=torch.zeros(shape, dtype=torch.int64, device=device),
            factor=torch.ones(shape, device=device),
            coarse=coarse if settings.resolution_jitter else None,
            hidden=hidden if settings.band_dropout else None,
        )

    def load(self, table: WindowTable) -> None:
        """Write a table over the one before; a row for each batch."""
        given = Places.of(table, torch.device("cpu"))
        for name in Places.__dataclass_fields__:
            static, column = getattr(self.table, name), getattr(given, name)
            if static is None:
                continue
            padded = torch.zeros(static.shape, dtype=static.dtype)
            padded[self.rows] = column
            static.copy_(padded)

    def advance(self, size: int) -> None:
        """Nothing: all lies there."""

    def batch(self, size: int, at: Tensor) -> tuple[Tensor, Tensor]:
        """Gather the windows of a row of the table."""
        row = self.table.change(lambda column: column.index_select(0, at)[0, :size])
        return self.images.gather(row, *self.scaling)


class StreamedFeed:
    """Windows that are cut on a thread, and copied to the device while it works."""

    def __init__(self, learner: Learner, images: Sequence[MonthImage]) -> None:
        """Make room for a batch of each size."""
        self.learner, self.images = learner, images
        bands, side = len(learner.mean), learner.size
        sizes = set(learner.sampler.batch_sizes(learner.settings))
        self.static = {
            size: (
                torch.zeros((size, bands, side, side), device=learner.device),
                torch.zeros((size, 1, side, side), dtype=torch.uint8, device=learner.device),
            )
            for size in sizes
        }
        self.ready: Iterator[tuple[Tensor, Tensor]] = iter(())

    def load(self, table: WindowTable) -> None:
        """Begin to cut."""
        self.ready = work_ahead(self.cut(table), AHEAD)

    def cut(self, table: WindowTable) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches in memory that a GPU reads by itself."""
        for part in table.split():
            image, label = self.learner.sampler.cut_batch(self.images, part)
            scaled = normalise(image, self.learner.mean, self.learner.std)
            pair = torch.from_numpy(scaled), torch.from_numpy(np.ascontiguousarray(label))[:, None]
            yield tuple(map(self.pin, pair))  # type: ignore[misc]

    def pin(self, tensor: Tensor) -> Tensor:
        """A tensor that a GPU can read by itself, where there is one."""
        return tensor.pin_memory() if self.learner.device.type == "cuda" else tensor

    def advance(self, size: int) -> None:
        """Copy the next batch to where the step reads it."""
        for static, given in zip(self.static[size], next(self.ready), strict=True):
            static.copy_(given, non_blocking=True)

    def batch(self, size: int, at: Tensor) -> tuple[Tensor, Tensor]:
        """What was copied."""
        return self.static[size]


def work_ahead(items: Iterator[T], count: int) -> Iterator[T]:
    """The same items in the same order, of which some are made on a thread before they are asked.

    Args:
        items: None of them None.
        count: How many.
    """
    with ThreadPoolExecutor(1) as thread:
        waiting = deque(thread.submit(next, items, None) for _ in range(count))
        while (item := waiting.popleft().result()) is not None:
            waiting.append(thread.submit(next, items, None))
            yield item
