"""The layers of a month on a page of maps: small pictures, clear as glass where nothing was seen.

Photographs are lossy WebP, a tenth of their PNG; probabilities are a PNG in few colours. All
months are brightened alike, so that two of them can be compared.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glacier.indices import FALSE_COLOUR, normalised_difference
from glacier.map_codes import decode_probability
from glacier.plots.pictures import paint_colour

MAX_SIDE_PX = 600
"""Longest side of a layer, pixels."""

QUALITY = 72
"""Of WebP, 0..100: a month of four layers of 500 x 500 px takes some 100 kB."""

TRUE_COLOUR = ("red", "green", "blue")

REFLECTANCE, GAMMA = (0.0, 1.0), 0.6
"""Reflectance shown as black and as white, and the brightness in between: forest reflects 0.03,
rock 0.15 and snow 0.9, and all three are to be seen."""

LEVELS = 15
"""Steps of a probability; with the unseen pixels they fill the 4 bits of a small PNG."""

MIN_SEEN = 0.5
"""Share of a reduced pixel that must have been seen for it to be shown."""


@dataclass(frozen=True)
class LayerPicture:
    """An encoded picture, transparent where nothing was seen."""

    data: bytes
    kind: Literal["png", "webp"]
    size_px: tuple[int, int]
    """Height and width."""


@dataclass(frozen=True)
class Layer:
    """What the colours of a layer mean."""

    words: str
    ramp: str = ""
    """Name of the colour map, where the colours are values."""
    ends: tuple[str, str] = ("", "")
    """What the first and the last colour of the ramp stand for."""

    def list_colours(self, count: int) -> list[str]:
        """Some colours of the ramp from the first to the last, as CSS writes them."""
        return ["#{:02x}{:02x}{:02x}".format(*rgb) for rgb in sample_ramp(self.ramp, count)]


LAYERS: dict[str, Layer] = {
    "true colour": Layer("Red, green and blue, nearly as the eye would see it."),
    "false colour": Layer("Near infrared, red and green: plants are red, ice is bright."),
    "NDSI": Layer("Snow index; above 0.4 are ice, snow and some water:", "BrBG", ("−1", "+1")),
    "probability": Layer("How sure the model is of glacier:", "Blues", ("0\u00a0%", "100\u00a0%")),
}
"""Layers of a month by name, in the order in which they are offered."""


def draw_layers(
    colours: Mapping[str, NDArray[np.float32]], probability: NDArray[np.uint8] | None = None
) -> dict[str, LayerPicture]:
    """The layers of a month that its bands allow.

    Args:
        colours: Colour (``red``, ``green``, ``blue``, ``nir``, ``swir1``) to its reflectance,
            (H, W) float32, NaN where unseen.
        probability: (H, W) uint8 probability of glacier, 0..254 for 0..1, 255 where unseen; None:
            no model looked at the month.

    Returns:
        Name of :data:`LAYERS` to its picture, :data:`MAX_SIDE_PX` at most on the longer side.
    """
    small = {name: reduce_mean(values) for name, values in colours.items()}
    layers = {}
    for name, shown in (("true colour", TRUE_COLOUR), ("false colour", FALSE_COLOUR)):
        if has_all(small, shown):
            layers[name] = draw_photograph(np.stack([small[colour] for colour in shown]))
    if has_all(small, ("green", "swir1")):
        layers["NDSI"] = draw_ndsi(normalised_difference(small["green"], small["swir1"]))
    if probability is not None:
        layers["probability"] = draw_probability(probability)
    return layers


def has_all(colours: Mapping[str, NDArray[np.float32]], wanted: Iterable[str]) -> bool:
    """Whether all wanted colours are there."""
    return all(name in colours for name in wanted)


def reduce_mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """An image within :data:`MAX_SIDE_PX`, by the area mean of what was seen.

    Args:
        values: (H, W) float32, NaN where unseen.

    Returns:
        (h, w) float32, NaN where less than :data:`MIN_SEEN` of a pixel was seen.
    """
    height, width = values.shape
    factor = min(1.0, MAX_SIDE_PX / max(height, width))
    if factor == 1:
        return values
    size = max(1, round(width * factor)), max(1, round(height * factor))
    seen = np.isfinite(values)
    total, share = (
        np.asarray(Image.fromarray(each).resize(size, Image.Resampling.BOX))
        for each in (np.where(seen, values, np.float32(0)), seen.astype(np.float32))
    )
    mean = np.full_like(total, np.nan)
    np.divide(total, share, out=mean, where=share >= MIN_SEEN)
    return mean


def draw_photograph(image: NDArray[np.float32]) -> LayerPicture:
    """Three bands as red, green and blue: (3, H, W) float32 reflectance, NaN where unseen."""
    seen = np.asarray(np.isfinite(image).all(axis=0))
    return encode_webp(paint_colour(image, REFLECTANCE, GAMMA), seen)


def draw_ndsi(ndsi: NDArray[np.float32]) -> LayerPicture:
    """A snow index by its ramp: (H, W) float32, -1..1, NaN where unknown."""
    codes = np.rint((np.nan_to_num(ndsi) + 1) * 127.5).astype(np.uint8)
    return encode_webp(sample_ramp(LAYERS["NDSI"].ramp, 256)[codes], np.isfinite(ndsi))


def draw_probability(probability: NDArray[np.uint8]) -> LayerPicture:
    """A probability in :data:`LEVELS` steps: (H, W) uint8, 0..254 for 0..1, 255 where unseen."""
    small = reduce_mean(decode_probability(probability))
    steps = np.rint(np.nan_to_num(small) * (LEVELS - 1))
    codes = np.where(np.isnan(small), LEVELS, steps).astype(np.uint8)
    return encode_palette(codes, sample_ramp(LAYERS["probability"].ramp, LEVELS))


def draw_codes(codes: NDArray[np.uint8], colours: Mapping[int, str]) -> LayerPicture:
    """Codes in a colour each: (H, W) uint8; clear where a code has none.

    Args:
        codes: The codes.
        colours: Code to its colour, ``#rrggbb``.
    """
    places = np.full(256, len(colours), np.uint8)
    places[list(colours)] = np.arange(len(colours))
    palette = [list(bytes.fromhex(colour.removeprefix("#"))) for colour in colours.values()]
    return encode_palette(places[codes], np.array(palette, np.uint8))


def encode_palette(places: NDArray[np.uint8], palette: NDArray[np.uint8]) -> LayerPicture:
    """A PNG in few colours: (H, W) uint8 places in (C, 3) uint8 colours, C where it is clear."""
    image = Image.fromarray(places, "P")
    image.putpalette([*palette.ravel().tolist(), 0, 0, 0])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True, transparency=len(palette))
    return LayerPicture(buffer.getvalue(), "png", (image.height, image.width))


def sample_ramp(name: str, count: int) -> NDArray[np.uint8]:
    """Colours of a colour map of matplotlib from its first to its last: (count, 3) uint8."""
    colours = matplotlib.colormaps[name](np.linspace(0, 1, count), bytes=True)
    return np.asarray(colours, np.uint8)[:, :3]


def encode_webp(pixels: NDArray[np.uint8], seen: NDArray[np.bool_]) -> LayerPicture:
    """(H, W, 3) uint8 colours as lossy WebP, wholly transparent where not ``seen``, (H, W) bool."""
    alpha = np.where(seen, np.uint8(255), np.uint8(0))
    image = Image.fromarray(np.dstack([pixels, alpha]), "RGBA")
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY)
    return LayerPicture(buffer.getvalue(), "webp", (image.height, image.width))


def encode_rgba(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of (4, H, W) uint8 red, green, blue and alpha, packed in little time."""
    image, buffer = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))), io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
