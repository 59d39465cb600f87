"""Settings of the STAC source."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from glacier.settings.model import PRIVATE, RUNTIME_ONLY
from glacier.settings.source import Service

PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/api/stac/v1"
"""The one catalogue of Landsat scenes whose pixels need no account."""


def drop_slash(url: str) -> str:
    """The address of a catalogue in the one form under which it is known."""
    return url.rstrip("/")


class Stac(Service):
    """Scenes of a STAC catalogue, read in place."""

    grows: ClassVar[bool] = True

    url: Annotated[str, AfterValidator(drop_slash), PRIVATE] = Field(
        PLANETARY_COMPUTER, pattern=r"^https?://"
    )
    """Address of the STAC API. Planetary Computer's pixels need no account; the pixels of Earth
    Search and USGS are in a bucket whose reader pays, which this version does not read."""
    collection: str = "landsat-c2-l2"
    """Collection of Landsat Collection 2 Level 2 scenes."""
    hosts: Annotated[tuple[str, ...], PRIVATE, RUNTIME_ONLY] = ()
    """Further hosts that its pixels may lie on, beside its own and those that it signs for; a name
    stands for all below it. An item that names any other host is left out."""

    @property
    def reader(self) -> str:
        """The catalogue."""
        return "stac"
