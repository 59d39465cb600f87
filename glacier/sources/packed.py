"""Rasters that lie in an archive, or do not say where: a copy of one at a time, within bounds."""

from __future__ import annotations

import tarfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader

from glacier.errors import SourceError
from glacier.geo.found_files import explain_unsafe
from glacier.geo.raster_files import MAX_FILE_BYTES, safe_open
from glacier.scratch import open_scratch
from glacier.settings.folder import FilePlace

ARCHIVES = (".tar", ".tar.gz", ".tgz")
"""How names of archives end."""

MAX_MEMBERS = 1000
"""Files of an archive that are looked through; a scene has some twenty."""


@contextmanager
def open_placed(path: Path, base: Path, place: FilePlace | None) -> Iterator[DatasetReader]:
    """Open a GeoTIFF that lies in a folder, or in an archive there.

    Args:
        path: The file, or its name behind that of the archive.
        base: Folder that the file or the archive has to lie in.
        place: Where its pixels lie; None: as it says itself.

    Raises:
        RasterError: It is no plain GeoTIFF, too large, or leads out of the folder.
        SourceError: The archive cannot be used, or lacks the file; or the file says itself where
            its pixels lie.
    """
    archive = find_archive(path)
    if archive is None and place is None:
        with safe_open(path, within=base) as source:
            yield source
        return
    with open_scratch() as folder:
        copy = folder / path.name
        if archive is None:
            with safe_open(path, within=base):  # it may be copied
                copy.write_bytes(path.read_bytes())
        else:
            if reason := explain_unsafe(archive, base):
                raise SourceError(f"{archive} {reason}")
            copy.write_bytes(read_member(archive, path.relative_to(archive).as_posix()))
        if place is not None:
            put_on_ground(copy, place)
        with safe_open(copy, within=folder) as source:
            yield source


def put_on_ground(copy: Path, place: FilePlace) -> None:
    """Write into a file of ours where its pixels lie.

    Raises:
        RasterError: It is no plain GeoTIFF.
        SourceError: It says so already.
    """
    side = place.pixel_m
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # which is why it is put there
        with safe_open(copy) as source:
            if source.crs is not None:
                raise SourceError(
                    f"{copy.name} says itself that it lies in {source.crs}: leave `place` out of "
                    "ingest.folder.images"
                )
        with rasterio.open(copy, "r+", driver="GTiff") as target:
            target.crs = rasterio.CRS.from_user_input(place.crs)
            target.transform = rasterio.Affine(side, 0, place.left_m, 0, -side, place.top_m)


def find_archive(path: Path) -> Path | None:
    """The archive that a path leads through; None where it leads through none."""
    return next((p for p in path.parents if p.name.endswith(ARCHIVES) and p.is_file()), None)


def read_member(archive: Path, name: str) -> bytes:
    """The bytes of a file of an archive, which is read only so far, and never unpacked by itself.

    Raises:
        SourceError: It is damaged, too large or without such a file.
    """
    size, names = 0, []
    try:
        with tarfile.open(archive) as members:
            for member in members:
                size += member.size
                names.append(member.name)
                if size > MAX_FILE_BYTES or len(names) > MAX_MEMBERS:
                    raise SourceError(
                        f"{archive} holds more than {MAX_MEMBERS} files or {MAX_FILE_BYTES} bytes: "
                        "unpack it, and name the files"
                    )
                if member.name == name and member.isreg():
                    file = members.extractfile(member)
                    assert file is not None  # it is a regular file
                    return file.read()
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(
            f"{archive} cannot be read: {error}; replace it by a whole one"
        ) from error
    raise SourceError(
        f"{archive} has no file {name}; there are {', '.join(names[:8])}: correct `file` in "
        "ingest.folder.images"
    )
