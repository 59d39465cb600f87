"""Where the encoders agree, and what their agreement is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glacier.labels import IGNORE


@dataclass(frozen=True)
class Agreement:
    """Labelled test pixels by whether all encoders say the same, and where the ensemble errs."""

    agreed: int = 0
    agreed_wrong: int = 0
    """Pixels on which all say the same and the ensemble is wrong."""
    split: int = 0
    split_wrong: int = 0

    def __add__(self, other: Agreement) -> Agreement:
        """Sums of the pixels of both."""
        return Agreement(
            self.agreed + other.agreed,
            self.agreed_wrong + other.agreed_wrong,
            self.split + other.split,
            self.split_wrong + other.split_wrong,
        )

    def as_dict(self) -> dict[str, Any]:
        """Pixels and shares, 0..1, as plain values; a share of nothing is None."""
        pixels, wrong = self.agreed + self.split, self.agreed_wrong + self.split_wrong
        return {
            "pixels": pixels,
            "split_share": self.split / pixels if pixels else None,
            "error_where_agreed": self.agreed_wrong / self.agreed if self.agreed else None,
            "error_where_split": self.split_wrong / self.split if self.split else None,
            "errors_agreed_share": self.agreed_wrong / wrong if wrong else None,
        }


def find_split(votes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels that some encoders call glacier and some do not.

    Args:
        votes: (encoders, H, W) bool, True where an encoder says glacier.

    Returns:
        (H, W) bool.
    """
    return np.asarray(votes.any(axis=0) & ~votes.all(axis=0))


def measure_agreement(
    votes: NDArray[np.bool_],
    answer: NDArray[np.bool_],
    label: NDArray[np.uint8],
    part: NDArray[np.bool_],
) -> Agreement:
    """Count the labelled pixels of a part.

    Args:
        votes: (encoders, H, W) bool, True where an encoder says glacier.
        answer: (H, W) bool, True where the ensemble says glacier.
        label: (H, W) uint8: 1 glacier, 0 not, 255 unknown, which counts nowhere.
        part: (H, W) bool.
    """
    known = part & (label != IGNORE)
    split, wrong = find_split(votes), answer != (label == 1)
    return Agreement(
        *(int((known & k).sum()) for k in (~split, ~split & wrong, split, split & wrong))
    )
