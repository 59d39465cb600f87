"""A region's years as a moving picture: each year's image with its outline, one after the other.

What was not seen is hatched in grey, as plainly other than snow as than ground.
"""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from glacier.errors import FilmError
from glacier.plots.layers import LayerPicture
from glacier.scratch import open_scratch

FRAME_MS, LAST_MS = 900, 2500
"""How long a year is shown, and the last one, before it begins again."""

OUTLINE, EDGE, PAPER, INK = (255, 212, 0), (20, 24, 32), (236, 239, 242), (28, 36, 48)
HATCH, STRIPE = (158, 164, 171), (116, 123, 131)
"""What was not seen: a grey, and the darker stripes on it."""
STRIPE_PX, STRIPES_PX = 3, 9
"""Width of a stripe, and from one to the next."""
COLOURS = 128
FILM_S, FILM_BYTES = 120, 50 << 20
"""Longest that a film may take to encode, seconds, and largest that it may be."""

ENCODE = (
    "-nostdin", "-hide_banner", "-loglevel", "error",
    "-framerate", f"1000/{FRAME_MS}", "-i", "%05d.png",
    "-vf", f"tpad=stop_mode=clone:stop_duration={(LAST_MS - FRAME_MS) / 1000},"
    "pad=ceil(iw/2)*2:ceil(ih/2)*2,fps=10,format=yuv420p",
    "-c:v", "libx264", "-crf", "20", "-threads", "1", "-movflags", "+faststart",
    "-fflags", "+bitexact", "-flags:v", "+bitexact",
)  # fmt: skip
"""What ffmpeg is asked for, in a folder of frames: even sides and a colour format that all players
take; no name of an encoder nor a time, and one thread, so that the bytes stay the same."""

MP4 = b"ftyp"
"""Bytes 4 to 7 of an MP4. Source: ISO/IEC 14496-12, 4.3, file type box."""

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


Frame = tuple[float, float, float, float]
"""West, south, east and north edge of pictures, metres."""


def draw_animation(years: Sequence[AnimatedYear], frame_m: Frame) -> bytes:
    """An animated GIF of the years in their order.

    Args:
        years: One or more, with pictures of one size.
        frame_m: Edges of the pictures.
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


def find_ffmpeg() -> str | None:
    """Path of the program that encodes films; None: it is not on this machine."""
    return shutil.which("ffmpeg")


def draw_film(years: Sequence[AnimatedYear], frame_m: Frame, ffmpeg: str) -> bytes:
    """The same as a film, H.264 in MP4, which players stop and step through.

    Args:
        years: One or more, with pictures of one size.
        frame_m: Edges of the pictures.
        ffmpeg: Path of the program; one version makes the same bytes each time.

    Raises:
        FilmError: The program failed, took too long, or made no film.
    """
    with open_scratch() as folder:
        for k, year in enumerate(years):
            draw_year(year, frame_m).save(folder / f"{k:05d}.png")
        film = folder / "film.mp4"
        try:
            done = subprocess.run(
                [ffmpeg, *ENCODE, film.name], cwd=folder, stdin=subprocess.DEVNULL,
                capture_output=True, timeout=FILM_S, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise FilmError(f"{ffmpeg} cannot be run, or did not end: {error}") from error
        size = film.stat().st_size if film.is_file() else 0
        data = film.read_bytes() if 0 < size <= FILM_BYTES else b""
    if done.returncode or data[4:8] != MP4:
        said = done.stderr[-300:].decode("utf-8", "replace").strip() or "no word"
        raise FilmError(
            f"{ffmpeg} made no film (exit code {done.returncode}, {size} bytes): {said}"
        )
    return data


def draw_year(year: AnimatedYear, frame_m: Frame) -> Image.Image:
    """One year: its picture over the hatch, the outline above it, its number in a corner.

    In the corner below it is said what the hatch means, where there is some.
    """
    shown = Image.open(io.BytesIO(year.picture.data)).convert("RGBA")
    image = hatch(shown.size)
    image.paste(shown, mask=shown)
    pen = ImageDraw.Draw(image)
    west, south, east, north = frame_m
    across, down = image.width / (east - west), image.height / (north - south)
    for ring in year.rings:
        corners = [((x - west) * across, (north - y) * down) for x, y in ring]
        pen.line(corners, fill=EDGE, width=3)
        pen.line(corners, fill=OUTLINE, width=1)
    size = max(12, round(LABEL_SHARE * image.height))
    write_label(image, year.label, size, (size // 3, size // 4))
    if (np.asarray(shown.getchannel("A")) == 0).any():
        small = max(10, size // 2)
        left, top = size // 3, image.height - 2 * small
        write_label(image, "not seen", small, (left + 2 * small, top))
        image.paste(hatch((2 * small - 6, small + 4)), (left, top))
    return image


def write_label(image: Image.Image, text: str, size: int, place: tuple[int, int]) -> None:
    """Write words on paper into a picture, so many pixels high, from a place on."""
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    left, top, right, bottom = pen.textbbox(place, text, font=font)
    pen.rectangle((left - 4, top - 4, right + 4, bottom + 4), fill=PAPER)
    pen.text(place, text, fill=INK, font=font)


def hatch(size: tuple[int, int]) -> Image.Image:
    """Slanting stripes in two greys, width x height."""
    across, down = np.arange(size[0])[None], np.arange(size[1])[:, None]
    stripes = ((across + down) % STRIPES_PX < STRIPE_PX)[:, :, None]
    return Image.fromarray(np.where(stripes, STRIPE, HATCH).astype(np.uint8))
