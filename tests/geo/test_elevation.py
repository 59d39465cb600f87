"""Heights of any GeoTIFF on a map's grid, against planes whose heights are known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio import Affine
from rasterio.warp import transform, transform_bounds

from glacier.errors import RasterError
from glacier.geo.elevation import check_elevation, checksum_elevation, read_elevation
from glacier.geo.raster import Grid

GRID = Grid("EPSG:32608", 500_010, 6_499_980, 30, 40, 50)


def write(path: Path, values: np.ndarray, crs: str, place: Affine, **profile) -> str:
    height, width = values.shape[-2:]
    known = {"driver": "GTiff", "height": height, "width": width, "count": 1, "crs": crs,
             "dtype": values.dtype, "transform": place} | profile  # fmt: skip
    with rasterio.open(path, "w", **known) as out:
        out.write(np.broadcast_to(values, (out.count, height, width)))
    return str(path)


def centres(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    cols, rows = np.meshgrid(np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5)
    return (
        grid.left_m + cols * grid.pixel_m, grid.top_m - rows * grid.pixel_m
    )  # fmt: skip


def test_a_plane_stays_the_plane_on_another_grid(tmp_path: Path) -> None:
    wide = Grid("EPSG:32608", 499_000, 6_501_000, 50, 80, 90)
    x, y = centres(wide)
    plane = (0.1 * (x - 500_000) + 0.2 * (y - 6_499_000)).astype(np.float32)
    path = write(tmp_path / "dem.tif", plane, wide.crs, wide.transform)
    x, y = centres(GRID)
    wanted = 0.1 * (x - 500_000) + 0.2 * (y - 6_499_000)
    assert read_elevation(path, GRID) == pytest.approx(wanted, abs=0.01)
    assert len(checksum_elevation(path)) == 64
    check_elevation(path, [GRID])


def test_degrees_and_declared_scale_are_understood(tmp_path: Path) -> None:
    west, south, _, north = transform_bounds(GRID.crs, "EPSG:4326", *GRID.bounds)
    step = 0.0003
    place = Affine(step, 0, west - 10 * step, 0, -step, north + 10 * step)
    lat = north + 10 * step - step * (np.arange(100) + 0.5)
    heights = np.repeat((1e4 * (lat - south))[:, None], 200, axis=1)
    path = write(tmp_path / "dem.tif", np.rint(10 * heights).astype(np.int16), "EPSG:4326", place)
    with rasterio.open(path, "r+") as out:
        out.scales = (0.1,)
    x, y = centres(GRID)
    _, lats = transform(GRID.crs, "EPSG:4326", x.ravel(), y.ravel())
    wanted = 1e4 * (np.array(lats).reshape(GRID.shape) - south)
    assert read_elevation(path, GRID) == pytest.approx(wanted, abs=0.3)


def test_what_the_file_does_not_say_is_unknown(tmp_path: Path) -> None:
    heights = np.full((40, 50), 1000, np.int16)
    heights[:10] = -9999
    path = write(tmp_path / "dem.tif", heights, GRID.crs, GRID.transform, nodata=-9999)
    found = read_elevation(path, GRID)
    assert np.isnan(found[:10]).all() and (found[10:] == 1000).all()
    east = replace(GRID, left_m=GRID.left_m + 25 * 30)
    assert np.isnan(read_elevation(path, east)[:, 25:]).all()
    far = replace(GRID, left_m=GRID.left_m + 60_000)
    assert np.isnan(read_elevation(path, far)).all()
    check_elevation(path, [far, GRID])
    with pytest.raises(RasterError, match="height of no region's ground"):
        check_elevation(path, [far])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"count": 2}, "2 bands; heights are one"),
        ({"crs": None}, "no CRS"),
        ({"fill": -32768}, "number for no data declared"),
        ({"fill": 20000}, "wanted metres"),
    ],
)
def test_what_is_no_raster_of_heights_is_refused(tmp_path: Path, change: dict, words: str) -> None:
    values = np.full((40, 50), change.pop("fill", 100), np.int16)
    profile = {"crs": GRID.crs} | change
    path = write(tmp_path / "dem.tif", values, profile.pop("crs"), GRID.transform, **profile)
    with pytest.raises(RasterError, match=words):
        read_elevation(path, GRID)


def test_a_mask_and_another_format_are_refused(tmp_path: Path) -> None:
    values = np.full((40, 50), 100, np.int16)
    path = write(tmp_path / "dem.tif", values, GRID.crs, GRID.transform)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as out:
        out.write_mask(np.zeros((40, 50), bool))
    with pytest.raises(RasterError, match="hides pixels by a mask"):
        read_elevation(path, GRID)
    other = tmp_path / "dem.vrt"
    other.write_text("<VRTDataset/>")
    for read in (lambda: read_elevation(str(other), GRID), lambda: checksum_elevation(str(other))):
        with pytest.raises(RasterError, match="not a GeoTIFF"):
            read()
