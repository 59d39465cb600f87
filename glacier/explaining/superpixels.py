"""Superpixels: patches of about one colour and one place, of which shap and LIME speak.

Source:
    Achanta et al. 2012, SLIC Superpixels: k-means over place and colour from a regular grid.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

COMPACT = 2.0
"""What a side of a patch weighs against a standard deviation of a band."""

ROUNDS = 5
"""Of k-means."""


def cut_superpixels(
    image: NDArray[np.float32], mask: NDArray[np.bool_], side_px: int
) -> NDArray[np.int32]:
    """Number of the superpixel of each pixel.

    Args:
        image: (B, H, W), NaN where unseen.
        mask: (H, W) bool, pixels that belong to any.
        side_px: About the side of one, pixels.

    Returns:
        (H, W) int32 from 0 without gaps, -1 outside of the mask.
    """
    rows, cols = np.nonzero(mask)
    colours = np.nan_to_num(image[:, rows, cols])
    spread = colours.std(axis=1, keepdims=True)
    colours = (colours - colours.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)
    places = COMPACT * np.stack([rows, cols]) / side_px
    features = np.concatenate([places, colours / np.sqrt(len(colours))]).T.astype(np.float64)
    square = (rows // side_px) * (mask.shape[1] // side_px + 1) + cols // side_px
    _, square = np.unique(square, return_inverse=True)
    sums = np.stack([np.bincount(square, feature) for feature in features.T], axis=1)
    begin = sums / np.bincount(square)[:, None]
    _, own = kmeans2(features, begin, iter=ROUNDS, minit="matrix", missing="warn")
    numbers = np.full(mask.shape, -1, np.int32)
    numbers[rows, cols] = np.unique(own, return_inverse=True)[1]
    return numbers
