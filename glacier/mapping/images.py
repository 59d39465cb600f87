"""Images of one's own that are to be mapped: which files, and what their maps are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from glacier import store
from glacier.errors import ConfigError
from glacier.geo.found_files import explain_unsafe
from glacier.mapping.maps import ITEM
from glacier.settings.values import BARE

SUFFIXES = (".tif", ".tiff")
"""Ends of the files that are mapped of a folder, in small letters."""


def find_images(place: str) -> list[Path]:
    """The GeoTIFF that a path names, or those in the folder that it names, by name.

    Raises:
        ConfigError: There is none.
    """
    path = Path(store.absolute(place))
    if path.is_dir():
        found = [p for p in sorted(path.iterdir()) if p.suffix.lower() in SUFFIXES]
        files = [p for p in found if not explain_unsafe(p, path)]
    else:
        files = [path] if path.is_file() else []
    if not files:
        raise ConfigError(
            f"predict.images = {place!r}: no GeoTIFF is there; give a .tif file or a folder of them"
        )
    return files


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
