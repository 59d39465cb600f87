"""The files of a month and of a series that are handed out, by names that are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from glacier import store
from glacier.mapping.maps import CLASSES, PROBABILITY, MapRecord
from glacier.serving.finished_run import FinishedRun

KINDS: Mapping[str, str] = {
    "image": "Image, Cloud-optimised GeoTIFF",
    "probability": "Probability of glacier, Cloud-optimised GeoTIFF",
    "class": "Glacier or not, Cloud-optimised GeoTIFF",
}
"""Files of a month by what they hold."""


@dataclass(frozen=True)
class MapFile:
    """A stored file."""

    address: str
    sha256: str


def find_file(run: FinishedRun, record: MapRecord, kind: str) -> MapFile:
    """A file of a month.

    Args:
        run: The run.
        record: Of the month, which has a map.
        kind: One of :data:`KINDS`.
    """
    if kind == "image":
        address = run.places.images[record.region][record.name]
        return MapFile(address, record.image_sha256)
    end = {"probability": PROBABILITY, "class": CLASSES}[kind]
    name = f"{record.name}{end}"
    address = store.join(run.places.maps, record.region, name)
    return MapFile(address, record.files.get(name, ""))
