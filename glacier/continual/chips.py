"""Chips of a task: squares of its month images in training, validation and test ground."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glacier.continual.stream import StreamTask
from glacier.errors import TrainingError
from glacier.labels import IGNORE
from glacier.samples.folds import FoldMasks, Split
from glacier.samples.month_images import MonthImage
from glacier.training.unet import normalise
from glacier.windows import centred_starts, pad_to, window_starts

Window = tuple[NDArray[np.float32], NDArray[np.uint8]]
"""(B, S, S) float32 with NaN where unseen; (S, S) uint8 label."""

LEAST_SPREAD = 1e-4
"""Of a band that is scaled, reflectance."""


class Batch(NamedTuple):
    """Chips with their labels."""

    images: Tensor
    """(N, B, S, S) float32 of mean 0 and deviation 1 in the first task."""
    labels: Tensor
    """(N, 1, S, S) uint8, 255 unknown."""

    def __len__(self) -> int:
        """Number of chips N."""
        return len(self.images)

    def take(self, places: NDArray[np.int64]) -> Batch:
        """Some of the chips."""
        at = torch.from_numpy(np.asarray(places, np.int64))
        return Batch(self.images[at], self.labels[at])

    def draw(self, count: int, rng: np.random.Generator) -> Batch:
        """Chips drawn at random, with repeats, each flipped and turned at random."""
        found = self.take(rng.integers(len(self), size=count))
        ways = rng.integers(8, size=count)
        turned = [
            turn_chip(image, label, int(way))
            for image, label, way in zip(found.images, found.labels, ways, strict=True)
        ]
        return join_chips(turned)


def turn_chip(image: Tensor, label: Tensor, way: int) -> Batch:
    """One chip in one of its eight orientations, as a batch of one."""
    pair = [part.flip(-1) if way >= 4 else part for part in (image, label)]
    return Batch(*(part.rot90(way % 4, (-2, -1))[None] for part in pair))


def join_chips(parts: Sequence[Batch]) -> Batch:
    """Chips of several batches, at least one, one after the other."""
    return Batch(torch.cat([p.images for p in parts]), torch.cat([p.labels for p in parts]))


@dataclass(frozen=True)
class TaskChips:
    """All that there is of one task."""

    name: str
    place: int
    """How many tasks come before it."""
    train: Batch
    validation: Batch
    test: Batch


@dataclass(frozen=True)
class ChipCutter:
    """How chips are cut of a set of images in one fold."""

    images: Sequence[MonthImage]
    masks: FoldMasks
    split: Split
    size: int
    """Side of a chip S, pixels."""
    seed: int

    def cut_stream(self, tasks: Sequence[StreamTask]) -> list[TaskChips]:
        """The chips of all tasks, scaled by the statistics of the first, which alone is known.

        Raises:
            TrainingError: A task has no chip in one of its parts.
        """
        parts = [self.cut_task(task) for task in tasks]
        first = np.stack([image for image, _ in parts[0][0]])
        mean = np.asarray(np.nanmean(first, (0, 2, 3), np.float64), np.float32)
        std = np.asarray(np.nanstd(first, (0, 2, 3), np.float64), np.float32).clip(LEAST_SPREAD)
        return [
            TaskChips(task.name, place, *(make_batch(part, mean, std) for part in found))
            for place, (task, found) in enumerate(zip(tasks, parts, strict=True))
        ]

    def cut_task(self, task: StreamTask) -> tuple[list[Window], list[Window], list[Window]]:
        """Windows of training, validation and test ground of a task, in that order.

        Raises:
            TrainingError: There is none in one of them.
        """
        rng = np.random.default_rng([self.seed, *task.name.encode()])
        train: list[Window] = []
        validation: list[Window] = []
        test: list[Window] = []
        for image in self.images:
            if (image.region, image.month) in task.images:
                train += cut_inside(image, self.masks.mask(image, self.split.train), self.size, rng)
                for units, found in (
                    (self.split.validation, validation),
                    (self.split.test, test),
                ):
                    found += cut_over(image, self.masks.mask(image, units), self.size)
        for name, windows in (("training", train), ("validation", validation), ("test", test)):
            if not windows:
                raise TrainingError(
                    f"task {task.name} has no labelled chip of {self.size} px in its {name} ground "
                    f"(fold {self.split.fold}); lower prepare.size_px, or use fewer prepare.blocks"
                )
        return train, validation, test


def cut_inside(
    image: MonthImage, mask: NDArray[np.bool_], size: int, rng: np.random.Generator
) -> Iterator[Window]:
    """Windows that lie wholly in a mask and hold a label, as many as cover it once by area."""
    starts = find_starts(mask.tobytes(), mask.shape, size)
    count = min(len(starts), max(1, round(int(mask.sum()) / size**2)))
    for row, col in rng.permutation(starts)[:count]:
        window = image.window(int(row), int(col), size)
        if (window[1] != IGNORE).any():
            yield window


@lru_cache(maxsize=64)
def find_starts(mask: bytes, shape: tuple[int, ...], size: int) -> NDArray[np.int32]:
    """(n, 2) first row and column of windows in a mask; months of a region have the same.

    Args:
        mask: Bytes of (H, W) bool.
        shape: H and W.
        size: Side of a window, pixels.
    """
    allowed = np.frombuffer(mask, bool).reshape(shape)
    if not allowed.any():
        return np.zeros((0, 2), np.int32)
    return np.unique(centred_starts(pad_to(allowed, size, True), size), axis=0)


def cut_over(image: MonthImage, mask: NDArray[np.bool_], size: int) -> Iterator[Window]:
    """Windows over an image whose labels are known in a mask alone, each pixel of it once."""
    left = mask & (image.label != IGNORE)
    height, width = mask.shape
    for row in window_starts(max(height, size), size, size):
        for col in window_starts(max(width, size), size, size):
            place = np.s_[row : row + size, col : col + size]
            if left[place].any():
                pixels, label = image.window(row, col, size)
                yield pixels, np.where(pad_to(left[place], size, False), label, np.uint8(IGNORE))
                left[place] = False


def make_batch(
    windows: Sequence[Window], mean: NDArray[np.float32], std: NDArray[np.float32]
) -> Batch:
    """Windows as tensors."""
    images = normalise(np.stack([image for image, _ in windows]), mean, std)
    labels = np.stack([label for _, label in windows])[:, None]
    return Batch(torch.from_numpy(images), torch.from_numpy(labels))
