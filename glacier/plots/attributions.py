"""Pictures of explanations: what was looked at, what would change, and how bands compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from glacier.indices import FALSE_COLOUR
from glacier.plots.figures import (
    COLOURS,
    INK,
    MUTED,
    Picture,
    add_legend,
    encode_figure,
    encode_palette,
    new_figure,
    style_axes,
)
from glacier.plots.layers import GAMMA, REFLECTANCE, TRUE_COLOUR
from glacier.plots.pictures import UNKNOWN, paint_colour, show_classes

UPHOLDS, AGAINST = (0, 114, 178), (213, 94, 0)
"""Colours of what makes an answer stronger and weaker, of Okabe & Ito; white is nothing."""

MOST = 98.0
"""Percentile of sizes that has the full colour; a single pixel does not pale all others."""

LEAST_PX = 256
"""Side to which smaller pictures are enlarged, each pixel a square."""


def draw_photograph(image: NDArray[np.float32], bands: Sequence[str], alt: str) -> Picture:
    """The image as people may see it: three bands as colours, else the first one in grey.

    Args:
        image: (B, H, W), NaN where unseen.
        bands: Names of the bands.
        alt: What it shows.
    """
    shown = next(
        (wanted for wanted in (TRUE_COLOUR, FALSE_COLOUR) if set(wanted) <= set(bands)), None
    )
    if shown is not None:
        layers, limits = image[[bands.index(name) for name in shown]], REFLECTANCE
    else:
        layers = image[:1]
        low, high = np.nanpercentile(layers, [2, 98])
        limits = float(low), float(max(high, low + 1e-6))
    return encode_palette(enlarge(paint_colour(layers, limits, GAMMA)), 128, alt)


def draw_values(values: NDArray[np.float64], alt: str) -> Picture:
    """Values of pixels in two colours from white on: (H, W), NaN is grey."""
    known = np.isfinite(values)
    most = np.percentile(np.abs(values[known]), MOST) if known.any() else 0.0
    size = np.clip(np.abs(np.nan_to_num(values)) / (most or 1.0), 0, 1)[..., None]
    colour = np.where(np.nan_to_num(values)[..., None] >= 0, UPHOLDS, AGAINST)
    pixels = np.rint(255 + size * (colour - 255.0)).astype(np.uint8)
    pixels[~known] = UNKNOWN
    return encode_palette(enlarge(pixels), 64, alt)


def draw_change(
    before: NDArray[np.bool_], after: NDArray[np.bool_], wanted: NDArray[np.bool_], alt: str
) -> Picture:
    """What of a map would change: (H, W) bool each; what is not wanted is grey."""
    codes = np.select([~wanted, before & after, after, before], [4, 1, 2, 3], 0).astype(np.uint8)
    return show_classes(enlarge(codes), alt, zoom=3)


def enlarge(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A small picture, (H, W, ...), with each pixel as a square of pixels."""
    times = max(1, LEAST_PX // max(pixels.shape[:2]))
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def draw_bands(
    title: str, methods: Mapping[str, Mapping[str, float]], colours: Sequence[str] = COLOURS
) -> Picture:
    """What methods give each band, a group of bars a band.

    Args:
        title: What the lengths mean.
        methods: Method to the value of each band, whose order is that of the bars from the top.
        colours: Of the methods.
    """
    bands = list(next(iter(methods.values())))
    figure = new_figure(5.4, 1.2 + 0.26 * len(methods) * len(bands))
    axes = figure.add_subplot()
    style_axes(axes, title, "")
    axes.grid(visible=False, axis="y")
    height = 0.8 / len(methods)
    for k, (method, values) in enumerate(methods.items()):
        places = np.arange(len(bands)) + (k - (len(methods) - 1) / 2) * height
        axes.barh(places, [values[b] for b in bands], height * 0.9, color=colours[k], label=method)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_yticks(range(len(bands)), bands, color=INK, fontsize=11)
    axes.invert_yaxis()
    if len(methods) > 1:
        add_legend(figure)
    words = [
        f"{method}: " + ", ".join(f"{band} {values[band]:.3g}" for band in bands)
        for method, values in methods.items()
    ]
    return encode_figure(figure, f"{title}. {'; '.join(words)}.")


def draw_walks(title: str, curves: Mapping[str, Sequence[float]]) -> Picture:
    """How the answer changes as patches go or come, a line a method; the random one dashed.

    Args:
        title: What is done to the patches.
        curves: Name to heights at equal steps; the last one is of random orders.
    """
    figure = new_figure(5.4, 3.6)
    axes = figure.add_subplot()
    style_axes(axes, title, "strength of the answer")
    for k, (name, heights) in enumerate(curves.items()):
        is_random = k == len(curves) - 1
        axes.plot(
            np.linspace(0, 100, len(heights)), heights, label=name, linewidth=2,
            color=MUTED if is_random else COLOURS[k], linestyle="--" if is_random else "-",
        )  # fmt: skip
    add_legend(figure)
    words = [f"{name} from {h[0]:.2f} to {h[-1]:.2f}, mean {np.mean(h):.2f}"
             for name, h in curves.items()]  # fmt: skip
    return encode_figure(figure, f"{title}. {'; '.join(words)}.")
