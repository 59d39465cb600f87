"""Quick-look pictures of a month: false colour, true colour, NDSI."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from glacier import store
from glacier.errors import SampleError
from glacier.indices import FALSE_COLOUR, colour


def write_quick_looks(bands: dict[str, NDArray[Any]], folder: str, stem: str) -> dict[str, str]:
    """Write ``<stem>_{false,true,ndsi}.png``; what needs a missing band is left out.

    Args:
        bands: Landsat band name to (H, W) uint16 numbers as archived.
        folder: Where the samples lie.
        stem: Name of the month's pictures below the folder, without their endings.

    Returns:
        Name below the folder to sha256 of what was written.
    """
    pictures = {
        "false": FALSE_COLOUR,
        "true": ("red", "green", "blue"),
        "ndsi": ("ndsi",),
    }
    written = {}
    for name, parts in pictures.items():
        try:
            image = np.stack([colour(bands, part) for part in parts])
        except SampleError:
            continue
        file = f"{stem}_{name}.png"
        written[file] = store.write_bytes(store.join(folder, file), encode_picture(image))
    return written


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
