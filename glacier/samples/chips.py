"""A month's image and label -> samples: resized to one square, or cut into windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from glacier import labels
from glacier.landsat import NODATA
from glacier.samples.month_images import MonthImage
from glacier.samples.units import block_rectangles
from glacier.settings.prepare import Prepare
from glacier.windows import pad_to, window_starts


def resize_sample(
    image: NDArray[np.float32], label: NDArray[np.uint8], size: int
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Resize a month to one square sample.

    Args:
        image: (B, H, W) float32, NaN where unseen.
        label: (H, W) uint8.
        size: Side of the sample, pixels.

    Returns:
        (B, size, size) float32, the area mean of the seen pixels; (size, size) uint8, the
        nearest label. A pixel is unseen where the nearest original is.
    """
    seen = np.asarray(np.isfinite(image).all(axis=0)).view(np.uint8)
    planes = [cv2.copyTo(band, seen) for band in image]  # 0 where unseen
    weight, *totals = shrink_means([np.asarray(seen, np.float32), *planes], size)
    visible = (shrink_classes(seen, size) == 1) & (weight > 0)
    small = np.empty((len(image), *weight.shape), np.float32)
    divisor = np.where(visible, weight, np.float32(np.nan))
    for layer, total in zip(small, totals, strict=True):
        np.divide(total, divisor, out=layer)
    small_label = shrink_classes(label, size)
    small_label[~visible] = labels.IGNORE
    return small, small_label


def shrink_means(planes: Sequence[NDArray[np.float32]], size: int) -> list[NDArray[np.float32]]:
    """Area means on a square sample: N of (H, W) -> N of (size, size) float32.

    Four at a time, as many as OpenCV resizes together: half the time of one by one.
    """
    means: list[NDArray[np.float32]] = []
    for at in range(0, len(planes), 4):
        group = cv2.merge(planes[at : at + 4])
        means += cv2.split(cv2.resize(group, (size, size), interpolation=cv2.INTER_AREA))
    return means


def shrink_classes(codes: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Codes of a month on a square sample, the nearest of each: (H, W) -> (size, size) uint8."""
    return np.asarray(cv2.resize(codes, (size, size), interpolation=cv2.INTER_NEAREST_EXACT))


def cut_rows(month: MonthImage, settings: Prepare) -> list[dict[str, Any]]:
    """Rows of all windows of a month; together they hold every pixel.

    A window that is larger than the month reaches over its lower and right edge, where all is
    unseen.

    Args:
        month: What is cut.
        settings: Size and step of the windows, grid of blocks.

    Returns:
        Values by column of ``rows.SCHEMA``.
    """
    height, width = month.label.shape
    size, stride = settings.size_px, settings.step_px
    boxes = block_rectangles((height, width), settings.blocks)
    rows, known = [], month.surface is not None
    for row in window_starts(max(height, size), size, stride):
        for col in window_starts(max(width, size), size, stride):
            place = np.s_[row : row + size, col : col + size]
            touched = [
                name
                for name, (top, bottom, left, right) in boxes.items()
                if top < row + size and row < bottom and left < col + size and col < right
            ]
            rows.append(
                {
                    "sample_id": f"{month.region}_{month.month:%Y-%m}_{row}_{col}",
                    "region": month.region,
                    "month": month.month,
                    "row_px": row,
                    "col_px": col,
                    "block": "+".join(touched),
                    "status": "ok",
                    "reason": "",
                    "image": encode_window(month.numbers, place, NODATA),
                    "label": encode_window(month.label, place, labels.IGNORE),
                    "extra": encode_window(month.extra_numbers, place, NODATA),
                    "surface": encode_window(month.classes, place, 0) if known else None,
                }
            )
    return rows


def encode_window(layer: NDArray[Any], place: tuple[slice, slice], unseen: float) -> bytes:
    """Little-endian bytes of a window of (..., H, W).

    Args:
        layer: What is cut.
        place: Rows and columns, as many of both; they may reach over the lower and right edge.
        unseen: Value beyond the edge.
    """
    window = pad_to(layer[(..., *place)], place[0].stop - place[0].start, unseen)
    return window.astype(window.dtype.newbyteorder("<")).tobytes()
