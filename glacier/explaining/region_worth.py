"""What each band is worth for a region: permutation importance over its tested images.

Source:
    Breiman 2001, Random Forests; Fisher, Rudin and Dominici 2019, All Models are Wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from glacier.explaining.explanation import RegionWorth, Worth
from glacier.explaining.removal import permute_bands, replace_bands
from glacier.explaining.subject import Subject
from glacier.labels import IGNORE

FEW = 5
"""Images below which the intervals draw blocks of them."""

BLOCKS = (4, 4)
"""Of an image, where they do."""

DRAWS = 2000
"""Times that units are drawn anew."""


class ImageTask:
    """A tested image of the region."""

    def __init__(self, key: str, subject: Subject, label: NDArray[np.uint8]) -> None:
        """Keep an image.

        Args:
            key: ``<region>/<YYYY-MM>``.
            subject: What the models that never saw it say of it, over its labelled pixels.
            label: (H, W) 1 glacier, 0 not, 255 unknown.
        """
        height, width = subject.wanted.shape
        margin = (0, height - label.shape[0]), (0, width - label.shape[1])
        self.key, self.label = key, np.pad(label, margin, constant_values=IGNORE)
        self.subject = subject.within(self.label != IGNORE)


def weigh_bands(tasks: Iterable[ImageTask], seed: int) -> RegionWorth | None:
    """What each band is worth, with intervals; None where no pixel with a label was seen.

    Args:
        tasks: The images, one at a time in memory.
        seed: Of the dealing and of the draws.
    """
    rng, keys = np.random.default_rng(seed), []
    bands: tuple[str, ...] = ()
    counts: list[NDArray[np.int64]] = []
    for task in tasks:
        bands = task.subject.bands
        dealt = permute_bands(task.subject.image, rng)
        images = [task.subject.image] + [
            replace_bands(task.subject.image, dealt, [at]) for at in range(len(bands))
        ]
        looks = [task.subject.look(image).is_ice for image in images]
        counts.append(np.stack([count_blocks(task, is_ice) for is_ice in looks]))
        keys.append(task.key)
    if not counts or not sum(each.sum() for each in counts):
        return None
    has_many = len(counts) >= FEW
    units = np.stack(
        [each.sum(axis=1) for each in counts]
        if has_many
        else [block for each in counts for block in each.swapaxes(0, 1) if block.sum()]
    )
    return RegionWorth(
        images=tuple(keys),
        iou=float(measure_iou(units.sum(axis=0))[0]),
        units=len(units),
        unit="images" if has_many else "blocks of images",
        bands=tuple(compare_bands(units, bands, rng)),
    )


def count_blocks(task: ImageTask, is_ice: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pixels of each block that both map and label call ice, and that either does: (K, 2)."""
    wanted, ice = task.subject.wanted, task.label == 1
    rows, cols = (
        np.arange(length) * parts // length
        for length, parts in zip(wanted.shape, BLOCKS, strict=True)
    )
    block = np.add.outer(rows * BLOCKS[1], cols)
    count = BLOCKS[0] * BLOCKS[1]
    both, either = is_ice & ice & wanted, (is_ice | ice) & wanted
    return np.stack([np.bincount(block[mask], minlength=count) for mask in (both, either)], axis=1)


def measure_iou(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """IoU of (..., 2) counts of the intersection and of the union; 1 where neither has ice."""
    both, either = counts[..., 0], counts[..., 1]
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


def compare_bands(
    units: NDArray[np.int64], bands: Sequence[str], rng: np.random.Generator
) -> list[Worth]:
    """What IoU loses without each band.

    Args:
        units: (N, 1 + B, 2) counts of each unit: as it is, then without each band.
        bands: Their names.
        rng: Draws units.
    """
    whole = measure_iou(units.sum(axis=0))
    drawn = rng.multinomial(len(units), np.full(len(units), 1 / len(units)), DRAWS)
    ious = measure_iou(np.einsum("dn,nbc->dbc", drawn, units))
    found = []
    for at, band in enumerate(bands, start=1):
        low, high = np.quantile(ious[:, 0] - ious[:, at], [0.025, 0.975])
        drop = float(whole[0] - whole[at])
        found.append(Worth(band=band, iou_drop=drop, low=float(low), high=float(high)))
    return found
