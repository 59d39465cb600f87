"""Files that a user already has: where those of a region lie, and what tells that they changed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from glacier import store
from glacier.checksums import checksum_all
from glacier.config import Folder, Region
from glacier.errors import SourceError


def find_folder(settings: Folder, region: Region) -> Path:
    """The region's own folder below the settings' path where there is one, else the path itself.

    Raises:
        SourceError: The folder is not there.
    """
    base = Path(store.absolute(settings.path))
    folder = base / region.name if (base / region.name).is_dir() else base
    if not folder.is_dir():
        raise SourceError(f"ingest.folder.path = {folder}: no such folder; correct the path")
    return folder


def identify_files(paths: Iterable[Path]) -> list[tuple[str, str]]:
    """Name and checksum of the content of each file; those that are gone left out."""
    there = [path for path in paths if path.is_file()]
    names = (path.name for path in there)
    return list(zip(names, checksum_all(there), strict=True))
