"""Files that a user already has: where those of a region lie, and what tells that they changed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from glacier import store
from glacier.checksums import checksum_all
from glacier.errors import SourceError
from glacier.geo.found_files import explain_unsafe, is_inside
from glacier.settings.folder import Folder
from glacier.settings.regions import Region

MAX_TEXT_BYTES = 1_000_000
"""Of a file of facts beside a scene: MTL files have 20 to 50 kB."""


def find_folder(settings: Folder, region: Region) -> Path:
    """The region's own folder below the settings' path where there is one, else the path itself.

    Raises:
        SourceError: The folder is not there, or the region's own lies elsewhere.
    """
    base = base_folder(settings)
    folder = base / region.name if (base / region.name).is_dir() else base
    if not folder.is_dir():
        raise SourceError(f"ingest.folder.path = {folder}: no such folder; correct the path")
    refuse_link(folder, base)
    return folder


def base_folder(settings: Folder) -> Path:
    """The folder that the configuration names: what is found lies in it, links followed."""
    return Path(store.absolute(settings.path))


def refuse_link(folder: Path, base: Path) -> None:
    """Refuse a folder that was found and that leads out of the one that was named.

    Raises:
        SourceError: It does.
    """
    if not is_inside(folder, base):
        raise SourceError(
            f"{folder} leads out of ingest.folder.path = {base}; copy it there, or name the folder "
            "that it leads to"
        )


def identify_files(paths: Iterable[Path], base: Path) -> list[tuple[str, str]]:
    """Name and checksum of the content of each file; those that are gone left out.

    Args:
        paths: The files.
        base: The folder that they have to lie in; those that lead out of it are left out, too.
    """
    safe = [path for path in paths if not explain_unsafe(path, base)]
    return list(zip((path.name for path in safe), checksum_all(safe), strict=True))


def read_small(path: Path, base: Path) -> str:
    """Text of a small file that was found, such as a scene's facts.

    Raises:
        SourceError: It is no regular file, leads out of the folder, or is larger than its kind.
    """
    if reason := explain_unsafe(path, base):
        raise SourceError(f"{path} {reason}")
    if (size := path.stat().st_size) > MAX_TEXT_BYTES:
        raise SourceError(
            f"{path} has {size} bytes, more than the {MAX_TEXT_BYTES} of any MTL file; replace it "
            "by the one that USGS delivers, or remove it"
        )
    return path.read_text(encoding="utf-8", errors="replace")
