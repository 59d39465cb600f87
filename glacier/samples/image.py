"""Bands of a month -> the image that a network sees, by a recipe that its model keeps."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from glacier.indices import INDICES, colour
from glacier.samples.bands import name_bands
from glacier.samples.coding import RATIO, REFLECTANCE, Coding
from glacier.settings.model import Model
from glacier.settings.prepare import Prepare
from glacier.settings.values import BareName

MAX_BANDS = 64
"""Most bands of a network; the package itself makes seven."""

Level = Annotated[float, Field(ge=-1e6, le=1e6)]
"""Value of a band."""

Maxima = dict[str, float]
"""Colour to the highest reflectance of a whole image."""


class ImageRecipe(Model):
    """How the image of a network is made of reflectance."""

    bands: tuple[BareName, ...] = Field(min_length=1, max_length=MAX_BANDS)
    """Colours and indices B, in order."""
    scale: Literal["reflectance", "own_maximum"]
    """reflectance: as it is. own_maximum: each band over its maximum of the image."""
    range: tuple[Level, Level]
    """Reflectance is clipped to this range."""

    @classmethod
    def of(cls, settings: Prepare) -> ImageRecipe:
        """The recipe of a run."""
        return cls(bands=settings.image, scale=settings.scale, range=settings.reflectance_range)

    @property
    def coding(self) -> Coding:
        """What the numbers of each band mean that the image is stored as."""
        low, high = self.range
        plain = REFLECTANCE.model_copy(update={"low": low, "high": high})
        if self.scale == "own_maximum":
            plain = RATIO
        return Coding(tuple(RATIO if band in INDICES else plain for band in self.bands))

    @property
    def landsat_bands(self) -> set[str]:
        """Landsat's names of the bands that the image is made of."""
        return name_bands(self.bands)


def make_image(
    bands: dict[str, NDArray[Any]], recipe: ImageRecipe, maxima: Maxima | None = None
) -> NDArray[np.float32]:
    """The image that networks see.

    Args:
        bands: Digital numbers by band name, (H, W) uint16.
        recipe: What is made of them.
        maxima: Of the whole image, where the bands are a part of it; None: they are all of it.

    Returns:
        (B, H, W) float32: clipped reflectance (NDSI as it is), or each band over its own
        maximum, all as their numbers hold them; NaN in every band where any is unseen.

    Raises:
        SampleError: The month lacks a band.
    """
    image = np.empty((len(recipe.bands), *next(iter(bands.values())).shape), np.float32)
    low, high = recipe.range
    for layer, name, coding in zip(image, recipe.bands, recipe.coding.bands, strict=True):
        band = colour(bands, name)
        if recipe.scale == "own_maximum":
            highest = find_maximum(band) if maxima is None else maxima[name]
            band = band / max(highest, 1e-6)
        if coding == RATIO:
            layer[:] = coding.decode(coding.encode(band))
        else:  # the archive's own numbers
            np.clip(band, low, high, out=layer)
    unseen = image.sum(axis=0)
    unseen *= 0  # NaN in one band becomes NaN in all, and nothing else changes
    image += unseen
    return image


def find_maximum(band: NDArray[np.float32]) -> float:
    """The highest value of a band, (H, W) with NaN where unseen; 0 at least."""
    return float(np.fmax.reduce(band, axis=None, initial=0))
