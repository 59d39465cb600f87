"""Images of 8 bits, as QGIS's plug-in Deepness feeds them to a network, and what it reads of one.

Level 0 was not seen: it is also what the plug-in pads tiles with. Levels 1 to 255 are the band's
values from the low to the high end of its range, in equal steps. The plug-in divides levels by 255
and gives them on as float32.

Source:
    PUTvision/qgis-plugin-deepness 0.6.5, commit f450c63: ``processing/models/model_base.py``,
    ``segmentor.py``, ``preprocessing_utils.py`` and ``deepness_dockwidget.py``. Its documentation
    calls a key ``tiles_size`` that its code reads as ``tile_size``; both are set.
"""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from glacier.indices import INDICES
from glacier.samples.image import ImageRecipe
from glacier.training.model_card import ModelCard

LEVELS = 255
"""The highest level, and what the plug-in divides by."""

STEPS = LEVELS - 1
"""Steps between level 1 and the highest one."""

Ranges = tuple[tuple[float, float], ...]
"""(B,) the values of level 1 and of level 255 of each band."""


def list_ranges(recipe: ImageRecipe) -> Ranges:
    """The range of each band of an image: -1..1 of an index, 0..1 of its own maximum."""
    plain = (0.0, 1.0) if recipe.scale == "own_maximum" else recipe.range
    return tuple((-1.0, 1.0) if band in INDICES else plain for band in recipe.bands)


def encode_levels(image: NDArray[np.float32], recipe: ImageRecipe) -> NDArray[np.uint8]:
    """An image in 8 bits.

    Args:
        image: (..., B, H, W) float32, NaN where unseen.
        recipe: What the image is made of.

    Returns:
        Same shape, uint8: 0 where any band is unseen.
    """
    low, high = np.array(list_ranges(recipe), np.float32).T[..., None, None]
    levels = np.rint(1 + (image - low) / (high - low) * STEPS)
    seen = np.isfinite(image).all(axis=-3, keepdims=True)
    return np.where(seen, np.clip(levels, 1, LEVELS), 0).astype(np.uint8)


def decode_levels(levels: NDArray[np.uint8], recipe: ImageRecipe) -> NDArray[np.float32]:
    """The inverse, within half a step: float32, NaN where unseen."""
    low, high = np.array(list_ranges(recipe), np.float32).T[..., None, None]
    values = low + (levels.astype(np.float32) - 1) * ((high - low) / STEPS)
    return np.where((levels > 0).all(axis=-3, keepdims=True), values, np.float32(np.nan))


def feed_levels(levels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the plug-in gives to a network: level / 255, float32."""
    return np.asarray(levels / LEVELS, np.float32)


def describe_for_plugin(card: ModelCard) -> dict[str, str]:
    """What the plug-in reads in an ONNX file: its keys, each with a value as JSON."""
    windows, bands = card.inference, len(card.bands)
    values = {
        "model_type": "Segmentor",
        "class_names": [{"0": "background", "1": "glacier"}],
        "resolution": round(100 * sum(card.pixel_m) / 2, 2),  # cm
        "tile_size": windows.size_px,
        "tiles_size": windows.size_px,
        "tiles_overlap": round(100 * (1 - windows.stride_px / windows.size_px)),  # percent
        "standardization_mean": [0.0] * bands,  # the file itself does all that
        "standardization_std": [1.0] * bands,
        "seg_thresh": card.threshold,
    }
    return {key: json.dumps(value) for key, value in values.items()}
