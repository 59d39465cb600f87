"""The checkpoints of a trial: sealed files from which it goes on in the same bytes."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import torch

from glacier import store
from glacier.config import Model
from glacier.errors import StoreError
from glacier.evaluation.results import Epoch
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


class Seal(Model):
    """Which file holds the last checkpoint: ``checkpoint.json``, written after it."""

    file: str
    """Name of the file, beside the seal."""
    sha256: str


def seal_address(trial: Trial) -> str:
    """Where the seal of a trial's checkpoint lies."""
    return store.join(trial.folder, "checkpoint.json")


def save_checkpoint(trial: Trial, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, and its seal last; the one before stays until then."""
    values = {name: getattr(checkpoint, name) for name in checkpoint.__dataclass_fields__}
    values["epochs"] = [epoch.model_dump() for epoch in checkpoint.epochs]
    buffer = io.BytesIO()
    torch.save(values, buffer)
    name = f"epoch-{checkpoint.epoch}.pt"
    data = buffer.getbuffer()  # not copied: it is four times the weights
    sha256 = store.write_bytes(store.join(trial.folder, name), data)
    before = find_seal(trial)
    store.write_model(seal_address(trial), Seal(file=name, sha256=sha256))
    if before and before.file != name:
        store.remove(store.join(trial.folder, before.file))


def restore_checkpoint(trial: Trial, device: torch.device) -> Checkpoint | None:
    """The last sealed checkpoint, read without unpickling.

    Args:
        trial: The trial.
        device: Where its tensors are put.

    Returns:
        None where there is none that can be trusted, which is said if one is there.
    """
    try:
        if (seal := find_seal(trial)) is None:
            return None
        data = store.read_bytes(store.join(trial.folder, seal.file), seal.sha256)
        values = torch.load(io.BytesIO(data), weights_only=True, map_location=device)
    except StoreError as error:
        print(f"{trial.name}: starts afresh; {error}")
        return None
    return Checkpoint(**values | {"epochs": [Epoch(**epoch) for epoch in values["epochs"]]})


def drop_checkpoint(trial: Trial) -> None:
    """Remove what an ended trial needs no more."""
    if seal := find_seal(trial):
        store.remove(store.join(trial.folder, seal.file))
        store.remove(seal_address(trial))


def find_seal(trial: Trial) -> Seal | None:
    """The seal of a trial's last checkpoint, or None.

    Raises:
        StoreError: It is damaged.
    """
    address = seal_address(trial)
    return store.read_model(address, Seal) if store.exists(address) else None
