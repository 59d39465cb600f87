"""Checksums of a user's files: the content decides; size and time may save the reading.

What was read once is kept in a small database of the user's cache folder, by path, size and time
of change. Where that cannot be written, every file is read every time.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from glacier.progress import Progress

READERS = 8
"""Files that are read at once: hashing leaves the other threads alone, and disks like company."""


class State(NamedTuple):
    """A file as it lies there."""

    path: str
    """With links resolved."""
    size: int
    """Bytes."""
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> State:
        """A file's.

        Raises:
            OSError: It is not there.
        """
        path = path.resolve()
        stat = path.stat()
        return cls(str(path), stat.st_size, stat.st_mtime_ns)


def checksum_all(paths: Iterable[Path]) -> list[str]:
    """sha256 of the content of each file, hexadecimal; those not known yet are read side by side.

    Raises:
        OSError: A file is not there, or cannot be read.
    """
    states = [State.of(path) for path in paths]
    known = find_known(states)
    new = [state for state in dict.fromkeys(states) if state not in known]
    if new:
        read = {}
        with (
            ThreadPoolExecutor(min(READERS, len(new))) as pool,
            Progress("checksums of files", len(new), is_brief=True) as progress,
        ):
            for state, found in zip(new, pool.map(read_checksum, new), strict=True):
                read[state] = found
                progress.advance(state.path)
        keep_known(read)
        known |= read
    return [known[state] for state in states]


def read_checksum(state: State) -> str:
    """sha256 of a file, read from its first byte to its last."""
    with open(state.path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


CREATE = (
    "CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, "
    "sha256 TEXT)"
)
FIND = "SELECT sha256 FROM files WHERE path = ? AND size = ? AND mtime_ns = ?"
KEEP = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)"


def find_known(states: Iterable[State]) -> dict[State, str]:
    """Checksums that are kept of files that have not changed since."""
    known: dict[State, str] = {}
    with suppress(OSError, sqlite3.Error), open_cache() as cache:
        for state in states:
            if (row := cache.execute(FIND, state).fetchone()) is not None:
                known[state] = str(row[0])
    return known


def keep_known(read: dict[State, str]) -> None:
    """Keep checksums for the next time."""
    with suppress(OSError, sqlite3.Error), open_cache() as cache:
        cache.executemany(KEEP, [(*state, found) for state, found in read.items()])


def cache_folder() -> Path:
    """Where programs of this user keep what they can make again (XDG base directories)."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "glacier"


@contextmanager
def open_cache() -> Iterator[sqlite3.Connection]:
    """The database of checksums; what is written in the block is kept at its end."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / "checksums.sqlite", timeout=5)) as cache, cache:
        cache.execute(CREATE)
        yield cache
