"""Checkpoints that killed trials left and that nobody will read. No torch in here."""

from __future__ import annotations

import re
from collections import defaultdict

from glacier import seals, store
from glacier.errors import StoreError
from glacier.evaluation.results import RESULT

CHECKPOINT = re.compile(r"epoch-[0-9]{1,9}\.pt")
"""Names of checkpoints."""

SEAL = "checkpoint.json"
"""Name of what says which checkpoint is the last."""


def remove_abandoned(trials: str) -> None:
    """Remove the checkpoints of ended trials, and those that the seal of a trial does not name.

    A trial whose seal cannot be read keeps its checkpoints until it has run.

    Args:
        trials: Address of the folder of all trials, of which this run is the owner.

    Raises:
        StoreError: The store cannot be reached.
    """
    for folder, names in group_files(trials).items():
        found = {name for name in names if CHECKPOINT.fullmatch(name)}
        if RESULT in names:
            found |= names & {SEAL}
        elif found and SEAL in names:
            found = found - {sealed} if (sealed := read_sealed(folder)) else set()
        for name in sorted(found):
            store.remove(store.join(folder, name))


def read_sealed(folder: str) -> str:
    """Name of the checkpoint that a trial goes on from; empty where its seal cannot be read."""
    try:
        seal = seals.read_json(store.join(folder, SEAL))
    except StoreError:
        return ""
    return next(iter(seal.get("files", {})), "")


def group_files(address: str) -> dict[str, set[str]]:
    """Folders anywhere below an address, each with the names of its files.

    Raises:
        StoreError: The store cannot be reached.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for each in store.list_files(address):
        folder, _, name = each.rpartition("/")
        found[store.join(address, folder) if folder else address].add(name)
    return found
