"""Month images from plain arrays."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from glacier.samples.coding import BandCoding, Coding
from glacier.samples.month_images import MonthImage, assemble

WHOLE = BandCoding(scale=1.0, offset=-1.0, low=-1e6, high=1e6)
"""Of values that are whole numbers."""


def make_month(
    region: str,
    month: date,
    image: np.ndarray,
    label: np.ndarray,
    extra: np.ndarray | None = None,
    surface: np.ndarray | None = None,
) -> MonthImage:
    """A month of reflectance, (B, H, W) with NaN where unseen, to the nearest Landsat number.

    Images of whole numbers keep them, however large.
    """
    image = np.asarray(image, np.float32)
    bands, is_whole = len(image), bool((image == np.rint(image)).all() and image.max() > 1)
    coding = Coding((WHOLE,) * bands) if is_whole else Coding.plain(bands)
    extra = np.zeros((0, *label.shape), np.float32) if extra is None else extra
    return MonthImage(
        region,
        month,
        coding.encode(image),
        coding,
        label,
        Coding.plain(len(extra)).encode(np.asarray(extra, np.float32)),
        np.zeros(label.shape, np.uint8) if surface is None else surface,
    )


def put_together(
    rows: Iterable[dict[str, Any]],
    bands: int,
    size: int,
    shape: tuple[int, int],
    extras: int = 1,
    coding: Coding | None = None,
) -> MonthImage:
    """The month of some rows, whose bands are plain reflectance where nothing else is given."""
    image, extra = (np.full((count, *shape), np.nan) for count in (bands, extras))
    month = make_month("?", date(1, 1, 1), image, np.full(shape, 255, np.uint8), extra)
    month = replace(month, coding=coding or month.coding)
    assemble(rows, size, month)
    return month
