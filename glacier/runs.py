"""What lies in a storage and in a results folder, and its removal: ``glacier list``, ``clean``."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from glacier import seals, store
from glacier.errors import ConfigError, StoreError
from glacier.job_log import LOGS
from glacier.locks import find_living
from glacier.progress import say

FOLDERS = (
    "archive", "samples", "sweeps", "trials", "models", "maps", "weights", "catalogue", "continual",
    "fetched", LOGS,
)  # fmt: skip
"""Folders of a storage."""

SHARED = ("archive", "weights", "catalogue", "fetched")
"""Those that are named after places and files, not after runs, and serve all runs."""


@dataclass(frozen=True)
class Item:
    """Something that a run made: a folder of one stage, or a report."""

    name: str
    """As it is listed and removed: ``samples/demo-5e58aaf5``, ``results/demo``."""
    address: str
    files: int
    size_mb: float
    changed: datetime | None
    """Of the newest file; None where the store does not tell."""

    def belongs_to(self, run: str) -> bool:
        """Whether a run of this name made it, and for itself alone."""
        stage, _, folder = self.name.partition("/")
        if stage in SHARED:
            return False
        if folder == run:
            return True
        hashed = re.fullmatch(re.escape(run) + "-([0-9a-f]{8})", folder)
        if hashed is None:
            return False
        return stage != "results" or self.was_made_with(hashed[1])

    def was_made_with(self, h8: str) -> bool:
        """Whether a report says that a configuration of this hash made it.

        In a results folder stand the names of runs themselves, so one that ends like a hash may be
        another run.
        """
        from glacier.reports.summary import read_stamp  # late: seconds that no listing needs

        try:
            return read_stamp(self.address).config_sha256.startswith(h8)
        except StoreError:  # nothing that can be read vouches for it
            return False


def run_list(argv: Sequence[str]) -> int:
    """Print what is there; returns 0."""
    items = list_items(parse_places(argv, "list"))
    for item in items:
        when = f"{item.changed:%Y-%m-%d %H:%M}" if item.changed else ""
        say(f"{item.name:<44}{item.files:>7} files {item.size_mb:>10.1f} MB  {when}".rstrip())
    say(f"{len(items)} in all, {sum(item.size_mb for item in items):.1f} MB")
    return 0


def run_clean(argv: Sequence[str]) -> int:
    """Remove what is named, or say what would be removed.

    Returns:
        0; 2 for an unknown name, 1 where a run is at work, and then nothing is removed.
    """
    options = parse_places(argv, "clean")
    items = list_items(options)
    chosen: list[Item] = []
    for name in options.names:
        found = [item for item in items if item.name == name or item.belongs_to(name)]
        if not found:
            hint = "`glacier list` shows what is there"
            print(f"nothing is called {name!r}; {hint}", file=sys.stderr)
            return 2
        chosen += [item for item in found if item not in chosen]
    for item in chosen:
        if owner := find_living(item.address):
            say(f"{item.name} is worked on by {owner}; nothing was removed")
            return 1
    served = find_registered(find_place("storage", options.storage))
    for item in chosen:
        if item.name in served:
            say(f"{item.name} is of a model that {served[item.name]} may let serve; nothing was "
                "removed. Remove that file first if nobody needs it any more")  # fmt: skip
            return 1
    for item in chosen:
        if options.yes:
            store.remove_folder(item.address)
        say(f"{'removed' if options.yes else 'would remove'} {item.name} ({item.size_mb:.1f} MB)")
    if not options.yes:
        say("nothing was removed; add --yes to do it")
    return 0


def find_registered(storage: str) -> dict[str, str]:
    """Items that a version of a registry consists of, by the registry's address.

    Raises:
        StoreError: A registry is damaged, or the storage cannot be reached.
    """
    from glacier.evaluation.results import SweepResult  # late: seconds that no listing needs
    from glacier.registry.ledger import Ledger, list_registries

    found: dict[str, str] = {}
    for ledger in (Ledger(storage, name) for name in list_registries(storage)):
        for version in ledger.read().versions:
            names = [version.model, f"samples/{version.data.samples}"]
            with suppress(StoreError):  # of a sweep that is gone or damaged the models are unknown
                swept = seals.read_model(
                    store.join(ledger.locate(version), "sweep.json"), SweepResult
                )
                names.append(f"models/{swept.models}")
            found |= dict.fromkeys(names, ledger.address)
    return found


def parse_places(argv: Sequence[str], verb: str) -> argparse.Namespace:
    """Options of a verb: ``storage``, ``results``, and for ``clean`` ``names`` and ``yes``."""
    parser = argparse.ArgumentParser(f"glacier {verb}", description=ABOUT[verb])
    parser.add_argument("--storage", default="./data", help="folder or s3:// address")
    parser.add_argument("--results", default="./results", help="folder or s3:// address")
    if verb == "clean":
        parser.add_argument("names", nargs="+", help="names as listed, or that of a run")
        parser.add_argument("--yes", action="store_true", help="remove, do not only say so")
    return parser.parse_args(argv)


ABOUT = {
    "list": "Show what runs have left: archives, samples, sweeps, trials, models and reports.",
    "clean": "Remove what a run has left. Archives serve all runs, and are removed by their own "
    "names alone.",
}
"""What the verbs do."""


def list_items(places: Any) -> list[Item]:
    """Everything in a storage and in a results folder.

    Raises:
        ConfigError: One of them can be no place.
        StoreError: A store cannot be reached.
    """
    storage, results = (find_place(name, getattr(places, name)) for name in ("storage", "results"))
    found = [item for stage in FOLDERS for item in list_folder(stage, store.join(storage, stage))]
    return found + list(list_folder("results", results))


def find_place(name: str, given: str) -> str:
    """The address of a place that a flag names.

    Raises:
        ConfigError: It can be none.
    """
    try:
        address = store.absolute(given)
    except ValueError as error:
        raise ConfigError(f"--{name} {given}: {error}") from error
    if "://" in address and (reason := store.explain_unusable(address)):
        raise ConfigError(f"--{name} {given}: {reason}")
    return address


def list_folder(stage: str, address: str) -> Iterator[Item]:
    """The folders at an address, each with what lies below it."""
    for name, files in store.list_folders(address).items():
        times = [file.changed for file in files if file.changed]
        yield Item(
            f"{stage}/{name}",
            store.join(address, name),
            len(files),
            sum(file.size for file in files) / 1e6,
            max(times, default=None),
        )
