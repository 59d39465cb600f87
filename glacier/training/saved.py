"""A finished sweep, read back: its results, samples and stored predictions. No Ray, no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glacier import seals, store
from glacier.archive.contents import read_outcomes, read_records
from glacier.archive.records import MonthRecord
from glacier.config import Config, config_digest
from glacier.errors import ConfigError, GlacierError, StoreError
from glacier.evaluation.results import FORMAT, PREDICTIONS, SweepResult, TrialResult
from glacier.geo.frames import is_southern
from glacier.geo.raster import Grid
from glacier.registry.ledger import Ledger
from glacier.registry.records import Version
from glacier.samples.label_files import checksum_label
from glacier.samples.month_images import MonthImage, read_image
from glacier.samples.sample_set import SampleSet, hold_months, read_set, samples_folder
from glacier.settings.identity import digest, identity
from glacier.settings.model import JUDGEMENT, RUNTIME_ONLY, SELECTION
from glacier.sources.factory import open_source

TABLE = "trials.parquet"
"""Name of the table of trials."""


@dataclass(frozen=True)
class SweepPlaces:
    """Addresses of a sweep; each changes with all that changes the bytes below it."""

    samples: str
    sweep: str
    """Folder of what all trials together say."""
    trials: str
    """Folder of the trials; another list of encoders shares it. Empty: nobody knows."""
    models: str

    @property
    def result(self) -> str:
        """Where the results lie; written last, they say that the sweep is complete."""
        return store.join(self.sweep, "sweep.json")

    @property
    def written(self) -> tuple[str, str, str]:
        """Folders that a sweep writes into."""
        return self.sweep, self.trials, self.models

    def trial(self, encoder: str, fold: int) -> str:
        """Folder of one trial."""
        return store.join(self.trials, encoder, f"fold-{fold}")

    def model(self, encoder: str, fold: int) -> str:
        """Folder of the model of one trial."""
        return store.join(self.models, encoder, f"fold-{fold}")


def place_sweep(
    config: Config, samples_at: str, start: Mapping[str, str | float] | None = None
) -> SweepPlaces:
    """Addresses of a configuration's sweep over some samples.

    Args:
        config: The run.
        samples_at: Address of the samples.
        start: What its trials go on from, and how; None: from new weights.
    """
    storage = store.absolute(config.storage)
    inputs = {
        "format": FORMAT,
        "samples": describe_samples(samples_at),
        "seed": config.seed,
        **name_device_and_weights(config),
        **({"start": dict(start)} if start else {}),
    }
    sweep = config.sweep.without_places()
    keys = {
        kind: digest({**inputs, "settings": identity(sweep, without)})[:8]
        for kind, without in (
            ("sweeps", (RUNTIME_ONLY, JUDGEMENT)),
            ("trials", (RUNTIME_ONLY, JUDGEMENT, SELECTION)),
            ("models", (RUNTIME_ONLY, JUDGEMENT, SELECTION)),
        )
    }
    places = [store.join(storage, kind, f"{config.name}-{key}") for kind, key in keys.items()]
    return SweepPlaces(samples_at, *places)


def describe_samples(samples_at: str) -> Any:
    """What tells samples from others, as JSON values: what they are made of, and what came of it.

    Not the bytes of their description, which says how a file of outlines was called.
    """
    months = hold_months(read_set(samples_at).months)
    found = hashlib.sha256()
    for row in months.rows("region", "month", "status", "rows", "label_pixels"):
        found.update(digest(row | {"month": f"{row['month']:%Y-%m}"}).encode())
    return [samples_at.rpartition("-")[2], found.hexdigest()]


def is_swept(config: Config) -> bool:
    """Whether a run's sweep is there, without a failed trial."""
    try:
        places = place_sweep(config, samples_folder(config, read_outcomes(config)))
        return (
            store.exists(places.result) and not seals.read_model(places.result, SweepResult).failed
        )
    except GlacierError:  # what comes before it is not there
        return False


def name_device_and_weights(config: Config) -> dict[str, Any]:
    """What a sweep's answer depends on besides its settings: GPUs, and the bytes of weights.

    Those of packages are the settings' own: their checksums stand in the code.
    """
    found: dict[str, Any] = {"device": "gpu"} if config.sweep.gpus_per_trial else {}
    files = config.sweep.weights_files
    if files:
        found["weights"] = {
            field: store.checksum(store.read_bytes(store.absolute(path)))
            for field, path in files.items()
        }
    return found


def settings_digest(config: Config) -> str:
    """Hash of all settings of a run, with the content of the files of labels and weights."""
    weights = name_device_and_weights(config).get("weights")
    return digest([config_digest(config), checksum_label(config), weights])


@dataclass(frozen=True)
class SavedSweep:
    """A finished sweep and its samples."""

    result: SweepResult
    sha256: str
    """Checksum of the file that holds the results."""
    samples: SampleSet
    places: SweepPlaces
    archives: Mapping[str, Sequence[MonthRecord]] = field(default_factory=dict)
    """Address of each archive to what became of its months."""
    trained_with: Config | None = None
    """Configuration that the sweep ran with, whose names and addresses may differ."""

    @property
    def records(self) -> Iterator[MonthRecord]:
        """What became of the months of all archives, one after the other."""
        return chain.from_iterable(self.archives.values())

    def test_mask(self, image: MonthImage, fold: int) -> NDArray[np.bool_]:
        """Test pixels of an image in a fold: (H, W) bool; none of a held-out image."""
        return self.result.masks.mask(image, self.result.split(fold).test)

    def read_images(self, keys: Collection[str]) -> Iterator[MonthImage]:
        """The wanted month images one after the other, so that one at a time is in memory.

        Raises:
            StoreError: A file is missing or differs from its checksum.
        """
        for month in self.samples.usable:
            if month.key in keys:
                yield read_image(self.places.samples, self.samples, month)


def find_sweep(config: Config) -> SavedSweep:
    """The sweep that belongs to a configuration.

    Raises:
        StoreError: It is not there; the message names the job to run first.
    """
    archives = read_records(config)
    samples_at = samples_folder(config, archives)
    samples = read_set(samples_at)
    places = place_sweep(config, samples_at)
    if not store.exists(places.result):
        raise StoreError(
            f"there is no finished sweep in {places.sweep}; run `glacier sweep` with "
            "this configuration first"
        )
    sha256 = store.checksum(store.read_bytes(places.result))
    result = seals.read_model(places.result, SweepResult, sha256)
    asked = {"config": config, "config_sha256": settings_digest(config)}  # texts may be new
    trained_with, result = result.config, result.model_copy(update=asked)
    return SavedSweep(result, sha256, samples, places, archives, trained_with)


def find_mapping_sweep(config: Config) -> SavedSweep:
    """The sweep whose models map the months of a run.

    It is its own, or that of ``predict.sweep``, or what serves by ``predict.registry``.

    Raises:
        ConfigError: A region of that sweep's lies elsewhere than the run's of the same name, or
            there is no such registry.
        StoreError: The sweep, its samples or the months are not there.
    """
    if config.predict.sweep is not None:
        return borrow_sweep(config, store.absolute(config.predict.sweep))
    if config.predict.registry is None:
        return find_sweep(config)
    ledger = Ledger(store.absolute(config.storage), config.predict.registry)
    version = ledger.read().serving
    sweep = borrow_sweep(config, ledger.locate(version))
    refuse_other(sweep, ledger, version)
    return sweep


def open_version(ledger: Ledger, version: Version) -> SavedSweep:
    """The sweep of a version of a registry, as it was when it was judged.

    Raises:
        StoreError: It is not there, or is another.
    """
    sweep = open_sweep(ledger.locate(version))
    refuse_other(sweep, ledger, version)
    return sweep


def refuse_other(sweep: SavedSweep, ledger: Ledger, version: Version) -> None:
    """Refuse a sweep that is not what a version of a registry was.

    Raises:
        StoreError: It is another.
    """
    if sweep.sha256 != version.sha256:
        raise StoreError(
            f"{sweep.places.result} is not what version {version.id} of registry {ledger.name} was "
            f"(sha256 {sweep.sha256[:12]}, expected {version.sha256[:12]}): put that back, or let "
            f"another version serve by `glacier registry rollback {ledger.name}`"
        )


def borrow_sweep(config: Config, folder: str) -> SavedSweep:
    """The finished sweep of another run, over the archive of this one.

    Args:
        config: This run.
        folder: Address of the other's sweep.

    Raises:
        ConfigError: A region of that sweep's lies elsewhere than the run's of the same name.
        StoreError: The sweep, its samples or the months are not there.
    """
    sweep = open_sweep(folder)
    if config.predict.images:
        return sweep
    own = find_grids(config)
    refuse_moved(sweep.samples, own)
    southern = {*sweep.result.southern, *(n for n, grid in own.items() if is_southern(grid))}
    result = sweep.result.model_copy(update={"southern": tuple(sorted(southern))})
    return replace(sweep, result=result, archives=read_records(config))


def open_sweep(folder: str) -> SavedSweep:
    """A finished sweep by its folder, without the archives of any run.

    Raises:
        StoreError: The sweep or its samples are not there.
    """
    places = SweepPlaces("", folder.rstrip("/"), "", "")
    if not store.exists(places.result):
        raise StoreError(
            f"{folder}: no finished sweep is there; give a folder <storage>/sweeps/<name>-<hash> "
            "with its sweep.json in predict.sweep"
        )
    data = store.read_bytes(places.result)
    result = seals.read_model(places.result, SweepResult, store.checksum(data))
    if result.models is None:
        raise StoreError(f"{places.result} does not say where its models lie; run the sweep again")
    storage = places.sweep.rpartition("/")[0].rpartition("/")[0]
    places = replace(
        places,
        samples=store.join(storage, "samples", result.samples),
        models=store.join(storage, "models", result.models),
    )
    samples = read_set(places.samples)
    return SavedSweep(result, store.checksum(data), samples, places, {}, result.config)


def find_grids(config: Config) -> dict[str, Grid]:
    """The grid of each region of a run."""
    source = open_source(config)
    return {region.name: source.grid(region) for region in config.regions}


def refuse_moved(samples: SampleSet, grids: Mapping[str, Grid]) -> None:
    """Refuse ground that has the name of other ground, which the models may not have seen.

    Args:
        samples: What the models learned from and were tested on.
        grids: Of the regions that are to be mapped.

    Raises:
        ConfigError: A region lies elsewhere.
    """
    for name, grid in grids.items():
        if name in samples.regions and samples.regions[name].grid != grid:
            raise ConfigError(
                f"region {name} of the models' sweep lies elsewhere, or has other pixels: models "
                "are chosen by the region's name; give it another one"
            )


TrialKey = tuple[str, int]
"""Encoder and fold."""


class Predictions:
    """Stored probabilities of finished trials, read image by image."""

    def __init__(
        self, stack: ExitStack, places: SweepPlaces, trials: Sequence[TrialResult]
    ) -> None:
        """Open the files of a sweep's trials for as long as the stack lasts.

        Raises:
            StoreError: A file is missing or differs from its checksum.
        """
        self.files = {}
        self.thresholds: dict[TrialKey, float] = {}
        """Probability from which each model predicts glacier."""
        for trial in trials:
            key = (trial.encoder, trial.fold)
            address = store.join(places.trial(*key), PREDICTIONS)
            path = stack.enter_context(store.local_copy(address, trial.files.get(PREDICTIONS, "")))
            self.files[key] = stack.enter_context(np.load(path))
            self.thresholds[key] = trial.calibration.threshold

    def of(self, models: Iterable[TrialKey], key: str) -> dict[TrialKey, NDArray[np.uint8]]:
        """Probability x 255 of an image, (H, W) uint8, of those models that have one."""
        return {m: self.files[m][key] for m in models if m in self.files and key in self.files[m]}

    def classify(self, model: TrialKey, probability: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Where a model predicts glacier: its probability x 255 from its threshold on."""
        return np.asarray(probability >= 255 * self.thresholds[model])
