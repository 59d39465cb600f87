"""Images as 16-bit numbers: exact where the archive is, within half a step elsewhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glacier.landsat import reflectance
from glacier.samples.coding import HIGHEST, RATIO, REFLECTANCE, BandCoding, Coding
from glacier.samples.image import ImageRecipe

EVERY = np.arange(HIGHEST + 1, dtype=np.uint16)


def clipped(low: float, high: float) -> BandCoding:
    return REFLECTANCE.model_copy(update={"low": low, "high": high})


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.1, 1.6), (0.1, 0.6), (0, 0.4), (0.3, 9)])
def test_every_number_of_the_archive_comes_back_as_it_was_seen(low: float, high: float) -> None:
    """To the last bit: what a network is trained on is what a map shows it."""
    seen = np.clip(reflectance(EVERY), np.float32(low), np.float32(high))
    coding = clipped(low, high)
    np.testing.assert_array_equal(coding.decode(coding.encode(seen)), seen)


def test_plain_reflectance_keeps_the_archives_number() -> None:
    np.testing.assert_array_equal(REFLECTANCE.encode(reflectance(EVERY)), EVERY)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.floats(-1.5, 1.5, width=32) | st.just(float("nan")), min_size=1))
def test_a_ratio_is_kept_within_half_a_step(values: list[float]) -> None:
    given_ = np.array(values, np.float32)
    found = RATIO.decode(RATIO.encode(given_))
    np.testing.assert_allclose(found, np.clip(given_, -1, 1), atol=0.51 / 32767, equal_nan=True)
    np.testing.assert_array_equal(RATIO.encode(found), RATIO.encode(given_))  # nothing drifts


def test_zero_and_both_ends_of_a_ratio_are_exact() -> None:
    ends = np.array([-1, 0, 1], np.float32)
    np.testing.assert_allclose(RATIO.decode(RATIO.encode(ends)), ends, atol=1e-7)


def test_unseen_is_number_0_and_nothing_else_is() -> None:
    values = np.array([np.nan, -9, 9, 0.5], np.float32)
    for coding in (REFLECTANCE, RATIO, clipped(0, 1)):
        numbers = coding.encode(values)
        assert (numbers == 0).tolist() == [True, False, False, False]
        assert np.isnan(coding.decode(numbers)).tolist() == [True, False, False, False]


def test_each_band_of_an_image_has_its_own() -> None:
    recipe = ImageRecipe(bands=("nir", "ndsi"), scale="reflectance", range=(0.0, 0.5))
    assert recipe.coding == Coding((clipped(0, 0.5), RATIO))
    image = np.array([[[0.7]], [[-0.4]]], np.float32)
    found = recipe.coding.decode(recipe.coding.encode(image))
    np.testing.assert_allclose(found[:, 0, 0], [0.5, -0.4], atol=2e-5)
    own = ImageRecipe(bands=("nir",), scale="own_maximum", range=(0.0, 1.0))
    assert own.coding == Coding((RATIO,))
