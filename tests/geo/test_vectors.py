from pathlib import Path

import geopandas
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from shapely.geometry import MultiPolygon, Point, box

from glacier.errors import GlacierError, VectorError
from glacier.geo.raster import Grid
from glacier.geo.vectors import encode_outlines, rasterise_outlines

GRID = Grid("EPSG:32608", 500025.0, 6500025.0, 30.0, 40, 50)


def pixels(top: int, bottom: int, left: int, right: int, grid: Grid = GRID) -> object:
    """The rectangle on the ground of a range of rows and columns."""
    side, x, y = grid.pixel_m, grid.left_m, grid.top_m
    return box(x + left * side, y - bottom * side, x + right * side, y - top * side)


def write(path: Path, shapes: list, crs: object = GRID.crs, **columns: object) -> str:
    geopandas.GeoDataFrame(columns, geometry=shapes, crs=crs).to_file(path)
    return str(path)


def ring_with_a_hole() -> np.ndarray:
    mask = np.zeros((40, 50), bool)
    mask[5:20, 10:30] = True
    mask[10:12, 12:14] = False
    mask[30, 40] = True
    return mask


def test_outlines_burn_back_to_their_mask(tmp_path: Path) -> None:
    mask, path = ring_with_a_hole(), tmp_path / "a.gpkg"
    path.write_bytes(encode_outlines(mask, GRID, {"month": "2014-07"}))
    np.testing.assert_array_equal(rasterise_outlines(str(path), GRID), mask)


def test_the_file_states_area_facts_and_crs(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    path.write_bytes(encode_outlines(ring_with_a_hole(), GRID, {"month": "2014-07", "fold": 3}))
    frame = geopandas.read_file(path)
    assert frame.crs.to_epsg() == 32608
    assert sorted(frame["area_km2"]) == pytest.approx([0.0009, 0.0009 * (15 * 20 - 4)])
    assert set(frame["month"]) == {"2014-07"} and set(frame["fold"]) == {3}


def test_the_same_mask_gives_the_same_bytes() -> None:
    first = encode_outlines(ring_with_a_hole(), GRID, {"month": "2014-07"})
    assert encode_outlines(ring_with_a_hole(), GRID, {"month": "2014-07"}) == first


def test_no_glacier_is_a_file_without_polygons(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    path.write_bytes(encode_outlines(np.zeros((40, 50), bool), GRID, {"month": "2014-07"}))
    assert len(geopandas.read_file(path)) == 0


@settings(derandomize=True, deadline=None, max_examples=8)
@given(mask=arrays.arrays(bool, st.tuples(st.integers(1, 8), st.integers(1, 8))))
def test_any_mask_survives_the_file(tmp_path_factory: pytest.TempPathFactory, mask) -> None:
    mask[0, 0] = True
    grid = Grid("EPSG:32645", 15.0, 615.0, 30.0, *mask.shape)
    path = tmp_path_factory.getbasetemp() / "mask.gpkg"
    path.write_bytes(encode_outlines(mask, grid, {}))
    np.testing.assert_array_equal(rasterise_outlines(str(path), grid), mask)


@pytest.mark.parametrize("name", ["a.gpkg", "a.geojson", "a.shp"])
def test_outlines_in_degrees_land_on_the_grid(tmp_path: Path, name: str) -> None:
    degrees = geopandas.GeoSeries([pixels(5, 20, 10, 30)], crs=GRID.crs).to_crs(4326)
    mask = rasterise_outlines(write(tmp_path / name, list(degrees), 4326), GRID)
    wanted = np.zeros((40, 50), np.uint8)
    wanted[5:20, 10:30] = 1
    np.testing.assert_array_equal(mask, wanted)


def test_other_features_beside_the_polygons_do_no_harm(tmp_path: Path) -> None:
    parts = MultiPolygon([pixels(0, 2, 0, 2), pixels(5, 6, 5, 6)])
    path = write(tmp_path / "a.gpkg", [None, Point(0, 0), parts])
    assert rasterise_outlines(path, GRID).sum() == 5


def test_a_pixel_belongs_where_its_centre_lies(tmp_path: Path) -> None:
    x, y = GRID.left_m, GRID.top_m
    path = write(tmp_path / "a.gpkg", [box(x + 14, y - 46, x + 46, y - 14)])
    assert np.argwhere(rasterise_outlines(path, GRID)).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    path = write(tmp_path / "b.gpkg", [box(x + 16, y - 44, x + 44, y - 16)])
    with pytest.raises(VectorError):
        rasterise_outlines(path, GRID)


def test_files_that_hold_no_outlines_of_the_region(tmp_path: Path) -> None:
    with pytest.raises(VectorError, match=r"nowhere\.gpkg: no such file"):
        rasterise_outlines(str(tmp_path / "nowhere.gpkg"), GRID)
    (tmp_path / "text.gpkg").write_text("hello")
    with pytest.raises(VectorError, match=r"text\.gpkg cannot be read"):
        rasterise_outlines(str(tmp_path / "text.gpkg"), GRID)
    with pytest.raises(VectorError, match="none of its 1 features lies on the region's grid"):
        rasterise_outlines(write(tmp_path / "far.gpkg", [box(86, 27, 87, 28)], 4326), GRID)
    with pytest.raises(VectorError, match="none of its 1 features"):
        rasterise_outlines(write(tmp_path / "point.gpkg", [Point(500100, 6499000)]), GRID)


@pytest.mark.filterwarnings("ignore:'crs' was not provided:UserWarning")
def test_outlines_without_a_crs_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.shp", [pixels(0, 9, 0, 9)], None)
    with pytest.raises(VectorError, match="no CRS; assign one"):
        rasterise_outlines(path, GRID)


def test_a_table_without_shapes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("glacier,area\nKhumbu,19\n")
    with pytest.raises(VectorError, match=r"a\.csv"):
        rasterise_outlines(str(tmp_path / "a.csv"), GRID)


@pytest.mark.parametrize("address", ["memory://nowhere.gpkg", "/vsicurl/http://127.0.0.1/a.gpkg"])
def test_addresses_that_cannot_be_had(address: str) -> None:
    with pytest.raises(GlacierError, match=address):
        rasterise_outlines(address, GRID)


def test_the_real_outlines_cover_54_percent_of_the_real_frame(real_data: Path) -> None:
    grid = Grid("EPSG:32645", 478000.0, 3108140.0, 30.0, 655, 800)
    outlines = real_data / "everest_l7_rgi" / "15_rgi60_glacier_outlines.gpkg"
    assert rasterise_outlines(str(outlines), grid).mean() == pytest.approx(0.54, abs=0.002)
