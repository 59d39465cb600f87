"""How far apart two outlines lie: F1 within a tolerance, mean and 95th percentile, in metres.

A boundary pixel of a mask is a known glacier pixel beside known ground (up, down, left or
right). Neither the edge of the image or of a test part, nor the rim of what nobody knows, is an
outline: both masks would seem to agree there. Distances run straight, from the middle of a
boundary pixel to the middle of the nearest one of the other mask.

Where an outline has no counterpart there is no distance. Each of its pixels then counts as
missed, a diagonal of the known area away: as far as the image allows.

=============================  ==========  =====================
known pixels                   F1          distances
=============================  ==========  =====================
none                           1           0
no outline, the masks agree    1           0
no outline, the masks differ   0           one diagonal each way
one mask without an outline    0           the diagonal
=============================  ==========  =====================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from glacier.labels import IGNORE

Pixels = NDArray[np.float64]
"""(n, 2) row and column of boundary pixels, metres."""


@dataclass(frozen=True)
class Distances:
    """From the boundary pixels of one mask to the outline of another."""

    metres: NDArray[np.float64]
    """(n,) distance of each pixel."""
    near: int
    """Pixels within the tolerance."""


@dataclass(frozen=True)
class Boundary:
    """Distances between the outlines of a prediction and of the truth."""

    predicted: Distances
    """From each predicted boundary pixel to the true outline."""
    true: Distances
    """From each true boundary pixel to the predicted outline."""

    @property
    def precision(self) -> float:
        """Share of the predicted outline that lies near the true one."""
        return share_near(self.predicted, self.true)

    @property
    def recall(self) -> float:
        """Share of the true outline that lies near the predicted one."""
        return share_near(self.true, self.predicted)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where both are."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    @property
    def mean_m(self) -> float:
        """Mean over the boundary pixels of both, metres; 0 without any."""
        both = np.concatenate([self.predicted.metres, self.true.metres])
        return float(both.mean()) if len(both) else 0.0

    @property
    def p95_m(self) -> float:
        """The larger of the two directions' 95th percentiles, metres; 0 without any."""
        directions = (self.predicted.metres, self.true.metres)
        return max((float(np.percentile(d, 95)) for d in directions if len(d)), default=0.0)


def share_near(of: Distances, other: Distances) -> float:
    """Share of an outline within the tolerance; without one, 1 if there is no other and else 0."""
    count = len(of.metres)
    return of.near / count if count else float(len(other.metres) == 0)


def pool_boundaries(boundaries: Sequence[Boundary]) -> Boundary:
    """All boundary pixels of several images together."""

    def pool(parts: list[Distances]) -> Distances:
        metres = np.concatenate([np.zeros(0), *(part.metres for part in parts)])
        return Distances(metres, sum(part.near for part in parts))

    return Boundary(pool([b.predicted for b in boundaries]), pool([b.true for b in boundaries]))


def measure_boundary(
    predicted: NDArray[np.bool_],
    label: NDArray[np.uint8],
    pixel_m: tuple[float, float],
    tolerance_m: float,
    mask: NDArray[np.bool_] | None = None,
) -> Boundary:
    """Distances between the outlines of a prediction and of a label.

    Args:
        predicted: (H, W) bool, True where glacier is predicted.
        label: (H, W) uint8: 1 glacier, 0 not, 255 unknown.
        pixel_m: Height and width of a pixel, metres.
        tolerance_m: Largest distance that counts as near, metres.
        mask: (H, W) bool, pixels that count; None: all. Unknown pixels never count.

    Source:
        Distances as in the average symmetric surface distance and the 95 % Hausdorff distance
        of Taha & Hanbury 2015, BMC Medical Imaging 15:29; F1 of outlines of Csurka et al. 2013,
        British Machine Vision Conference.
    """
    known = label != IGNORE
    if mask is not None:
        known &= mask
    truth = label == 1
    ours, theirs = (place_boundary(mask, known, pixel_m) for mask in (predicted, truth))
    if len(ours) and len(theirs):
        return Boundary(
            find_distances(ours, theirs, tolerance_m), find_distances(theirs, ours, tolerance_m)
        )
    if not len(ours) and not len(theirs) and (predicted ^ truth)[known].any():
        ours = theirs = np.zeros((1, 2))
    lost = find_diagonal(known, pixel_m) if known.any() else 0.0
    missed = (Distances(np.full(len(pixels), lost), 0) for pixels in (ours, theirs))
    return Boundary(*missed)


def find_distances(pixels: Pixels, others: Pixels, tolerance_m: float) -> Distances:
    """From each pixel to the nearest of the others, of which there is one at least."""
    metres = np.asarray(KDTree(others).query(pixels)[0], np.float64)
    return Distances(metres, int((metres <= tolerance_m).sum()))


def find_boundary(mask: NDArray[np.bool_], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Known pixels of a mask beside known pixels outside it: (H, W) bool."""
    ground = known & ~mask
    beside = np.zeros_like(ground)
    beside[1:] |= ground[:-1]
    beside[:-1] |= ground[1:]
    beside[:, 1:] |= ground[:, :-1]
    beside[:, :-1] |= ground[:, 1:]
    return np.asarray(mask & known & beside)


def place_boundary(
    mask: NDArray[np.bool_], known: NDArray[np.bool_], pixel_m: tuple[float, float]
) -> Pixels:
    """Where the boundary pixels of a mask lie."""
    places = np.argwhere(find_boundary(mask, known))
    return np.asarray(places * np.asarray(pixel_m), np.float64)


def find_diagonal(known: NDArray[np.bool_], pixel_m: tuple[float, float]) -> float:
    """Diagonal of the smallest rectangle around the known pixels, metres."""
    places = np.argwhere(known)
    sides_px = places.max(axis=0) - places.min(axis=0) + 1
    return float(np.hypot(*(sides_px * np.asarray(pixel_m, float))))
