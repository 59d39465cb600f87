"""Shapefiles in zip files, unpacked within bounds and under bare names."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from glacier.errors import VectorError
from glacier.geo.vector_contents import explain_bomb
from glacier.geo.vector_formats import PARTS, SHAPEFILE
from glacier.wording import shorten_list

MAX_MEMBERS = 1000
"""Files of a zip file; inventories come with some ten."""

ENTRY_BYTES = 512
"""Of a member in the directory at the end of a zip file, at the most on average."""

CHUNK_BYTES = 1 << 20
SHOWN = 3

END = struct.Struct("<4s4H2LH")
"""The record at the end of a zip file.

Source: APPNOTE.TXT 6.3.10, section 4.3.16.
"""


def unpack_shapefile(path: Path, folder: Path, address: str) -> Path:
    """The one Shapefile of a zip file, unpacked into a folder.

    Args:
        path: The zip file.
        folder: An empty folder.
        address: What the configuration calls it, for messages.

    Returns:
        The Shapefile, under the name that it has in the zip file.

    Raises:
        VectorError: The zip file is damaged or too large, leads out of the folder, or holds
            none or several.
    """
    where = f"outlines {address}"
    check_directory(path, where)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            check_members(members, path.stat().st_size, where)
            chosen = choose_parts(members, where)
            for name, member in chosen.items():
                copy_member(archive, member, folder / name)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise VectorError(f"{where}: the zip file cannot be unpacked: {error}") from error
    return folder / next(iter(chosen))


def check_directory(path: Path, where: str) -> None:
    """Refuse a zip file whose directory would fill the memory, before it is read.

    Raises:
        VectorError: There are too many members, or no directory.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - (1 << 16) - END.size))
        tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + END.size > len(tail):
        raise VectorError(f"{where}: the zip file has no end; it is damaged, or not all there")
    count, length = END.unpack_from(tail, at)[4:6]
    if count > MAX_MEMBERS or length > MAX_MEMBERS * ENTRY_BYTES:
        raise VectorError(
            f"{where}: the zip file has {count} members in a directory of {length} bytes, at most "
            f"{MAX_MEMBERS} are read; zip the Shapefile alone"
        )


def check_members(members: list[zipfile.ZipInfo], size: int, where: str) -> None:
    """Refuse members that lie elsewhere, are links, or unpack to far more than the zip file.

    Raises:
        VectorError: With the first names.
    """
    odd = [member.filename for member in members if leads_out(member)]
    if odd:
        raise VectorError(
            f"{where}: the zip file has members that lead out of it ({shorten_list(odd, SHOWN)}); "
            "zip the Shapefile anew"
        )
    if len(members) > MAX_MEMBERS:
        raise VectorError(f"{where}: the zip file has {len(members)} members, more than allowed")
    if bomb := explain_bomb((member.file_size for member in members), size):
        raise VectorError(f"{where}: {bomb}")


def leads_out(member: zipfile.ZipInfo) -> bool:
    """Whether a member is a link or another special file, or its name a path to elsewhere."""
    name = member.filename.replace("\\", "/")
    kind = stat.S_IFMT(member.external_attr >> 16)
    return (
        kind not in (0, stat.S_IFREG, stat.S_IFDIR)
        or name.startswith("/")
        or ":" in name
        or ".." in PurePosixPath(name).parts
    )


def choose_parts(members: list[zipfile.ZipInfo], where: str) -> dict[str, zipfile.ZipInfo]:
    """Bare name to member of the files of the one Shapefile, its own first.

    Raises:
        VectorError: There is none, or there are several.
    """
    files = [member for member in members if not member.is_dir()]
    named = [m for m in files if m.filename.lower().endswith(".shp") and is_shown(m)]
    if len(named) != 1:
        there = f": {shorten_list([m.filename for m in named], SHOWN)}" if named else ""
        raise VectorError(
            f"{where}: the zip file holds {len(named)} Shapefiles{there}; unpack it, and name the "
            "file that is meant"
        )
    stem = named[0].filename[:-4].lower()
    wanted = {stem + part for part in (SHAPEFILE.ending, *PARTS)}
    parts = [m for m in files if m.filename.lower() in wanted]
    parts.sort(key=lambda member: member is not named[0])
    bare = PurePosixPath(named[0].filename).stem
    return {bare + PurePosixPath(m.filename).suffix.lower(): m for m in parts}


def is_shown(member: zipfile.ZipInfo) -> bool:
    """Whether a member is a file of its own, and not what macOS keeps of one beside it."""
    parts = PurePosixPath(member.filename).parts
    return not any(part.startswith((".", "__MACOSX")) for part in parts)


def copy_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, place: Path) -> None:
    """Unpack a member, no more of it than the directory says.

    Raises:
        zipfile.BadZipFile: It is damaged.
    """
    with archive.open(member) as packed, place.open("xb") as out:
        while chunk := packed.read(CHUNK_BYTES):
            out.write(chunk)
