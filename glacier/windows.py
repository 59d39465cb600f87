"""Windows over an image: where they lie, what they may cover, how their answers are blended."""

from __future__ import annotations

from collections.abc import Callable
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


def predict_blended(
    predict: Predictor,
    image: NDArray[np.float32],
    wanted: NDArray[np.bool_],
    size: int,
    stride: int,
    batch: int,
) -> NDArray[np.float32]:
    """Logits of an image from windows, blended where they overlap.

    Windows that hold no wanted pixel are not computed. Every window that covers a wanted pixel
    is, so a pixel's answer does not depend on which others are wanted.

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
    height, width = wanted.shape
    corners = [
        (row, col)
        for row in window_starts(height, size, stride)
        for col in window_starts(width, size, stride)
        if wanted[row : row + size, col : col + size].any()
    ]
    weights = blend_weights(size)
    total = np.zeros((height, width), np.float32)
    weight = np.zeros((height, width), np.float32)
    for first in range(0, len(corners), batch):
        part = corners[first : first + batch]
        windows = np.stack([image[:, r : r + size, c : c + size] for r, c in part])
        for (row, col), logits in zip(part, predict(windows), strict=True):
            total[row : row + size, col : col + size] += logits * weights
            weight[row : row + size, col : col + size] += weights
    with np.errstate(invalid="ignore"):
        return np.where(wanted, total / weight, np.float32(np.nan))[frame]
