"""Small pictures: their colours say what they are said to."""

import io

import numpy as np
from PIL import Image

from glacier.plots import pictures


def test_errors_have_colours_of_their_own_and_unknown_pixels_none():
    predicted = np.array([[True, True, False, False, True, True]])
    label = np.array([[1, 0, 1, 0, 255, 1]], np.uint8)
    part = np.array([[True, True, True, True, True, False]])
    codes = pictures.classify_errors(predicted, label, part)
    assert codes.tolist() == [[1, 2, 3, 0, 4, 4]]
    picture = pictures.show_classes(codes, "six pixels")
    with Image.open(io.BytesIO(picture.png)) as image:
        pixels = [tuple(pixel) for pixel in np.asarray(image.convert("RGB"))[0].tolist()]
    assert pixels == [
        pictures.HIT, pictures.FALSE, pictures.MISSED, pictures.GROUND, pictures.UNKNOWN,
        pictures.UNKNOWN,
    ]  # fmt: skip
    assert picture.size_px == (1, 6)


def test_pictures_show_reflectance_and_mark_what_nobody_saw():
    image = np.array([[[0.0, 0.5, 2.0, np.nan]]], np.float32)
    pixels = pictures.paint_colour(image, (0.0, 1.0), 1.0)
    assert pixels[0].tolist() == [[0] * 3, [128] * 3, [255] * 3, list(pictures.UNKNOWN)]
    large = np.zeros((960, 100, 3), np.uint8)
    assert pictures.show_colour(large, "tall").size_px == (240, 25)
    assert pictures.show_colour(large, "tall", zoom=2).size_px == (480, 50)
