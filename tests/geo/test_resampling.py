"""Other pixels over the same ground, against means and against another library."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glacier.geo import resampling
from glacier.geo.raster import Grid, encode_cog
from glacier.geo.raster_rows import open_landsat
from glacier.geo.resampling import ResampledRows, Rescaling, change_pixels, weigh


def grid(height: int, width: int, pixel_m: float = 10) -> Grid:
    return Grid("EPSG:32608", 500_000, 6_500_000, pixel_m, height, width)


def resample(values: np.ndarray, way: Rescaling) -> np.ndarray:
    return way.resample(values.astype(np.float32), 0, way.wanted.height)


def test_a_larger_pixel_is_the_mean_of_its_ground() -> None:
    values = np.random.default_rng(0).random((6, 9))
    way = Rescaling(grid(6, 9), change_pixels(grid(6, 9), 30))
    assert way.wanted.shape == (2, 3)
    means = values.reshape(2, 3, 3, 3).mean(axis=(1, 3))
    assert resample(values, way) == pytest.approx(means, rel=1e-5)
    line = Rescaling(grid(1, 4), change_pixels(grid(1, 4), 15))
    found = resample(np.array([[0.0, 1, 2, 3]]), line)
    assert found == pytest.approx(np.array([[1 / 3, 5 / 3, 3]]))  # the last of the rest alone


@pytest.mark.parametrize(("pixel_m", "how"), [(25, cv2.INTER_AREA), (4, cv2.INTER_LINEAR)])
def test_it_is_what_opencv_makes_of_the_whole(pixel_m: float, how: int) -> None:
    values = np.random.default_rng(1).random((50, 100)).astype(np.float32)
    way = Rescaling(grid(50, 100), change_pixels(grid(50, 100), pixel_m))
    wanted = cv2.resize(values, way.wanted.shape[::-1], interpolation=how)
    assert resample(values, way) == pytest.approx(wanted, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.floats(2, 60), st.integers(0, 2**31),
    st.integers(1, 9),
)  # fmt: skip
def test_any_rows_are_those_of_the_whole(
    height: int, width: int, pixel_m: float, seed: int, step: int
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.random((height, width)).astype(np.float32)
    values[rng.random((height, width)) < 0.3] = np.nan
    way = Rescaling(grid(height, width), change_pixels(grid(height, width), pixel_m))
    whole = resample(values, way)
    assert whole.shape == way.wanted.shape
    known = whole[np.isfinite(whole)]
    assert ((known > -1e-5) & (known < 1 + 1e-5)).all()  # a mean lies between its values
    for top in range(0, way.wanted.height, step):
        rows = min(step, way.wanted.height - top)
        begin, count = way.find_rows(top, rows)
        part = way.resample(values[begin : begin + count], top, rows)
        np.testing.assert_array_equal(part, whole[top : top + rows])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.floats(0.1, 20))
def test_shares_are_a_whole_and_even_ground_stays_even(given: int, ratio: float) -> None:
    count = max(1, int(np.ceil(given / ratio - 1e-9)))
    begin, shares = weigh(given, ratio, 0, count)
    assert begin == 0 and shares.sum(axis=1) == pytest.approx(np.ones(count), abs=1e-5)
    assert shares.data.min() >= 0


def test_a_pixel_is_seen_where_half_of_it_was() -> None:
    values = np.full((2, 4), np.nan)
    values[0, 0], values[:, 2] = 0.2, 0.4  # a quarter, and a half
    way = Rescaling(grid(2, 4), change_pixels(grid(2, 4), 20))
    found = resample(values, way)
    assert np.isnan(found[0, 0]) and found[0, 1] == pytest.approx(0.4)


def test_a_raster_reads_as_if_it_had_other_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, bands = tmp_path / "i.tif", {}
    rng = np.random.default_rng(2)
    for name in ("SR_B4", "SR_B5"):
        bands[name] = rng.integers(1, 60000, (45, 33)).astype(np.uint16)
        bands[name][10:20, 5:20] = 0
    path.write_bytes(encode_cog(bands, grid(45, 33), {}))
    with open_landsat(path, set(bands)) as image:
        coarse = ResampledRows.of(image, 30)
        assert coarse.grid == grid(15, 11, 30)
        whole = coarse.read(0, 15)
        monkeypatch.setattr(resampling, "ROWS", 7)
        strips = [coarse.read(top, 4)["SR_B5"] for top in (0, 4, 8)]
        np.testing.assert_array_equal(np.concatenate(strips), whole["SR_B5"][:12])
    means = bands["SR_B4"].reshape(15, 3, 11, 3).mean(axis=(1, 3))
    assert whole["SR_B4"].dtype == np.uint16
    assert whole["SR_B4"][10:] == pytest.approx(np.rint(means[10:]), abs=1)
    assert (whole["SR_B4"][4:6, 2:6] == 0).all()
