"""A glacier from above with its outlines, a scale bar and an arrow to the north.

A north-up image lies on axes in metres, so that a length drawn is a length on the ground. An
outline is where a margin is zero: how far a probability lies above its threshold. It runs between
the pixels that are glacier and those that are not, and nowhere else.
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import contourpy
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from PIL import Image

from glacier.plots.figures import INK, Picture, encode_palette, new_figure
from glacier.plots.pictures import UNKNOWN

FOUND, DRAWN = "#ffd400", "#ffffff"
"""Colours of the predicted and of the labelled outline, each on a dark edge."""

EDGE = "#101418"

MAX_SIDE_PX = 800
"""Longest side of the image under the outlines, pixels; the outlines stay sharp at any size."""

MAX_COLOURS = 256

WIDTH_IN, MAX_HEIGHT_IN = 5.2, 5.6
"""Width of the picture, and largest height of the map in it."""

BAR_SHARE = 0.3
"""Longest scale bar, as a share of the map's width."""

LETTER_IN, MARKS_IN = 0.076, 1.1
"""Width of a letter of the legend, and of the marks and gaps of two columns."""

TITLE_LETTER_IN = 0.115
"""Width of a bold letter of the title."""

FEW_UNSEEN = 0.005
"""Share of unseen pixels that a legend need not explain."""

Lines = list[NDArray[np.float64]]
"""Outlines, each (n, 2) metres east of the left and north of the lower edge."""


@dataclass(frozen=True)
class Ground:
    """What a map shows, north up."""

    pixels: NDArray[np.uint8]
    """(H, W, 3) uint8 colours."""
    sides_m: tuple[float, float]
    """Height and width of a pixel on the ground."""
    found: Sequence[NDArray[np.float32]]
    """(H, W) float32 margin of every model: above 0 glacier, NaN where it did not predict. Where
    the parts of two models touch there is no outline, as the edge of a part is none."""
    label: NDArray[np.float32]
    """(H, W) float32 margin of the label: above 0 glacier, NaN where unknown."""
    unseen: NDArray[np.bool_]
    """(H, W) bool, pixels without an image."""

    @property
    def size_m(self) -> tuple[float, float]:
        """Height and width on the ground."""
        height, width = self.label.shape
        return height * self.sides_m[0], width * self.sides_m[1]


@dataclass(frozen=True)
class Wording:
    """What a map says of itself."""

    title: str
    """Place and month."""
    found: str
    """Whose outline is drawn."""
    label: str
    """What it is compared with."""
    alt: str
    """The map in words; its scale is added."""


def draw_map(ground: Ground, wording: Wording) -> Picture:
    """A map as PNG, and as SVG whose outlines are lines over the image."""
    height_m, width_m = ground.size_m
    height_in = min(MAX_HEIGHT_IN, WIDTH_IN * height_m / width_m)
    names = (
        wording.found,
        wording.label,
        *(["not seen"] if ground.unseen.mean() > FEW_UNSEEN else []),
    )
    widest_in = MARKS_IN / 2 + LETTER_IN * max(map(len, names))
    title_in = TITLE_LETTER_IN * len(wording.title)
    width_in = max(widest_in, title_in, height_in * width_m / height_m)
    columns = count_columns(names, width_in)
    figure = new_figure(width_in, height_in + 0.36 + 0.22 * -(-len(names) // columns))
    axes = figure.add_subplot()
    axes.imshow(reduce_pixels(ground.pixels), extent=(0, width_m, 0, height_m),
                interpolation="bilinear", aspect="equal")  # fmt: skip
    for margins, style in zip((ground.found, [ground.label]), STYLES, strict=True):
        for line in (line for each in margins for line in trace_outline(each, ground.sides_m)):
            axes.add_line(Line2D(*line.T, **style))
    length_m = choose_bar(width_m)
    draw_bar(axes, width_m, length_m)
    draw_north(axes, ground.size_m)
    axes.set(xlim=(0, width_m), ylim=(0, height_m), xticks=[], yticks=[])
    axes.set_title(wording.title, color=INK, fontsize=11, loc="left", fontweight="bold")
    for spine in axes.spines.values():
        spine.set_visible(False)
    explain_lines(figure, names, columns)
    scale = f"The scale bar is {name_length(length_m)} long, north is up."
    return encode_map(figure, f"{wording.alt} {scale}")


def edge_line(colour: str, width: float, dash: tuple[float, ...] = ()) -> dict[str, Any]:
    """Properties of a line that can be seen on snow and on rock."""
    edge = [withStroke(linewidth=width + 1.4, foreground=EDGE)]
    style: object = (0, dash) if dash else "-"
    return {"color": colour, "linewidth": width, "linestyle": style, "path_effects": edge}


STYLES = (edge_line(FOUND, 1.8), edge_line(DRAWN, 0.9, (3, 2)))
"""Lines of the prediction and of the label."""


def trace_outline(margin: NDArray[np.float32], sides_m: tuple[float, float]) -> Lines:
    """Lines along which a margin is zero, straight between the middles of neighbouring pixels.

    Args:
        margin: (H, W) float32, above 0 within, NaN where unknown: no line is drawn there, nor
            along the edge of the image.
        sides_m: Height and width of a pixel.
    """
    height, width = margin.shape
    if min(height, width) < 2:
        return []
    east = (np.arange(width) + 0.5) * sides_m[1]
    north = (height - np.arange(height) - 0.5) * sides_m[0]
    known = np.ma.masked_invalid(margin.astype(np.float64))
    lines = contourpy.contour_generator(east, north, known, corner_mask=False).lines(0.0)
    return [np.asarray(line, np.float64) for line in lines]


def choose_bar(width_m: float) -> float:
    """Longest of 1, 2 and 5 times a power of ten metres within ``BAR_SHARE`` of a map's width."""
    most = BAR_SHARE * width_m
    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in (1, 2, 5) if step * power <= most * (1 + 1e-9))


def name_length(length_m: float) -> str:
    """``500 m``, ``2 km``."""
    return f"{length_m / 1000:g} km" if length_m >= 1000 else f"{length_m:g} m"


def draw_bar(axes: Axes, width_m: float, length_m: float) -> None:
    """A bar of a length on the ground, in the lower left corner."""
    left, low, thick = 0.04 * width_m, 0.04 * width_m, 0.010 * width_m
    axes.add_patch(
        Rectangle((left, low), length_m, thick, facecolor="white", edgecolor=EDGE, linewidth=0.8,
                  gid="scale-bar", zorder=4)
    )  # fmt: skip
    axes.text(left + length_m / 2, low + 1.6 * thick, name_length(length_m), ha="center",
              va="bottom", fontsize=10, **LETTERS)  # fmt: skip


def draw_north(axes: Axes, size_m: tuple[float, float]) -> None:
    """An arrow to the north of the grid, in the upper right corner."""
    height_m, width_m = size_m
    x, tip, foot = 0.94 * width_m, height_m - 0.03 * width_m, height_m - 0.11 * width_m
    wing = 0.018 * width_m
    axes.fill([x, x + wing, x, x - wing], [tip, foot, foot + wing, foot], facecolor="white",
              edgecolor=EDGE, linewidth=0.8, zorder=4, gid="north")  # fmt: skip
    axes.text(x, foot - 0.008 * width_m, "N", ha="center", va="top", fontsize=10.5, **LETTERS)


LETTERS: dict[str, Any] = {
    "color": "white", "fontweight": "bold", "zorder": 4,
    "path_effects": [withStroke(linewidth=2.4, foreground=EDGE)],
}  # fmt: skip
"""Letters that can be read on snow and on rock."""


def count_columns(names: Sequence[str], width_in: float) -> int:
    """Columns, 2 or 1, in which the words of a legend fit below a map."""
    first = names[: -(-len(names) // 2)]  # a legend fills column by column
    letters = max(map(len, first)) + max(map(len, names[len(first) :]))
    return 2 if letters * LETTER_IN + MARKS_IN < width_in else 1


def explain_lines(figure: Figure, names: Sequence[str], columns: int) -> None:
    """The legend below a map: prediction, label, and what was not seen, where there is such."""
    marks: list[Line2D | Patch] = [
        *(Line2D([], [], **style) for style in STYLES),
        Patch(facecolor="#{:02x}{:02x}{:02x}".format(*UNKNOWN)),
    ]
    legend = figure.legend(
        marks[: len(names)], list(names), loc="outside lower left", frameon=False, fontsize=9.5,
        labelcolor=INK, ncols=columns, handlelength=2.4, columnspacing=1.6,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)  # the name of an inventory may hold dollars


def reduce_pixels(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An (H, W, 3) uint8 image within ``MAX_SIDE_PX``, by the mean of what falls together."""
    height, width = pixels.shape[:2]
    factor = min(1.0, MAX_SIDE_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def encode_map(figure: Figure, alt: str) -> Picture:
    """PNG and SVG of a map; the same map gives the same bytes."""
    drawn, lines = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", facecolor="white")
    with matplotlib.rc_context({"svg.hashsalt": "glacier", "svg.fonttype": "path"}):
        figure.savefig(lines, format="svg", facecolor="white", metadata={"Date": None})
    picture = pack_png(drawn.getvalue(), alt)
    return Picture(picture.png, alt, picture.size_px, pack_images(lines.getvalue()))


def pack_png(png: bytes, alt: str) -> Picture:
    """A PNG in a palette, which takes a third of the bytes."""
    with Image.open(io.BytesIO(png)) as image:
        return encode_palette(np.asarray(image.convert("RGB")), MAX_COLOURS, alt)


def pack_images(svg: bytes) -> bytes:
    """An SVG whose images are in a palette each, and whose numbers have two decimals."""

    def pack(match: re.Match[bytes]) -> bytes:
        return match[1] + base64.b64encode(pack_png(base64.b64decode(match[2]), "").png)

    svg = re.sub(rb"(\d\.\d\d)\d+", rb"\1", svg)
    return re.sub(rb"(data:image/png;base64,)([A-Za-z0-9+/=\s]+)", pack, svg)
