"""Snow on a glacier: the share that it covers, and from which altitude on it lies."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from glacier.labels import IGNORE

BAND_M = 20.0
"""Height of an elevation band, metres, as usual for snow lines."""

HALF = 0.5
"""Snow-covered share of a band at the snow line."""

Bytes = NDArray[np.uint8]


def measure_snow_share(strips: Iterable[tuple[Bytes, Bytes]]) -> float | None:
    """Share of the glacier under snow, 0..1.

    Args:
        strips: (h, W) uint8 class map (1 glacier, 0 not, 255 unseen) and (h, W) uint8 snow (1 snow,
            0 none, 255 unseen) of the same rows.

    Returns:
        None where no glacier was seen.
    """
    snowy = glacier = 0
    for classes, snow in strips:
        on_glacier = snow[(classes == 1) & (snow != IGNORE)]
        snowy += int((on_glacier == 1).sum())
        glacier += on_glacier.size
    return snowy / glacier if glacier else None


def find_snow_line(
    classes: Bytes, snow: Bytes, altitude_m: NDArray[np.floating], band_m: float = BAND_M
) -> float | None:
    """Altitude at which half of the glacier's ground is under snow, and more above it.

    The glacier is cut into bands of equal height. Between the middles of two bands, of which the
    lower is less and the upper at least half under snow, the share is taken to rise evenly. Of
    several such places, as patches of old snow make them, it is that with the fewest pixels on
    the wrong side: snowy ones below it and bare ones above.

    Args:
        classes: (H, W) uint8 class map: 1 glacier, 0 not, 255 unseen.
        snow: (H, W) uint8: 1 snow, 0 none, 255 unseen.
        altitude_m: (H, W) surface height, metres, NaN where unknown.
        band_m: Height of a band.

    Returns:
        Metres; None where snow lies on all bands, on none, or only on the lower ones.

    Source:
        Rastner et al. 2019, Remote Sensing 11(12), 1410 (bands with more than half under snow).
    """
    known = (classes == 1) & (snow != IGNORE) & np.isfinite(altitude_m)
    if not known.any():
        return None
    bands = np.floor(altitude_m[known] / band_m).astype(np.int64)
    lowest = int(bands.min())
    pixels = np.bincount(bands - lowest)
    snowy = np.bincount(bands - lowest, weights=snow[known] == 1)
    there = np.flatnonzero(pixels)
    middles_m = (there + lowest + 0.5) * band_m
    snowy, bare = snowy[there], (pixels - snowy)[there]
    shares = snowy / (snowy + bare)
    rises = np.flatnonzero((shares[:-1] < HALF) & (shares[1:] >= HALF))
    if not len(rises):
        return None
    wrong = np.cumsum(snowy)[rises] + bare.sum() - np.cumsum(bare)[rises]
    low = int(rises[np.argmin(wrong)])
    part = (HALF - shares[low]) / (shares[low + 1] - shares[low])
    return float(middles_m[low] + part * (middles_m[low + 1] - middles_m[low]))
