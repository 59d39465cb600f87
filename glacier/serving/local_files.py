"""Stored files as local ones: each is held against its checksum once, and fetched once."""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from contextlib import ExitStack
from pathlib import Path

from glacier import store
from glacier.errors import DamagedError

MOST_FILES, MOST_BYTES = 256, 8_000_000_000
"""Files that are kept at hand; of an object store as copies, which take room on the disk."""

LOCKS = 32
"""Files that can be fetched side by side."""


class LocalFile:
    """A local path that is good for as long as somebody holds this."""

    def __init__(self, address: str, sha256: str) -> None:
        """Fetch the file, or look at it where it lies.

        Raises:
            StoreError: It is not there, or differs from its checksum.
        """
        with ExitStack() as stack:
            self.path: Path = stack.enter_context(store.local_copy(address, sha256))
            self.state = read_state(self.path)
            weakref.finalize(self, stack.pop_all().close)  # a copy goes with its last holder

    @property
    def size(self) -> int:
        """Bytes."""
        return self.state[0] if self.state else 0

    @property
    def is_unchanged(self) -> bool:
        """Whether nobody has written to it since it was looked at."""
        return read_state(self.path) == self.state


def read_state(path: Path) -> tuple[int, int] | None:
    """Size, and time of the last change in nanoseconds; None where there is no file."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns


class FileShelf:
    """The files that were asked for last; any thread may ask."""

    def __init__(self, most: int = MOST_FILES, most_bytes: int = MOST_BYTES) -> None:
        """Begin with none."""
        self.most, self.most_bytes = most, most_bytes
        self.files: OrderedDict[tuple[str, str], LocalFile] = OrderedDict()
        self.lock = threading.Lock()
        self.fetching = [threading.Lock() for _ in range(LOCKS)]

    def take(self, address: str, sha256: str) -> LocalFile:
        """A file that has its checksum; several threads that want it wait for one that fetches it.

        Args:
            address: Of a file that a record vouches for; never of what a client names.
            sha256: Its checksum.

        Raises:
            DamagedError: It differs, or the record names no checksum.
            StoreError: It is not there.
        """
        if not sha256:
            raise DamagedError.of(address, "its record has no checksum of it")
        key = (address, sha256)
        if (found := self.find(key)) is not None:
            return found
        with self.fetching[hash(key) % LOCKS]:
            found = self.find(key)  # another thread may have fetched it meanwhile
            if found is None:
                found = LocalFile(address, sha256)
                self.keep(key, found)
        return found

    def find(self, key: tuple[str, str]) -> LocalFile | None:
        """A file that is at hand, and as it was."""
        with self.lock:
            found = self.files.get(key)
            if found is None or not found.is_unchanged:
                return None
            self.files.move_to_end(key)
            return found

    def keep(self, key: tuple[str, str], found: LocalFile) -> None:
        """Put a file with the others, and let go of those that were not asked for longest."""
        with self.lock:
            self.files[key] = found
            self.files.move_to_end(key)
            total = sum(file.size for file in self.files.values())
            while len(self.files) > 1 and (len(self.files) > self.most or total > self.most_bytes):
                total -= self.files.popitem(last=False)[1].size
