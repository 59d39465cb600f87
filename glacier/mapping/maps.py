"""Maps: where they lie, what their numbers mean, and what is recorded of each.

A map is complete when its record ``<name>.json`` is there, written last, with the sha256 of its
rasters and of its item of STAC.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from glacier import store
from glacier.archive.records import Status
from glacier.geo.raster import Grid
from glacier.seals import Manifest
from glacier.settings.model import Model
from glacier.settings.months import Month
from glacier.settings.values import BareName, Name, Sha256

FORMAT = 3
"""Counts up when the bytes of maps change for the same configuration."""

RASTERS = PROBABILITY, CLASSES = ".probability.tif", ".class.tif"
"""Ends of the names of a map's rasters. Probability: uint8, 0..254 for 0..1, scale 1/254 declared.
Class: uint8, 1 glacier, 0 not. 255 is nodata in both."""

ITEM = ".item.json"
"""End of the name of its item of STAC."""

Share = Annotated[float, Field(ge=0, le=1)]


class UsedModel(Model):
    """A model that mapped a part of an image, or all of it."""

    encoder: BareName
    fold: int = Field(ge=0)
    sha256: Sha256
    """Of its weights."""
    threshold: Share
    """Probability from which it calls a pixel glacier; several are called by the mean of theirs."""
    glacier_px: int = Field(0, ge=0)
    """Pixels that it called glacier by itself, as networks see the image, resized or not."""
    asked_px: int = Field(0, ge=0)
    """Seen pixels that it was asked for, likewise."""


class PixelCounts(Model):
    """Pixels of a map by what they are called."""

    glacier: int = Field(0, ge=0)
    ground: int = Field(0, ge=0)
    unseen: int = Field(0, ge=0)


class MapRecord(Manifest):
    """What became of one image."""

    format: int = FORMAT
    region: Name
    name: BareName
    """YYYY-MM of an archive's month, else the name of the file without its end."""
    month: Month | None = None
    """YYYY-MM; None: nobody knows."""
    status: Status
    reason: str = ""
    """Why there is no map."""
    image_sha256: Sha256 = ""
    """Of the file that was mapped."""
    scene_ids: tuple[str, ...] = ()
    grid: Grid | None = None
    """None without a map, likewise below."""
    seen_pixel_m: float | None = Field(None, gt=0)
    """Side of the pixels that the models saw, metres, where the image was resampled to them and the
    map brought back; None: its own."""
    models: tuple[UsedModel, ...] = ()
    pixels: PixelCounts | None = None
    probability: Share | None = None
    """Mean over the seen pixels."""


def map_address(folder: str, region: str, name: str) -> str:
    """Where the record of a map lies."""
    return store.join(folder, region, f"{name}.json")
