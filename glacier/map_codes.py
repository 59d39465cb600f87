"""What the numbers of a map mean: its classes, its probabilities, and what was not seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GLACIER = 1
"""Class of glacier; 0 is ground without ice."""

UNSEEN = 255
"""Class and probability of a pixel that was not seen: nodata of both rasters."""

STEPS = 254
"""A probability of 1 as it is stored; 0 is 0."""


def encode_probability(probability: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Probability 0..1, NaN where unseen, as uint8: 0..254, 255 where unseen. Any shape."""
    scaled = np.rint(np.nan_to_num(probability, nan=0.0) * STEPS)
    return np.where(np.isnan(probability), UNSEEN, scaled).astype(np.uint8)


def decode_probability(values: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The inverse, within half a step of 1/254: float32, NaN where unseen."""
    return np.where(values == UNSEEN, np.float32(np.nan), values / np.float32(STEPS))
