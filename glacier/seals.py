"""Stored values that vouch for themselves and for files: sealed JSON, read, checked and written.

A sealed file carries the sha256 of its own text in its first line. A manifest vouches for other
files by ``files``, their names below its folder and their sha256; it is written after them, so that
they are complete once it is there. Where files are made anew, it is withdrawn before the first is
written: they would be damaged by what it says.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from glacier import store
from glacier.errors import DamagedError, StoreError
from glacier.kill_points import reach
from glacier.progress import say
from glacier.settings.model import STORED, Model
from glacier.settings.values import Sha256

NameBelow = Annotated[str, Field(pattern=r"^[^/\\\x00.][^/\\\x00]*(/[^/\\\x00.][^/\\\x00]*)*$")]
"""Name of a file in a folder or in those below it; it cannot lead out of the folder."""


class Manifest(Model):
    """A stored value that vouches for files; it is written after them."""

    files: dict[NameBelow, Sha256] = Field(default_factory=dict)
    """Name below the manifest's own folder to sha256."""


M = TypeVar("M", bound=BaseModel)
V = TypeVar("V", bound=Manifest)

SEAL = re.compile(rb'\A\{\n "seal": "([0-9a-f]{64})",')
"""How a sealed JSON file begins: with the sha256 of its text without this entry."""

ASIDE = ".damaged"
"""Folder beside files of a kind where those go that cannot be used any more."""


def find_damage(files: Mapping[str, str]) -> dict[str, DamagedError]:
    """Which files differ from their checksums or are gone, looked at several at a time.

    Args:
        files: Address to sha256.

    Returns:
        Address to what is wrong with the file.

    Raises:
        StoreError: A store cannot be reached.
    """

    def look(address: str) -> DamagedError | None:
        try:
            with store.local_copy(address, files[address]):
                return None
        except DamagedError as error:
            return error

    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:  # hashing leaves others be
        found = dict(zip(files, pool.map(look, files), strict=True))
    return {address: error for address, error in found.items() if error is not None}


def locate(folder: str, files: Mapping[str, str]) -> dict[str, str]:
    """Address to sha256 of files by their names below a folder."""
    return {store.join(folder, name): sha256 for name, sha256 in files.items()}


def set_aside(error: DamagedError) -> None:
    """Say that a file is damaged, and keep it from being used: it goes to ``.damaged/`` beside.

    Raises:
        StoreError: It cannot be moved.
    """
    say(f"{error}")
    folder, _, name = error.address.rpartition("/")
    if name:
        store.move(error.address, store.join(folder, ASIDE, name))


def read_json(address: str, sha256: str | None = None) -> Any:
    """Content of a sealed JSON file, without its seal.

    Raises:
        DamagedError: It differs from its seal or from its checksum, or is of another version.
        StoreError: The file is not there.
    """
    return json.loads(break_seal(address, store.read_bytes(address, sha256)))


def read_model(address: str, kind: type[M], sha256: str | None = None) -> M:
    """A stored value of a kind, from a sealed JSON file.

    Raises:
        DamagedError: It differs from its seal or from its checksum, or is of another version.
        StoreError: The file is not there.
    """
    body = break_seal(address, store.read_bytes(address, sha256))
    try:
        return kind.model_validate_json(body, context=STORED)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        why = f"no {kind.__name__} of this version ({where}: {first['msg']})"
        raise DamagedError.of(address, why) from error


def read_whole(address: str, kind: type[V], owned: bool) -> V | None:
    """A manifest, if it is there and all files that it vouches for are as they were written.

    Args:
        address: Of the manifest.
        kind: What it is.
        owned: This run alone works in its folder, so what is damaged is said and set aside, to be
            made again. Else another may be making it just now.

    Raises:
        StoreError: A store cannot be reached.
    """
    if not store.exists(address):
        return None
    try:
        found = read_model(address, kind)
        damage = tuple(find_damage(locate(address.rpartition("/")[0], found.files)).values())
    except DamagedError as error:
        damage = (error,)
    except StoreError:
        if store.exists(address):
            raise
        return None  # another run has set it aside meanwhile
    for each in damage if owned else ():
        set_aside(each)
    return None if damage else found


def read_vouched(address: str, kind: type[V], name: str, owned: bool) -> tuple[V, bytes] | None:
    """A manifest and the content of a file that it vouches for; None without both of them whole.

    Args:
        address: Of the manifest.
        kind: What it is.
        name: Of the file, below the manifest's folder.
        owned: As in :func:`read_whole`.

    Raises:
        StoreError: A store cannot be reached.
    """
    try:
        return open_vouched(address, kind, name)
    except DamagedError as error:
        if owned:
            set_aside(error)
    except StoreError:
        if store.exists(address):
            raise
    return None


def open_vouched(address: str, kind: type[V], name: str) -> tuple[V, bytes]:
    """The same, where both have to be there.

    Raises:
        DamagedError: One of them is damaged or of another version, or the file is gone.
        StoreError: The manifest is not there, or a store cannot be reached.
    """
    found = read_model(address, kind)
    if name not in found.files:
        raise DamagedError.of(address, f"it does not vouch for {name}")
    data = store.read_bytes(store.join(address.rpartition("/")[0], name), found.files[name])
    return found, data


class Vouched(BaseModel):
    """What a manifest of any kind vouches for."""

    files: dict[NameBelow, Sha256] = Field(default_factory=dict)


def withdraw(address: str) -> None:
    """Take back a manifest that vouches for files, if one is there, since they are made anew.

    There is none from then on until :func:`vouch`: a run that is killed leaves nothing that seems
    damaged, and the next one knows from what was withdrawn which files may be left.

    Raises:
        StoreError: It cannot be moved.
    """
    if list_vouched(address):
        store.move(address, withdrawn_address(address))


def withdrawn_address(address: str) -> str:
    """Where a manifest lies that was taken back: beside its place, hidden."""
    folder, _, name = address.rpartition("/")
    return store.join(folder, f".{name}.withdrawn")


def vouch(address: str, value: Manifest) -> None:
    """Write a manifest whose files are there; of one before it nothing stays that it lacks.

    Raises:
        StoreError: The place cannot be written to.
    """
    withdraw(address)
    remove_withdrawn(address, value.files)
    write_model(address, value)


def remove_withdrawn(address: str, kept: Collection[str]) -> None:
    """Remove a manifest that was taken back, and its files but those of the next one.

    The next one is written after that, so that a kill never leaves both.

    Raises:
        StoreError: A file is not the user's to remove.
    """
    withdrawn, folder = withdrawn_address(address), address.rpartition("/")[0]
    for name in sorted(list_vouched(withdrawn) - set(kept)):
        store.remove(store.join(folder, name))
    store.remove(withdrawn)


def list_vouched(address: str) -> set[str]:
    """Names of the files that a manifest vouches for; none without one that can be read.

    Raises:
        StoreError: The store cannot be reached.
    """
    try:
        return set(read_model(address, Vouched).files) if store.exists(address) else set()
    except DamagedError:
        return set()


def write_whole(address: str, value: V, contents: Mapping[str, bytes]) -> V:
    """Write files, then the manifest that vouches for them, in place of one that did.

    Args:
        address: Of the manifest; the files lie in its folder or below.
        value: The manifest, without its files.
        contents: Name below the folder to content.

    Returns:
        The manifest as it was written.

    Raises:
        StoreError: The place cannot be written to.
    """
    folder = address.rpartition("/")[0]
    withdraw(address)
    files = {
        name: store.write_bytes(store.join(folder, name), data) for name, data in contents.items()
    }
    value = value.model_copy(update={"files": files})
    vouch(address, value)
    return value


def break_seal(address: str, data: bytes) -> bytes:
    """The JSON text in a sealed file.

    Raises:
        DamagedError: It is not sealed, or not what was sealed.
    """
    found = SEAL.match(data)
    if found is None:
        why = "no seal in its first line, as in earlier versions" if data else "it is empty"
        raise DamagedError.of(address, why)
    body = b"{" + data[found.end() : -1]
    if found[1].decode() != store.checksum(body) or not data.endswith(b"\n"):
        raise DamagedError.of(address, "its content is not what was sealed")
    return body


def write_model(address: str, value: BaseModel) -> str:
    """Write a value as a sealed JSON file, whole; returns its sha256.

    Raises:
        StoreError: The place cannot be written to.
    """
    return write_json(address, value.model_dump(mode="json", by_alias=True))


def write_json(address: str, value: Mapping[str, Any]) -> str:
    """Write a JSON object whole, keys sorted, sealed in its first line; returns its sha256.

    Raises:
        StoreError: The place cannot be written to.
        ValueError: The value is empty, or holds a number that JSON has no word for, such as NaN.
    """
    sha256 = store.write_bytes(address, encode_json(value))
    reach("sealed", address)
    return sha256


def encode_json(value: Mapping[str, Any]) -> bytes:
    """A JSON object as text, keys sorted, sealed in its first line.

    Raises:
        ValueError: It is empty, or holds a number that JSON has no word for, such as NaN.
    """
    if not value:
        raise ValueError("an empty object has nothing to seal")
    body = json.dumps(value, indent=1, sort_keys=True, allow_nan=False).encode()
    return b'{\n "seal": "' + store.checksum(body).encode() + b'",' + body[1:] + b"\n"
