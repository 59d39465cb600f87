"""Which layer of a file is read, and in which CRS its shapes lie."""

import sqlite3
from pathlib import Path

import geopandas
import pytest
from shapely.geometry import LineString, Point, box

from glacier.errors import VectorError
from glacier.geo.raster import Grid
from glacier.geo.vector_layers import VectorFile, pick_layers, read_tables
from glacier.geo.vectors import burn_outlines, read_outlines
from tests.support.outlines import rasterise_outlines
from tests.support.wkb import POLYGON, TIN_Z, TRIANGLE_Z, ring, shape, write_shapes

GRID = Grid("EPSG:32608", 500025.0, 6500025.0, 30.0, 40, 50)
HERE, AWAY = box(500025, 6499425, 500625, 6500025), box(510000, 6510000, 511000, 6511000)


def write(path: Path, layer: str, shapes: list, crs: object = GRID.crs) -> str:
    table = geopandas.GeoDataFrame({"n": range(len(shapes))}, geometry=shapes, crs=crs)
    table.to_file(path, layer=layer, driver="GPKG")
    return str(path)


def undefine(path: str, code: int) -> str:
    """Turn a GeoPackage's CRS into its -1 (undefined Cartesian) or 0 (undefined geographic)."""
    with sqlite3.connect(path) as file:
        for table in ("gpkg_geometry_columns", "gpkg_contents"):
            file.execute(f"UPDATE {table} SET srs_id = ?", (code,))
    file.close()
    return path


def test_the_only_layer_on_the_grid_is_taken_and_said(tmp_path: Path) -> None:
    write(tmp_path / "a.gpkg", "study_area", [AWAY])
    write(tmp_path / "a.gpkg", "stations", [Point(500100, 6500000)])
    file = write(tmp_path / "a.gpkg", "glaciers", [HERE])
    found = burn_outlines(read_outlines(VectorFile(file)), GRID)
    assert found.mask.sum() == 400
    assert found.notes == (
        "a.gpkg: layer glaciers was read, the only one of 2 with polygons on the region's grid",
    )


def test_two_layers_on_the_grid_are_asked_about(tmp_path: Path) -> None:
    write(tmp_path / "a.gpkg", "study_area", [box(499000, 6490000, 510000, 6510000)])
    file = write(tmp_path / "a.gpkg", "glaciers", [HERE])
    with pytest.raises(
        VectorError, match=r"layers study_area and glaciers have .* in prepare\.label\.layer"
    ):
        rasterise_outlines(file, GRID)
    assert rasterise_outlines(file, GRID, "glaciers").sum() == 400
    assert rasterise_outlines(file, GRID, "study_area").all()
    with pytest.raises(VectorError, match="no layer 'glacier'; did you mean glaciers"):
        rasterise_outlines(file, GRID, "glacier")
    debris = VectorFile(file, theme="debris", setting="prepare.label.debris_")
    with pytest.raises(VectorError, match=r"in prepare\.label\.debris_layer"):
        burn_outlines(read_outlines(debris), GRID)


def test_two_layers_elsewhere_are_none(tmp_path: Path) -> None:
    write(tmp_path / "a.gpkg", "one", [AWAY])
    file = write(tmp_path / "a.gpkg", "two", [AWAY, AWAY])
    with pytest.raises(VectorError, match="none of its 3 features lies on the region's grid"):
        rasterise_outlines(file, GRID)


@pytest.mark.parametrize(("code", "name"), [(-1, "Cartesian"), (0, "geographic")])
def test_an_undefined_crs_is_none(tmp_path: Path, code: int, name: str) -> None:
    file = undefine(write(tmp_path / "a.gpkg", "a", [HERE]), code)
    with pytest.raises(VectorError, match=rf"layer a: no CRS \(Undefined {name} SRS\); assign one"):
        rasterise_outlines(file, GRID)
    assert rasterise_outlines(file, GRID, crs="EPSG:32608").sum() == 400


def test_a_crs_that_the_file_states_is_not_overruled(tmp_path: Path) -> None:
    file = write(tmp_path / "a.gpkg", "a", [HERE])
    assert rasterise_outlines(file, GRID, crs="EPSG:32608").sum() == 400
    with pytest.raises(VectorError, match=r"states EPSG:32608 and prepare\.label\.crs EPSG:4326"):
        rasterise_outlines(file, GRID, crs="EPSG:4326")
    with pytest.raises(VectorError, match=r"prepare\.label\.crs EPSG:999999: there is no such CRS"):
        rasterise_outlines(file, GRID, crs="EPSG:999999")


@pytest.mark.parametrize("crs", ["EPSG:4978", 'LOCAL_CS["mine",UNIT["metre",1]]'])
def test_other_systems_that_say_no_place_on_a_map(tmp_path: Path, crs: str) -> None:
    file = write(tmp_path / "a.gpkg", "a", [HERE], crs)
    with pytest.raises(VectorError, match="no CRS"):
        rasterise_outlines(file, GRID)


def test_a_surface_of_triangles_costs_its_row_alone(tmp_path: Path) -> None:
    triangle = shape(TRIANGLE_Z, ring((0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 0, 0)))
    square = shape(POLYGON, ring(*HERE.exterior.coords))
    file = write_shapes(tmp_path / "a.gpkg", [shape(TIN_Z, triangle), square], GRID.crs)
    found = burn_outlines(read_outlines(VectorFile(file)), GRID)
    assert found.mask.sum() == 400
    assert found.notes == ("a.gpkg: 1 of 2 rows left out (1 no shape that can be read)",)


def test_a_layer_of_lines_alone_is_still_read(tmp_path: Path) -> None:
    """So that what is said is of lines, and not of an empty file."""
    file = write(tmp_path / "a.gpkg", "a", [LineString(HERE.exterior)])
    assert list(read_tables(VectorFile(file))) == ["a"]
    with pytest.raises(VectorError, match=r"none of its 1 features .* left out \(1 LineString\)"):
        rasterise_outlines(file, GRID)


@pytest.mark.parametrize("before", ["", "2.5D "])
@pytest.mark.parametrize(
    ("kind", "has_area"),
    [
        ("Point", False), ("MultiPoint Z", False), ("LineString ZM", False),
        ("MultiCurve", False), ("CompoundCurve", False), ("Polygon", True),
        ("CurvePolygon", True), ("MultiSurface", True), ("Unknown", True),
    ],
)  # fmt: skip
def test_layers_without_area_are_left_beside_one_with_it(
    before: str, kind: str, has_area: bool
) -> None:
    found = pick_layers(VectorFile("a.gpkg"), {"it": before + kind, "ice": "MultiPolygon"})
    assert found == (["it", "ice"] if has_area else ["ice"])
