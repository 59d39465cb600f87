"""Images, labels and predictions as small pictures, each with a text for those who cannot see."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glacier.plots.figures import (
    INK,
    Picture,
    encode_figure,
    encode_palette,
    new_figure,
)

RGB = tuple[int, int, int]
HIT: RGB = (86, 180, 233)
FALSE: RGB = (213, 94, 0)
MISSED: RGB = (20, 24, 60)
GROUND: RGB = (236, 239, 242)
UNKNOWN: RGB = (170, 176, 182)
SPLIT: RGB = (204, 121, 167)
CLASSES = (GROUND, HIT, FALSE, MISSED, UNKNOWN, SPLIT)
"""Colours of a class picture by code: ground, glacier found, false glacier, missed, unknown,
encoders that differ."""

MAX_PX = (240, 320)
"""Largest height and width of a picture, pixels; twice that where there are few."""

PICTURE_COLOURS = 128
SHEET_COLOURS = 256


def paint_colour(
    image: NDArray[np.float32], limits: tuple[float, float], gamma: float
) -> NDArray[np.uint8]:
    """Show reflectance as colours.

    Args:
        image: (3, H, W) float32 red, green and blue of the picture, or (1, H, W) grey; NaN
            where unseen.
        limits: Reflectance shown as black and as white.
        gamma: Power of the brightness in between; below 1 brightens.

    Returns:
        (H, W, 3) uint8, grey where unseen.
    """
    low, high = limits
    seen = np.isfinite(image).all(axis=0)
    scaled = np.clip((np.nan_to_num(image) - low) / (high - low), 0, 1) ** gamma
    pixels = np.rint(scaled * 255).astype(np.uint8)
    pixels = np.repeat(pixels, 3 // len(pixels), axis=0).transpose(1, 2, 0).copy()
    pixels[~seen] = UNKNOWN
    return pixels


def show_colour(pixels: NDArray[np.uint8], alt: str, zoom: int = 1) -> Picture:
    """Picture of (H, W, 3) uint8 colours, reduced to ``zoom`` x :data:`MAX_PX` by the mean."""
    small = Image.fromarray(pixels).resize(reduced_size(pixels, zoom), Image.Resampling.BOX)
    return encode_palette(np.asarray(small), PICTURE_COLOURS, alt)


def classify_label(label: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes of :data:`CLASSES` of a label: (H, W) uint8 0, 1, 255 -> 0, 1, 4."""
    return np.where(label > 1, np.uint8(4), label)


def classify_errors(
    predicted: NDArray[np.bool_], label: NDArray[np.uint8], mask: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Codes of :data:`CLASSES` of a prediction, so that its errors stand out.

    Args:
        predicted: (H, W) bool, True where glacier is predicted.
        label: (H, W) uint8: 1 glacier, 0 not, 255 unknown.
        mask: (H, W) bool, pixels that were predicted; the others are shown as unknown.

    Returns:
        (H, W) uint8.
    """
    codes = np.select([predicted & (label == 1), predicted, label == 1], [1, 2, 3], 0)
    codes[(label > 1) | ~mask] = 4
    return codes.astype(np.uint8)


def classify_agreement(
    shared: NDArray[np.bool_], split: NDArray[np.bool_], known: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Codes of :data:`CLASSES` of what several models say.

    Args:
        shared: (H, W) bool, True where all say glacier.
        split: (H, W) bool, True where some say glacier and some do not.
        known: (H, W) bool, pixels that were predicted and have a label.

    Returns:
        (H, W) uint8.
    """
    return np.select([~known, split, shared], [4, 5, 1], 0).astype(np.uint8)


def show_classes(codes: NDArray[np.uint8], alt: str, zoom: int = 1) -> Picture:
    """Picture of (H, W) uint8 codes of :data:`CLASSES`, reduced by the nearest pixel."""
    small = Image.fromarray(codes).resize(reduced_size(codes, zoom), Image.Resampling.NEAREST)
    image = Image.fromarray(np.asarray(small), "P")
    image.putpalette([value for colour in CLASSES for value in colour])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return Picture(buffer.getvalue(), alt, (image.height, image.width))


def reduced_size(pixels: NDArray[np.uint8], zoom: int) -> tuple[int, int]:
    """Width and height, as Pillow wants them, within the limit; never larger than it is."""
    height, width = pixels.shape[:2]
    factor = min(1.0, zoom * MAX_PX[0] / height, zoom * MAX_PX[1] / width)
    return max(1, round(width * factor)), max(1, round(height * factor))


def draw_sheet(
    columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Picture]]], title: str
) -> Picture:
    """All pictures of a group on one sheet, to be kept as a file of its own.

    Args:
        columns: What each column shows.
        rows: Name of each sample, and its pictures, one per column.
        title: Of the sheet.
    """
    aspect = max(row[0].size_px[1] / row[0].size_px[0] for _, row in rows)
    height_in = 1.8 if len(rows) > 2 else 3.2
    width_in = min(max(height_in * aspect, 1.15), 2.4)
    figure = new_figure(0.6 + width_in * len(columns), 0.7 + height_in * len(rows))
    figure.suptitle(title, color=INK, fontsize=11, x=0.01, ha="left")
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for line, (name, pictures) in zip(grid, rows, strict=True):
        line[0].set_ylabel(name, color=INK, fontsize=9)
        for axes, picture in zip(line, pictures, strict=True):
            with Image.open(io.BytesIO(picture.png)) as image:
                axes.imshow(np.asarray(image.convert("RGB")), interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_visible(False)
    for axes, column in zip(grid[0], columns, strict=True):
        axes.set_title(column, color=INK, fontsize=9)
    return encode_figure(figure, title, SHEET_COLOURS)
