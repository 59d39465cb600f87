"""Images of one's own that are to be mapped: which files, and what their maps are called."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from glacier import store
from glacier.errors import ConfigError
from glacier.geo.found_files import explain_unsafe
from glacier.geo.raster_files import explain_large
from glacier.mapping.maps import ITEM
from glacier.settings.values import BARE

SUFFIXES = (".tif", ".tiff")
"""Ends of the files that are mapped of a folder, in small letters."""


def find_images(place: str) -> list[Path]:
    """The GeoTIFF that a path names, or those in the folder that it names, by name.

    What they hold is not looked at: one that is no image fails as a map, by its name.

    Raises:
        ConfigError: There is none, or one whose reading would not end.
    """
    path = Path(store.absolute(place))
    try:
        folder = [path] if path.is_dir() else []
        files = list_folder(path) if folder else [path] if path.is_file() else []
        refused = {file: explain_unfit_file(file, *folder) for file in files}
    except OSError as error:
        raise ConfigError(f"predict.images = {place!r}: cannot be read: {error}") from error
    if not files:
        raise ConfigError(
            f"predict.images = {place!r}: no GeoTIFF is there; give a .tif file or a folder of them"
        )
    for file, why in refused.items():
        if why:
            raise ConfigError(f"predict.images: {file} {why}")
    return files


def explain_unfit_file(file: Path, *within: Path) -> str:
    """Why the bytes of a file cannot be read; nothing where they can.

    Args:
        file: A GeoTIFF by its name.
        within: The folder that it was found in; none: it was named itself.
    """
    if reason := explain_unsafe(file, *within) or explain_large(file):
        return reason
    return "" if os.access(file, os.R_OK) else "may not be read; change its permissions"


def list_folder(folder: Path) -> list[Path]:
    """What a folder holds under the name of a GeoTIFF, by name; no folders in it."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    return [path for path in found if path.is_symlink() or not path.is_dir()]


def name_files(files: Sequence[Path]) -> list[tuple[str, Path]]:
    """Each file with the name of its map: its own without its end.

    Raises:
        ConfigError: Two have the same, or one could lead elsewhere or to the file of another map.
    """
    named = [(file.stem, file) for file in files]
    for name, count in Counter(name for name, _ in named).items():
        if why := explain_unfit(name, count):
            raise ConfigError(
                f"predict.images: the name of {name!r:.100} {why}, so its map could not carry it; "
                "rename the file"
            )
    return named


def explain_unfit(name: str, count: int) -> str:
    """Why a name that so many files have can be none of a map; nothing where it can."""
    if count > 1:
        return "is of two files"
    if not BARE.fullmatch(name):
        return "holds more than letters, digits, . _ + -"
    item = ITEM.removesuffix(".json")  # its record would be the item of another map
    return f"ends with {item}" if name.endswith(item) else ""
