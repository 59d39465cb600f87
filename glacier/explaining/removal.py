"""What stands where something is taken away: the baseline, and images in which it does."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from glacier.explaining.subject import Subject


def make_baseline(
    subject: Subject, removal: Literal["mean", "permuted"], seed: int
) -> NDArray[np.float32]:
    """An image that says nothing of its place, as ``explain.removal`` has it.

    Args:
        subject: What is explained.
        removal: The way.
        seed: Of what is dealt out anew.

    Returns:
        (B, H, W) float32, NaN where the image is unseen: an unseen pixel stays one.
    """
    if removal == "permuted":
        return permute_bands(subject.image, np.random.default_rng(seed))
    means = [network.card.inference.mean for network in subject.networks.values()]
    level = np.mean(means, axis=0).astype(np.float32)[:, None, None]
    return np.where(np.isnan(subject.image), subject.image, level)


def permute_bands(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The seen values of each band, (B, H, W), dealt out anew among its seen pixels."""
    dealt = image.copy()
    for band in dealt:
        seen = np.isfinite(band)
        band[seen] = rng.permutation(band[seen])
    return dealt


def replace_bands(
    image: NDArray[np.float32], baseline: NDArray[np.float32], bands: Collection[int]
) -> NDArray[np.float32]:
    """The image with some bands, by their positions, from the baseline: (B, H, W)."""
    changed = image.copy()
    changed[list(bands)] = baseline[list(bands)]
    return changed


def replace_pixels(
    image: NDArray[np.float32], baseline: NDArray[np.float32], mask: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """The image with all bands of some pixels, (H, W) bool, from the baseline: (B, H, W)."""
    return np.where(mask, baseline, image)
