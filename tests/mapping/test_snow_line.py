import numpy as np
import pytest

from glacier.mapping.snow_line import find_snow_line, measure_snow_share

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
