"""Overlap and area from integer counts, which add up exactly over images and workers.

Every value is defined where the truth or the prediction is empty, and where no pixel is known:
see each property. No known pixel counts as neither having a glacier.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from glacier.labels import GLACIER, IGNORE, SHADED, Surface

SIZES_KM2 = {"small": 0.1, "medium": 1.0, "large": float("inf")}
"""Size class of a connected glacier area to the area that it lies below, km2."""


@dataclass(frozen=True)
class Counts:
    """Pixels by predicted and true class. Adding is exact in any order."""

    tp: int = 0
    """Glacier called glacier."""
    fp: int = 0
    """Ground called glacier."""
    fn: int = 0
    """Glacier called ground."""
    tn: int = 0
    """Ground called ground."""

    def __add__(self, other: Counts) -> Counts:
        """Counts of both together."""
        return Counts(
            self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn
        )

    @property
    def pixels(self) -> int:
        """Pixels that were counted."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def glacier_pixels(self) -> int:
        """True glacier pixels."""
        return self.tp + self.fn

    @property
    def dice(self) -> float:
        """2 TP / (2 TP + FP + FN); 1 where neither truth nor prediction has a glacier."""
        return ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def iou(self) -> float:
        """TP / (TP + FP + FN); 1 where neither truth nor prediction has a glacier."""
        return ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def precision(self) -> float:
        """TP / (TP + FP); where nothing is called glacier, 1 if there is none and else 0."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else float(self.fn == 0)

    @property
    def recall(self) -> float:
        """TP / (TP + FN); where there is no glacier, 1 if none is called so and else 0."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else float(self.fp == 0)

    @property
    def area_error_px(self) -> int:
        """Predicted less true glacier area, pixels: misplaced ice cancels, missed ice does not."""
        return self.fp - self.fn


def pool_counts(found: Iterable[Counts]) -> Counts:
    """Counts of all images together."""
    return sum(found, Counts())


def percent_of(error: float, true: float) -> float | None:
    """An error in per cent of the true value.

    Where the true value is 0: 0 without an error, else None, since no share of nothing says how
    wrong that is; the error itself does.
    """
    if not true:
        return None if error else 0.0
    return 100 * error / true


def ratio(part: int, whole: int) -> float:
    """A share, or 1 where both are zero."""
    return part / whole if whole else 1.0


def count_pixels(
    predicted: NDArray[np.bool_], label: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None
) -> Counts:
    """Compare a prediction with a label.

    Args:
        predicted: (H, W) bool, True where glacier is predicted.
        label: (H, W) uint8: 1 glacier, 0 not, 255 unknown.
        mask: (H, W) bool, pixels that count; None: all. Unknown pixels never count.
    """
    valid = label != IGNORE
    if mask is not None:
        valid &= mask
    cells = np.bincount((2 * (label[valid] == 1) + predicted[valid]).astype(np.int64), minlength=4)
    tn, fp, fn, tp = (int(n) for n in cells)
    return Counts(tp, fp, fn, tn)


@dataclass(frozen=True)
class ClassPixels:
    """Pixels of one surface, and those of them that are predicted to be glacier."""

    pixels: int = 0
    predicted: int = 0

    def __add__(self, other: ClassPixels) -> ClassPixels:
        """Pixels of both together."""
        return ClassPixels(self.pixels + other.pixels, self.predicted + other.predicted)

    @property
    def share(self) -> float:
        """Share that is predicted to be glacier, 0..1; there is a pixel at least."""
        return self.predicted / self.pixels


def count_by_class(
    predicted: NDArray[np.bool_], surface: NDArray[np.uint8], mask: NDArray[np.bool_]
) -> dict[str, ClassPixels]:
    """How much of each surface is predicted to be glacier.

    Args:
        predicted: (H, W) bool, True where glacier is predicted.
        surface: (H, W) uint8 codes of ``labels.Surface``, with ``labels.SHADED`` where in shade;
            0 counts nowhere.
        mask: (H, W) bool, pixels that count.

    Returns:
        Name of each surface that is there to its pixels. The shaded pixels among them are
        counted once more, as ``shaded_ground`` or ``shaded_glacier``.
    """
    pixels = np.bincount(surface[mask], minlength=256)
    claimed = np.bincount(surface[mask & predicted], minlength=256)
    kinds = {kind.name.lower(): [kind, kind | SHADED] for kind in Surface}
    kinds["shaded_ground"] = [kind | SHADED for kind in Surface if kind not in GLACIER]
    kinds["shaded_glacier"] = [kind | SHADED for kind in GLACIER]
    return {
        name: ClassPixels(int(pixels[codes].sum()), int(claimed[codes].sum()))
        for name, codes in kinds.items()
        if pixels[codes].any()
    }


def count_by_size(
    predicted: NDArray[np.bool_],
    label: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    pixel_km2: float,
) -> dict[str, Counts]:
    """Counts by the size of the connected glacier area that a pixel belongs to or is nearest to.

    So false ice beside a small area lowers the IoU of small ones. An area is what of it is
    known and within the mask, joined over sides and corners.

    Args:
        predicted: (H, W) bool, True where glacier is predicted.
        label: (H, W) uint8: 1 glacier, 0 not, 255 unknown.
        mask: (H, W) bool, pixels that count.
        pixel_km2: Area of a pixel.

    Returns:
        Size class (``SIZES_KM2``) to its counts; empty where there is no glacier, whose size
        nobody could tell.
    """
    known = mask & (label != IGNORE)
    ice = (known & (label == 1)).astype(np.uint8)
    if not ice.any():
        return {}
    _, areas, stats, _ = cv2.connectedComponentsWithStats(ice, connectivity=8)
    _, nearest = cv2.distanceTransformWithLabels(
        1 - ice, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    area_of = np.zeros(nearest.max() + 1, np.int64)
    area_of[nearest[ice == 1]] = areas[ice == 1]
    limits = list(SIZES_KM2.values())[:-1]
    sizes = np.digitize(stats[:, cv2.CC_STAT_AREA] * pixel_km2, limits)[area_of[nearest]]
    return {
        name: count_pixels(predicted, label, known & (sizes == k))
        for k, name in enumerate(SIZES_KM2)
        if (known & (sizes == k)).any()
    }
