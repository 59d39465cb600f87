"""Checksums of a user's files: the content decides; size and time may save the reading.

What was read once is kept in a small database of the user's cache folder, by path, size and time
of change. Where that cannot be written, every file is read every time.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path


def checksum_file(path: Path) -> str:
    """sha256 of a file's content, hexadecimal."""
    path = path.resolve()
    stat = path.stat()
    key = (str(path), stat.st_size, stat.st_mtime_ns)
    with suppress(OSError, sqlite3.Error), open_cache() as cache:
        row = cache.execute(FIND, key).fetchone()
        if row is not None:
            return str(row[0])
    with path.open("rb", buffering=0) as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    with suppress(OSError, sqlite3.Error), open_cache() as cache:
        cache.execute(KEEP, (*key, found))
    return found


CREATE = (
    "CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, "
    "sha256 TEXT)"
)
FIND = "SELECT sha256 FROM files WHERE path = ? AND size = ? AND mtime_ns = ?"
KEEP = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)"


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
