"""Masks of others on a region's grid: as they are, by area, or refused."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from glacier.errors import RasterError
from glacier.geo.raster import Grid
from glacier.samples.given_masks import read_given_mask
from tests.support.user_files import GRID, write_image


def draw(seed: int = 0, values: tuple = (0, 1)) -> np.ndarray:
    return np.random.default_rng(seed).choice(values, GRID.shape)


def write(path: Path, drawn: np.ndarray, grid: Grid = GRID, **tags: object) -> Path:
    write_image(path, drawn[None], grid)
    with rasterio.open(path, "r+") as file:
        for name, value in tags.items():
            setattr(file, name, value)
    return path


def test_a_mask_on_the_grid_comes_as_it_is_and_what_it_leaves_unknown_is_no_glacier(
    tmp_path: Path,
) -> None:
    drawn = draw(values=(0, 1, 255)).astype(np.uint8)
    given = read_given_mask(write(tmp_path / "a.tif", drawn), GRID)
    np.testing.assert_array_equal(given.glacier, drawn == 1)
    assert given.covered.all()
    hidden = read_given_mask(write(tmp_path / "b.tif", drawn, nodata=1), GRID)
    assert not hidden.glacier.any() and hidden.covered.all()


@pytest.mark.parametrize("kind", ["float", "byte"])
def test_a_probability_is_glacier_from_one_half_on(tmp_path: Path, kind: str) -> None:
    chance = np.random.default_rng(1).random(GRID.shape).astype(np.float32)
    chance[0, 0], chance[0, 1] = np.nan, 0.5
    wanted = np.nan_to_num(chance) >= 0.5
    if kind == "float":
        path = write(tmp_path / "a.tif", chance)
    else:
        stored = np.rint(np.nan_to_num(chance) * 254).astype(np.uint8)
        stored[0, 0], wanted = 255, stored >= 127
        path = write(tmp_path / "a.tif", stored, nodata=255, scales=(1 / 254,))
        wanted[0, 0] = False
    np.testing.assert_array_equal(read_given_mask(path, GRID).glacier, wanted)


def test_on_other_pixels_the_larger_part_of_the_area_counts(tmp_path: Path) -> None:
    fine = Grid(GRID.crs, GRID.left_m, GRID.top_m, 10.0, 36, 30)
    drawn = np.random.default_rng(2).choice([0, 1], (36, 30)).astype(np.uint8)
    share = drawn.reshape(12, 3, 10, 3).mean(axis=(1, 3))
    given = read_given_mask(write(tmp_path / "a.tif", drawn, fine), GRID)
    np.testing.assert_array_equal(given.glacier, share >= 0.5)


def test_beside_a_mask_nothing_is_covered(tmp_path: Path) -> None:
    beside = Grid(GRID.crs, GRID.left_m + 150, GRID.top_m, 30.0, 12, 10)
    given = read_given_mask(write(tmp_path / "a.tif", np.ones((12, 10), np.uint8), beside), GRID)
    np.testing.assert_array_equal(given.covered, np.broadcast_to(np.arange(10) >= 5, (12, 10)))
    np.testing.assert_array_equal(given.covered, given.glacier)


@pytest.mark.parametrize("drawn", [np.full(GRID.shape, 7, np.uint8), np.full(GRID.shape, -0.5)])
def test_other_numbers_are_refused_with_their_range(tmp_path: Path, drawn: np.ndarray) -> None:
    with pytest.raises(RasterError, match=r"a\.tif holds numbers from .*wanted a mask of 1"):
        read_given_mask(write(tmp_path / "a.tif", drawn), GRID)
