"""One run at a time in a folder: a lock that says who works there, locally and in an object store.

The lock is a small JSON file, ``.lock``, in the folder. It is made whole and only where there is
none, so that two runs never own it. While it is held its heartbeat is renewed. A run that finds it
taken waits, or leaves; a lock whose owner is dead is removed, and the folder is free again.

Who removes a lock, its own or that of a dead owner, first makes a file that carries the id of that
owner (``.lock-<id>``), which one alone can, and looks once more whose the lock is. So a run that is
slow to act on what it saw can never remove the lock of the next owner.

On one machine a dead owner is known at once by its process. Elsewhere it is one whose heartbeat
stands still for ``DEAD_S`` by the clock of the run that waits, whatever its own clock says.

A run that stood still for that long and wakes finds its lock taken over, and stops. ``lock_file``
says what is promised where.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from glacier import interrupts, store
from glacier.config import Config
from glacier.errors import Occupied, StoreError
from glacier.lock_file import create, discard, overwrite, read_owner
from glacier.owner import DEAD_S, Owner, read_clock
from glacier.progress import duration, say

LOCK = ".lock"
"""Name of the file."""

BEAT_S = 5.0
"""Time between heartbeats, seconds: a small write, which no store and no bill notices."""

CONFIRM_BEATS = 3
"""Heartbeats that are waited for where an owner has been silent for long by its own clock, which
may be wrong."""

FIRST_POLL_S, POLL_S = 0.05, 2.0
"""Time to the second look of a waiting run, seconds, which doubles up to the longest."""

SAY_S = 60.0
"""Time between two lines that say how long a run has waited, seconds."""

SHARED_S = 3600.0
"""Age from which an unfinished file belongs to a killed process where no lock tells, seconds."""


class Holder(Protocol):
    """Who wants a folder: a run, or whoever else changes what others read."""

    @property
    def name(self) -> str:
        """As it is said to those who wait."""

    @property
    def when_locked(self) -> Literal["wait", "leave"]:
        """What it does where another one works."""


@contextmanager
def hold(config: Holder, *folders: str) -> Iterator[None]:
    """Own some folders for the length of the block, and keep them free of unfinished files.

    They are taken in the order of their names, so that no two runs wait for each other. A folder
    that this thread holds already is held on. Whoever finds that work is missing takes the lock and
    then looks again, since another run may have done it meanwhile.

    Args:
        config: The run, or another holder; its ``when_locked`` says what is done where another one
            works.
        folders: Local paths or object-store addresses.

    Raises:
        Occupied: Another run works in one of them, and this one is to leave then.
        StoreError: A lock cannot be written.
    """
    held: list[Lock] = []
    done = threading.Event()
    heart = threading.Thread(target=beat, args=(held, done), name="lock", daemon=True)
    heart.start()
    try:
        for folder in sorted(set(folders)):
            if (threading.get_ident(), folder) not in HELD:
                held.append(take_lock(folder, config))
                HELD.add((threading.get_ident(), folder))
        yield
    finally:
        done.set()
        heart.join()  # else a last heartbeat could come after the lock was given back
        for lock in reversed(held):
            HELD.discard((threading.get_ident(), lock.folder))
            lock.give_back()


HELD: set[tuple[int, str]] = set()
"""Thread and folder of all that this process holds."""


@dataclass
class Lock:
    """A lock that this process holds."""

    folder: str
    owner: Owner

    @property
    def address(self) -> str:
        """Where it lies."""
        return store.join(self.folder, LOCK)

    def renew(self) -> bool:
        """Write a heartbeat; returns False where the lock is another's now.

        Raises:
            StoreError: It cannot be read or written.
        """
        self.owner = self.owner.renew()
        found = overwrite(self.address, self.owner)
        if found is None and ("://" in self.folder or os.path.isdir(self.folder)):
            create(self.address, self.owner)  # somebody has removed it by hand
        return found is None or found.id == self.owner.id

    def give_back(self) -> None:
        """Remove what this run's own lost workers left unfinished, and the lock."""
        try:
            remove_leftovers(self.folder)
            remove_lock(self.address, self.owner, Watch())
        except OSError as error:  # the block may have an error of its own, which is not to be lost
            say(f"lock: {error}")


def beat(held: list[Lock], done: threading.Event) -> None:
    """Renew locks until it is done; stop the process where one is another's now."""
    while not done.wait(BEAT_S):
        for lock in tuple(held):
            with suppress(OSError):  # StoreError, too: the next heartbeat may come through
                if not lock.renew():
                    say(
                        f"lock: {lock.folder} was taken over by another run, since this one had "
                        f"not been heard of for {duration(DEAD_S)}; it stops"
                    )
                    interrupts.stop()
                    return


def take_lock(folder: str, config: Holder) -> Lock:
    """Own a folder, waiting for it if need be, and remove what killed writers left in it.

    Raises:
        Occupied: Another run works there, and this one is to leave then.
        StoreError: The lock cannot be read or written.
    """
    lock, watch = Lock(folder, Owner.of_this_process(config.name)), Watch()
    queue = Queue(folder, config.when_locked == "leave")
    while not create(lock.address, lock.owner):
        other = read_owner(lock.address)
        if other is not None and other.id == lock.owner.id:
            break  # it was made, and the answer was lost
        if other is not None and not watch.finds_dead(other):
            queue.wait(other)
        elif other is not None and remove_lock(lock.address, other, watch):
            say(f"lock: {other} ended without giving {folder} back; it is taken over")
        else:
            time.sleep(FIRST_POLL_S)  # another run is about to take it
        lock.owner = lock.owner.renew(taken=read_clock())
    queue.say_end()
    remove_leftovers(folder)
    return lock


@dataclass
class Queue:
    """A run that waits for a folder, and says so."""

    folder: str
    leaves: bool
    """It does not wait where the owner is alive."""
    pause_s: float = FIRST_POLL_S
    began: float = field(default_factory=time.monotonic)
    said: float | None = None
    """When it said last that it waits."""

    def wait(self, other: Owner) -> None:
        """Wait a while for an owner.

        Raises:
            Occupied: This run does not wait.
        """
        if self.leaves and other.may_live():
            raise Occupied(f"lock: {self.folder} is worked on by {other}; this run leaves it to it")
        now = time.monotonic()
        if self.said is None:
            say(f"lock: {self.folder} is worked on by {other}; waiting for it")
        elif now - self.said >= SAY_S:
            say(f"lock: waiting for {other} for {duration(now - self.began)}, in {self.folder}")
        if self.said is None or now - self.said >= SAY_S:
            self.said = now
        time.sleep(self.pause_s)
        self.pause_s = min(2 * self.pause_s, POLL_S)

    def say_end(self) -> None:
        """Say that the waiting is over, if there was any."""
        if self.said is not None:
            waited = duration(time.monotonic() - self.began)
            say(f"lock: {self.folder} is free after {waited}; looking at what is still missing")


class Watch:
    """What a run has seen of the owners of a lock, by its own clock."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.seen: dict[str, tuple[datetime, float]] = {}

    def finds_dead(self, owner: Owner) -> bool:
        """Whether an owner is dead, as far as is known by now."""
        if owner.is_near():
            return not owner.is_running()
        now = time.monotonic()
        heartbeat, since = self.seen.get(owner.id, (None, now))
        if heartbeat != owner.heartbeat:
            since = now
        self.seen[owner.id] = (owner.heartbeat, since)
        confirmed = not owner.may_live() and now - since >= CONFIRM_BEATS * BEAT_S
        return confirmed or now - since >= DEAD_S


def find_living(folder: str) -> Owner | None:
    """The run that works in a folder; None where none does, as far as one look tells.

    Raises:
        StoreError: The store cannot be reached.
    """
    owner = read_owner(store.join(folder, LOCK))
    return owner if owner and owner.may_live() else None


def find_locks(storage: str) -> dict[str, Owner]:
    """Every folder of a stage of a storage that has a lock, and whose it is, alive or dead.

    Raises:
        StoreError: The store cannot be reached.
    """
    names = store.match_files(storage, f"*/*/{LOCK}")
    folders = [store.join(storage, name).rpartition("/")[0] for name in names]
    found = {folder: read_owner(store.join(folder, LOCK)) for folder in folders}
    return {folder: owner for folder, owner in found.items() if owner is not None}


def remove_dead(config: Config, *folders: str) -> None:
    """Remove the locks of dead owners from folders in which nothing is missing, and what they left.

    Where nothing may be written, all stays as it is.
    """
    at_once = config.model_copy(update={"when_locked": "leave"})
    for folder in folders:
        with suppress(StoreError, Occupied):
            if was_left(folder):
                with hold(at_once, folder):
                    pass  # taking a folder over cleans it


def was_left(folder: str) -> bool:
    """Whether a dead owner has left a folder's lock, or a local one has died as it removed it."""
    owner = read_owner(store.join(folder, LOCK))
    if owner is None:
        return "://" not in folder and has_claim(folder)
    return not owner.may_live()


def has_claim(folder: str) -> bool:
    """Whether a local folder, of whatever size, holds the claim of a run that removes a lock."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        return any(entry.name.startswith(f"{LOCK}-") for entry in entries)
    return False


def remove_lock(address: str, owner: Owner, watch: Watch) -> bool:
    """Remove the lock of an owner and of no other; returns whether this call did it.

    Raises:
        StoreError: The store cannot be reached.
    """
    claim = store.join(address.rpartition("/")[0], f"{LOCK}-{owner.id}")
    mine = Owner.of_this_process(owner.run)
    if not create(claim, mine):
        other = read_owner(claim)
        if other is not None and watch.finds_dead(other):
            remove_lock(claim, other, watch)
        return False
    found = read_owner(address)
    is_theirs = found is not None and found.id == owner.id
    if is_theirs:
        discard(address)
    discard(claim)
    return is_theirs


def remove_leftovers(folder: str, older_than_s: float = 0.0) -> None:
    """Remove unfinished files that killed writers left below a local folder.

    A folder below it in which another run works is left alone, and so is the claim of a run that is
    about to remove a lock: without it two could remove one. In an object store nothing unfinished
    can be seen.

    Args:
        folder: Of which this run is the owner.
        older_than_s: Age of what is removed, seconds; ``SHARED_S`` where a folder has no owner.
    """
    if "://" in folder:
        return
    for here, inner, names in os.walk(folder):
        if here != folder and LOCK in names:
            inner.clear()
            continue
        for name in names:
            path = Path(here, name)
            if store.is_unfinished(name) or is_dead_claim(path):
                with suppress(FileNotFoundError):
                    if time.time() - path.stat().st_mtime >= older_than_s:
                        path.unlink()


def is_dead_claim(path: Path) -> bool:
    """Whether a local file is the claim of a run that died while it removed a lock."""
    if not path.name.startswith(f"{LOCK}-"):
        return False
    owner = read_owner(str(path))
    return owner is not None and not owner.may_live()
