"""Whether everything that runs have left is as it was written: ``glacier verify``.

Every sealed file is held against its seal, and all files that it vouches for against their
checksums. No kind of file is known by name, so that none can be forgotten.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from glacier import seals, store
from glacier.errors import DamagedError
from glacier.job_log import LOGS
from glacier.locks import find_living
from glacier.owner import Owner
from glacier.progress import say
from glacier.runs import find_place

ABOUT = (
    "Hold every file of storage and results against its checksum, and name those that are damaged."
)


@dataclass
class Findings:
    """What was found in a storage or a results folder."""

    whole: int = 0
    """Files that are as they were written."""
    damaged: list[DamagedError] = field(default_factory=list)
    unvouched: list[str] = field(default_factory=list)
    """Addresses of files that nothing vouches for, such as those of a unit that is under way."""
    unfinished: list[str] = field(default_factory=list)
    """Addresses of files that a writer left when it was killed."""


def run_verify(argv: Sequence[str]) -> int:
    """Look at everything; returns 0 if all is whole, else 1.

    Raises:
        ConfigError: A flag names what can be no place.
        StoreError: A store cannot be reached.
    """
    options = parse_options(argv)
    failed = 0
    for name in ("storage", "results"):
        address = find_place(name, getattr(options, name))
        found = verify_folder(address)
        failed += len(found.damaged)
        report_findings(found, address)
        if options.repair:
            repair(found, address)
    if failed:
        say(f"verify: {failed} files are damaged; the command that made them makes them again")
    return 1 if failed else 0


def parse_options(argv: Sequence[str]) -> argparse.Namespace:
    """Options of the verb: ``storage``, ``results`` and ``repair``."""
    parser = argparse.ArgumentParser("glacier verify", description=ABOUT)
    parser.add_argument("--storage", default="./data", help="folder or s3:// address")
    parser.add_argument("--results", default="./results", help="folder or s3:// address")
    parser.add_argument(
        "--repair",
        action="store_true",
        help="set damaged files aside and remove unfinished ones where no run is at work, so that "
        "the next run makes anew what is missing",
    )
    return parser.parse_args(argv)


def verify_folder(address: str) -> Findings:
    """Hold all files below an address against their checksums, several at a time.

    Raises:
        StoreError: The store cannot be reached.
    """
    names = store.list_files(address)
    there = [store.join(address, name) for name in names if not is_hidden(name)]
    found = Findings(
        unfinished=[store.join(address, name) for name in names if store.is_unfinished(name)]
    )
    sealed = [file for file in there if file.endswith(".json")]
    with ThreadPoolExecutor() as pool:
        manifests = dict(zip(sealed, pool.map(read_manifest, sealed), strict=True))
    vouched = {
        file: sha256
        for manifest in manifests.values()
        if not isinstance(manifest, DamagedError)
        for file, sha256 in manifest.items()
    }
    unsealed = {file: e for file, e in manifests.items() if isinstance(e, DamagedError)}
    broken = unsealed | seals.find_damage(vouched)
    known = set(manifests) | set(vouched)
    found.damaged = list(broken.values())
    found.whole = len(known) - len(broken)
    found.unvouched = sorted(set(there) - known)
    return found


def is_hidden(name: str) -> bool:
    """Whether a file is none that a run reads: a lock, a log, Ray's notes, what was set aside."""
    return name.startswith(f"{LOGS}/") or any(part.startswith(".") for part in name.split("/"))


def read_manifest(address: str) -> dict[str, str] | DamagedError:
    """Address to sha256 of what a sealed file vouches for, or what is wrong with it."""
    try:
        files = seals.read_json(address).get("files", {})
    except DamagedError as error:
        return error
    return seals.locate(address.rpartition("/")[0], files)


def report_findings(found: Findings, address: str) -> None:
    """Say what was found, damage first."""
    for error in found.damaged:
        say(f"verify: {name_stage(error.address, address)}: {error}")
    list_some("begun, by a run that is at work or was killed", found.unfinished)
    list_some("that nothing vouches for", found.unvouched)
    say(f"verify: {found.whole} files whole, {len(found.damaged)} damaged in {address}")


def name_stage(file: str, address: str) -> str:
    """Which stage a file belongs to: the folder below the storage that it lies in."""
    return file.removeprefix(f"{address.rstrip('/')}/").partition("/")[0]


def list_some(what: str, addresses: Sequence[str], most: int = 5) -> None:
    """Name some files, and count the others."""
    for address in addresses[:most]:
        say(f"verify: {what}: {address}")
    if len(addresses) > most:
        say(f"verify: {what}: and {len(addresses) - most} more")


def repair(found: Findings, address: str) -> None:
    """Set aside what is damaged, and remove what is unfinished, where no run is at work.

    Args:
        found: What was found.
        address: Of the storage or the results.
    """
    damaged = {error.address: error for error in found.damaged}
    busy = find_busy([*damaged, *found.unfinished], address)
    for folder, owner in busy.items():
        say(f"verify: {folder} is worked on by {owner}; nothing in it is repaired")
    for file in (*damaged, *found.unfinished):
        if any(file.startswith(f"{folder}/") for folder in busy):
            continue
        if file not in damaged:
            store.remove(file)
        elif store.exists(file):
            seals.set_aside(damaged[file])


def find_busy(files: Iterable[str], address: str) -> dict[str, Owner]:
    """Folders below an address that hold some of these files and in which a run works."""
    folders: set[str] = set()
    for file in files:
        folder = file.rpartition("/")[0]
        while folder not in folders and folder.startswith(f"{address.rstrip('/')}/"):
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    owners = {folder: find_living(folder) for folder in sorted(folders)}
    return {folder: owner for folder, owner in owners.items() if owner is not None}
