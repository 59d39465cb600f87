"""Images of 8 bits: what their levels mean, and what the plug-in is told."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from glacier.samples.image import ImageRecipe
from glacier.training.eight_bit import (
    decode_levels,
    describe_for_plugin,
    encode_levels,
    feed_levels,
    list_ranges,
)
from tests.support.model_cards import make_card

RECIPE = ImageRecipe(bands=("nir", "red", "ndsi"), scale="reflectance", range=(-0.25, 1.0))


def test_a_band_has_the_range_of_its_kind() -> None:
    assert list_ranges(RECIPE) == ((-0.25, 1), (-0.25, 1), (-1, 1))
    own = RECIPE.model_copy(update={"scale": "own_maximum"})
    assert list_ranges(own) == ((0, 1), (0, 1), (-1, 1))


@given(arrays(np.uint8, (3, 2, 2), elements=st.integers(1, 255)))
def test_levels_are_kept_through_their_values(levels: np.ndarray) -> None:
    np.testing.assert_array_equal(encode_levels(decode_levels(levels, RECIPE), RECIPE), levels)


@given(arrays(np.float32, (3, 2, 2), elements=st.floats(-0.25, 1, width=32)))
def test_values_are_kept_to_half_a_step_and_are_never_level_0(image: np.ndarray) -> None:
    levels = encode_levels(image, RECIPE)
    assert levels.min() >= 1
    error = np.abs(decode_levels(levels, RECIPE) - image)
    half_steps = np.array([1.25, 1.25, 2])[:, None, None] / 254 / 2
    assert (error <= half_steps + 1e-6).all()


def test_what_is_unseen_in_a_band_is_level_0_in_all_and_the_ends_are_cut() -> None:
    image = np.array([[[-9, np.nan, 9]], [[0.375, 0.375, 0.375]], [[0, 0, 0]]], np.float32)
    levels = encode_levels(image, RECIPE)
    assert levels[:, 0].tolist() == [[1, 0, 255], [128, 0, 128], [128, 0, 128]]
    assert np.isnan(decode_levels(levels, RECIPE)[:, 0, 1]).all()


def test_the_plugin_feeds_a_255th_of_the_level() -> None:
    levels = np.arange(256, dtype=np.uint8)
    assert feed_levels(levels).dtype == np.float32
    np.testing.assert_array_equal(feed_levels(levels), np.float32(levels * 1.0 / 255.0))


def test_the_plugin_is_told_by_its_own_keys() -> None:
    windows = {"size_px": 128, "stride_px": 96, "mean": (0.3,) * 3, "std": (0.1,) * 3}
    told = describe_for_plugin(make_card(pixel_m=(30, 45), inference=windows, threshold=0.43))
    assert {key: json.loads(value) for key, value in told.items()} == {
        "model_type": "Segmentor",
        "class_names": [{"0": "background", "1": "glacier"}],
        "resolution": pytest.approx(3750),
        "tile_size": 128,
        "tiles_size": 128,
        "tiles_overlap": 25,
        "standardization_mean": [0, 0, 0],
        "standardization_std": [1, 1, 1],
        "seg_thresh": 0.43,
    }
