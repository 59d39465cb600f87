"""A trial: one encoder on one fold, with all that its worker needs to know. No torch in here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from glacier import seals, store
from glacier.errors import DamagedError
from glacier.evaluation.results import PREDICTIONS, RESULT, TrialResult
from glacier.samples.folds import FoldMasks, Split
from glacier.samples.month_images import MonthImage
from glacier.samples.sample_set import SampleSet
from glacier.settings.identity import digest
from glacier.settings.labels import Label
from glacier.settings.sweep import Sweep
from glacier.training.model_card import ModelCard, card_address


@dataclass(frozen=True)
class Start:
    """A model that a trial goes on from, and what it is shown."""

    model: str
    """Address of the model's folder."""
    left_out: frozenset[str] = frozenset()
    """Keys of the images that do not train."""


@dataclass(frozen=True)
class Trial:
    """What to train and on which splits."""

    encoder: str
    split: Split
    settings: Sweep
    seed: int
    """Seed of the run."""
    samples: SampleSet
    """Description of the samples."""
    masks: FoldMasks
    """Which pixels belong to which units."""
    folder: str = ""
    """Address of the trial's files."""
    model_folder: str = ""
    """Address that the best model is exported to."""
    weights: str | None = None
    """Address of the encoder's initial weights; None: random."""
    start: Start | None = None
    """The model that it goes on from, whose scaling of the bands it keeps; None: a new one."""
    label: Label = field(default_factory=Label)
    """What the labels are, provenance and all, for the model's card."""

    @property
    def name(self) -> str:
        """As messages name it."""
        return f"{self.encoder}, fold {self.split.fold}"

    @property
    def result_address(self) -> str:
        """Where its result lies; written last, it says that the trial has ended."""
        return store.join(self.folder, RESULT)

    @property
    def predictions_address(self) -> str:
        """Where the probabilities of the test pixels lie."""
        return store.join(self.folder, PREDICTIONS)

    def find_result(self, owned: bool) -> TrialResult | None:
        """The result of a trial that has ended, if all that it made is there as it was written.

        Args:
            owned: This run alone works on the trial, so what is damaged is said and set aside.
        """
        found = seals.read_whole(self.result_address, TrialResult, owned)
        card = seals.read_whole(card_address(self.model_folder), ModelCard, owned)
        try:
            return self.check_result(found) if found and card else None
        except DamagedError as error:
            if owned:
                seals.set_aside(error)
            return None

    def read_result(self) -> TrialResult:
        """What it found.

        Raises:
            DamagedError: The file is damaged, of another version, or of another trial.
            StoreError: It is not there.
        """
        return self.check_result(seals.read_model(self.result_address, TrialResult))

    def check_result(self, found: TrialResult) -> TrialResult:
        """A result, which must be this trial's.

        Raises:
            DamagedError: It is another's.
        """
        if (found.encoder, found.fold) != (self.encoder, self.split.fold):
            why = f"it is of {found.encoder}, fold {found.fold}"
            raise DamagedError.of(self.result_address, why)
        return found

    @property
    def trial_seed(self) -> int:
        """Seed of the trial, from the run's seed, encoder and fold alone."""
        return derive_seed(self.seed, self.encoder, self.split.fold)

    @property
    def selection_units(self) -> tuple[str, ...]:
        """Units of the split that chooses the checkpoint; none where nothing chooses."""
        is_published = self.settings.protocol == "notebook"
        return self.split.test if is_published else self.split.validation

    def seed_at(self, epoch: int) -> int:
        """Seed of all that is drawn in an epoch."""
        return derive_seed(self.trial_seed, epoch)

    def mask(self, image: MonthImage, units: Collection[str]) -> NDArray[np.bool_]:
        """Pixels of an image that belong to some units; a held-out image has none."""
        return self.masks.mask(image, units)

    def training_mask(self, image: MonthImage) -> NDArray[np.bool_]:
        """Pixels of an image that train."""
        if self.start and image.key in self.start.left_out:
            return np.zeros(image.label.shape, bool)
        return self.mask(image, self.split.train)


def derive_seed(*source: str | int) -> int:
    """A seed of 32 bits that follows from its sources alone."""
    return int(digest(list(source))[:8], 16)
