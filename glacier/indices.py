"""Band indices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(total == 0, np.float32(0), (first - second) / total)
    return np.clip(ratio, -1, 1).astype(np.float32)
