"""A trial: one encoder on one fold, with all that its worker needs to know. No torch in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glacier.config import FoldKind, Sweep, digest
from glacier.folds import Rectangle, Split, mask_of, unit_rectangles
from glacier.samples import MonthImage


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

    def rectangles(self, image: MonthImage) -> dict[str, Rectangle]:
        """Units of an image and their pixels."""
        kind: FoldKind = self.settings.folds.kind
        blocks = tuple(self.samples["blocks"])
        shape = image.label.shape
        return unit_rectangles(
            kind, image.region, image.month, (shape[0], shape[1]), (blocks[0], blocks[1])
        )

    def part(self, image: MonthImage, units: tuple[str, ...]) -> NDArray[np.bool_]:
        """Pixels of an image that belong to some units; a held-out image has none."""
        shape = (image.label.shape[0], image.label.shape[1])
        if image.key in self.held_out:
            return np.zeros(shape, bool)
        return mask_of(self.rectangles(image), set(units), shape)
