"""What was offered to people, and what they made of it, as files say it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field

from glacier import store
from glacier.config import Config
from glacier.corrections.choose import Way
from glacier.geo.raster import Grid
from glacier.seals import Manifest
from glacier.settings.model import Model
from glacier.settings.months import Month
from glacier.settings.values import Name, Sha256

Px = Annotated[int, Field(ge=0)]


class Offer(Model):
    """A month that was offered to be corrected."""

    region: Name
    month: Month
    rank: int = Field(ge=1)
    why: str
    grid: Grid
    image_sha256: Sha256
    classes_sha256: Sha256
    """Of the class map that its outlines show."""


class Offers(Manifest):
    """What was exported: ``corrections/offers.json`` of a run's results.

    It vouches for no file, since people edit those.
    """

    way: Way
    maps: str
    """Name of the folder of the maps, which carries the hash of their models."""
    months: tuple[Offer, ...] = ()


class Correction(Manifest):
    """A month that a person has looked at, beside its mask ``<YYYY-MM>.tif``."""

    region: Name
    month: Month
    by: str = Field(min_length=1)
    """Who has looked at it."""
    at: AwareDatetime
    """When it was taken back."""
    minutes: float | None = None
    """That the person says it took."""
    note: str = ""
    added_px: Px
    """Pixels that were no glacier and are now."""
    removed_px: Px
    added_km2: float
    removed_km2: float
    image_sha256: Sha256
    classes_sha256: Sha256
    """Of the map that was corrected."""
    models: tuple[Sha256, ...] = ()
    """Weights that had made it."""
    mended: tuple[str, ...] = ()
    """What was wrong with shapes, and what was made of it."""


def offers_folder(config: Config) -> str:
    """Address of the folder of what is offered of a run."""
    return store.join(store.results_folder(config), "corrections")


def corrections_folder(config: Config) -> str:
    """Address of the folder of a run's corrections, with a folder for each region."""
    return store.join(store.absolute(config.storage), "corrections", config.name)
