"""Settings of the STAC source."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from glacier.settings.model import PRIVATE, RUNTIME_ONLY
from glacier.settings.source import Service

PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/api/stac/v1"
"""The one catalogue of Landsat scenes whose pixels need no account."""


ProductName = Literal["landsat", "sentinel-2", "hls-l30", "hls-s30"]
"""What the scenes of a collection are."""


def name_product(collection: str) -> ProductName:
    """What the scenes of a collection are, by its name; of one that says nothing Landsat's own.

    Raises:
        ValueError: They hold no surface reflectance, or are of several products.
    """
    name = collection.lower().replace("_", "-")
    if "sentinel-2" in name and "l2a" not in name:
        raise ValueError(
            f"collection {collection!r} is not of level 2A: its numbers are those at the top of "
            "the atmosphere; take sentinel-2-l2a"
        )
    if "sentinel-2" in name:
        return "sentinel-2"
    if not name.startswith("hls"):
        return "landsat"
    if found := re.search("[ls]30", name):
        return "hls-l30" if found[0] == "l30" else "hls-s30"
    raise ValueError(f"collection {collection!r}: take one of its two, hls2-l30 or hls2-s30")


def check_collection(collection: str) -> str:
    """A collection whose scenes can be read."""
    name_product(collection)
    return collection


def drop_slash(url: str) -> str:
    """The address of a catalogue in the one form under which it is known."""
    return url.rstrip("/")


class Stac(Service):
    """Scenes of a STAC catalogue, read in place."""

    grows: ClassVar[bool] = True

    url: Annotated[str, AfterValidator(drop_slash), PRIVATE] = Field(
        PLANETARY_COMPUTER, pattern=r"^https?://"
    )
    """Address of the STAC API. Planetary Computer's pixels need no account; Landsat's pixels of
    Earth Search and USGS are in a bucket whose reader pays, which this version does not read."""
    collection: Annotated[str, AfterValidator(check_collection)] = "landsat-c2-l2"
    """Collection of scenes, which its name tells apart: Landsat Collection 2 Level 2; Sentinel-2
    (sentinel-2-l2a, sentinel-2-c1-l2a); harmonised Landsat-Sentinel (hls2-l30, hls2-s30). A month
    is of one of them."""
    hosts: Annotated[tuple[str, ...], PRIVATE, RUNTIME_ONLY] = ()
    """Further hosts that its pixels may lie on, beside its own and those that it signs for; a name
    stands for all below it. An item that names any other host is left out."""

    @property
    def product(self) -> ProductName:
        """What the scenes are."""
        return name_product(self.collection)

    @property
    def inapplicable(self) -> dict[str, str]:
        """Satellites and tiers are Landsat's own; the harmonised data say nothing of saturation."""
        if self.product == "landsat":
            return {}
        found = dict.fromkeys(("platforms", "tiers"), f"it is Landsat's, not {self.collection}'s")
        if self.product != "sentinel-2":
            found["mask_saturated"] = f"{self.collection} does not say what is saturated"
        return found

    @property
    def reader(self) -> str:
        """The catalogue."""
        return "stac"
