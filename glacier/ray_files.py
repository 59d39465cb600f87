"""What a private Ray keeps on this machine: its temporary files, and the token of its user."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from glacier.interrupts import STDERR, Ending, has_given_up
from glacier.machine import RAY_FOLDER, choose_temp_folder, list_temp_folders
from glacier.scratch import await_removal, own_folder, remove_dead_folders

PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
"""Permissions of what only its owner may read."""


@contextmanager
def open_temp_folder() -> Iterator[str]:
    """A folder for the temporary files of one private Ray, for the length of the block.

    It lies in one that nobody else may enter, since Ray opens its own to everybody.
    Those whose process is dead, however it died, go first. This one goes at the end, but stays
    after an error, for the logs of Ray in it, until the next is opened.

    Raises:
        ConfigError: There is no place for it.
    """
    base = Path(choose_temp_folder())
    base.mkdir(parents=True, exist_ok=True)
    remove_dead_folders(base)
    remove_lost_folders()
    with own_folder(base) as folder:
        try:
            yield str(folder / RAY_FOLDER)
        except KeyboardInterrupt:
            if not has_given_up():
                await_removal(folder)
            raise
        await_removal(folder)


def remove_lost_folders() -> None:
    """Remove temporary files of this user's runs whose process is dead, of Ray and of workers."""
    for place in {*list_temp_folders()}:
        remove_dead_folders(place)


@contextmanager
def divert_stderr(folder: str) -> Iterator[None]:
    """Have what compiled code says in this process go into a file, for the length of the block.

    Ray's says much, and over our lines, once a process of it has ended. What Python says goes on
    to where it went.

    Args:
        folder: That of Ray's temporary files; the file lies beside it.
    """
    shown, python = os.dup(STDERR), sys.stderr
    with open(f"{folder}.driver.log", "ab") as file:
        os.dup2(file.fileno(), STDERR)
    Ending.stderr = shown
    if python is sys.__stderr__:
        sys.stderr = open(shown, "w", buffering=1, errors="backslashreplace", closefd=False)
    try:
        yield
    finally:
        os.dup2(shown, STDERR)  # first: an interrupt may come in between
        sys.stderr, Ending.stderr = python, STDERR
        os.close(shown)


def secure_token(home: Path) -> None:
    """Have Ray's token where Ray looks for it, readable by its owner alone, whatever the umask.

    Ray would make it itself, readable by everybody. What cannot be made is left to Ray, which
    says so.

    Args:
        home: The user's folder. Source: ray/_private/authentication/authentication_token_setup.py.
    """
    folder, file = home / ".ray", home / ".ray" / "auth_token"
    with suppress(OSError):
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        if not file.exists():
            write_token(folder, file)
    for path, allowed in ((folder, PRIVATE_FOLDER), (file, PRIVATE_FILE)):
        with suppress(OSError):
            mode = path.stat().st_mode & 0o777
            if mode & ~allowed:
                path.chmod(mode & allowed)


def write_token(folder: Path, file: Path) -> None:
    """Write a new token, whole; of two processes that do so at once, the first one's stays."""
    handle, beside = tempfile.mkstemp(prefix="auth_token.", dir=folder)  # for its owner alone
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(secrets.token_hex(32))
        with suppress(FileExistsError):
            os.link(beside, file)
    finally:
        os.unlink(beside)
