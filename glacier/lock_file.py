"""The file of a lock: made whole and only where there is none, renewed by its owner alone.

What is promised: on a file system with hard links or exclusive creation, and in an object store
that fsspec creates objects in on condition that there is none (S3, Google, Azure, memory), one
alone makes the file. Other stores are looked into, written to and, after ``SETTLE_S``, read back:
there two make it if one of them takes longer than that between looking and writing.
"""

from __future__ import annotations

import errno
import inspect
import os
import time
import uuid
from pathlib import Path

import fsspec
from pydantic import ValidationError

from glacier import store
from glacier.errors import StoreError
from glacier.kill_points import reach
from glacier.owner import Owner

SETTLE_S = 2.0
"""Time for a store without conditional writes to show what another run wrote, seconds."""

NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""What a file system without hard links says."""


def read_owner(address: str) -> Owner | None:
    """Whose a lock is; None where there is none.

    Raises:
        StoreError: The store cannot be reached.
    """
    try:
        fs, path = fsspec.core.url_to_fs(address)
        data = bytes(fs.cat_file(path))  # never from a listing that fsspec keeps
    except FileNotFoundError:
        return None
    except store.unreachable() as error:
        raise StoreError(f"cannot read {address}: {error}") from error
    return parse_owner(data)


def parse_owner(data: bytes) -> Owner:
    """Whose a lock of such a content is."""
    try:
        return Owner.model_validate_json(data)
    except ValidationError:
        return Owner.unreadable(data)


def create(address: str, owner: Owner) -> bool:
    """Make a lock, whole, where there is none; returns whether it was made.

    Raises:
        StoreError: It cannot be written.
    """
    data = owner.encode()
    try:
        if "://" in address:
            return create_object(address, data)
        return create_file(Path(address), data)
    except store.unreachable() as error:
        is_full = "://" not in address and getattr(error, "errno", 0) in store.FULL
        hint = store.explain_full(address) if is_full else ""
        raise StoreError(f"cannot write {address} ({len(data)} bytes): {error}{hint}") from error


def create_file(path: Path, data: bytes) -> bool:
    """Make a local file, whole, where there is none; returns whether it was made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        beside.write_bytes(data)
        reach("written", str(path))
        os.link(beside, path)
        reach("linked", str(path))
    except (FileExistsError, FileNotFoundError):  # taken, or an owner has cleaned the folder
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        return create_exclusively(path, data)
    finally:
        beside.unlink(missing_ok=True)
    return True


def create_exclusively(path: Path, data: bytes) -> bool:
    """The same where there are no hard links; a reader may see the file before its content."""
    try:
        with open(path, "xb") as file:
            file.write(data)
    except FileExistsError:
        return False
    return True


def create_object(address: str, data: bytes) -> bool:
    """Make an object where there is none; returns whether it was made."""
    fs, path = fsspec.core.url_to_fs(address)
    if creates_exclusively(fs):
        try:
            fs.pipe_file(path, data, mode="create")
        except OSError:
            if read_owner(address) is None:  # refused for another reason than that it is there
                raise
            return False
        return True
    if read_owner(address) is not None:
        return False
    fs.pipe_file(path, data)
    time.sleep(SETTLE_S)
    found = read_owner(address)
    return found is not None and found.encode() == data


def creates_exclusively(fs: fsspec.AbstractFileSystem) -> bool:
    """Whether a store makes an object on condition that there is none.

    What fsspec offers for every store looks and then writes, and old versions of a store's own
    way overwrite without a word.
    """
    own = getattr(type(fs), "_pipe_file", type(fs).pipe_file)
    is_own = own is not fsspec.AbstractFileSystem.pipe_file
    return is_own and "mode" in inspect.signature(own).parameters


def overwrite(address: str, owner: Owner) -> Owner | None:
    """Write an owner's lock anew if it is still its own; returns whose it is, None: nobody's.

    A local file is written in place, and so never in that of the next owner.

    Raises:
        StoreError: It cannot be read or written.
    """
    try:
        if "://" in address:
            found = read_owner(address)
            if found is not None and found.id == owner.id:
                fs, path = fsspec.core.url_to_fs(address)
                fs.pipe_file(path, owner.encode())
            return found
        with open(address, "r+b") as file:
            found = parse_owner(file.read())
            if found.id == owner.id:
                file.seek(0)
                file.write(owner.encode())
            return found
    except FileNotFoundError:
        return None
    except store.unreachable() as error:
        raise StoreError(f"cannot write {address}: {error}") from error


def discard(address: str) -> None:
    """Remove the file of a lock; one that is not there is no error.

    Raises:
        StoreError: The store cannot be reached, or the file is not the user's to remove.
    """
    try:
        fs, path = fsspec.core.url_to_fs(address)
        fs.rm_file(path)  # without a look, which a listing that fsspec keeps might answer
        reach("removed", address)
    except FileNotFoundError:
        pass
    except store.unreachable() as error:
        raise StoreError(f"cannot remove {address}: {error}") from error
