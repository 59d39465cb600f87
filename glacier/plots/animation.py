"""A region's years as a moving picture: each year's image with its outline, one after the other."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from glacier.plots.layers import LayerPicture

FRAME_MS, LAST_MS = 900, 2500
"""How long a year is shown, and the last one, before it begins again."""

OUTLINE, EDGE, PAPER, INK = (255, 212, 0), (20, 24, 32), (236, 239, 242), (28, 36, 48)
COLOURS = 128
LABEL_SHARE = 0.06
"""Height of the year's number, as a share of the picture's."""

Ring = Sequence[tuple[float, float]]
"""Corners (x, y), metres in the coordinate system of the frame."""


@dataclass(frozen=True)
class AnimatedYear:
    """A year's picture."""

    label: str
    picture: LayerPicture
    rings: Sequence[Ring]
    """Outlines, holes among them."""


def draw_animation(
    years: Sequence[AnimatedYear], frame_m: tuple[float, float, float, float]
) -> bytes:
    """An animated GIF of the years in their order.

    Args:
        years: One or more, with pictures of one size.
        frame_m: West, south, east and north edge of the pictures, metres.
    """
    frames = [
        draw_year(year, frame_m).quantize(COLOURS, dither=Image.Dither.NONE) for year in years
    ]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, "GIF", save_all=True, append_images=frames[1:], loop=0,
        duration=[FRAME_MS] * (len(frames) - 1) + [LAST_MS],
    )  # fmt: skip
    return buffer.getvalue()


def draw_year(year: AnimatedYear, frame_m: tuple[float, float, float, float]) -> Image.Image:
    """One year: its picture on paper, the outline above it, its number in a corner."""
    shown = Image.open(io.BytesIO(year.picture.data)).convert("RGBA")
    image = Image.new("RGB", shown.size, PAPER)
    image.paste(shown, mask=shown)
    pen = ImageDraw.Draw(image)
    west, south, east, north = frame_m
    across, down = image.width / (east - west), image.height / (north - south)
    for ring in year.rings:
        corners = [((x - west) * across, (north - y) * down) for x, y in ring]
        pen.line(corners, fill=EDGE, width=3)
        pen.line(corners, fill=OUTLINE, width=1)
    size = max(12, round(LABEL_SHARE * image.height))
    place, font = (size // 3, size // 4), ImageFont.load_default(size)
    left, top, right, bottom = pen.textbbox(place, year.label, font=font)
    pen.rectangle((left - 4, top - 4, right + 4, bottom + 4), fill=PAPER)
    pen.text(place, year.label, fill=INK, font=font)
    return image
