"""Whether a probability means what it says: of the pixels called 70 % glacier, 70 % are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glacier.labels import IGNORE

BINS = 15
"""Equal steps of the probability. Fixed, so that counts add up over images and folds.

Source: Guo et al. 2017, On Calibration of Modern Neural Networks, use 15.
"""


def make_zeros() -> NDArray[np.float64]:
    """One zero a bin."""
    return np.zeros(BINS)


@dataclass(frozen=True)
class Reliability:
    """Known pixels by the probability that was given to them. Adding is exact but for rounding."""

    pixels: NDArray[np.float64] = field(default_factory=make_zeros)
    """(BINS,) number of pixels."""
    probability: NDArray[np.float64] = field(default_factory=make_zeros)
    """(BINS,) sum of their probabilities."""
    glacier: NDArray[np.float64] = field(default_factory=make_zeros)
    """(BINS,) number of them that are glacier."""

    def __add__(self, other: Reliability) -> Reliability:
        """Pixels of both together."""
        return Reliability(
            self.pixels + other.pixels,
            self.probability + other.probability,
            self.glacier + other.glacier,
        )

    @property
    def ece(self) -> float:
        """Expected calibration error: the mean gap between probability and truth, 0..1.

        Bins weigh by their pixels; 0 without any pixel, since nothing was claimed.

        Source:
            Naeini et al. 2015, Obtaining Well Calibrated Probabilities Using Bayesian Binning,
            on the probability of glacier (not of the likelier class).
        """
        total = self.pixels.sum()
        return float(np.abs(self.probability - self.glacier).sum() / total) if total else 0.0

    def as_rows(self) -> list[dict[str, Any]]:
        """The reliability curve: a row a bin that holds pixels.

        Returns:
            ``from`` (lower end of the bin), ``pixels``, mean ``probability``, share that is
            ``glacier``.
        """
        return [
            {
                "from": k / BINS,
                "pixels": int(self.pixels[k]),
                "probability": float(self.probability[k] / self.pixels[k]),
                "glacier": float(self.glacier[k] / self.pixels[k]),
            }
            for k in np.flatnonzero(self.pixels)
        ]

    def as_dict(self) -> dict[str, Any]:
        """Sums by bin, for JSON, and the error."""
        sums = ("pixels", "probability", "glacier")
        return {"ece": self.ece} | {name: getattr(self, name).tolist() for name in sums}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Reliability:
        """What :meth:`as_dict` wrote."""
        return cls(*(np.array(values[name]) for name in ("pixels", "probability", "glacier")))


def measure_reliability(
    probability: NDArray[np.floating],
    label: NDArray[np.uint8],
    part: NDArray[np.bool_] | None = None,
) -> Reliability:
    """Sort the known pixels of an image by their probability.

    Args:
        probability: (H, W) probability of glacier, 0..1. A bin holds its lower end; the last
            one holds 1 too.
        label: (H, W) uint8: 1 glacier, 0 not, 255 unknown.
        part: (H, W) bool, pixels that count; None: all. Unknown pixels never count.
    """
    known = label != IGNORE
    if part is not None:
        known &= part
    given = probability[known].astype(np.float64)
    place = np.minimum((given * BINS).astype(np.int64), BINS - 1)
    sums = (None, given, (label[known] == 1).astype(np.float64))
    return Reliability(*(
        np.bincount(place, weights, BINS).astype(np.float64) for weights in sums
    ))  # fmt: skip
