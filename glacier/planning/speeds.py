"""How fast a machine does the parts of a run, as they were measured there."""

from __future__ import annotations

from pydantic import Field, ValidationError

from glacier import store
from glacier.config import Config
from glacier.errors import ConfigError, StoreError
from glacier.settings.identity import digest, identity
from glacier.settings.model import STORED, Model

FORMAT = 1
"""Of the file; another is not read."""


class TrialSpeed(Model):
    """One encoder, at the size, batch and precision of a run, on the cores that a trial gets."""

    encoder: str
    step_s: float = Field(ge=0)
    """A step of training."""
    glance_s: float = Field(ge=0)
    """An image, or a fold's part of one, that chooses an epoch."""
    test_s: float = Field(ge=0)
    """An image, or a fold's part of one, that is tested."""
    trial_s: float = Field(ge=0)
    """All else of a trial: building, testing one image, saving."""
    memory_mb: float = Field(ge=0)
    """What its process holds for itself, at most."""


class Speeds(Model):
    """What was measured, while as many processes worked side by side as trials will."""

    format: int = FORMAT
    key: str
    """Hash of the settings that it was measured with."""
    machine: str
    cores: int = Field(ge=1)
    """That a run has on one machine."""
    gpus: int = Field(ge=0)
    """That PyTorch finds on one machine."""
    ray_s: float = Field(ge=0)
    """From nothing to a Ray that has answered."""
    ray_mb: float = Field(ge=0)
    """Memory of the driver and an idle Ray."""
    task_start_s: float = Field(ge=0)
    """A process that makes months, from nothing to its first one."""
    task_mb: float = Field(ge=0)
    """What such a process holds for itself."""
    import_s: float = Field(ge=0)
    """PyTorch and all that trains, imported."""
    import_mb: float
    """What a process holds for itself once it has imported that."""
    pixels: int = Field(ge=1)
    """Of the month that was measured."""
    ingest_s: float | None
    """A month of so many pixels; None: it takes a network, which was not asked."""
    prepare_s: float
    map_s: float
    """An image of so many pixels, mapped by one model."""
    load_s: float
    """A model loaded, and made ready to look at its first image."""
    map_mb: float
    """What a process that maps holds for itself with one model."""
    model_mb: float
    """What it holds more for each other model."""
    baselines_s: float
    """All simple methods in one fold that tests one image."""
    score_s: float
    """One more image that they test, or the mean of the encoders does."""
    trials: tuple[TrialSpeed, ...]


def key_of(config: Config) -> str:
    """Hash of all that a measurement depends on: not of months, folds, epochs and places."""
    sweep = identity(config.sweep, ())
    for name in ("folds", "epochs", "steps_per_epoch", "max_failed", "max_retries"):
        del sweep[name]
    kind = config.sweep.folds.kind == "by_block"
    return digest([
        FORMAT, identity(config.regions), identity(config.ingest), identity(config.prepare), sweep,
        kind, config.cluster.cpus,
    ])  # fmt: skip


def read_speeds(address: str, config: Config) -> Speeds | None:
    """A kept measurement of a configuration; None where there is none that can be read.

    Raises:
        ConfigError: It was made with other settings.
    """
    try:
        found = Speeds.model_validate_json(store.read_bytes(address), context=STORED)
    except (StoreError, ValidationError):
        return None
    if found.key != key_of(config):
        raise ConfigError(
            f"plan.speeds = {address!r} was measured with other settings of ingest, prepare or "
            "sweep; run `glacier plan --keep` there with this configuration"
        )
    return found
