"""Makers of hostile files that are the same whatever they claim to hold."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.hostile.row import Trap

Make = Callable[[Path, Trap], Any]
"""Makes a file at a path; what it returns is nothing to anybody."""

GRIDS = (
    'PROJCS["x",GEOGCS["y",DATUM["z",SPHEROID["w",6378137,298.257223563]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],UNIT["metre",1],'
    'EXTENSION["PROJ4","+proj=utm +zone=8 +ellps=GRS80 +nadgrids={secret} +units=m +no_defs"]]'
)
"""A CRS that reads a grid file."""


def named(name: str, make: Make) -> Callable[[Trap], str]:
    """A maker of a file of this name in the row's folder."""

    def build(trap: Trap) -> str:
        make(trap.folder / name, trap)
        return str(trap.folder / name)

    return build


def text(name: str, words: str | bytes) -> Callable[[Trap], str]:
    """A maker of a file with these words; {url} and {secret} are put in."""
    return named(name, write_words(words))


def write_words(words: str | bytes) -> Make:
    def make(path: Path, trap: Trap) -> None:
        path.write_bytes(words if isinstance(words, bytes) else trap.fill(words).encode())

    return make


def make_pipe(path: Path, trap: Trap) -> None:
    os.mkfifo(path)


def make_socket(path: Path, trap: Trap) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the path of a socket may have 100 letters
    try:
        server = socket.socket(socket.AF_UNIX)
        server.bind(path.name)
        server.close()
    finally:
        os.chdir(here)


def link_out(path: Path, trap: Trap) -> None:
    path.symlink_to(trap.secret)


def link_device(path: Path, trap: Trap) -> None:
    path.symlink_to("/dev/zero")


SPECIAL: dict[str, Make] = {
    "pipe": make_pipe,
    "socket": make_socket,
    "folder": lambda path, _: path.mkdir(),
    "link to a device without end": link_device,
    "link to itself": lambda path, _: path.symlink_to(path),
}
"""Name to maker of what is no file at all."""
