"""A month whose band is one number wherever it was seen teaches nothing, and is not trained on.

Such a band is a slip of whoever made the file (another scale, a layer left empty), or wholly
saturated; nothing can be learnt from either, though a network would try, and a score would follow.
Few pixels may be alike by chance, as those of a toy raster or a month under cloud are, so fewer
than ``MIN_JUDGED_PX`` are not judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glacier.errors import SampleError
from glacier.landsat import NODATA

MIN_JUDGED_PX = 64
"""Pixels that must be seen for one number in all of them to be no chance."""

SAMPLED_EVERY = 997
"""Pixels between those that are looked at first, since they nearly always differ."""


REMEDY = "correct the month's file, or let it fail (prepare.max_failed)"
"""What to do about a band of one number."""


def check_variety(
    bands: Mapping[str, NDArray[Any]],
    image: Mapping[str, NDArray[np.float32]],
    reflectance_range: tuple[float, float],
) -> None:
    """Refuse a month with a band that tells nothing.

    Args:
        bands: Digital numbers by name of the bands that image, label and baselines are made of,
            (H, W) uint16, 0 unseen.
        image: Layers that networks see by name, (H, W) float32, NaN unseen.
        reflectance_range: Lowest and highest reflectance that they hold.

    Raises:
        SampleError: With the band and its number.
    """
    seen_px = int(np.any([band != NODATA for band in bands.values()], axis=0).sum())
    for name, band in bands.items():
        if seen_px >= MIN_JUDGED_PX and not band.any():
            raise SampleError(
                f"constant_band: {name} is 0 on all {seen_px} pixels that were seen; {REMEDY}"
            )
        if (number := find_only(band, band != NODATA)) is not None:
            raise SampleError(f"constant_band: {name} is {number:g} wherever it was seen; {REMEDY}")
    ends = dict(zip(reflectance_range, ("lowest", "highest"), strict=True))
    for name, layer in image.items():
        if (number := find_only(layer, np.isfinite(layer))) is not None:
            why = REMEDY
            if number in ends:
                why = f"the {ends[number]} of prepare.reflectance_range, which has to be wider"
            raise SampleError(f"constant_band: {name} is {number:g} wherever it was seen; {why}")


def find_only(layer: NDArray[Any], seen: NDArray[np.bool_]) -> float | None:
    """The one number of a layer (H, W) on the pixels that were seen; None where it has more."""
    some = layer.ravel()[::SAMPLED_EVERY][seen.ravel()[::SAMPLED_EVERY]]
    if len(some) > 1 and some.min() != some.max():
        return None
    values = layer[seen]
    alike = len(values) >= MIN_JUDGED_PX and values.min() == values.max()
    return float(values[0]) if alike else None
