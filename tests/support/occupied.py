"""Folders in which another run works, which is alive and does not end, or in which one died."""

from glacier import store
from glacier.config import Config
from glacier.lock_file import create
from glacier.locks import LOCK
from glacier.owner import Owner


def occupy(folder: str) -> None:
    """Put the lock of another run into a folder."""
    assert create(store.join(folder, LOCK), Owner.of_this_process("other"))


def abandon(folder: str) -> None:
    """Put the lock of a run into a folder whose process was killed: its number is another's now."""
    dead = Owner.of_this_process("other").model_copy(update={"started": "1"})
    assert create(store.join(folder, LOCK), dead)


def impatient(config: Config) -> Config:
    """The run as one that leaves where another works."""
    return config.model_copy(update={"when_locked": "leave"})
