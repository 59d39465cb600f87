"""What the encoder of a network makes of a month, in windows that are the same in every month.

The image is made, filled, padded and cut as for a map, by what makes maps.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glacier.mapping.raster_map import resize_image
from glacier.samples.image import make_image
from glacier.training.encoding import WindowEncoder
from glacier.training.model_files import fill_unseen
from glacier.windows import pad_to, window_starts

WINDOWS = 4
"""Windows along each side of the image, at most."""

MIN_SEEN = 0.5
"""Share of a window that was seen, at least: of what is filled there is nothing to be learned."""


def encode_month(bands: Mapping[str, NDArray[Any]], encoder: WindowEncoder) -> NDArray[np.float32]:
    """Features of a month.

    Args:
        bands: Digital numbers by band name, (H, W) uint16, those at least that the network needs.
        encoder: Of the network.

    Returns:
        (T, D) float32 of T windows, from the top left by rows; NaN where too little was seen.
    """
    card = encoder.card
    image = make_image(dict(bands), card.image)
    if card.resize:
        image = resize_image(image, card)
    size, stride = card.inference.size_px, card.inference.stride_px
    image = pad_to(image, size, np.nan)
    places = [np.s_[..., row : row + size, col : col + size]
              for row, col in choose_windows(image.shape[-2:], size, stride)]  # fmt: skip
    filled = fill_unseen(image, card)
    features = encoder.encode(np.stack([filled[place] for place in places]))
    seen = np.array([np.isfinite(image[0][place]).mean() for place in places])
    return np.where(seen[:, None] >= MIN_SEEN, features, np.float32(np.nan))


def choose_windows(shape: tuple[int, ...], size: int, stride: int) -> list[tuple[int, int]]:
    """Upper-left row and column of some windows in which the network maps, evenly over the image.

    Args:
        shape: Height and width of the image, pixels, at least a window.
        size: Side of a window, pixels.
        stride: Step between windows, pixels.
    """
    rows, columns = (
        [starts[k] for k in spread_evenly(len(starts))]
        for starts in (window_starts(length, size, stride) for length in shape)
    )
    return list(product(rows, columns))


def spread_evenly(count: int) -> list[int]:
    """Some of so many, at most ``WINDOWS``, with the first and the last."""
    return [int(k) for k in np.linspace(0, count - 1, min(count, WINDOWS)).round()]
