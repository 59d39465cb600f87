"""What may be opened of what lies in a folder: regular files that do not lead out of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""What a name may lead to that is no file: opening a pipe waits for ever, a device has no end."""


def explain_unsafe(path: str | Path, *within: str | Path) -> str:
    """Why a local file must not be opened; nothing where it may.

    Args:
        path: The file; a link is what it leads to.
        within: Folders, in one of which it has to lie; none: anywhere, since a person named it.
    """
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except (OSError, ValueError):  # not there, a link to nowhere or to itself, a name with NUL
        return "is missing or not a regular file"
    if kind != stat.S_IFREG:
        return f"is missing or not a regular file: {KINDS.get(kind, 'of an unknown kind')}"
    if within and not any(is_inside(path, folder) for folder in within):
        return (
            f"leads out of the folder {within[0]}; copy the file there, or name the folder that it "
            "lies in"
        )
    return ""


def is_inside(path: str | Path, folder: str | Path) -> bool:
    """Whether a path lies below a folder, or is it, once links and ``..`` are followed."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
