"""Folders for temporary files, which go with the process that made them, however it ends.

In each lies a file that is locked for as long as its process lives. Whoever makes the next folder
removes those of the dead first: what is killed cannot do it itself.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER_PREFIX = "glacier-"
"""Start of the name of a folder; eight letters drawn at random follow."""

SCRATCH_PREFIX = "glacier-scratch-"
"""The same of one that holds nothing that anybody would look at afterwards."""

LOCK = "in-use.lock"
"""Marks a folder as ours; it is locked for as long as the process lives that made it."""

LINGER_S = 5.0
"""Longest that processes may write into a folder after what they worked for has ended, seconds."""

AGAIN_S = 0.1
"""Seconds between two tries to remove it."""

FILES = "files"
"""Name of the folder within it that the files lie in, so that the mark is none of them."""


@contextmanager
def open_scratch() -> Iterator[Path]:
    """An empty folder for files that nobody needs after the block.

    Raises:
        OSError: It cannot be made.
    """
    base = Path(tempfile.gettempdir())
    remove_dead_folders(base, SCRATCH_PREFIX)
    with own_folder(base, SCRATCH_PREFIX) as folder:
        try:
            (folder / FILES).mkdir()
            yield folder / FILES
        finally:
            remove_folder(folder)


@contextmanager
def own_folder(base: Path, prefix: str = FOLDER_PREFIX) -> Iterator[Path]:
    """A new folder, marked as this process's for the length of the block; then it is still there.

    Raises:
        OSError: It cannot be made.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=base))  # for its owner alone
    beside = folder / f"{LOCK}.new"
    with open(beside, "x", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        beside.rename(folder / LOCK)  # not seen by others before it is locked
        yield folder


def remove_dead_folders(base: Path, prefix: str = FOLDER_PREFIX) -> None:
    """Remove the folders of this user's runs whose process is dead, whatever they hold."""
    for folder in list_dead_folders(base, prefix):
        with suppress(OSError):
            remove_folder(folder)


def list_dead_folders(base: Path, prefix: str = FOLDER_PREFIX) -> Iterator[Path]:
    """The folders of this user's runs whose process is dead; each stays locked while it is held."""
    for mark in base.glob(f"{prefix}*/{LOCK}"):
        folder = mark.parent
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with open(mark, encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails where the process lives
                yield folder


def await_removal(folder: Path) -> None:
    """Remove a folder of ours that processes which are about to end may still write into."""
    until = time.monotonic() + LINGER_S
    remove_folder(folder)
    while folder.exists() and time.monotonic() < until:
        time.sleep(AGAIN_S)
        remove_folder(folder)


def remove_folder(folder: Path) -> None:
    """Remove a folder of ours; its mark last, so that what is in use may go another time."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK:
            path.unlink(missing_ok=True)
    if [path.name for path in folder.iterdir()] == [LOCK]:
        shutil.rmtree(folder, ignore_errors=True)
