"""A finished sweep, read back: its facts, samples and stored predictions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glacier import store
from glacier.archive.records import MonthRecord, read_records
from glacier.config import NOT_IN_THE_ANSWER, Config, digest
from glacier.errors import StoreError
from glacier.evaluation.metrics import Facts
from glacier.evaluation.scorecard import Scorecard
from glacier.samples import dataset
from glacier.samples.dataset import MonthImage, samples_folder
from glacier.training.trial import mask_part

FORMAT = 6
"""Counts up when a sweep's bytes change for the same configuration."""


def sweep_folders(config: Config, samples_at: str) -> tuple[str, str]:
    """Addresses of a sweep and of its models; they change with all that changes their bytes."""
    key = digest(
        {
            "format": FORMAT,
            "samples": store.checksum(store.read_bytes(store.join(samples_at, "summary.json"))),
            "settings": config.sweep.model_dump(mode="json", exclude=NOT_IN_THE_ANSWER),
            "seed": config.seed,
            **name_device_and_weights(config),
        }
    )
    name, storage = f"{config.name}-{key[:8]}", store.absolute(config.storage)
    return store.join(storage, "sweeps", name), store.join(storage, "models", name)


def name_device_and_weights(config: Config) -> dict[str, str]:
    """What a sweep's answer depends on besides its settings: GPUs, and the bytes of weights."""
    found = {"device": "gpu"} if config.sweep.gpus_per_trial else {}
    if (weights := config.sweep.encoder_weights) not in ("none", "imagenet"):
        found["weights"] = store.checksum(store.read_bytes(store.absolute(weights)))
    return found


@dataclass(frozen=True)
class SavedSweep:
    """A finished sweep and its samples."""

    facts: Facts
    """Content of sweep.json."""
    sha256: str
    """Checksum of sweep.json."""
    samples_at: str
    summary: Facts
    """Description of the samples."""
    records: tuple[MonthRecord, ...] = ()
    """What became of the archive's months."""

    @property
    def settings(self) -> Facts:
        """The configuration's part on the sweep."""
        return dict(self.facts["config"]["sweep"])

    @property
    def chooser(self) -> str | None:
        """What the part that chose the checkpoints is called; None where nothing chose."""
        if self.settings["protocol"] == "notebook":
            return "test fold"
        return "validation" if self.settings["folds"]["validation_share"] else None

    @property
    def losses(self) -> tuple[str, str | None]:
        """What the training loss, and the Dice loss of the part that chose, are called."""
        mixed = self.settings["loss"] != "dice"
        training = "training, Dice + cross-entropy" if mixed else "training"
        return training, f"{self.chooser}, Dice" if mixed and self.chooser else self.chooser

    def part(self, image: MonthImage, fold: int) -> NDArray[np.bool_]:
        """Test pixels of an image in a fold: (H, W) bool; none of a held-out image."""
        kind, held_out = self.settings["folds"]["kind"], self.facts["held_out"]
        return mask_part(self.summary, kind, image, self.test_units(fold), held_out)

    def test_units(self, fold: int) -> set[str]:
        """Names of the units that a fold tests on."""
        return set(next(s["test"] for s in self.facts["splits"] if s["fold"] == fold))

    def card(self, fold: int) -> Scorecard:
        """An empty scorecard for the test part of a fold."""
        return Scorecard(self.summary, self.settings["folds"]["kind"], self.test_units(fold))


def find_sweep(config: Config) -> SavedSweep:
    """The sweep that belongs to a configuration.

    Raises:
        StoreError: It is not there; the message names the job to run first.
    """
    archives = read_records(config)
    samples_at = samples_folder(config, archives)
    summary = dataset.read_summary(samples_at)
    folder, _ = sweep_folders(config, samples_at)
    address = store.join(folder, "sweep.json")
    if not store.exists(address):
        raise StoreError(
            f"there is no finished sweep in {folder}; run jobs.sweep with this configuration first"
        )
    sha256 = store.checksum(store.read_bytes(address))
    records = tuple(record for found in archives.values() for record in found)
    return SavedSweep(store.read_json(address, sha256), sha256, samples_at, summary, records)


def read_months(sweep: SavedSweep, keys: Iterable[str]) -> Iterator[MonthImage]:
    """The wanted month images one after the other, so that one at a time is in memory.

    Raises:
        StoreError: A part is missing or differs from its checksum.
    """
    wanted = set(keys)
    for part in sweep.summary["parts"]:
        key = f"{part['region']}/{dataset.month_of(part):%Y-%m}"
        if part["status"] == "ok" and key in wanted:
            yield dataset.read_image(sweep.samples_at, sweep.summary, part)


Model = tuple[str, int]
"""Encoder and fold."""


class Predictions:
    """Stored probabilities of all finished trials, read image by image."""

    def __init__(self, stack: ExitStack, trials: Sequence[Facts]) -> None:
        """Open the files of the trials for as long as the stack lasts.

        Raises:
            StoreError: A file is missing or differs from its checksum.
        """
        self.files = {}
        self.thresholds: dict[Model, float] = {}
        """Probability from which each model calls a pixel glacier."""
        for trial in trials:
            place = trial["predictions"]
            path = stack.enter_context(store.local_copy(place["address"], place["sha256"]))
            self.files[trial["encoder"], trial["fold"]] = stack.enter_context(np.load(path))
            self.thresholds[trial["encoder"], trial["fold"]] = trial["threshold"]

    def of(self, models: Iterable[Model], key: str) -> dict[Model, NDArray[np.uint8]]:
        """Probability x 255 of an image, (H, W) uint8, of those models that have one."""
        return {m: self.files[m][key] for m in models if m in self.files and key in self.files[m]}

    def call(self, model: Model, probability: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Where a model says glacier: its probability x 255 from its threshold on."""
        return np.asarray(probability >= 255 * self.thresholds[model])


def row_key(row: Facts) -> str:
    """``<region>/<YYYY-MM>`` of a row of test counts."""
    return f"{row['region']}/{row['month'][:7]}"
