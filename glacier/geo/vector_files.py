"""Vector files with all that belongs to them: sidecars, journals, and their checksum."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from glacier import store
from glacier.checksums import checksum_all
from glacier.errors import StoreError, VectorError
from glacier.geo.found_files import explain_unsafe
from glacier.geo.vector_contents import explain_harm
from glacier.geo.vector_formats import PARTS, SHAPEFILE, ZIPPED, Format, tell_format
from glacier.geo.zipped import unpack_shapefile
from glacier.scratch import open_scratch
from glacier.settings.identity import digest

NEEDED = (".shx", ".dbf")
"""Those without which it is not whole: shapes, or the rows that say what they are."""

JOURNALS = ("-wal", "-journal")
"""Beside a database that another program has open, or left open: changes not yet within it."""

HOT = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
"""First bytes of a ``-journal`` whose changes are to be taken back.

Source: SQLite, Database File Format, section 3.
"""

MAX_BYTES = 8 * 1024**3
"""Largest vector file: the whole Randolph Glacier Inventory has 1.2 GB."""


@dataclass(frozen=True)
class LocalFile:
    """A vector file on this machine, in a folder that holds its parts and nothing else."""

    path: Path
    format: Format
    bytes: int
    """Of all its parts."""


def list_files(address: str) -> list[str]:
    """Addresses of a vector file and of the files beside it that are part of it.

    Raises:
        VectorError: It is not there, or it or a file beside it must not be opened.
        StoreError: The store cannot be reached.
    """
    check_file(address, address)
    stem, ending = os.path.splitext(address)
    if is_shapefile(address):
        beside = [name for part in PARTS for name in spell(stem, part, ending)]
    else:
        real = address if "://" in address else os.path.realpath(address)
        beside = [real + journal for journal in JOURNALS]
    found = [name for name in beside if store.exists(name) and not is_empty(name)]
    for name in found:
        check_file(name, address)
    return [address, *found]


def is_shapefile(address: str) -> bool:
    """Whether an address is called a Shapefile, whose other files are found by that name."""
    return address.lower().endswith(".shp")


def check_file(name: str, address: str) -> None:
    """Refuse a local file that is none, too large, or that is found and lies elsewhere.

    Args:
        name: The file, or one beside it.
        address: What the configuration names.

    Raises:
        VectorError: With the reason.
    """
    if "://" in name:
        return
    if not os.path.lexists(name):
        raise VectorError(f"outlines {address}: no such file; check the path")
    if os.path.isdir(name):
        raise VectorError(f"outlines {address}: a folder; give a file")
    folders = [os.path.dirname(place) or "." for place in (address, os.path.realpath(address))]
    if reason := explain_unsafe(name, *([] if name == address else folders)):
        raise VectorError(f"outlines {address}: {name} {reason}")
    if os.path.getsize(name) > MAX_BYTES:
        raise VectorError(
            f"outlines {address}: {name} has {os.path.getsize(name)} bytes, at most {MAX_BYTES} "
            "are read; cut it to the glaciers that are wanted"
        )


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
        VectorError: It is not there, or must not be opened.
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
def local_file(address: str) -> Iterator[LocalFile]:
    """A vector file with its parts in a folder of its own, as long as the block lasts.

    GDAL looks beside a file for others, by many names; in that folder there are none. Files of
    this machine are linked there, and a database with a journal is copied, since reading it in
    place might write the changes into it.

    Raises:
        VectorError: It is not there, not whole, of no known format, or would do harm.
        StoreError: It cannot be read.
    """
    names = list_files(address)
    check_whole(address, names)
    with open_scratch() as folder:
        path = place_files(address, names, folder)
        kind = tell_format(path, address)
        if kind is ZIPPED:
            within = folder / "unpacked"
            within.mkdir()
            path, kind = unpack_shapefile(path, within, address), SHAPEFILE
            check_whole(address, [str(name) for name in within.iterdir()], kind)
        elif kind is SHAPEFILE and not is_shapefile(address):
            raise VectorError(f"outlines {address}: a Shapefile; give it the ending .shp")
        else:
            path = path.rename(path.with_name(name_for_gdal(path, kind)))
        if reason := explain_harm(path, kind):
            raise VectorError(f"outlines {address} cannot be read: {reason}")
        size = sum(name.stat().st_size for name in path.parent.iterdir() if name.is_file())
        yield LocalFile(path, kind, size)


def name_for_gdal(path: Path, kind: Format) -> str:
    """A file's name with the ending that GDAL expects; a database with a journal keeps its own."""
    if path.suffix.lower() == kind.ending or any(path.parent.glob("*-wal")):
        return path.name
    return path.stem + kind.ending


def place_files(address: str, names: list[str], folder: Path) -> Path:
    """Put a file and its parts into a folder; returns the place of the file.

    Raises:
        VectorError: Its writer has ended amid a change.
        StoreError: A file cannot be read.
    """
    main = folder / name_of(address)
    copied = "://" in address or has_journal(names)
    for name in names:
        if name.endswith("-journal"):
            refuse_hot(address, name)
            continue
        here = f"{main.name}-wal" if name.endswith("-wal") else name_of(name)
        if copied:
            (folder / here).write_bytes(store.read_bytes(name))
        else:
            (folder / here).symlink_to(os.path.abspath(name))
    return main


def name_of(address: str) -> str:
    """The last part of an address."""
    return address.replace("\\", "/").rpartition("/")[2]


def refuse_hot(address: str, journal: str) -> None:
    """Refuse a database with changes to be taken back: its journal can name other files.

    Raises:
        VectorError: The journal is not used up.
        StoreError: It cannot be read.
    """
    if store.read_bytes(journal).startswith(HOT):
        raise VectorError(
            f"outlines {address}: {journal} holds changes of a writer that goes on, or that was "
            "killed; let it end, or open the file once in the program that wrote it"
        )


def check_whole(address: str, names: list[str], kind: Format | None = None) -> None:
    """Refuse a Shapefile whose parts are not there.

    Raises:
        VectorError: With what is missing.
    """
    there = {os.path.splitext(name)[1].lower() for name in names}
    needed = NEEDED if kind is SHAPEFILE or is_shapefile(address) else ()
    if missing := [ending for ending in needed if ending not in there]:
        raise VectorError(
            f"outlines {address}: no {' and no '.join(missing)} file of that name beside it, which "
            "are part of it; copy all files of that name"
        )
