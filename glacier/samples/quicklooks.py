"""Quick-look pictures of a month: false colour, true colour, NDSI."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from glacier import store
from glacier.errors import SampleError
from glacier.indices import FALSE_COLOUR, colour


def write_quick_looks(bands: dict[str, NDArray[Any]], stem: str) -> None:
    """Write ``<stem>_{false,true,ndsi}.png``; what needs a missing band is left out."""
    pictures = {
        "false": FALSE_COLOUR,
        "true": ("red", "green", "blue"),
        "ndsi": ("ndsi",),
    }
    for name, parts in pictures.items():
        try:
            image = np.stack([colour(bands, part) for part in parts])
        except SampleError:
            continue
        store.write_bytes(f"{stem}_{name}.png", encode_picture(image))


def has_quick_looks(stem: str) -> bool:
    """Whether a month has a picture."""
    return any(store.exists(f"{stem}_{name}.png") for name in ("false", "true", "ndsi"))


def encode_picture(image: NDArray[np.float32]) -> bytes:
    """PNG of a (3, H, W) reflectance picture or a (1, H, W) index; unseen pixels are clear."""
    seen = np.isfinite(image).all(axis=0)
    filled = np.nan_to_num(image)
    if len(image) == 3:
        pixels = np.clip(filled, 0, 1).transpose(1, 2, 0)[..., ::-1] * 255
        pixels = pixels.astype(np.uint8)
    else:
        level = ((np.clip(filled[0], -1, 1) + 1) * 127.5).astype(np.uint8)
        pixels = cv2.applyColorMap(level, cv2.COLORMAP_CIVIDIS)
    alpha = np.where(seen, 255, 0).astype(np.uint8)
    done, data = cv2.imencode(".png", np.dstack([pixels, alpha]))
    if not done:
        raise SampleError(f"a quick look of {image.shape} px could not be encoded")
    return data.tobytes()
