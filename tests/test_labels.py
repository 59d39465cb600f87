from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from glacier.geo.raster import grid_of
from glacier.geo.raster_files import safe_open
from glacier.indices import normalised_difference
from glacier.labels import (
    GLACIER,
    IGNORE,
    SHADED,
    Surface,
    grey_level,
    ignore_margin,
    label_ndsi,
    label_threshold,
    label_truth,
    surface_of,
)
from tests.support.outlines import rasterise_outlines


def f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


# Indices.


def test_the_normalised_difference_in_closed_form() -> None:
    found = normalised_difference(f32(0.8, 0.1, 0.3, 0.6), f32(0.2, 0.1, 0.9, 0.0))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [0.6, 0.0, -0.5, 1.0], atol=1e-7)


def test_reflectance_below_zero_is_no_light() -> None:
    """As it is, -0.01 and -0.03 would give 0.5: snow, in the dark."""
    found = normalised_difference(f32(0.8, -0.05, 0.01), f32(-0.1, 0.2, -0.009))
    assert found.tolist() == [1.0, -1.0, 1.0]


def test_without_light_in_either_band_nobody_knows() -> None:
    found = normalised_difference(
        f32(0.0, 0.1, np.nan, 0.5, -0.01), f32(0.0, -0.1, 0.5, np.nan, -0.03)
    )
    np.testing.assert_array_equal(found, f32(np.nan, 1.0, np.nan, np.nan, np.nan))
    dark, bright = f32(-0.01, 0.0), f32(0.5, 0.5)
    assert (label_ndsi(dark, bright, dark, 0.4, 0.11) == IGNORE).all()


@pytest.mark.parametrize("seed", range(3))
def test_exchanging_the_bands_changes_the_sign(seed: int) -> None:
    first, second = np.random.default_rng(seed).uniform(-0.2, 1.6, (2, 8, 9)).astype(np.float32)
    forth, back = normalised_difference(first, second), normalised_difference(second, first)
    np.testing.assert_array_equal(forth, -back)
    known = (first > 0) | (second > 0)
    np.testing.assert_array_equal(np.isfinite(forth), known)
    assert (np.abs(forth[known]) <= 1).all()


# NDSI.


def test_the_ndsi_rule_needs_both_thresholds_and_all_bands() -> None:
    green = f32(0.7, 0.3, 0.1, 0.7, np.nan, 0.7, 0.7)
    nir = f32(0.6, 0.3, 0.05, 0.11, 0.6, np.nan, 0.6)
    swir = f32(0.1, 0.2, 0.01, 0.1, 0.1, 0.1, np.nan)
    label = label_ndsi(green[None], nir[None], swir[None], 0.4, 0.11)
    # ice, rock, water (dark in NIR), exactly at the threshold, and three unseen
    assert label.dtype == np.uint8
    assert label.tolist() == [[1, 0, 0, 0, IGNORE, IGNORE, IGNORE]]


CLASSES = {"snow": 1, "shadowed_snow": 2, "ice": 3, "rock": 4, "water": 5}


def point_spectra(real_data: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Class codes and (1, N) reflectance of the hand-classified pixels.

    The file holds DN x 2.75e-5 without the offset of -0.2 (the data README says so).
    """
    file = real_data / "glacier_point_spectra" / "Landsat_training_data.csv"
    names = file.open().readline().strip().split(",")
    columns = {"class": "class", "green": "SR_B3", "nir": "SR_B5", "swir1": "SR_B6"}
    table = np.genfromtxt(
        file, delimiter=",", skip_header=1, usecols=[names.index(c) for c in columns.values()]
    )
    bands = (table[:, 1:] - 0.2).astype(np.float32)
    return table[:, 0].astype(int), dict(zip(list(columns)[1:], bands.T[:, None], strict=True))


@pytest.mark.parametrize(
    ("nir_above", "shares"),
    [
        (0.11, {"ice": 86.4, "snow": 94.9, "shadowed_snow": 78.6, "rock": 1.0, "water": 0.0}),
        # 14 more rocks (1.9 %) pass where no light counts as a ratio of two negative numbers
        (-9.0, {"ice": 99.5, "snow": 95.2, "shadowed_snow": 84.5, "rock": 1.4, "water": 95.1}),
    ],
)
def test_the_ndsi_rule_on_real_spectra(
    real_data: Path, nir_above: float, shares: dict[str, float]
) -> None:
    codes, bands = point_spectra(real_data)
    assert codes.size == 8162
    label = label_ndsi(**bands, ndsi_above=0.4, nir_above=nir_above)[0]
    found = {name: 100 * float((label[codes == CLASSES[name]] == 1).mean()) for name in shares}
    assert found == pytest.approx(shares, abs=0.2)


# Threshold on grey, as published.


@pytest.mark.parametrize("seed", range(3))
def test_grey_is_opencvs_own(seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    scaled = picture.transpose(2, 0, 1).astype(np.float32) / 255
    np.testing.assert_array_equal(grey_level(scaled), grey)
    _, thresholded = cv2.threshold(grey, 128, 255, cv2.THRESH_BINARY)
    np.testing.assert_array_equal(label_threshold(scaled, 128), thresholded // 255)


def test_the_threshold_itself_is_not_above_it() -> None:
    picture = np.broadcast_to(f32(127, 128, 129)[:, None] / 255, (3, 3, 1))
    assert label_threshold(picture, 128).ravel().tolist() == [0, 0, 1]


def test_values_outside_the_picture_are_clipped_and_unseen_is_ignored() -> None:
    picture = np.stack([f32(1.6, -0.2, 0.9, np.nan)[None]] * 3)
    assert grey_level(picture).tolist() == [[255, 0, 230, 0]]
    assert label_threshold(picture, 128).tolist() == [[1, 0, 1, IGNORE]]
    picture[:2, 0, 3] = 1.0  # one band alone unseen
    assert label_threshold(picture, 128)[0, 3] == IGNORE


def test_the_threshold_agrees_with_the_real_outlines_as_measured(real_data: Path) -> None:
    folder = real_data / "everest_l7_rgi"
    with safe_open(folder / "LE71400412000304SGS00_RGB.tif") as source:
        red, green, _ = source.read()
        grid = grid_of(source)
    with safe_open(folder / "LE71400412000304SGS00_B4.tif") as source:
        nir = source.read(1)
    label = label_threshold(np.stack([nir, red, green]).astype(np.float32) / 255, 128) == 1
    outlines = rasterise_outlines(str(folder / "15_rgi60_glacier_outlines.gpkg"), grid) == 1
    iou = (label & outlines).sum() / (label | outlines).sum()
    assert iou == pytest.approx(0.56, abs=0.005)


# Truth.


def test_truth_is_glacier_whatever_covers_it_and_not_seasonal_snow() -> None:
    classes = np.array([[0, *Surface]], np.uint8)
    label = label_truth(classes)
    assert label.dtype == np.uint8 and label[0, 0] == IGNORE
    for surface, value in zip(Surface, label[0, 1:], strict=True):
        assert value == (surface in GLACIER)
    shaded = classes | np.uint8(SHADED)
    np.testing.assert_array_equal(surface_of(shaded), classes)
    np.testing.assert_array_equal(label_truth(shaded), label)
    assert {s.name for s in GLACIER} == {"CLEAN_ICE", "DEBRIS_ICE", "SNOW_ON_ICE"}


def test_the_margin_of_a_straight_border_is_a_band_of_the_asked_width() -> None:
    label = np.zeros((6, 12), np.uint8)
    label[:, 6:] = 1
    label[0, 5] = IGNORE
    found = ignore_margin(label, 30.0, 45.0)  # centres at 15, 45, 75 m from the border
    expected = label.copy()
    expected[:, 4:8] = IGNORE
    np.testing.assert_array_equal(found[2:], expected[2:])
    np.testing.assert_array_equal(ignore_margin(label, 30.0, 0.0), label)


@pytest.mark.parametrize("kind", [0, 1, IGNORE])
def test_without_a_border_there_is_no_margin(kind: int) -> None:
    label = np.full((5, 5), kind, np.uint8)
    np.testing.assert_array_equal(ignore_margin(label, 30.0, 500.0), label)


@settings(max_examples=30)
@given(arrays(np.uint8, (9, 7), elements=st.sampled_from([0, 1, IGNORE])), st.floats(1, 200))
def test_the_margin_is_where_the_other_kind_is_near(
    label: NDArray[np.uint8], margin: float
) -> None:
    """Against the distance to every pixel of the other kind, one by one."""
    found = ignore_margin(label, 30.0, margin)
    rows, cols = np.indices(label.shape)
    for row, col in np.argwhere(label != IGNORE):
        others = label == 1 - label[row, col]
        away = np.hypot(rows - row, cols - col)[others]
        near = away.size > 0 and (away.min() - 0.5) * 30.0 <= margin
        assert found[row, col] == (IGNORE if near else label[row, col])
