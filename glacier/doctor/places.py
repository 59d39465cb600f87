"""Checks of places and accounts: storage, results, temporary files, weights, credentials, locks."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from glacier import store
from glacier.config import Config
from glacier.doctor.findings import Answer, fail, ok, register, warn
from glacier.errors import ConfigError, WeightsError
from glacier.locks import find_locks
from glacier.machine import (
    choose_temp_folder,
    explain_other_folder,
    explain_unwritable,
    list_temp_folders,
)
from glacier.progress import duration
from glacier.scratch import list_dead_folders
from glacier.settings.earthengine import EarthEngine
from glacier.settings.sweep import Sweep
from glacier.settings.weights import PACKAGES
from glacier.training.packages import find_packaged

LOW_GB, EMPTY_GB = 5.0, 0.5
"""Free disk that is little, and that no run fits into."""

SKEW_S = 60.0
"""Difference of two clocks that upsets nothing: a lock counts as dead after twice that."""

READ_BY_OTHERS = 0o077
"""Permissions that let others at a file of credentials."""


@register("storage")
def check_storage(config: Config | None) -> Iterator[Answer]:
    """Storage and results: a small file is written, read and removed, and dated by their clock."""
    if config is None:
        yield ok("no configuration is given, so none is looked at")
        return
    for name, place in (("storage", config.storage), ("results", config.results)):
        yield from check_place(f"{name} = {place!r}", store.absolute(place))


def check_place(named: str, address: str) -> Iterator[Answer]:
    """Whether files can be put into a place, and taken from it."""
    if "://" not in address:
        reason = explain_unwritable(Path(address))
        if reason:
            yield fail(f"{named}: {reason}", "choose a folder that you may write to")
            return
        free_gb = store.measure_free(address) / 1e9
        said = f"{named}: writable, {free_gb:.1f} GB free"
        remedy = "make room, or choose a larger disk; --dry-run says what a run needs"
        level = fail if free_gb < EMPTY_GB else warn
        yield ok(said) if free_gb >= LOW_GB else level(said, remedy)
        return
    mark, text = store.join(address, f".{uuid.uuid4().hex}.tmp"), os.urandom(16)
    try:
        store.write_bytes(mark, text)
        is_same = store.read_bytes(mark) == text
        skew_s = measure_skew_s(mark)
        store.remove(mark)
    except store.unreachable() as error:
        yield fail(f"{named}: {error}", "look at the address, the credentials and their rights")
        return
    if not is_same:
        yield fail(f"{named}: what was written is not what is read", "use another store")
    elif skew_s is not None and abs(skew_s) > SKEW_S:
        yield warn(f"{named}: {describe_skew(skew_s)}", "set this machine's clock (NTP)")
    else:
        yield ok(f"{named}: a file was written, read and removed")


def measure_skew_s(address: str) -> float | None:
    """By how much a store's clock is ahead of ours, by a file that it has just dated.

    Returns:
        Seconds; None where the store does not tell.
    """
    changed = store.find_changed(address)
    return None if changed is None else (changed - datetime.now(UTC)).total_seconds()


def describe_skew(skew_s: float) -> str:
    """A difference of clocks in words."""
    side = "ahead of" if skew_s > 0 else "behind"
    return f"its clock is {duration(abs(skew_s))} {side} ours"


@register("clock")
def check_clock(config: Config | None) -> Iterator[Answer]:
    """The clock, against a file that a local or mounted storage dates."""
    if time.time() < datetime(2026, 1, 1, tzinfo=UTC).timestamp():
        yield fail(f"it is {datetime.now(UTC):%Y-%m-%d} here", "set this machine's clock (NTP)")
        return
    skew_s = 0.0
    if config is not None and "://" not in (address := store.absolute(config.storage)):
        skew_s = measure_folder_skew_s(Path(address)) or 0.0
    if abs(skew_s) > SKEW_S:
        said = f"the storage's: {describe_skew(skew_s)}"
        yield warn(said, "set both machines' clocks (NTP)")
    else:
        yield ok(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")


def measure_folder_skew_s(folder: Path) -> float | None:
    """By how much a folder's file server is ahead of us, seconds; None: it cannot be written."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    mark = folder / f".{uuid.uuid4().hex}.tmp"
    try:
        mark.touch()
        return mark.stat().st_mtime - time.time()
    except OSError:
        return None
    finally:
        with suppress(OSError):
            mark.unlink()


@register("temporary files")
def check_temporary(_: Config | None) -> Iterator[Answer]:
    """A folder for Ray: writable, with room, and short enough for the path of a socket."""
    try:
        chosen = choose_temp_folder()
    except ConfigError as error:
        yield fail(str(error), "")
        return
    note, free_gb = explain_other_folder(chosen), store.measure_free(chosen) / 1e9
    if note:
        yield warn(note, "set TMPDIR to a short path on a disk with room")
    elif free_gb < LOW_GB:
        remedy = "make room, or set TMPDIR to a larger disk: trials lay out their images there"
        yield warn(f"{chosen}, {free_gb:.1f} GB free", remedy)
    else:
        yield ok(f"{chosen}, {free_gb:.1f} GB free, short enough for sockets")


@register("weights")
def check_weights(config: Config | None) -> Iterator[Answer]:
    """The initial weights: whether their files and packages are there."""
    sweep = config.sweep if config else Sweep()
    for source in dict.fromkeys(sweep.weights_of(encoder) for encoder in sweep.encoders):
        yield from check_source(sweep, source)


def check_source(sweep: Sweep, source: str) -> Iterator[Answer]:
    """One source of weights of some encoders."""
    if source == "none":
        yield ok("random ones")
    elif source == "imagenet":
        yield ok("of ImageNet; a machine without network needs them in its cache beforehand")
    elif source in PACKAGES:
        for encoder in (name for name in sweep.encoders if sweep.weights_of(name) == source):
            try:
                yield ok(f"{find_packaged(encoder, source)}, for {encoder}")
            except WeightsError as error:
                yield fail(str(error), "")
    else:
        with store.local_copy(store.absolute(source)) as path:
            sha256 = store.checksum_file(path)
        yield ok(f"{source}, sha256 {sha256[:12]}")


@register("credentials")
def check_credentials(config: Config | None) -> Iterator[Answer]:
    """What the accounts of a run are reached with: there and readable; none of it is shown."""
    places = list_credentials(config) if config else {}
    for account, files in places.items():
        there = [file for file in files if file.exists()]
        if any(name in os.environ for name in VARIABLES.get(account, ())):
            yield ok(f"{account}: in the environment")
        elif not there:
            yield warn(f"{account}: no file and no variable", REMEDIES[account])
        elif not os.access(there[0], os.R_OK):
            yield fail(f"{account}: {there[0]} cannot be read", "change its permissions")
        elif there[0].stat().st_mode & READ_BY_OTHERS:
            yield warn(f"{account}: others may read {there[0]}", f"chmod 600 {there[0]}")
        else:
            yield ok(f"{account}: {there[0]}")
    if not places:
        yield ok("none are needed")


VARIABLES = {"S3": ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_PROFILE",
                    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")}  # fmt: skip
"""Environment variables that stand for credentials."""

REMEDIES = {
    "S3": "run `aws configure`, or give the machine a role, which is not looked for here",
    "Google Cloud": "run `gcloud auth application-default login`, or give the machine an account",
    "Earth Engine": "run `earthengine authenticate`, or set ingest.earthengine.key_file",
}


def list_credentials(config: Config) -> dict[str, list[Path]]:
    """Account to the files, the best first, that a run may reach it with."""
    found: dict[str, list[Path]] = {}
    google = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    default = Path("~/.config/gcloud/application_default_credentials.json").expanduser()
    protocols = {place.partition("://")[0] for place in (config.storage, config.results)}
    if protocols & {"s3", "s3a"}:
        found["S3"] = [Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"))]
    if protocols & {"gs", "gcs"}:
        found["Google Cloud"] = [Path(google)] if google else [default]
    if isinstance(source := config.ingest.chosen, EarthEngine):
        key = source.key_file
        own = Path("~/.config/earthengine/credentials")
        found["Earth Engine"] = [Path(store.absolute(key))] if key else [own, default]
    return {account: [file.expanduser() for file in files] for account, files in found.items()}


@register("leftovers")
def check_leftovers(_: Config | None) -> Iterator[Answer]:
    """Temporary folders of runs that were killed."""
    dead = [folder for place in {*list_temp_folders()} for folder in list_dead_folders(place)]
    said = f"{len(dead)} folder(s) of runs that were killed, such as {dead[0]}" if dead else "none"
    yield warn(said, "the next run removes them") if dead else ok(said)


@register("locks")
def check_locks(config: Config | None) -> Iterator[Answer]:
    """Folders of the storage that a run works in, or that one has left locked."""
    if config is None:
        yield ok("no configuration is given, so none are looked for")
        return
    locks = find_locks(store.absolute(config.storage))
    dead = [folder for folder, owner in locks.items() if not owner.may_live()]
    if dead:
        said = f"{len(dead)} folder(s) were left by killed runs, such as {dead[0]}"
        yield warn(said, "the next run there takes them over")
    elif locks:
        folder, owner = next(iter(locks.items()))
        yield ok(f"{folder} is worked on by {owner}")
    else:
        yield ok("none")
