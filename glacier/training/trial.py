"""A trial: one encoder on one fold, with all that its worker needs to know. No torch in here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glacier.config import FoldKind, Sweep, digest
from glacier.samples.dataset import MonthImage
from glacier.samples.folds import Split, mask_of, unit_rectangles


@dataclass(frozen=True)
class Trial:
    """What to train and on which parts."""

    encoder: str
    split: Split
    settings: Sweep
    seed: int
    """Seed of the run."""
    samples: dict[str, Any]
    """Summary of the samples."""
    folder: str = ""
    """Address of the trial's files."""
    model_folder: str = ""
    """Address that the best model is exported to."""
    weights: str | None = None
    """Address of the encoder's initial weights; None: random."""
    held_out: tuple[str, ...] = ()
    """Keys of month images that are in no fold and only looked at."""

    @property
    def trial_seed(self) -> int:
        """Seed of the trial, from the run's seed, encoder and fold alone."""
        return int(digest([self.seed, self.encoder, self.split.fold])[:8], 16)

    def seed_at(self, epoch: int) -> int:
        """Seed of all that is drawn in an epoch."""
        return int(digest([self.trial_seed, epoch])[:8], 16)

    def part(self, image: MonthImage, units: Collection[str]) -> NDArray[np.bool_]:
        """Pixels of an image that belong to some units; a held-out image has none."""
        return mask_part(self.samples, self.settings.folds.kind, image, units, self.held_out)


def mask_part(
    summary: dict[str, Any],
    kind: FoldKind,
    image: MonthImage,
    units: Collection[str],
    held_out: Collection[str],
) -> NDArray[np.bool_]:
    """Pixels of an image that belong to some units.

    Args:
        summary: Description of the samples.
        kind: What the folds keep whole.
        image: The image.
        units: Names of the units.
        held_out: Keys of images that are in no fold, and so have no such pixels.

    Returns:
        (H, W) bool.
    """
    shape = (image.label.shape[0], image.label.shape[1])
    if image.key in held_out:
        return np.zeros(shape, bool)
    rows, cols = summary["blocks"]
    boxes = unit_rectangles(kind, image.region, image.month, shape, (rows, cols))
    return mask_of(boxes, units, shape)
