"""Vector files with all that belongs to them: sidecars, journals, and their checksum."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glacier import store
from glacier.checksums import checksum_all
from glacier.config import digest
from glacier.errors import StoreError, VectorError

SIDECARS = {
    ".shp": (".shx", ".dbf", ".prj", ".cpg"),
    ".tab": (".dat", ".map", ".id", ".ind"),
    ".mif": (".mid",),
    ".gml": (".xsd",),
}
"""Files that are part of one, by its ending: they stand beside it under the same name."""

NEEDED = {".shp": (".shx", ".dbf"), ".tab": (".dat", ".map", ".id"), ".mif": (".mid",)}
"""Sidecars without which a file is not whole: shapes, or the rows that say what they are."""

DATABASES = (".gpkg", ".sqlite", ".db")
JOURNALS = ("-wal", "-journal")
"""Beside a database that another program has open, or left open: changes not yet within it."""


def list_files(address: str) -> list[str]:
    """Addresses of a vector file and of the files beside it that are part of it.

    Raises:
        StoreError: The store cannot be reached.
    """
    stem, ending = os.path.splitext(address)
    kind = ending.lower()
    beside = [name for sidecar in SIDECARS.get(kind, ()) for name in spell(stem, sidecar, ending)]
    if kind in DATABASES:
        beside += [address + journal for journal in JOURNALS]
    return [address, *(name for name in beside if store.exists(name) and not is_empty(name))]


def spell(stem: str, sidecar: str, ending: str) -> list[str]:
    """Names that a sidecar may have: in small letters or large, as the file's own ending first."""
    names = [stem + sidecar, stem + sidecar.upper()]
    return names[::-1] if ending.isupper() else names


def is_empty(address: str) -> bool:
    """Whether a local file holds nothing, such as a journal whose changes are all done."""
    return "://" not in address and os.path.getsize(address) == 0


def checksum_files(address: str) -> str:
    """Hash of the bytes of a vector file and of all that is part of it, wherever they lie.

    Raises:
        StoreError: A file cannot be read.
    """
    names = list_files(address)
    ends = [os.path.splitext(name)[1].lower() for name in names]
    if "://" in address:
        sums = [store.checksum(store.read_bytes(name)) for name in names]
    else:
        try:
            sums = checksum_all(map(Path, names))
        except OSError as error:
            raise StoreError(f"cannot read {address}: {error}") from error
    return digest(sorted(zip(ends, sums, strict=True)))


def has_journal(names: list[str]) -> bool:
    """Whether changes to a database stand beside it."""
    return any(name.endswith(JOURNALS) for name in names)


@contextmanager
def local_files(address: str) -> Iterator[Path]:
    """The file as a local path with its sidecars: itself, or a copy as long as the block lasts.

    A database with a journal is copied too: reading it in place might write the changes into it.

    Raises:
        VectorError: It is not there, or is not whole.
        StoreError: It cannot be read.
    """
    names = list_files(address)
    check_whole(address, names)
    if "://" not in address and not has_journal(names):
        yield Path(address)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            copy = Path(folder) / name.replace("\\", "/").rpartition("/")[2]
            copy.write_bytes(store.read_bytes(name))
        yield Path(folder) / address.replace("\\", "/").rpartition("/")[2]


def check_whole(address: str, names: list[str]) -> None:
    """Refuse a file that is not there, or whose parts are not.

    Raises:
        VectorError: With what is missing.
    """
    if "://" not in address and not os.path.isfile(address):
        raise VectorError(
            f"outlines {address}: a folder; give a file"
            if os.path.isdir(address)
            else f"outlines {address}: no such file; check the path"
        )
    there = {os.path.splitext(name)[1].lower() for name in names}
    kind = os.path.splitext(address)[1].lower()
    if missing := [ending for ending in NEEDED.get(kind, ()) if ending not in there]:
        raise VectorError(
            f"outlines {address}: no {' and no '.join(missing)} file of that name beside it, which "
            "are part of it; copy all files of that name"
        )
