"""Where the encoders agree, and what their agreement is worth."""

from __future__ import annotations

from dataclasses import dataclass

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

    @property
    def pixels(self) -> int:
        """All pixels that were looked at."""
        return self.agreed + self.split

    @property
    def split_share(self) -> float | None:
        """Share of the pixels on which the encoders differ, 0..1; None of none."""
        return share_of(self.split, self.pixels)

    @property
    def error_where_agreed(self) -> float | None:
        """Share of the pixels on which all agree where the ensemble is wrong."""
        return share_of(self.agreed_wrong, self.agreed)

    @property
    def error_where_split(self) -> float | None:
        """Share of the pixels on which the encoders differ where the ensemble is wrong."""
        return share_of(self.split_wrong, self.split)

    @property
    def errors_agreed_share(self) -> float | None:
        """Share of all errors that lies where all agree."""
        return share_of(self.agreed_wrong, self.agreed_wrong + self.split_wrong)


def share_of(some: int, whole: int) -> float | None:
    """A share, 0..1; None of nothing."""
    return some / whole if whole else None


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
    predicted: NDArray[np.bool_],
    label: NDArray[np.uint8],
    mask: NDArray[np.bool_],
) -> Agreement:
    """Count the labelled pixels of a part.

    Args:
        votes: (encoders, H, W) bool, True where an encoder says glacier.
        predicted: (H, W) bool, True where the ensemble says glacier.
        label: (H, W) uint8: 1 glacier, 0 not, 255 unknown, which counts nowhere.
        mask: (H, W) bool.
    """
    known = mask & (label != IGNORE)
    split, wrong = find_split(votes), predicted != (label == 1)
    return Agreement(
        *(int((known & k).sum()) for k in (~split, ~split & wrong, split, split & wrong))
    )
