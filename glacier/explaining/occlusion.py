"""Occlusion: what changes where a band, or a patch of ground, is replaced."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glacier.explaining.explanation import BandEffect
from glacier.explaining.removal import replace_bands
from glacier.explaining.subject import CHUNK, Look, Subject, Windows
from glacier.labels import Surface, surface_of


def occlude_bands(
    subject: Subject,
    looks: Sequence[Look],
    classes: NDArray[np.uint8] | None,
) -> list[BandEffect]:
    """What each band does for the place, by its map without it.

    Args:
        subject: What is explained.
        looks: What the models say of the image as it is, then without each band.
        classes: (H, W) codes of ``labels.Surface`` where they are known; None: nowhere.
    """
    whole, *without = looks
    return [
        compare_looks(subject, name, whole, look, classes)
        for name, look in zip(subject.bands, without, strict=True)
    ]


def look_without_bands(subject: Subject, baseline: NDArray[np.float32]) -> list[Look]:
    """What the models say of the image without each band, which the baseline replaces."""
    return [
        subject.look(replace_bands(subject.image, baseline, [at]))
        for at in range(len(subject.bands))
    ]


def compare_looks(
    subject: Subject, band: str, whole: Look, look: Look, classes: NDArray[np.uint8] | None
) -> BandEffect:
    """What the map loses and gains without a band."""
    gained, lost = look.is_ice & ~whole.is_ice, whole.is_ice & ~look.is_ice
    area = subject.pixel_km2
    return BandEffect(
        band=band,
        strength_drop=whole.strength - look.strength,
        ice_km2=float(look.is_ice.sum() * area),
        gained_km2=float(gained.sum() * area),
        lost_km2=float(lost.sum() * area),
        gained_on=count_surfaces(gained, classes, area),
        lost_on=count_surfaces(lost, classes, area),
    )


def count_surfaces(
    mask: NDArray[np.bool_], classes: NDArray[np.uint8] | None, pixel_km2: float
) -> dict[str, float]:
    """Area of some pixels by their surface, km2, the largest first; empty where none is known."""
    if classes is None:
        return {}
    found = np.bincount(surface_of(classes)[mask], minlength=max(Surface) + 1)
    areas = {each.name.lower(): float(found[each] * pixel_km2) for each in Surface if found[each]}
    return dict(sorted(areas.items(), key=lambda item: -item[1]))


def cut_squares(shape: tuple[int, int], side_px: int) -> NDArray[np.int32]:
    """Number of the square of each pixel, from the upper left corner on: (H, W) int32."""
    rows, cols = np.indices(shape, np.int32) // side_px
    return np.asarray(rows * (cols.max() + 1) + cols, np.int32)


def occlude_patches(
    windows: Sequence[Windows],
    image: NDArray[np.float32],
    baseline: NDArray[np.float32],
    patches: NDArray[np.int32],
) -> NDArray[np.float64]:
    """What the answer loses in strength where a patch is replaced in all bands.

    Args:
        windows: In which the place is looked at.
        image: (B, H, W), NaN where unseen.
        baseline: (B, H, W) what stands in a patch's place.
        patches: (H, W) number of each pixel's patch, from 0; below 0: of none.

    Returns:
        (K,) float64 by patch; NaN for one that no window sees.
    """
    drop = np.zeros(int(patches.max()) + 1)
    seen = np.zeros(len(drop), bool)
    for each in windows:
        pixels, plain, numbers = each.cut(image), each.cut(baseline), each.cut_layer(patches)
        whole = each.weigh(pixels, range(len(pixels)))
        tasks = [(at, k) for at, own in enumerate(numbers) for k in np.unique(own[own >= 0])]
        for first in range(0, len(tasks), CHUNK):
            part = tasks[first : first + CHUNK]
            changed = np.stack(
                [np.where(numbers[at] == k, plain[at], pixels[at]) for at, k in part]
            )
            without = each.weigh(changed, [at for at, _ in part])
            for (at, k), value in zip(part, without, strict=True):
                drop[k] += whole[at] - value
                seen[k] = True
    return np.where(seen, drop, np.nan)


def paint_patches(values: NDArray[np.float64], patches: NDArray[np.int32]) -> NDArray[np.float64]:
    """The value of each pixel's patch: (H, W), NaN of none."""
    return np.where(patches >= 0, values[np.maximum(patches, 0)], np.nan)
