"""LIME: a line through the answers to images of which patches were taken at random.

Source:
    Ribeiro, Singh and Guestrin 2016, "Why Should I Trust You?"; the kernel and its width are those
    of their code for images.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glacier.explaining.shapley import Value

WIDTH, RIDGE = 0.25, 1.0
"""Width of the kernel over the cosine distance to the whole image; penalty of the squares."""


class Line(NamedTuple):
    """The line, and how well it fits."""

    values: NDArray[np.float64]
    """(K,) slope of each patch."""
    r2: float
    """Weighted share of the variance that it explains; 0 where there is none."""


def fit_line(value: Value, count: int, samples: int, seed: int) -> Line:
    """The slopes of patches around the whole image.

    Args:
        value: What images with some patches come to.
        count: Patches K.
        samples: Drawn images, the whole one among them.
        seed: Of the draw.
    """
    sets = np.random.default_rng(seed).random((samples, count)) < 0.5
    sets[0] = True
    found = np.array([value(there) for there in sets])
    distance = 1 - np.sqrt(sets.mean(axis=1))
    weights = np.exp(-((distance / WIDTH) ** 2))
    weights = weights / weights.mean()
    x: NDArray[np.float64] = sets - np.average(sets, axis=0, weights=weights)
    y = found - np.average(found, weights=weights)
    gram = (x * weights[:, None]).T @ x + RIDGE * np.eye(count)
    values = np.linalg.solve(gram, (x * weights[:, None]).T @ y)
    spread = float((weights * y**2).sum())
    left = float((weights * (y - x @ values) ** 2).sum())
    return Line(values, 1 - left / spread if spread > 0 else 0.0)
