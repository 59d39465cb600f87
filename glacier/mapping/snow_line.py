"""Snow on a glacier: where it lies, the share that it covers, and from which altitude on."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from glacier.labels import IGNORE

BAND_M = 20.0
"""Height of an elevation band, metres, as usual for snow lines."""

HALF = 0.5
"""Snow-covered share of a band at the snow line."""

USUAL_NIR = 0.3
"""Near-infrared reflectance from which glacier is called snow where a month does not tell.

Of 5,381 Landsat pixels of snow and ice on four North American glaciers in summer, classified by
hand, a limit of 0.25, 0.3, 0.35 and 0.4 calls 89, 91, 88 and 83 % right (Aberle et al. 2021,
github.com/RaineyAbe/glacier-snow-cover-mapping).
"""

TWO_GROUPS = 0.75
"""Share of the variance between the groups from which a month tells by itself: that of evenly
spread values, cut in the middle. Of one bell-shaped group it is 0.64."""

BINS, MOST_NIR = 200, 1.0
"""Steps of the reflectance in which a limit is looked for; brighter pixels count as this bright."""

Bytes = NDArray[np.uint8]


def tell_snow(classes: Bytes, nir: NDArray[np.float32]) -> Bytes:
    """Where snow lies on the glacier of a month.

    Snow is bright in the near infrared, and ice dark. Where the pixels of the glacier fall into
    two groups the limit lies between them (Otsu's), as for one glacier in all kinds of light;
    where they do not, as in winter, when all of it is under snow, it is the usual one. Snow in
    shadow counts as ice, and bright firn as snow.

    Args:
        classes: (H, W) uint8 class map: 1 glacier, 0 not, 255 unseen.
        nir: (H, W) float32 reflectance in the near infrared, NaN where unseen.

    Returns:
        (H, W) uint8: 1 snow, 0 none, 255 unseen; of use on the glacier.

    Source:
        Rastner et al. 2019, Remote Sensing 11(12), 1410 (Otsu's limit of the near infrared on
        glaciers).
    """
    seen = np.isfinite(nir)
    snow = (np.nan_to_num(nir) > find_limit(nir[(classes == 1) & seen])).astype(np.uint8)
    snow[~seen] = IGNORE
    return snow


def find_limit(nir: NDArray[np.float32]) -> float:
    """Reflectance between the snow and the ice of a glacier, see :func:`tell_snow`.

    Args:
        nir: (N,) float32 reflectance of its pixels.

    Source:
        Otsu 1979, IEEE Transactions on Systems, Man, and Cybernetics 9(1), 62-66: the limit, and
        the share of the variance as the measure of how well it parts two groups.
    """
    counts, edges = np.histogram(np.clip(nir, 0, MOST_NIR), BINS, (0, MOST_NIR))
    middles = (edges[:-1] + edges[1:]) / 2
    below, total = np.cumsum(counts)[:-1], counts.sum()
    sums, whole = np.cumsum(counts * middles)[:-1], float(counts @ middles)
    parted = (below > 0) & (below < total)
    if not parted.any():
        return USUAL_NIR
    below, sums = below[parted], sums[parted]
    apart = sums / below - (whole - sums) / (total - below)
    between = below * (total - below) / total**2 * apart**2
    variance = float(counts @ (middles - whole / total) ** 2) / total
    if between.max() < TWO_GROUPS * variance:
        return USUAL_NIR
    best = edges[1:-1][parted][between == between.max()]
    return float(best.mean())  # of several, as where no pixel lies between, the middle


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
