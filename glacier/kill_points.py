"""Where a test can stop a run: every step of every writing has a name and an address.

Nothing happens unless ``GLACIER_KILL_POINTS`` names a folder. A private Ray and its workers have
the environment of their driver, so all processes of a run look into one folder:

- With no file ``order`` in it, each step is noted in ``reached``.
- With one, that says ``<step> <pattern of the address>``, the first process of all that comes there
  takes the file, which is ``taken-<its number>`` from then on, and stands still until that is
  removed. Who wants to see what a kill leaves kills it, or another, from outside.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

FOLDER = "GLACIER_KILL_POINTS"
"""Environment variable."""

ORDER, TAKEN, REACHED = "order", "taken-", "reached"
"""Names of the files."""

HOLD_S, LOOK_S = 60.0, 0.02
"""Longest that a process stands still, and time between its looks, seconds."""

Step = Literal["written", "flushed", "renamed", "stored", "sealed", "linked", "removed", "moved"]
"""What was done last: a file written beside its place, flushed to disk, renamed into it; an object
stored; a manifest there; a lock taken; a file removed or moved."""


def reach(step: Step, address: str) -> None:
    """Come to a point at which a test may want this process to stand still."""
    if folder := os.environ.get(FOLDER):
        heed_order(Path(folder), step, address)


def heed_order(folder: Path, step: Step, address: str) -> None:
    """Note a step, or stand still there if that is the order."""
    try:
        wanted, _, pattern = (folder / ORDER).read_text(encoding="utf-8").partition(" ")
    except FileNotFoundError:
        with open(folder / REACHED, "a", encoding="utf-8") as file:
            file.write(f"{step} {address}\n")  # in one piece: lines of processes do not mix
        return
    if step == wanted and fnmatchcase(address, pattern):
        with suppress(FileNotFoundError):  # another process was faster
            taken = (folder / ORDER).rename(folder / f"{TAKEN}{os.getpid()}")
            stand_still(taken)


def stand_still(taken: Path) -> None:
    """Wait until a file is removed, but not for ever."""
    until = time.monotonic() + HOLD_S
    while taken.exists() and time.monotonic() < until:
        time.sleep(LOOK_S)
