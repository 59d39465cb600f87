"""Bands whose pixels lie otherwise, which no histogram sees."""

import numpy as np
from numpy.typing import NDArray


def shuffle_squares(band: NDArray[np.float32], side: int = 8) -> NDArray[np.float32]:
    """Pixels in another order within every square, the same in every band."""
    out = band.copy()
    for row in range(0, band.shape[0], side):
        for col in range(0, band.shape[1], side):
            part = out[row : row + side, col : col + side]
            order = np.random.default_rng([row, col]).permutation(part.size)
            part[:] = part.ravel()[order].reshape(part.shape)
    return out
