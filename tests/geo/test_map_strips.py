from pathlib import Path

import numpy as np
import pytest
import rasterio

from glacier.errors import RasterError
from glacier.geo.map_strips import MapStrips, read_map_grid, read_reduced
from glacier.geo.raster import Grid

GRID = Grid("EPSG:32608", 500025.0, 6500025.0, 30.0, 7, 5)


def write(path: Path, data: np.ndarray, grid: Grid = GRID) -> Path:
    height, width = data.shape
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=1, dtype=data.dtype,
        crs=grid.crs, transform=grid.transform, nodata=255,
    ) as out:  # fmt: skip
        out.write(data, 1)
    return path


def test_a_map_by_strips_is_the_map(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    classes = rng.choice([0, 1, 255], GRID.shape).astype(np.uint8)
    chances = np.where(classes == 255, 255, rng.integers(0, 255, GRID.shape)).astype(np.uint8)
    files = write(tmp_path / "c.tif", classes), write(tmp_path / "p.tif", chances)
    assert read_map_grid(*files) == GRID
    for rows in (1, 3, 7, 100):
        strips = list(MapStrips(*files, rows))
        np.testing.assert_array_equal(np.concatenate([s.mask for s in strips]), classes == 1)
        np.testing.assert_array_equal(np.concatenate([s.values for s in strips]), chances)


def test_maps_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    ones = np.ones(GRID.shape, np.uint8)
    classes, unseen = write(tmp_path / "c.tif", ones), write(tmp_path / "u.tif", ones * 255)
    with pytest.raises(RasterError, match=r"c\.tif says glacier where .*u\.tif says unseen"):
        list(MapStrips(classes, unseen))
    with pytest.raises(RasterError, match="do not lie on the same grid"):
        read_map_grid(classes, write(tmp_path / "s.tif", ones[1:]))
    with pytest.raises(RasterError, match="1 bands of uint16; a map has one of uint8"):
        read_map_grid(classes, write(tmp_path / "w.tif", ones.astype(np.uint16)))


def test_a_reduced_map_keeps_the_share_of_every_code_the_unseen_too(tmp_path: Path) -> None:
    codes = np.random.default_rng(1).choice([0, 2, 255], (600, 900), p=[0.6, 0.1, 0.3])
    path = write(tmp_path / "change.tif", codes.astype(np.uint8))
    small = read_reduced(path, 150)
    assert small.shape == (100, 150)
    for code, share in ((0, 0.6), (2, 0.1), (255, 0.3)):
        assert (small == code).mean() == pytest.approx(share, abs=0.02)
    assert (read_reduced(path, 900) == codes).all()
