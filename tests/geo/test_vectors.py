from pathlib import Path

import geopandas
import numpy as np
import pandas
import pyogrio
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from shapely.affinity import affine_transform
from shapely.geometry import GeometryCollection, MultiPolygon, Point, Polygon, box

from glacier.errors import GlacierError, VectorError
from glacier.geo.raster import Grid
from glacier.geo.vector_layers import VectorFile
from glacier.geo.vectors import burn_outlines, encode_outlines, read_outlines
from tests.support import wkb
from tests.support.outlines import rasterise_outlines
from tests.support.rings import SOUP, hold, near_edge

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
    rows = pandas.DataFrame({"glacier": ["Khumbu"], "area": [19]})
    pyogrio.write_dataframe(rows, tmp_path / "a.gpkg")
    with pytest.raises(VectorError, match=r"a\.gpkg: a table without shapes"):
        rasterise_outlines(str(tmp_path / "a.gpkg"), GRID)


@pytest.mark.parametrize("address", ["memory://nowhere.gpkg", "/vsicurl/http://127.0.0.1/a.gpkg"])
def test_addresses_that_cannot_be_had(address: str) -> None:
    with pytest.raises(GlacierError, match=address):
        rasterise_outlines(address, GRID)


def test_the_real_outlines_cover_54_percent_of_the_real_frame(real_data: Path) -> None:
    grid = Grid("EPSG:32645", 478000.0, 3108140.0, 30.0, 655, 800)
    outlines = real_data / "everest_l7_rgi" / "15_rgi60_glacier_outlines.gpkg"
    assert rasterise_outlines(str(outlines), grid).mean() == pytest.approx(0.54, abs=0.002)


# Polygons of every kind.


def burnt(path: str, grid: Grid = GRID):
    return burn_outlines(read_outlines(VectorFile(path)), grid)


CENTRES = np.stack(np.meshgrid(np.arange(50) + 0.5, np.arange(40) + 0.5), -1).reshape(-1, 2)
"""Of all pixels, in columns and rows."""


@settings(derandomize=True, deadline=None, max_examples=150)
@given(soup=SOUP, degrees=st.booleans(), far=st.booleans())
def test_any_soup_of_polygons_is_its_union_or_refused(
    tmp_path_factory: pytest.TempPathFactory, soup: list, degrees: bool, far: bool
) -> None:
    """Against rings counted by hand, also after a way to degrees and back."""
    side, x, y = GRID.pixel_m, GRID.left_m, GRID.top_m
    rows = [shape if shape.geom_type != "GeometryCollection" else shape.geoms[0] for shape in soup]
    inside = np.any([hold(shape, CENTRES) for shape in soup], axis=0)
    sure = ~np.any([near_edge(shape, CENTRES, 0.01) for shape in rows], axis=0)
    ground = [affine_transform(shape, [side, 0, 0, -side, x, y]) for shape in soup]
    frame = geopandas.GeoSeries([*ground, *([box(0, 1, 2, 3)] if far else [])], crs=GRID.crs)
    path = tmp_path_factory.getbasetemp() / "soup.gpkg"
    path.unlink(missing_ok=True)
    frame.to_crs("EPSG:4326" if degrees else GRID.crs).to_file(path)
    try:
        mask = rasterise_outlines(str(path), GRID).ravel()
    except VectorError as error:
        assert "lies on the region's grid" in str(error) and not (inside & sure).any()
        return
    np.testing.assert_array_equal(mask[sure], inside[sure])


def test_what_lies_within_a_hole_is_ice_again(tmp_path: Path) -> None:
    ring = Polygon(pixels(0, 30, 0, 30).exterior, [pixels(5, 25, 5, 25).exterior])
    nunatak = Polygon(pixels(10, 20, 10, 20).exterior, [pixels(12, 14, 12, 14).exterior])
    for name, shapes in (("a", [ring, nunatak]), ("b", [MultiPolygon([ring, nunatak])])):
        mask = rasterise_outlines(write(tmp_path / f"{name}.gpkg", shapes), GRID)
        assert mask.sum() == 900 - 400 + 100 - 4


def test_a_ring_over_itself_is_its_union_and_said(tmp_path: Path) -> None:
    """Two squares of 20 x 20 pixels in one ring, a quarter of each over the other."""
    first, second = (
        np.array(pixels(*at).exterior.coords) for at in ((0, 20, 0, 20), (10, 30, 10, 30))
    )
    bridge = np.concatenate([first, second, first[:1]])
    found = burnt(write(tmp_path / "a.gpkg", [Polygon(bridge), pixels(0, 1, 0, 1)]))
    assert found.mask.sum() == 400 + 400 - 100
    (note,) = found.notes
    assert note.startswith("a.gpkg: polygons on the region's grid that were invalid")
    assert "mended: 1;" in note


def test_rows_are_cut_out_or_left_out_by_the_inventorys_own_column(tmp_path: Path) -> None:
    shapes = [pixels(0, 20, 0, 20), pixels(5, 10, 5, 10), pixels(15, 30, 15, 30), Point(0, 0)]
    kinds = ["glac_bound", "intrnl_rock", "pro_lake", "snowline"]
    found = burnt(write(tmp_path / "a.shp", shapes[:3], line_type=kinds[:3]))
    assert found.mask.sum() == 400 - 25
    assert found.notes == (
        "a.shp: 1 of 3 rows cut out of the ice (1 line_type intrnl_rock)",
        "a.shp: 1 of 3 rows left out (1 line_type pro_lake)",
    )
    found = burnt(write(tmp_path / "a.gpkg", shapes[::-1], line_type=kinds[::-1]))
    assert found.mask.sum() == 400 - 25
    assert "2 of 4 rows left out (1 line_type pro_lake, 1 line_type snowline)" in found.notes[1]


def test_every_type_with_area_counts_and_the_others_are_counted(tmp_path: Path) -> None:
    square = pixels(0, 2, 0, 2)
    shapes = [
        square, MultiPolygon([pixels(4, 6, 0, 2), pixels(8, 10, 0, 2)]),
        GeometryCollection([Point(0, 0), pixels(12, 14, 0, 2)]),
        shapely.force_3d(pixels(16, 18, 0, 2), 4000), Point(0, 0),
        shapely.LineString(square.exterior), None, Polygon(),
    ]  # fmt: skip
    found = burnt(write(tmp_path / "a.gpkg", shapes))
    assert found.mask.sum() == 5 * 4
    (note,) = found.notes
    assert (
        note == "a.gpkg: 4 of 8 rows left out (1 LineString, 1 Point, 2 no shape that can be read)"
    )


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_curves_measures_and_corners_that_are_no_numbers(tmp_path: Path) -> None:
    x, y = GRID.left_m, GRID.top_m
    circle = wkb.line(wkb.CIRCULAR_STRING, (x, y - 300), (x + 600, y - 300), (x, y - 300))
    measured = wkb.ring((x, y, 1, 2), (x + 60, y, 1, 2), (x + 60, y - 60, 1, 2), (x, y, 1, 2))
    beyond = wkb.ring((x, y), (np.nan, y), (x, y - 900), (x, y))
    left_open = wkb.ring((x, y - 900), (x + 60, y - 900), (x + 60, y - 960), (x, y - 960))
    shapes = [
        wkb.shape(wkb.CURVE_POLYGON, circle), wkb.shape(wkb.POLYGON_ZM, measured),
        wkb.shape(wkb.POLYGON, beyond), wkb.shape(wkb.POLYGON, left_open),
    ]  # fmt: skip
    path = wkb.write_shapes(tmp_path / "a.gpkg", shapes, GRID.crs)
    found = burn_outlines(read_outlines(VectorFile(path)), GRID)
    assert found.mask.sum() == pytest.approx(np.pi * 10**2 + 2 + 4, abs=6)
    assert found.notes == ("a.gpkg: 1 of 4 rows left out (1 a corner that is no number)",)


@pytest.mark.parametrize("crs", ["EPSG:4326", GRID.crs])
def test_swapped_axes_are_told_from_the_wrong_file(tmp_path: Path, crs: str) -> None:
    shapes = geopandas.GeoSeries([pixels(5, 20, 10, 30)], crs=GRID.crs).to_crs(crs)
    swapped = [shapely.transform(shape, lambda xy: xy[:, ::-1]) for shape in shapes]
    with pytest.raises(VectorError, match="only with their axes swapped"):
        burnt(write(tmp_path / "a.gpkg", swapped, crs))


def test_longitudes_from_0_to_360_and_over_the_date_line(tmp_path: Path) -> None:
    over = Grid("EPSG:32601", 359_025.0, 7_900_025.0, 30.0, 40, 50)  # west edge at 179.4 W
    line = Grid("EPSG:32601", 378_025.0 - 1_500 * 30, 7_900_025.0, 30.0, 40, 1000)
    for name, grid in (("beside", over), ("across", line)):
        ground = pixels(5, 20, 10, grid.width - 10, grid)
        degrees = geopandas.GeoSeries([shapely.segmentize(ground, 300)], crs=grid.crs).to_crs(4326)
        forms = {
            "plain": degrees[0],
            "turned": shapely.transform(
                degrees[0], lambda xy: np.stack([xy[:, 0] % 360, xy[:, 1]], 1)
            ),
        }
        for form, shape in forms.items():
            mask = burnt(write(tmp_path / f"{name}{form}.gpkg", [shape], 4326), grid).mask
            assert mask.sum() == 15 * (grid.width - 20), (name, form)
            assert mask[5:20, 10:-10].all()


def test_a_whole_world_of_polygons_costs_and_changes_nothing(tmp_path: Path) -> None:
    world = [box(x, y, x + 1, y + 1) for x in range(-180, 180, 4) for y in range(-89, 89, 3)]
    here = geopandas.GeoSeries([pixels(5, 20, 10, 30)], crs=GRID.crs).to_crs(4326)
    clear = [shape for shape in world if not shape.intersects(here[0].buffer(1))]
    assert burnt(write(tmp_path / "a.gpkg", [*clear, *here], 4326)).mask.sum() == 15 * 20


def test_a_polygon_that_reaches_where_the_grid_has_no_numbers_covers_what_it_covers(
    tmp_path: Path,
) -> None:
    """Half the world has corners that no UTM zone can say."""
    world = box(-179, 5, 179, 89)
    file = write(tmp_path / "world.gpkg", [world], "EPSG:4326")
    assert rasterise_outlines(file, GRID).all()
    left, bottom, right, top = GRID.bounds
    to_degrees = pyproj.Transformer.from_crs(GRID.crs, "EPSG:4326", always_xy=True)
    middle, _ = to_degrees.transform((left + right) / 2, (bottom + top) / 2)
    file = write(tmp_path / "west.gpkg", [box(-179, 5, middle, 89)], "EPSG:4326")
    found = rasterise_outlines(file, GRID)
    assert found[:, :24].all() and not found[:, 26:].any()
