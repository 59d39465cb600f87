"""Colours and indices of a month by name."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glacier.errors import SampleError
from glacier.landsat import BAND_OF, reflectance

FALSE_COLOUR = ("nir", "red", "green")
"""Bands shown as red, green and blue, so that plants are red and ice is bright."""

INDICES = frozenset({"ndsi"})
"""Bands of an image that are ratios, without a brightness of their own."""


def normalised_difference(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(first - second) / (first + second), of what is above zero.

    Corrected reflectance can go below zero, over water and in shadow, and means no light: it counts
    as 0. (As it is, the ratio would leave -1..1 and change its sign with noise.)

    Args:
        first: Reflectance, float32, any shape; NaN stays NaN.
        second: The same of the other band.

    Returns:
        Same shape, float32, -1..1; NaN, so unknown, where neither band is above 0.
    """
    first, second = np.maximum(first, 0), np.maximum(second, 0)
    total = first + second
    ratio = np.full_like(total, np.nan)
    np.divide(first - second, total, out=ratio, where=total > 0)
    return ratio


def colour(bands: dict[str, NDArray[Any]], name: str) -> NDArray[np.float32]:
    """Reflectance of a colour, or the NDSI: (H, W) float32, NaN where unseen or without light.

    Raises:
        SampleError: The month lacks the band.
    """
    if name == "ndsi":
        return normalised_difference(colour(bands, "green"), colour(bands, "swir1"))
    if BAND_OF[name] not in bands:
        raise SampleError(
            f"{name} needs band {BAND_OF[name]}; the month holds {', '.join(bands)}: give files "
            "with that band, or a prepare.image and prepare.label.kind that do without it"
        )
    return reflectance(bands[BAND_OF[name]])
