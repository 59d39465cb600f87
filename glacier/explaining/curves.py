"""Deletion and insertion: whether the patches that a method names move the answer most.

Source:
    Petsiuk, Das and Saenko 2018, RISE.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glacier.explaining.explanation import Curves
from glacier.explaining.removal import replace_pixels
from glacier.explaining.subject import Windows, measure_strength

POINTS = 6
"""Of a curve, both ends among them."""

ORDERS = 5
"""Random orders that a method is held against."""


def draw_curves(
    windows: Sequence[Windows],
    image: NDArray[np.float32],
    baseline: NDArray[np.float32],
    patches: NDArray[np.int32],
    methods: dict[str, NDArray[np.float64]],
    seed: int,
) -> list[Curves]:
    """The curves of some methods over the same patches and random orders.

    Args:
        windows: In which the place is looked at.
        image: (B, H, W), NaN where unseen.
        baseline: What stands in the place of a deleted patch.
        patches: (H, W) number of each pixel's patch, -1 of none.
        methods: Method to the value of each patch, (K,), NaN where it says nothing.
        seed: Of the random orders.
    """
    known = np.flatnonzero(np.isfinite(next(iter(methods.values()))))
    rng = np.random.default_rng(seed)

    def walk(order: NDArray[np.int64]) -> tuple[list[float], list[float]]:
        """Strength as the patches go, and as they come back onto the baseline."""
        gone, came = [], []
        for count in np.linspace(0, len(order), POINTS).round().astype(int):
            mask = np.isin(patches, order[:count])
            gone.append(measure_strength(windows, replace_pixels(image, baseline, mask)))
            back = ~mask & np.isin(patches, known)
            came.append(measure_strength(windows, replace_pixels(image, baseline, back)))
        return gone, came

    random = [walk(rng.permutation(known)) for _ in range(ORDERS)]
    found = []
    for method, values in methods.items():
        gone, came = walk(known[np.argsort(-values[known], kind="stable")])
        found.append(
            Curves(
                method=method,
                deletion=tuple(gone),
                insertion=tuple(came),
                random_deletion=tuple(np.mean([each[0] for each in random], axis=0)),
                random_insertion=tuple(np.mean([each[1] for each in random], axis=0)),
                beaten_deletion=float(np.mean([area(gone) < area(each[0]) for each in random])),
                beaten_insertion=float(np.mean([area(came) > area(each[1]) for each in random])),
            )
        )
    return found


def area(curve: Sequence[float]) -> float:
    """Mean height of a curve whose points are equally far apart."""
    inner = np.asarray(curve)
    return float((inner[1:] + inner[:-1]).mean() / 2)
