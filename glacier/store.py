"""Files by address, local or in an object store: whole or absent, with checksums.

A local file is written beside its place, flushed to disk, and renamed; an object store's put
is whole by itself. So a name that exists holds everything that was meant to be there.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import fsspec
from pydantic import BaseModel, ValidationError

from glacier.config import STORED, expand_path
from glacier.errors import StoreError

M = TypeVar("M", bound=BaseModel)

UNREACHABLE = (OSError, ValueError, ImportError)
"""What fsspec raises: an unknown protocol is a ValueError, one not installed an ImportError."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a write says when the disk, the quota or the limit of a file is used up."""

LEFTOVER_S = 3600.0
"""Age from which an unfinished file belongs to a process that was killed."""


def join(base: str, *parts: str) -> str:
    """Address of something below a base address."""
    return "/".join([base.rstrip("/"), *parts])


def absolute(address: str) -> str:
    """The address as workers in other folders can use it, with environment variables put in."""
    address = expand_path(address)
    return address if "://" in address else str(Path(address).absolute())


def explain_unusable(address: str) -> str:
    """Why an object-store address can never be used; nothing where it may. Nothing is asked."""
    protocol = address.partition("://")[0]
    try:
        fsspec.get_filesystem_class(protocol)
    except UNREACHABLE as error:
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
    except UNREACHABLE as error:
        raise StoreError(f"cannot look for {address}: {error}") from error


def read_bytes(address: str, sha256: str | None = None) -> bytes:
    """Content of a file.

    Args:
        address: Local path or object-store address.
        sha256: Checksum that the content must have; None: not checked.

    Raises:
        StoreError: The file is not there, cannot be read, or differs from its checksum.
    """
    try:
        with fsspec.open(address, "rb") as file:
            data = bytes(file.read())
    except UNREACHABLE as error:
        raise StoreError(f"cannot read {address}: {error}") from error
    if sha256 is not None:
        compare_checksums(address, checksum(data), sha256)
    return data


def compare_checksums(address: str, found: str, expected: str) -> None:
    """Refuse a file whose sha256 is another than expected.

    Raises:
        StoreError: They differ.
    """
    if found != expected:
        raise StoreError(
            f"{address} is damaged: sha256 {found[:12]}, expected {expected[:12]}; remove it and "
            "run the same command again"
        )


def checksum(data: bytes | memoryview) -> str:
    """sha256 of bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


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
        else:
            replace_file(Path(address), data)
    except UNREACHABLE as error:
        hint = explain_full(address) if getattr(error, "errno", None) in FULL else ""
        raise StoreError(f"cannot write {address} ({len(data)} bytes): {error}{hint}") from error
    return checksum(data)


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


def remove_leftovers(folder: str) -> None:
    """Remove unfinished files that killed processes left in a local folder, an hour old or more."""
    if "://" in folder:
        return
    for path in Path(folder).glob(".*.tmp"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > LEFTOVER_S:
                path.unlink()


def replace_file(path: Path, data: bytes | memoryview) -> None:
    """Write beside a local path, flush to disk, and rename over it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with open(beside, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        beside.unlink(missing_ok=True)


def read_json(address: str, sha256: str | None = None) -> Any:
    """Content of a JSON file.

    Raises:
        StoreError: The file is not there, damaged, or not JSON.
    """
    try:
        return json.loads(read_bytes(address, sha256))
    except ValueError as error:
        raise StoreError(f"{address} is not JSON: {error}") from error


def read_model(address: str, kind: type[M], sha256: str | None = None) -> M:
    """A stored value of a kind, from a JSON file.

    Raises:
        StoreError: The file is not there, damaged, or of another version.
    """
    try:
        return kind.model_validate_json(read_bytes(address, sha256), context=STORED)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise StoreError(
            f"{address} is no {kind.__name__} of this version: {where}: {first['msg']}; remove it "
            "and run the same command again"
        ) from error


def write_model(address: str, value: BaseModel) -> str:
    """Write a value as a JSON file, whole; returns its sha256.

    Raises:
        StoreError: The place cannot be written to.
    """
    return write_json(address, value.model_dump(mode="json", by_alias=True))


def write_json(address: str, value: Any) -> str:
    """Write a JSON file whole, keys sorted; returns its sha256.

    Raises:
        StoreError: The place cannot be written to.
        ValueError: The value holds a number that JSON has no word for, such as NaN.
    """
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"
    return write_bytes(address, text.encode())


def remove(address: str) -> None:
    """Remove a file; one that is not there is no error.

    Raises:
        StoreError: The store cannot be reached, or the file is not the user's to remove.
    """
    try:
        fs, path = fsspec.core.url_to_fs(address)
        if fs.exists(path):
            fs.rm_file(path)
    except UNREACHABLE as error:
        raise StoreError(f"cannot remove {address}: {error}") from error


@dataclass(frozen=True)
class FileInfo:
    """A file in a listing."""

    size: int
    """Bytes."""
    changed: datetime | None
    """None where the store does not tell."""


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
    except UNREACHABLE as error:
        raise StoreError(f"cannot list {address}: {error}") from error
    folders: dict[str, list[FileInfo]] = {}
    for name, facts in sorted(found.items()):
        first, _, inside = name[len(path.rstrip("/")) + 1 :].partition("/")
        if inside:
            time_of = facts.get("mtime") or facts.get("LastModified")
            when = datetime.fromtimestamp(time_of) if isinstance(time_of, float) else time_of
            folders.setdefault(first, []).append(FileInfo(int(facts.get("size") or 0), when))
    return folders


def remove_folder(address: str) -> None:
    """Remove a folder and all below it.

    Raises:
        StoreError: The store cannot be reached, or something in it is not the user's to remove.
    """
    try:
        fs, path = fsspec.core.url_to_fs(address)
        fs.rm(path, recursive=True)
    except UNREACHABLE as error:
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
    except UNREACHABLE as error:
        raise StoreError(f"cannot move {address} to {place}: {error}") from error


@contextmanager
def local_copy(address: str, sha256: str | None = None) -> Iterator[Path]:
    """The file as a local path: itself, or a copy that lasts as long as the block.

    Raises:
        StoreError: The file is not there, or differs from the checksum given.
    """
    if "://" not in address:
        if sha256 is not None:
            try:
                with open(address, "rb", buffering=0) as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise StoreError(f"cannot read {address}: {error}") from error
            compare_checksums(address, found, sha256)
        yield Path(address)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / address.rsplit("/", 1)[-1]
        path.write_bytes(read_bytes(address, sha256))
        yield path
