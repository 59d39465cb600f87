"""A region's years as a moving picture."""

import io

import numpy as np
from PIL import Image, ImageSequence

from glacier.plots.animation import OUTLINE, AnimatedYear, draw_animation, draw_year
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
