"""Files by address, local or in an object store: whole or absent, with checksums.

A local file is written beside its place, flushed to disk, and renamed; an object store's put
is whole by itself. So a name that exists holds everything that was meant to be there.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import inspect
import os
import shutil
import stat
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import fsspec

from glacier.config import Config
from glacier.errors import DamagedError, StoreError
from glacier.kill_points import reach
from glacier.scratch import open_scratch
from glacier.settings.paths import expand_path

UNREACHABLE = (OSError, ValueError, ImportError)
"""What fsspec raises: an unknown protocol is a ValueError, one not installed an ImportError."""

READERS = 16
"""Requests to a store that are under way at once: it answers many as fast as one."""

GOOGLE = {"gcsfs.retry": "HttpError", "google.auth.exceptions": "GoogleAuthError"}
"""Modules that gcsfs has loaded where it is in use, and what it raises of them beside those."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a write says when the disk, the quota or the limit of a file is used up."""


def unreachable() -> tuple[type[Exception], ...]:
    """What says that a store cannot be reached, in a process that may have asked Google's."""
    loaded = ((sys.modules.get(module), name) for module, name in GOOGLE.items())
    return (*UNREACHABLE, *(getattr(module, name) for module, name in loaded if module))


def join(base: str, *parts: str) -> str:
    """Address of something below a base address."""
    return "/".join([base.rstrip("/"), *parts])


def absolute(address: str) -> str:
    """The address as workers in other folders can use it, with environment variables put in."""
    address = expand_path(address)
    return address if "://" in address else str(Path(address).absolute())


def results_folder(config: Config) -> str:
    """Address of all that a run says of itself: its report, study, claims and calendar."""
    return join(absolute(config.results), config.name)


def explain_unusable(address: str) -> str:
    """Why an object-store address can never be used; nothing where it may. Nothing is asked."""
    protocol = address.partition("://")[0]
    try:
        fsspec.get_filesystem_class(protocol)
    except unreachable() as error:
        return f"{protocol}:// is no store that can be used here: {str(error).rstrip('.')}"
    return ""


def exists(address: str) -> bool:
    """Whether a file is there.

    Raises:
        StoreError: The store cannot be reached.
    """
    if "://" not in address:
        return os.path.exists(address)
    try:
        fs, path = fsspec.core.url_to_fs(address)
        return bool(fs.exists(path))
    except unreachable() as error:
        raise StoreError(f"cannot look for {address}: {error}") from error


def read_bytes(address: str, sha256: str | None = None) -> bytes:
    """Content of a file.

    Args:
        address: Local path or object-store address.
        sha256: Checksum that the content must have; None: not checked.

    Raises:
        DamagedError: The file differs from its checksum, or is gone though it has one.
        StoreError: The file is not there or cannot be read.
    """
    try:
        fs, path = fsspec.core.url_to_fs(address)
        data = bytes(fs.cat_file(path, **ONE_REQUEST.get(address.partition("://")[0], {})))
    except unreachable() as error:
        raise explain_unread(address, error, sha256 is not None) from error
    if sha256 is not None:
        compare_checksums(address, checksum(data), sha256)
    return data


ONE_REQUEST = {"s3": {"max_concurrency": 1}}
"""What keeps a store from asking for the size of an object first, to fetch large ones in parts."""


def explain_unread(address: str, error: Exception, is_vouched: bool) -> StoreError:
    """The error of a file that could not be read; one that something vouches for was there once."""
    if is_vouched and isinstance(error, FileNotFoundError | IsADirectoryError):
        return DamagedError.of(address, "it is gone")
    return StoreError(f"cannot read {address}: {error}")


def check_file(address: str, max_bytes: int) -> None:
    """Refuse, before it is opened, what is no regular file or is larger than it can be.

    Raises:
        StoreError: It is that, or not there: a pipe would never end, and a device might.
    """
    try:
        fs, path = fsspec.core.url_to_fs(address)
        facts = fs.info(path)
    except unreachable() as error:
        raise StoreError(f"cannot read {address}: {error}") from error
    if facts["type"] != "file":
        raise StoreError(f"cannot read {address}: it is no regular file; put the file itself there")
    if (size := facts.get("size")) is None or size > max_bytes:
        raise StoreError(
            f"cannot read {address}: it has {'unknown' if size is None else size} bytes, and at "
            f"most {max_bytes} can be meant; put the right file there"
        )


def compare_checksums(address: str, found: str, expected: str) -> None:
    """Refuse a file whose sha256 is another than expected.

    Raises:
        DamagedError: They differ.
    """
    if found != expected:
        raise DamagedError.of(address, f"sha256 {found[:12]}, expected {expected[:12]}")


def checksum(data: bytes | memoryview) -> str:
    """sha256 of bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def checksum_file(path: str | Path) -> str:
    """sha256 of a local file, hexadecimal.

    Raises:
        OSError: It cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bytes(address: str, data: bytes | memoryview) -> str:
    """Write a file whole or not at all.

    Returns:
        sha256 of the content, hexadecimal.

    Raises:
        StoreError: The place cannot be written to; nothing is left under the name.
    """
    try:
        if "://" in address:
            fs, path = fsspec.core.url_to_fs(address)
            fs.pipe_file(path, bytes(data))
            reach("stored", address)
        else:
            replace_file(Path(address), data)
    except unreachable() as error:
        raise explain_unwritten(address, len(data), error) from error
    return checksum(data)


def write_file(address: str, path: Path) -> str:
    """Write a file whole or not at all, from a local one that may be larger than the memory.

    Returns:
        sha256 of the content, hexadecimal.

    Raises:
        StoreError: The place cannot be written to; nothing is left under the name.
    """
    try:
        if "://" in address:
            fs, place = fsspec.core.url_to_fs(address)
            fs.put_file(str(path), place)
            reach("stored", address)
        else:
            with open(path, "rb") as source:
                replace_file(Path(address), source)
        return checksum_file(path)
    except unreachable() as error:
        raise explain_unwritten(address, path.stat().st_size, error) from error


def explain_unwritten(address: str, size: int, error: Exception) -> StoreError:
    """The error of a file of so many bytes that could not be written."""
    hint = explain_full(address) if getattr(error, "errno", None) in FULL else ""
    return StoreError(f"cannot write {address} ({size} bytes): {error}{hint}")


def explain_full(address: str) -> str:
    """How much room there is where a local write found none, and what to do."""
    free = measure_free(address)
    return f"; {free} bytes are free there: make room, then run the same command again"


def measure_free(address: str) -> int:
    """Bytes that are free where a local file or folder is, or would be made."""
    there = Path(address)
    while not there.exists() and there != there.parent:
        there = there.parent
    return shutil.disk_usage(there).free


def replace_file(path: Path, data: bytes | memoryview | BinaryIO) -> None:
    """Write beside a local path, bytes or what is left of an open file, and rename over it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with open(beside, "xb") as file:
            if isinstance(data, bytes | memoryview):
                file.write(data)
            else:
                shutil.copyfileobj(data, file)
            file.flush()
            reach("written", str(path))
            os.fsync(file.fileno())
        reach("flushed", str(path))
        os.replace(beside, path)
        reach("renamed", str(path))
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        beside.unlink(missing_ok=True)


def remove(address: str) -> None:
    """Remove a file; one that is not there is no error.

    Raises:
        StoreError: The store cannot be reached, or the file is not the user's to remove.
    """
    try:
        fs, path = fsspec.core.url_to_fs(address)
        if fs.exists(path):
            fs.rm_file(path)
            reach("removed", address)
    except unreachable() as error:
        raise StoreError(f"cannot remove {address}: {error}") from error


@dataclass(frozen=True)
class FileInfo:
    """A file in a listing."""

    size: int
    """Bytes."""
    changed: datetime | None
    """None where the store does not tell."""


def list_files(address: str) -> list[str]:
    """Names of all files below an address, in order; none where nothing is there.

    Raises:
        StoreError: The store cannot be reached.
    """
    try:
        fs, path = fsspec.core.url_to_fs(address)
        start = len(path.rstrip("/")) + 1
        found = fs.find(path) if fs.exists(path) else []
        fs.invalidate_cache()  # else what others write from now on would not be seen
        return sorted(name[start:] for name in found)
    except unreachable() as error:
        raise StoreError(f"cannot list {address}: {error}") from error


def match_files(address: str, pattern: str) -> list[str]:
    """Names of the files below an address that match a pattern, such as ``*/*/.lock``, in order.

    Only folders of so many levels are looked into, however many files they hold.

    Raises:
        StoreError: The store cannot be reached.
    """
    try:
        fs, path = fsspec.core.url_to_fs(address)
        fs.invalidate_cache()  # what fsspec keeps of a listing hides what others write
        start = len(path.rstrip("/")) + 1
        found = fs.glob(f"{glob.escape(path.rstrip('/'))}/{pattern}")
        return sorted(name[start:] for name in found)
    except FileNotFoundError:
        return []
    except unreachable() as error:
        raise StoreError(f"cannot list {address}: {error}") from error


class FileState(NamedTuple):
    """A file as it lies there; the same state later means that nobody has written it since."""

    size: int
    """Bytes."""
    version: str
    """Time of its last change in nanoseconds, or what an object store says instead, such as an
    ETag; empty where nothing tells, and then the file has to be read."""


def list_states(folder: str) -> dict[str, FileState]:
    """Files right in a folder by name, hidden ones too; none where nothing is there.

    One look at a disk, one request to an object store for every thousand files.

    Raises:
        StoreError: The store cannot be reached.
    """
    try:
        if "://" not in folder:
            return dict(walk_local(folder, deep=False))
        fs, path = fsspec.core.url_to_fs(folder)
        fs.invalidate_cache(path)  # what fsspec keeps of a listing hides what others write
        found = fs.ls(path, detail=True)
        fs.invalidate_cache(path)
    except FileNotFoundError:
        return {}
    except unreachable() as error:
        raise StoreError(f"cannot list {folder}: {error}") from error
    files = (facts for facts in found if facts["type"] == "file")
    return {facts["name"].rpartition("/")[2]: state_of_object(facts) for facts in files}


def walk_states(folder: str, starts: Sequence[str]) -> Iterator[tuple[str, FileState]]:
    """Files below a folder whose names begin in one of some ways, as they come.

    At no time are all of them in memory: a listing of an object store has a kilobyte for each.

    Args:
        folder: Address; where nothing is there is nothing to walk.
        starts: Of the names below the folder. An object store is asked for each by itself, several
            at a time; of a local folder all files come.

    Raises:
        StoreError: The store cannot be reached.
    """
    try:
        if "://" not in folder:
            yield from walk_local(folder, deep=True)
            return
        fs, path = fsspec.core.url_to_fs(folder)
        fs.invalidate_cache()
        cut = len(path.rstrip("/")) + 1
        chosen = drop_covered(starts) if takes_prefix(fs) else [""]
        with ThreadPoolExecutor(READERS) as pool:
            find = partial(find_objects, fs, path)
            for found in pool.map(find, chosen):
                for name, facts in found.items():
                    yield name[cut:], state_of_object(facts)
    except FileNotFoundError:
        return
    except unreachable() as error:
        raise StoreError(f"cannot list {folder}: {error}") from error


def walk_local(folder: str, deep: bool) -> Iterator[tuple[str, FileState]]:
    """Files in a local folder by their names below it, without those that go while it is looked.

    Args:
        folder: The folder.
        deep: Those in folders below it, too.

    Raises:
        OSError: The folder is not there.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.is_file():
                    facts = entry.stat()
                    yield entry.name, FileState(facts.st_size, str(facts.st_mtime_ns))
                elif deep and entry.is_dir(follow_symlinks=False):
                    below = walk_local(entry.path, deep)
                    yield from ((f"{entry.name}/{name}", state) for name, state in below)


def drop_covered(starts: Iterable[str]) -> list[str]:
    """Beginnings of names without those that begin with another: no name begins in two ways."""
    kept: list[str] = []
    for start in sorted(starts):
        if not kept or not start.startswith(kept[-1]):
            kept.append(start)
    return kept


def takes_prefix(fs: fsspec.AbstractFileSystem) -> bool:
    """Whether a store can be asked for the names that begin in one way."""
    find = getattr(type(fs), "_find", type(fs).find)
    return "prefix" in inspect.signature(find).parameters


def find_objects(fs: fsspec.AbstractFileSystem, path: str, start: str) -> dict[str, Any]:
    """Objects below a path whose names begin in one way, with what the store tells of each."""
    found = fs.find(path, detail=True, **({"prefix": start} if start else {}))
    return dict(found)


VERSIONS = ("ETag", "etag", "generation", "mtime", "LastModified", "created")
"""What stores call that which changes when an object is written anew, the surest first."""


def state_of_object(facts: Mapping[str, Any]) -> FileState:
    """The state of an object by what a listing of its store tells."""
    told = (facts[name] for name in VERSIONS if facts.get(name))
    return FileState(int(facts.get("size") or 0), str(next(told, "")))


def is_unfinished(name: str) -> bool:
    """Whether a file's name is one under which a writer was at work."""
    file = name.rpartition("/")[2]
    return file.startswith(".") and file.endswith(".tmp")


def list_folders(address: str) -> dict[str, list[FileInfo]]:
    """Folders at an address by name, each with all files below it; none where nothing is there.

    Raises:
        StoreError: The store cannot be reached.
    """
    try:
        fs, path = fsspec.core.url_to_fs(address)
        if not fs.exists(path):
            return {}
        found = fs.find(path, detail=True)
    except unreachable() as error:
        raise StoreError(f"cannot list {address}: {error}") from error
    folders: dict[str, list[FileInfo]] = {}
    for name, facts in sorted(found.items()):
        first, _, inside = name[len(path.rstrip("/")) + 1 :].partition("/")
        if inside:
            time_of = facts.get("mtime") or facts.get("LastModified")
            when = datetime.fromtimestamp(time_of) if isinstance(time_of, float) else time_of
            folders.setdefault(first, []).append(FileInfo(int(facts.get("size") or 0), when))
    return folders


def find_changed(address: str) -> datetime | None:
    """When a file was changed, by the clock of its store.

    Returns:
        None where the file is not there, or the store does not tell.

    Raises:
        StoreError: The store cannot be reached.
    """
    try:
        fs, path = fsspec.core.url_to_fs(address)
        told = fs.modified(path)
    except (FileNotFoundError, NotImplementedError):
        return None
    except unreachable() as error:
        raise StoreError(f"cannot look at {address}: {error}") from error
    if not isinstance(told, datetime):
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def remove_folder(address: str) -> None:
    """Remove a folder and all below it; one that is not there is no error.

    Raises:
        StoreError: The store cannot be reached, or something in it is not the user's to remove.
    """
    try:
        fs, path = fsspec.core.url_to_fs(address)
        if fs.exists(path):
            fs.rm(path, recursive=True)
            reach("removed", address)
    except unreachable() as error:
        raise StoreError(f"cannot remove {address}: {error}") from error


def move(address: str, place: str) -> None:
    """Move a file to another address of the same store; one that is not there is no error.

    Raises:
        StoreError: It cannot be moved.
    """
    try:
        fs, path = fsspec.core.url_to_fs(address)
        if fs.exists(path):
            target = fsspec.core.url_to_fs(place)[1]
            fs.makedirs(target.rpartition("/")[0], exist_ok=True)
            fs.mv(path, target)
            reach("moved", place)
    except unreachable() as error:
        raise StoreError(f"cannot move {address} to {place}: {error}") from error


def is_endless(path: str) -> bool:
    """Whether a local path leads to a pipe, a socket or a device: to read it may never end."""
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except OSError:
        return False
    return kind not in (stat.S_IFREG, stat.S_IFDIR)


@contextmanager
def local_copy(address: str, sha256: str | None = None) -> Iterator[Path]:
    """The file as a local path: itself, or a copy that lasts as long as the block.

    Raises:
        StoreError: The file is not there, or differs from the checksum given.
    """
    if "://" not in address:
        if sha256 is not None:
            if is_endless(address):
                raise DamagedError.of(address, "it is no regular file")
            try:
                found = checksum_file(address)
            except OSError as error:
                raise explain_unread(address, error, is_vouched=True) from error
            compare_checksums(address, found, sha256)
        yield Path(address)
        return
    with open_scratch() as folder:
        path = folder / address.rsplit("/", 1)[-1]
        path.write_bytes(read_bytes(address, sha256))
        yield path
