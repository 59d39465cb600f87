"""Two models on the same frozen test pixels, piece by piece: what the gate compares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glacier.evaluation.calibration import BINS, Reliability
from glacier.evaluation.metrics import Counts

COUNTS = 4
"""Pixels of a piece by outcome: hits, false ice, missed ice, ground called ground."""

WIDTH = COUNTS + 2 * BINS
"""Numbers of a piece and model: its counts; probability and truth summed in each bin."""


@dataclass(frozen=True)
class Answer:
    """What one model says of the pixels of a piece."""

    counts: Counts
    reliability: Reliability

    @property
    def row(self) -> tuple[float, ...]:
        """(WIDTH,) numbers that add up over pieces."""
        found = self.counts
        sums = self.reliability
        return (found.tp, found.fp, found.fn, found.tn, *sums.probability, *sums.glacier)


@dataclass(frozen=True)
class Cell:
    """A block of ground in one image, in the test part of one fold."""

    fold: int
    region: str
    image: str
    """``<region>/<YYYY-MM>``."""
    block: str
    """``r<row>c<column>``."""
    is_frozen: bool
    """It was in the test part of the serving model already; else it is new to both."""
    serving: Answer
    candidate: Answer


@dataclass(frozen=True)
class Cells:
    """Many cells as columns, N long."""

    fold: NDArray[np.int64]
    region: NDArray[np.str_]
    image: NDArray[np.str_]
    block: NDArray[np.str_]
    """``<region>/<block>``."""
    serving: NDArray[np.float64]
    """(N, WIDTH), see :class:`Answer`."""
    candidate: NDArray[np.float64]
    """The same pixels by the other model."""

    @classmethod
    def of(cls, cells: Iterable[Cell]) -> Cells:
        """Columns of some cells."""
        rows = list(cells)
        return cls(
            fold=np.array([row.fold for row in rows], np.int64),
            region=np.array([row.region for row in rows], np.str_),
            image=np.array([row.image for row in rows], np.str_),
            block=np.array([f"{row.region}/{row.block}" for row in rows], np.str_),
            serving=stack([row.serving.row for row in rows]),
            candidate=stack([row.candidate.row for row in rows]),
        )

    def __len__(self) -> int:
        """Number of cells."""
        return len(self.fold)

    def take(self, chosen: NDArray[np.bool_]) -> Cells:
        """Some of the cells: (N,) bool."""
        return Cells(
            fold=self.fold[chosen],
            region=self.region[chosen],
            image=self.image[chosen],
            block=self.block[chosen],
            serving=self.serving[chosen],
            candidate=self.candidate[chosen],
        )


def stack(rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """(N, WIDTH) of rows, of none too."""
    return np.array(rows, np.float64).reshape(-1, WIDTH)


def measure_iou(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU of sums (..., WIDTH); 1 where neither truth nor prediction has a glacier."""
    hits, union = sums[..., 0], sums[..., 0] + sums[..., 1] + sums[..., 2]
    return np.where(union > 0, hits / np.maximum(union, 1), 1.0)


def measure_ground(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the ground that is called ground, of sums (..., WIDTH): where there is no ice."""
    ground = sums[..., 1] + sums[..., 3]
    return np.where(ground > 0, sums[..., 3] / np.maximum(ground, 1), 1.0)


def measure_ece(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected calibration error of sums (..., WIDTH), as :class:`calibration.Reliability` has."""
    pixels = sums[..., :COUNTS].sum(axis=-1)
    given, true = sums[..., COUNTS : COUNTS + BINS], sums[..., COUNTS + BINS :]
    return np.asarray(np.abs(given - true).sum(axis=-1) / np.maximum(pixels, 1))
