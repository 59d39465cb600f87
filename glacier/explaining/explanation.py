"""Nouns of an explanation: what is kept of it as JSON, and the layers that its page draws."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from glacier.mapping.assignment import ModelName
from glacier.seals import Manifest
from glacier.settings.explain import Explain
from glacier.settings.model import Model
from glacier.settings.months import Month
from glacier.settings.values import Name, Sha256

FORMAT = 1
"""Counts up when the numbers of an explanation change for the same map."""


class BandEffect(Model):
    """What a map loses and gains where one band is replaced."""

    band: str
    strength_drop: float
    """Strength of the answer less that without the band; above 0 the band upholds it."""
    ice_km2: float
    """Area of ice without the band."""
    gained_km2: float
    """Ground that would count as ice."""
    lost_km2: float
    """Ice that would not."""
    gained_on: dict[str, float] = Field(default_factory=dict)
    """Surface to its area of what would be gained, km2; empty where no surface is known."""
    lost_on: dict[str, float] = Field(default_factory=dict)
    """Likewise of what would be lost."""

    @property
    def changed_km2(self) -> float:
        """Ground that would change its class."""
        return self.gained_km2 + self.lost_km2


class BandsExplained(Model):
    """What each band does for a map, or why that is not said."""

    sentences: tuple[str, ...] = ()
    """In plain words."""
    bands: tuple[BandEffect, ...] = ()
    """A row each: the map made again with the band at the mean of the training images."""
    reason: str = ""
    """Why there are none."""


class Worth(Model):
    """What a band is worth for tested images: the overlap lost with its values dealt out anew."""

    band: str
    iou_drop: float
    low: float
    """Lower end of the 95 % interval, by drawing units anew."""
    high: float


class RegionWorth(Model):
    """What each band is worth for the tested images of a region."""

    images: tuple[str, ...]
    iou: float
    """Over all of them, as they are."""
    units: int
    """Images, or blocks of them, that the intervals draw."""
    unit: str
    bands: tuple[Worth, ...]


class Stage(Model):
    """How much of a picture is left with the weights of some layers dealt out anew."""

    layers: int
    """Layers from the output on."""
    correlation: float
    """Rank correlation with the picture of the model; its size alone counts."""


class Randomised(Model):
    """Whether the picture of integrated gradients hangs on what the model learned."""

    stages: tuple[Stage, ...]
    left: float
    """Mean correlation of the picture with those of models all of whose layers were dealt out."""
    random_pairs: float
    """Largest correlation of two pictures of such models."""
    passed: bool
    """No more is left than two ignorant models share, or hardly anything at all."""


class Curves(Model):
    """Strength of the answer as patches go, the most telling first, and as they come back."""

    method: str
    deletion: tuple[float, ...]
    insertion: tuple[float, ...]
    random_deletion: tuple[float, ...]
    """Mean of random orders."""
    random_insertion: tuple[float, ...]
    beaten_deletion: float
    """Share of the random orders below which the curve of deletion lies, by its area."""
    beaten_insertion: float
    """Share of them above which that of insertion lies."""


class Sum(Model):
    """Whether parts add up to the whole, as a method promises."""

    method: str
    whole: float
    """Difference of the strength that was shared."""
    gap: float
    """What the shares lack of it."""


class PlaceFacts(Model):
    """The ground that was explained."""

    region: Name
    month: Month
    point: tuple[float, float] | None
    side_m: float | None
    shape: tuple[int, int]
    """Rows and columns of the place as networks see it."""
    pixel_km2: float
    seen_px: int
    sampled_px: int = 0
    """Pixels of the squares on which the slower methods look."""


class Explanation(Manifest):
    """What decided a map: ``explanation.json``; it vouches for the page and the tables."""

    format: int = FORMAT
    inputs_sha256: Sha256 = ""
    place: PlaceFacts
    models: tuple[ModelName, ...]
    settings: Explain
    bands_seen: tuple[str, ...]
    """Bands of the image, in order."""
    sentences: tuple[str, ...] = ()
    """In plain words."""
    ice_km2: float
    strength: float
    bands: tuple[BandEffect, ...] = ()
    shapley: dict[str, float] = Field(default_factory=dict)
    """Band to its exact Shapley value of the strength."""
    gradients: dict[str, float] = Field(default_factory=dict)
    """Band to the sum of its integrated gradients."""
    gradients_size: dict[str, float] = Field(default_factory=dict)
    """Band to the sum of their sizes, in which nothing cancels."""
    lime_r2: float | None = None
    sums: tuple[Sum, ...] = ()
    curves: tuple[Curves, ...] = ()
    randomised: Randomised | None = None
    region: RegionWorth | None = None
    left_out: dict[str, str] = Field(default_factory=dict)
    """Method to why it can say nothing here."""
    late: dict[str, str] = Field(default_factory=dict)
    """Method to why there was no time for it."""
    seconds: float = 0.0


@dataclass(frozen=True)
class Layers:
    """What pictures are drawn of; all of the place as networks see it."""

    image: NDArray[np.float32]
    """(B, H, W)."""
    is_ice: NDArray[np.bool_]
    """(H, W)."""
    without: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    """Band to the ice (H, W) of the map without it."""
    values: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """Method to its picture (H, W), NaN where it says nothing."""
