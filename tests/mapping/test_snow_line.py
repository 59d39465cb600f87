import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glacier.mapping.snow_line import (
    USUAL_NIR,
    find_limit,
    find_snow_line,
    measure_snow_share,
    tell_snow,
)

SPECTRA = Path(
    os.environ.get("GLACIER_REAL_DATA", "/nowhere"),
    "glacier_point_spectra/Landsat_training_data.csv",
)

SLOPE_M = np.repeat(np.arange(1000.0, 2000, 10)[:, None] + 5, 8, axis=1)
"""(100, 8) altitude, 10 m a row."""
ICE = np.ones(SLOPE_M.shape, np.uint8)


def snow_above(metres: float) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return (SLOPE_M > metres).astype(np.uint8)


def test_the_share_of_the_glacier_under_snow() -> None:
    classes = np.array([[1, 1, 1, 0, 255]], np.uint8)
    snow = np.array([[1, 0, 255, 1, 1]], np.uint8)
    assert measure_snow_share([(classes, snow)]) == 0.5
    assert (
        measure_snow_share([(classes[:, k:][:, :1], snow[:, k:][:, :1]) for k in range(5)]) == 0.5
    )
    assert measure_snow_share([(classes[:, 3:], snow[:, 3:])]) is None


@pytest.mark.parametrize("line_m", [1200, 1500, 1980])
def test_a_sharp_line_is_found(line_m: float) -> None:
    assert find_snow_line(ICE, snow_above(line_m), SLOPE_M) == pytest.approx(line_m)


def test_a_share_that_rises_evenly_is_half_at_the_line() -> None:
    share = (SLOPE_M - 1000) / 1000  # 0 below, 1 above: half at 1500 m
    order = np.tile((np.arange(8) + 0.5) / 8, (len(SLOPE_M), 1))
    found = find_snow_line(ICE, (order < share).astype(np.uint8), SLOPE_M, band_m=250)
    assert found == pytest.approx(1500, abs=10)


def test_a_patch_of_old_snow_is_not_the_line() -> None:
    snow = snow_above(1600)
    snow[12:18] = 1  # 1120 to 1180 m
    assert find_snow_line(ICE, snow, SLOPE_M) == pytest.approx(1600)


def test_no_line_without_both_and_only_on_what_is_known() -> None:
    for line_m in (0, 3000):
        assert find_snow_line(ICE, snow_above(line_m), SLOPE_M) is None
    assert find_snow_line(ICE, 1 - snow_above(1500), SLOPE_M) is None  # snow below alone
    assert find_snow_line(0 * ICE, snow_above(1500), SLOPE_M) is None
    snow, altitude, classes = snow_above(1500), SLOPE_M.copy(), ICE.copy()
    snow[:, 0], altitude[:, 1], classes[:, 2] = 255, np.nan, 0
    assert find_snow_line(classes, snow, altitude) == pytest.approx(1500)
    classes[40:60] = 255  # the line lies in what nobody saw: halfway
    assert find_snow_line(classes, snow_above(1500), SLOPE_M) == pytest.approx(1500)


def spread(middle: float, count: int = 2000) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """A bell-shaped group of reflectances."""
    return np.random.default_rng(3).normal(middle, 0.04, count).astype(np.float32)


def test_two_groups_are_parted_between_them_wherever_they_lie() -> None:
    for ice, snow in ((0.2, 0.5), (0.4, 0.8)):
        assert find_limit(np.concatenate([spread(ice), spread(snow)])) == pytest.approx(
            (ice + snow) / 2, abs=0.03
        )
    assert find_limit(np.array([0.202, 0.602], np.float32)) == pytest.approx(0.4, abs=0.005)


def test_one_group_has_the_usual_limit() -> None:
    alone = (spread(0.8), spread(0.2), np.full(9, 0.5, np.float32), np.zeros(0, np.float32))
    assert [find_limit(nir) for nir in alone] == [USUAL_NIR] * len(alone)


def test_snow_is_told_on_the_glacier_alone() -> None:
    nir = np.array([[0.2, 0.2, 0.6, 0.95, np.nan]], np.float32)
    classes = np.array([[1, 1, 1, 0, 1]], np.uint8)  # the brightest is no glacier
    assert tell_snow(classes, nir).tolist() == [[0, 0, 1, 1, 255]]
    assert measure_snow_share([(classes, tell_snow(classes, nir))]) == pytest.approx(1 / 3)
    assert measure_snow_share([(0 * classes, tell_snow(0 * classes, nir))]) is None


@pytest.mark.skipif(not SPECTRA.is_file(), reason="set GLACIER_REAL_DATA to the real data")
def test_snow_and_ice_of_real_glaciers_are_told_apart() -> None:
    """Pixels that people called snow or ice, image by image; Otsu's limit alone tells 83 %."""
    table = pd.read_csv(SPECTRA).query("`class` in (1, 2, 3)")
    right = 0
    for _, image in table.groupby(["site_name", "image_date"]):
        nir = (image["SR_B5"].to_numpy(np.float32) - np.float32(0.2))[None]
        snow = tell_snow(np.ones(nir.shape, np.uint8), nir)
        right += int((snow[0] == (image["class"] != 3)).sum())
    assert right / len(table) > 0.92
