"""A region's years as a moving picture."""

import io
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from glacier.errors import FilmError
from glacier.plots import animation
from glacier.plots.animation import (
    HATCH,
    OUTLINE,
    STRIPE,
    AnimatedYear,
    draw_animation,
    draw_film,
    draw_year,
    find_ffmpeg,
)
from glacier.plots.layers import draw_layers

FRAME = (500_000.0, 6_490_000.0, 504_000.0, 6_496_000.0)
RING = [(501_000, 6_492_000), (503_000, 6_492_000), (503_000, 6_494_000), (501_000, 6_492_000)]


def make_year(label: str, brightness: float) -> AnimatedYear:
    grey = np.full((120, 80), brightness, np.float32)
    grey[:10] = np.nan
    picture = draw_layers({"red": grey, "green": grey, "blue": grey})["true colour"]
    return AnimatedYear(label, picture, [RING])


def test_every_year_is_a_frame_and_the_last_one_stays_longest() -> None:
    film = Image.open(
        io.BytesIO(draw_animation([make_year("2014", 0.1), make_year("2015", 0.8)], FRAME))
    )
    assert film.size == (80, 120) and film.info["loop"] == 0
    frames = [
        (frame.info["duration"], frame.convert("L")) for frame in ImageSequence.Iterator(film)
    ]
    assert len(frames) == 2 and frames[0][0] < frames[1][0]
    dark, light = (frame.getpixel((70, 110)) for _, frame in frames)
    assert dark + 50 < light


def test_an_outline_lies_where_its_corners_are() -> None:
    image = draw_year(make_year("2014", 0.1), FRAME)
    assert image.getpixel((40, 80)) == OUTLINE  # 2 km east, 2 km north: 1 px is 50 m
    assert image.getpixel((60, 60)) == OUTLINE
    assert image.getpixel((70, 70)) != OUTLINE


def test_what_was_not_seen_is_plainly_other_than_snow() -> None:
    image = np.asarray(draw_year(make_year("2014", 1.0), FRAME)).astype(int)
    unseen, snow = image[:10, 60:].reshape(-1, 3), image[60:70, 5:15].reshape(-1, 3)
    assert {tuple(pixel) for pixel in unseen} == {HATCH, STRIPE}
    assert snow.min() > 220 and unseen.max() < 180
    corner = image[100:118, :30].reshape(-1, 3)  # the hatch of the legend
    assert {HATCH, STRIPE} <= {tuple(pixel) for pixel in corner}
    white = np.full((120, 80), 1.0, np.float32)
    picture = draw_layers({"red": white, "green": white, "blue": white})["true colour"]
    whole = AnimatedYear("2014", picture, [])
    assert STRIPE not in {tuple(p) for p in np.asarray(draw_year(whole, FRAME)).reshape(-1, 3)}


def write_program(path: Path, script: str) -> str:
    """A program in place of ffmpeg; the last argument is the file that it is to make."""
    path.write_text(f"#!/bin/sh\nfor last; do :; done\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_film_is_what_the_program_makes_of_the_frames(tmp_path: Path) -> None:
    script = f'ls > "{tmp_path}/seen"; printf "\\0\\0\\0\\030ftypisom" > "$last"'
    program = write_program(tmp_path / "it's ffmpeg", script)
    film = draw_film([make_year("2014", 0.1), make_year("2015", 0.8)], FRAME, program)
    assert film == b"\0\0\0\x18ftypisom"
    assert (tmp_path / "seen").read_text().split() == ["00000.png", "00001.png"]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 3", r"exit code 3, 0 bytes\): no word"),
        ("echo Unknown encoder >&2; exit 1", "Unknown encoder"),
        ('echo no film > "$last"', "made no film .exit code 0, 8 bytes"),
        ("exec sleep 20", "did not end"),
    ],
)
def test_a_program_that_makes_no_film_is_named(
    tmp_path: Path, script: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(animation, "FILM_S", 0.3 if "sleep" in script else 20)
    with pytest.raises(FilmError, match=words):
        draw_film([make_year("2014", 0.1)], FRAME, write_program(tmp_path / "ffmpeg", script))
    with pytest.raises(FilmError, match="cannot be run"):
        draw_film([make_year("2014", 0.1)], FRAME, str(tmp_path / "absent"))


@pytest.mark.skipif(find_ffmpeg() is None, reason="no ffmpeg on this machine")
def test_the_real_program_makes_the_same_film_twice() -> None:
    years = [make_year("2014", 0.1), make_year("2015", 0.8)]
    film = draw_film(years, FRAME, str(find_ffmpeg()))
    assert film[4:8] == b"ftyp" and film == draw_film(years, FRAME, str(find_ffmpeg()))
