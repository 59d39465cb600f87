"""Layers of a month: the unseen shows through, values have their colours, pages stay small."""

import io

import numpy as np
import pytest
from PIL import Image

from glacier.plots import layers
from glacier.plots.layers import LAYERS, draw_codes, draw_layers


def decode(picture: layers.LayerPicture) -> np.ndarray:
    """(H, W, 4) uint8 colours and opacity."""
    with Image.open(io.BytesIO(picture.data)) as image:
        assert image.format.lower() == picture.kind
        return np.asarray(image.convert("RGBA"))


def make_colours(height: int = 40, width: int = 60) -> dict[str, np.ndarray]:
    """A dark left and a bright right half, with a hole that nobody saw."""
    values = np.full((height, width), 0.1, np.float32)
    values[:, width // 2 :] = 0.8
    values[:10, :10] = np.nan
    return {name: values.copy() for name in ("red", "green", "blue", "nir", "swir1")}


def test_what_was_not_seen_is_transparent_in_every_layer():
    probability = np.full((40, 60), 254, np.uint8)
    probability[:10, :10] = 255
    drawn = draw_layers(make_colours(), probability)
    assert list(drawn) == list(LAYERS)
    for picture in drawn.values():
        alpha = decode(picture)[..., 3]
        assert (
            not alpha[:10, :10].any() and (alpha[10:] == 255).all() and picture.size_px == (40, 60)
        )
    colours = decode(drawn["true colour"])
    assert colours[20, 5, :3].mean() < 90 < 200 < colours[20, 50, :3].mean()


def test_a_layer_without_its_bands_is_left_out():
    colours = make_colours()
    del colours["blue"], colours["swir1"]
    assert list(draw_layers(colours)) == ["false colour"]


def test_snow_and_ground_have_the_two_ends_of_the_ramp():
    colours = make_colours()
    colours["swir1"] = np.full_like(colours["green"], 1e-4)
    snow = decode(draw_layers(colours)["NDSI"])[30, 50, :3].astype(int)
    assert np.abs(snow - layers.sample_ramp("BrBG", 256)[-1]).max() < 12


def test_a_probability_is_shown_in_even_steps():
    probability = np.array([[0, 127, 254, 255]], np.uint8)
    shown = decode(draw_layers({}, probability)["probability"])[0]
    steps = layers.sample_ramp("Blues", layers.LEVELS)
    assert (shown[:3, :3] == steps[[0, layers.LEVELS // 2, -1]]).all()
    assert shown[:, 3].tolist() == [255, 255, 255, 0]


def test_a_large_image_is_reduced_by_the_mean_of_what_was_seen(monkeypatch):
    monkeypatch.setattr(layers, "MAX_SIDE_PX", 4)
    values = np.random.default_rng(0).random((8, 16), np.float32)
    values[0, :4] = np.nan  # a quarter of a pixel, then all of another
    values[4:8, 12:16] = np.nan
    wanted = np.nanmean(values[:4].reshape(1, 4, 4, 4), axis=(1, 3))
    small = layers.reduce_mean(values)
    assert small.shape == (2, 4) and np.isnan(small[1, 3])
    np.testing.assert_allclose(small[:1], wanted, rtol=1e-5)


@pytest.mark.parametrize("side", [500])
def test_sixty_months_fit_a_page(side):
    """Of an image with as much detail as a Landsat scene has."""
    rng = np.random.default_rng(1)
    rough = rng.random((side // 10, side // 10), np.float32).repeat(10, 0).repeat(10, 1)
    noisy = np.clip(rough + rng.normal(0, 0.03, rough.shape), 0, 1).astype(np.float32)
    names = ("red", "green", "blue", "nir", "swir1")
    drawn = draw_layers(dict.fromkeys(names, noisy), (rough * 254).astype(np.uint8))
    assert 60 * sum(len(picture.data) for picture in drawn.values()) * 4 / 3 < 15e6


def test_codes_have_their_colours_and_others_are_clear():
    codes = np.array([[0, 2, 255], [2, 7, 0]], np.uint8)
    picture = draw_codes(codes, {0: "#f2efe9", 2: "#d55e00"})
    pixels = decode(picture)
    assert picture.size_px == (2, 3)
    assert [tuple(pixel) for pixel in pixels[0, :2]] == [(242, 239, 233, 255), (213, 94, 0, 255)]
    assert pixels[:, :, 3].tolist() == [[255, 255, 0], [255, 0, 255]]
