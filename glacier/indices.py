"""Colours and indices of a month by name."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glacier.errors import SampleError
from glacier.landsat import BAND_OF, reflectance


def normalised_difference(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(first - second) / (first + second).

    Args:
        first: Reflectance, float32, any shape; NaN stays NaN.
        second: The same of the other band.

    Returns:
        Same shape, float32, clipped to -1..1 (corrected reflectance can go below zero, and the
        ratio then leaves that range); 0 where the sum is 0.
    """
    total = first + second
    ratio = np.divide(first - second, total, out=np.zeros_like(total), where=total != 0)
    return np.asarray(np.clip(ratio, -1, 1, out=ratio), np.float32)


def colour(bands: dict[str, NDArray[Any]], name: str) -> NDArray[np.float32]:
    """Reflectance of a colour, or the NDSI: (H, W) float32, NaN where unseen.

    Raises:
        SampleError: The month lacks the band.
    """
    if name == "ndsi":
        return normalised_difference(colour(bands, "green"), colour(bands, "swir1"))
    if BAND_OF[name] not in bands:
        raise SampleError(f"{name} needs band {BAND_OF[name]}; the month holds {', '.join(bands)}")
    return reflectance(bands[BAND_OF[name]])
