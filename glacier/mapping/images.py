"""Images of one's own that are to be mapped: which files, and what their maps are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from glacier import store
from glacier.errors import ConfigError
from glacier.geo.found_files import explain_unsafe
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
        ConfigError: Two have the same, or one could lead elsewhere.
    """
    named = [(file.stem, file) for file in files]
    for name, count in Counter(name for name, _ in named).items():
        if count > 1 or not BARE.fullmatch(name):
            raise ConfigError(
                f"predict.images: the name of {name!r:.100} "
                f"{'is of two files' if count > 1 else 'holds more than letters, digits, . _ + -'}"
                ", so its map could not carry it; rename the file"
            )
    return named
