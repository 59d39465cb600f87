"""Labels: what counts as glacier, what does not, and what nobody knows (255)."""

from __future__ import annotations

from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from glacier.indices import normalised_difference

IGNORE = 255
"""Label of a pixel that counts in no loss and no metric."""


class Surface(IntEnum):
    """Codes of a class map; 0 is no data."""

    ROCK = 1
    VEGETATION = 2
    WATER = 3
    SNOW = 4
    """Seasonal snow on ground that is not glacier."""
    CLEAN_ICE = 5
    DEBRIS_ICE = 6
    SNOW_ON_ICE = 7
    """Glacier under firn or seasonal snow."""


SHADED = 0x80
"""Flag beside the code in a class map: hardly any direct sunlight falls on the pixel."""

GLACIER = (Surface.CLEAN_ICE, Surface.DEBRIS_ICE, Surface.SNOW_ON_ICE)
"""Surfaces that belong to a glacier, whatever covers it."""


def surface_of(classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes of :class:`Surface` of a class map, without the flag for shade: (H, W) uint8."""
    return classes & np.uint8(~SHADED & 0xFF)


def label_truth(classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Glacier pixels of a class map.

    Args:
        classes: (H, W) uint8 codes of :class:`Surface`, shaded or not, 0 where unknown.

    Returns:
        (H, W) uint8: 1 glacier, 0 not, 255 where the class is unknown.
    """
    surface = surface_of(classes)
    label = np.isin(surface, GLACIER).astype(np.uint8)
    label[surface == 0] = IGNORE
    return label


def label_ndsi(
    green: NDArray[np.float32],
    nir: NDArray[np.float32],
    swir1: NDArray[np.float32],
    ndsi_above: float,
    nir_above: float,
) -> NDArray[np.uint8]:
    """Ice and snow by the normalised-difference snow index and near-infrared brightness.

    Args:
        green: (H, W) float32 reflectance, NaN where unseen.
        nir: The same, near infrared.
        swir1: The same, short-wave infrared at 1.6 micrometres.
        ndsi_above: NDSI must exceed this.
        nir_above: Near-infrared reflectance must exceed this, which water does not.

    Returns:
        (H, W) uint8: 1 ice or snow, 0 not, 255 where any band is unseen, and where neither green
        nor short-wave infrared is above 0, so that there is no NDSI.

    Source:
        Hall, Riggs & Salomonson 1995 (NDSI > 0.4, NIR > 0.11), Remote Sensing of Environment 54.
    """
    ndsi = normalised_difference(green, swir1)
    seen = np.isfinite(ndsi) & np.isfinite(nir)
    with np.errstate(invalid="ignore"):
        label = ((ndsi > ndsi_above) & (nir > nir_above)).astype(np.uint8)
    label[~seen] = IGNORE
    return label


def grey_level(false_colour: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Grey level of a false-colour picture, as OpenCV reads one.

    Args:
        false_colour: (3, H, W) float32 near infrared, red, green, each scaled to 0..1 (values
            outside are clipped, NaN counts as 0).

    Returns:
        (H, W) uint8, 0..255.
    """
    # What is not above 0, NaN included, becomes 0.
    bands = [cv2.threshold(band, 0, 0, cv2.THRESH_TOZERO)[1] for band in false_colour]
    levels = [cv2.convertScaleAbs(band, alpha=255) for band in bands]  # rounds, and cuts at 255
    return np.asarray(cv2.cvtColor(cv2.merge(levels), cv2.COLOR_RGB2GRAY))


def label_threshold(false_colour: NDArray[np.float32], threshold: int) -> NDArray[np.uint8]:
    """The published label: the false colour's grey level above a threshold.

    It is a function of the very picture that a network sees, so it says how well a threshold
    is copied and nothing of glaciers.

    Args:
        false_colour: (3, H, W) float32 near infrared, red, green, scaled to 0..1, NaN unseen.
        threshold: Grey level, 0..255.

    Returns:
        (H, W) uint8: 1 above the threshold, 0 not, 255 where any band is unseen.
    """
    label = (grey_level(false_colour) > threshold).astype(np.uint8)
    np.copyto(label, np.uint8(IGNORE), where=~np.isfinite(false_colour).all(axis=0))
    return label


def part_debris(label: NDArray[np.uint8], debris: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Classes of what a label calls glacier: clean ice, and ice under debris.

    Args:
        label: (H, W) uint8: 1 glacier, 0 not, 255 unknown.
        debris: (H, W) bool, within polygons of debris-covered ice.

    Returns:
        (H, W) uint8 codes of :class:`Surface`, 0 on ground, whose class nobody gave.
    """
    kinds = np.where(debris, np.uint8(Surface.DEBRIS_ICE), np.uint8(Surface.CLEAN_ICE))
    return np.where(label == 1, kinds, np.uint8(0))


def ignore_ice(label: NDArray[np.uint8], ice: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A label of ice under debris alone that does not call clean ice bare ground.

    Args:
        label: (H, W) uint8: 1 ice under debris, 0 not, 255 unknown.
        ice: (H, W) uint8: 1 ice or snow in the image, 0 neither, 255 unknown.

    Returns:
        The same with 255 on what is not debris and may be ice.
    """
    return np.where((label == 0) & (ice != 0), np.uint8(IGNORE), label)


def ignore_margin(label: NDArray[np.uint8], pixel_m: float, margin_m: float) -> NDArray[np.uint8]:
    """A label that leaves out what lies near the border between glacier and ground.

    Outlines are drawn by hand, on other images, years before or after; near the border they are
    no truth.

    Args:
        label: (H, W) uint8: 1 glacier, 0 not, 255 unknown.
        pixel_m: Side of a pixel, metres.
        margin_m: Half the width of the band, metres.

    Returns:
        The same with 255 on every pixel whose centre lies within ``margin_m`` of the border,
        which runs half a pixel before the nearest pixel of the other kind.
    """
    near = np.zeros(label.shape, bool)
    for kind in (0, 1):
        others = (label != 1 - kind).astype(np.uint8)
        if margin_m > 0 and not others.all():
            pixels = cv2.distanceTransform(others, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            near |= (label == kind) & ((pixels - 0.5) * pixel_m <= margin_m)
    return np.where(near, np.uint8(IGNORE), label)
