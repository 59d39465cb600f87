"""The file of 8 bits of a model: where its ranges are found, what it costs, whether it stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glacier.errors import ExportError
from glacier.samples.month_images import MonthImage
from glacier.settings.model import Model
from glacier.training.int8 import MOST_LOST, Ground, Int8Score, quantise, score_int8
from glacier.training.model_card import ModelCard
from glacier.training.saved import SavedSweep
from glacier.windows import pad_to, window_starts

LOOKED_AT, TESTED = 12, 4
"""Images in which training ground is looked for, and images of the test part that are mapped."""

WINDOWS = 16
"""Windows from which the ranges of 8 bits are found."""


class Int8Outcome(Model):
    """What came of the file of 8 bits."""

    reason: str = ""
    """Why there is none; empty: it is there."""
    score: Int8Score | None = None
    """What it costs, or would; None: no ground of known class was tested."""


class Int8File(NamedTuple):
    """The file, where it is kept, and what came of it."""

    outcome: Int8Outcome
    content: bytes | None


def make_int8(sweep: SavedSweep, card: ModelCard, exact: bytes) -> Int8File:
    """A model's file of 8 bits, held against the one in float32 on its test part.

    Args:
        sweep: The sweep of the model.
        card: Of the model.
        exact: Its ONNX file in float32.

    Raises:
        StoreError: An image is damaged.
    """
    windows = choose_training_windows(sweep, card)
    if windows is None:
        return Int8File(Int8Outcome(reason="no training ground to find the ranges on"), None)
    try:
        rounded = quantise(exact, windows)
    except ExportError as error:
        return Int8File(Int8Outcome(reason=str(error)), None)
    score = score_int8((exact, rounded), card, read_tested(sweep, card))
    if score is not None and score.lost > MOST_LOST:
        reason = (
            f"it loses {score.lost:.3f} of an IoU of {score.iou_float32:.3f} on its test part, "
            f"more than {MOST_LOST}"
        )
        return Int8File(Int8Outcome(reason=reason, score=score), None)
    return Int8File(Int8Outcome(score=score), rounded)


def read_tested(sweep: SavedSweep, card: ModelCard) -> Iterator[Ground]:
    """A few images of a model's test part, spread over it."""
    there = [image.key for image in card.scores.tested if image.counts.pixels]
    spread = {there[at] for at in spread_over(len(there), TESTED)}
    for image in sweep.read_images(spread):
        yield Ground(image.image, image.label, sweep.test_mask(image, card.fold))


def choose_training_windows(sweep: SavedSweep, card: ModelCard) -> NDArray[np.float32] | None:
    """Windows of ground that a model learned from; all else in them is hidden.

    Returns:
        (N, B, size, size) float32, NaN where unseen or hidden, those with most to see of each
        image; None where there is no such ground.
    """
    usable = sweep.samples.usable
    keys = {usable[at].key for at in spread_over(len(usable), LOOKED_AT)}
    images = [cut_windows(image, sweep, card) for image in sweep.read_images(keys)]
    images = [windows for windows in images if windows]
    each = -(-WINDOWS // max(1, len(images)))
    chosen = [window for windows in images for window in windows[:each]]
    return np.stack(chosen) if chosen else None


def cut_windows(image: MonthImage, sweep: SavedSweep, card: ModelCard) -> list[NDArray[np.float32]]:
    """Windows (B, size, size) of an image side by side, those with most to learn from first."""
    size = card.inference.size_px
    mask = sweep.result.masks.mask(image, card.split.train)
    pixels = pad_to(np.where(mask, image.image, np.float32(np.nan)), size, np.nan)
    rows, cols = (window_starts(length, size, size) for length in pixels.shape[1:])
    windows = [pixels[:, row : row + size, col : col + size] for row in rows for col in cols]
    shown = [int(np.isfinite(window).all(axis=0).sum()) for window in windows]
    order = sorted(range(len(windows)), key=lambda at: -shown[at])  # of equals the first
    return [windows[at] for at in order if shown[at]]


def spread_over(length: int, count: int) -> Sequence[int]:
    """Up to so many places of a list, the first and the last among them."""
    places = np.linspace(0, length - 1, min(count, length)).round().astype(int)
    return [int(place) for place in places]
