"""The checkpoints of a trial: sealed files from which it goes on in the same bytes."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from pydantic import field_validator

from glacier import seals, store
from glacier.errors import DamagedError
from glacier.evaluation.results import Epoch
from glacier.training.abandoned import CHECKPOINT, SEAL
from glacier.training.trial import Trial

State = dict[str, Any]
"""Tensors and plain values by name, as torch gives them."""


@dataclass
class Checkpoint:
    """All that a trial needs to go on."""

    epoch: int = -1
    """Last finished epoch; -1: none."""
    model: State = field(default_factory=dict)
    optimizer: State = field(default_factory=dict)
    best: State = field(default_factory=dict)
    """Weights of the epoch with the lowest loss on the selection split, else of the last one."""
    best_epoch: int = -1
    epochs: list[Epoch] = field(default_factory=list)
    """Metrics of every finished epoch."""
    loss: State = field(default_factory=dict)
    """Of a loss that learns with the network, see ``sweep.fairness``; empty of others."""

    def __post_init__(self) -> None:
        """Refuse epochs that do not follow one another up to the last, or lack the best.

        Raises:
            ValueError: With the numbers.
        """
        count = len(self.epochs)
        follow = all(row.epoch == at for at, row in enumerate(self.epochs))
        if not follow or self.epoch != count - 1 or self.best_epoch not in range(-1, count):
            raise ValueError(
                f"last epoch {self.epoch}, best {self.best_epoch}, {count} epochs in all"
            )


class Seal(seals.Manifest):
    """Which file holds the last checkpoint: ``checkpoint.json``, written after it."""

    @field_validator("files")
    @classmethod
    def check_files(cls, files: dict[str, str]) -> dict[str, str]:
        """Refuse all but one checkpoint: no other file of the trial is ever read or removed."""
        if len(files) != 1 or not CHECKPOINT.fullmatch(next(iter(files))):
            raise ValueError(f"{list(files)}: wanted the name of one checkpoint")
        return files

    @property
    def file(self) -> str:
        """Name of the file, beside the seal."""
        return next(iter(self.files))


def seal_address(trial: Trial) -> str:
    """Where the seal of a trial's checkpoint lies."""
    return store.join(trial.folder, SEAL)


def save_checkpoint(trial: Trial, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, and its seal last; the one before stays until then."""
    values = {name: getattr(checkpoint, name) for name in checkpoint.__dataclass_fields__}
    values["epochs"] = [epoch.model_dump() for epoch in checkpoint.epochs]
    buffer = io.BytesIO()
    torch.save(values, buffer)
    name = f"epoch-{checkpoint.epoch}.pt"
    data = buffer.getbuffer()  # not copied: it is four times the weights
    sha256 = store.write_bytes(store.join(trial.folder, name), data)
    before = None
    with suppress(DamagedError):  # a damaged seal is written over
        before = find_seal(trial)
    seals.write_model(seal_address(trial), Seal(files={name: sha256}))
    if before and before.file != name:
        store.remove(store.join(trial.folder, before.file))


def restore_checkpoint(trial: Trial, device: torch.device) -> Checkpoint | None:
    """The last sealed checkpoint, read without unpickling.

    Args:
        trial: The trial.
        device: Where its tensors are put.

    Returns:
        None where there is none that can be trusted; a damaged one is said and set aside.
    """
    try:
        if (seal := find_seal(trial)) is None:
            return None
        address = store.join(trial.folder, seal.file)
        data = store.read_bytes(address, seal.files[seal.file])
        return decode_checkpoint(address, data, device)
    except DamagedError as error:
        seals.set_aside(error)
        return None


def decode_checkpoint(address: str, data: bytes, device: torch.device) -> Checkpoint:
    """A checkpoint of its file's bytes; nothing in them is run.

    Raises:
        DamagedError: They hold something else.
    """
    try:
        values = torch.load(io.BytesIO(data), weights_only=True, map_location=device)
        epochs = [Epoch(**epoch) for epoch in values["epochs"]]
        return Checkpoint(**values | {"epochs": epochs})
    except Exception as error:  # torch raises many kinds, and not only its own
        why = f"no checkpoint of this version ({type(error).__name__})"
        raise DamagedError.of(address, why) from error


def drop_checkpoint(trial: Trial) -> None:
    """Remove what an ended trial needs no more."""
    with suppress(DamagedError):  # of a damaged seal nothing is believed
        if seal := find_seal(trial):
            store.remove(store.join(trial.folder, seal.file))
    store.remove(seal_address(trial))


def find_seal(trial: Trial) -> Seal | None:
    """The seal of a trial's last checkpoint, or None.

    Raises:
        DamagedError: It is damaged.
    """
    address = seal_address(trial)
    return seals.read_model(address, Seal) if store.exists(address) else None
