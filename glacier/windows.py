"""Windows over an image: where they lie, what they may cover, how their answers are blended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

T = TypeVar("T", bound=np.generic)

Predictor = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(N, B, h, w) float32 image windows -> (N, h, w) float32 logits."""


def window_starts(length: int, size: int, stride: int) -> list[int]:
    """First pixels of windows along one axis.

    Args:
        length: Pixels of the axis, at least ``size``.
        size: Pixels of a window.
        stride: Step between windows; the last one is moved back to end at the edge.

    Returns:
        Ascending starts; the windows cover every pixel where ``stride <= size``.

    Raises:
        ValueError: The axis is shorter than a window.
    """
    if length < size:
        raise ValueError(f"an axis of {length} px cannot hold a window of {size} px")
    return [*range(0, length - size, stride), length - size]


def pad_to(array: NDArray[T], size: int, fill: float) -> NDArray[T]:
    """An array whose last two axes are at least a window wide: itself, or with a margin.

    Args:
        array: (..., H, W).
        size: Side of a window, pixels.
        fill: Value of the rows below and the columns on the right that are added.
    """
    height, width = array.shape[-2:]
    if min(height, width) >= size:
        return array
    margins = [(0, 0)] * (array.ndim - 2)
    margins += [(0, max(0, size - height)), (0, max(0, size - width))]
    return np.pad(array, margins, constant_values=array.dtype.type(fill))


def free_starts(allowed: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """Where a window may start so that it lies wholly in allowed pixels.

    Args:
        allowed: (H, W) bool.
        size: Side of the window, pixels.

    Returns:
        (H - size + 1, W - size + 1) bool, True at the (row, column) of good upper-left corners.
    """
    return np.asarray(window_sums(~allowed, size) == 0)


def centred_starts(allowed: NDArray[np.bool_], size: int) -> NDArray[np.int32]:
    """The window of each allowed pixel: centred on it, or moved as little as makes it free.

    One drawn at random takes a piece of ground in proportion to its area. One drawn among all
    free places would hardly take a strip little wider than a window, or what lies at an edge.

    Args:
        allowed: (H, W) bool.
        size: Side of the window, pixels.

    Returns:
        (n, 2) int32 upper-left (row, column), one for each allowed pixel that lies in a free
        window at all, row by row; see :func:`free_starts`.
    """
    free = free_starts(allowed, size)
    if not free.any():
        return np.zeros((0, 2), np.int32)
    served = window_sums(np.pad(free, size - 1), size) > 0
    centred = np.argwhere(served) - size // 2
    rows, cols = np.clip(centred, 0, np.array(free.shape) - 1).T
    nearest = distance_transform_edt(~free, return_distances=False, return_indices=True)
    return np.asarray(nearest[:, rows, cols].T, np.int32)


def window_sums(mask: NDArray[np.bool_], size: int) -> NDArray[np.int64]:
    """Number of True pixels in every window: (H - size + 1, W - size + 1) int64."""
    total = np.pad(mask.astype(np.int64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    columns = total[:, size:] - total[:, :-size]
    return np.asarray(columns[size:] - columns[:-size], np.int64)


def blend_weights(size: int) -> NDArray[np.float32]:
    """Weight of each pixel of a window when windows overlap: high in the middle.

    Returns:
        (size, size) float32, positive everywhere, symmetric.
    """
    ramp = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2 + 1e-3
    return np.outer(ramp, ramp).astype(np.float32)


def turn(array: NDArray[T], way: int) -> NDArray[T]:
    """One of the eight flips and quarter turns of the last two axes.

    Args:
        array: (..., H, W).
        way: 0..7; 0 changes nothing; from 4 on the quarter-turned array is mirrored.
    """
    turned = np.rot90(array, way % 4, axes=(-2, -1))
    return turned[..., ::-1] if way >= 4 else turned


def turn_back(array: NDArray[T], way: int) -> NDArray[T]:
    """The inverse of :func:`turn`."""
    turned = array[..., ::-1] if way >= 4 else array
    return np.rot90(turned, -(way % 4), axes=(-2, -1))


def average_orientations(predict: Predictor) -> Predictor:
    """The mean answer over the eight flips and quarter turns of every window."""

    def predict_turned(windows: NDArray[np.float32]) -> NDArray[np.float32]:
        answers = [turn_back(predict(turn(windows, way)), way) for way in range(8)]
        return np.asarray(np.mean(answers, axis=0), np.float32)

    return predict_turned


def in_full_batches(predict: Predictor, batch: int) -> Predictor:
    """The same network, asked for so many windows at a time, neither more nor fewer.

    The last bits of an answer follow from how many windows go together (a single one is computed
    in another way), so a window's answer would else depend on what else there is to do.

    Args:
        predict: The network.
        batch: Windows per call; what is lacking is unseen.
    """

    def predict_full(windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Any number of windows, in full batches."""
        answers = []
        for first in range(0, len(windows), batch):
            part = windows[first : first + batch]
            full = np.full((batch, *windows.shape[1:]), np.nan, np.float32)
            full[: len(part)] = part
            answers.append(predict(full)[: len(part)])
        return np.concatenate(answers)

    return predict_full


class RowBlender:
    """Answers of windows, blended where they overlap, from the top of an image to its bottom."""

    def __init__(self, width: int, size: int) -> None:
        """Begin at the top.

        Args:
            width: Pixels of a row of the image.
            size: Side of a window, pixels.
        """
        self.weights = blend_weights(size)
        self.total = np.zeros((size, width), np.float32)
        self.weight = np.zeros((size, width), np.float32)

    def add(self, col: int, logits: NDArray[np.float32]) -> None:
        """Add a window's (size, size) answer that begins in the present row and in a column."""
        place = np.s_[:, col : col + len(self.weights)]
        self.total[place] += logits * self.weights
        self.weight[place] += self.weights

    def take(self, rows: int) -> NDArray[np.float32]:
        """The next rows, which no later window touches: (rows, width) float32, NaN without one."""
        with np.errstate(invalid="ignore"):
            done = self.total[:rows] / self.weight[:rows]
        for array in (self.total, self.weight):
            array[:-rows] = array[rows:]
            array[-rows:] = 0
        return done


ReadRows = Callable[[int], tuple[NDArray[np.float32], NDArray[np.bool_]]]
"""First row -> as many rows as a window has, from there on: (B, size, W) float32 of the image, NaN
where unseen, and (size, W) bool, where an answer is wanted."""


def blend_strips(
    predict: Predictor, read: ReadRows, shape: tuple[int, int], size: int, stride: int, batch: int
) -> Iterator[NDArray[np.float32]]:
    """Logits of an image of any height, a strip of rows after the other.

    Windows that hold no wanted pixel are not computed. Every window that covers a wanted pixel
    is, so a pixel's answer does not depend on which others are wanted.

    Args:
        predict: The network.
        read: Gives the rows of the image; asked from top to bottom, once for each row of windows.
        shape: Height and width of the image, pixels, at least a window.
        size: Side of a window, pixels.
        stride: Step between windows, pixels, at most ``size``.
        batch: Windows per call.

    Yields:
        (rows, W) float32 logits, together the image; NaN where no window was computed.
    """
    height, width = shape
    blender = RowBlender(width, size)
    for top, end in pairwise([*window_starts(height, size, stride), height]):
        image, wanted = read(top)
        cols = [
            col for col in window_starts(width, size, stride) if wanted[:, col : col + size].any()
        ]
        for first in range(0, len(cols), batch):
            part = cols[first : first + batch]
            windows = np.stack([image[:, :, col : col + size] for col in part])
            for col, logits in zip(part, predict(windows), strict=True):
                blender.add(col, logits)
        yield blender.take(end - top)


def predict_blended(
    predict: Predictor,
    image: NDArray[np.float32],
    wanted: NDArray[np.bool_],
    size: int,
    stride: int,
    batch: int,
) -> NDArray[np.float32]:
    """Logits of an image in memory, see :func:`blend_strips`.

    Args:
        predict: The network.
        image: (B, H, W) float32, NaN where unseen, as is what lies beyond the edge of an image
            that is smaller than a window.
        wanted: (H, W) bool, pixels whose answer is needed.
        size: Side of a window, pixels.
        stride: Step between windows, pixels, at most ``size``.
        batch: Windows per call.

    Returns:
        (H, W) float32 logits; NaN where not wanted.
    """
    frame = np.s_[: wanted.shape[0], : wanted.shape[1]]
    image, wanted = pad_to(image, size, np.nan), pad_to(wanted, size, False)

    def read(top: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        return image[:, top : top + size], wanted[top : top + size]

    strips = blend_strips(predict, read, wanted.shape, size, stride, batch)
    logits = np.concatenate(list(strips))
    return np.where(wanted, logits, np.float32(np.nan))[frame]
