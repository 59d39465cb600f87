"""Lines of a vector file as the lines along which fronts are measured."""

from pathlib import Path

import geopandas
import numpy as np
import pytest
from shapely.geometry import LineString, MultiLineString, Point, box

from glacier.errors import VectorError
from glacier.geo.centre_lines import place_centre_lines, read_centre_lines
from glacier.geo.raster import Grid
from glacier.geo.vector_layers import VectorFile

GRID = Grid("EPSG:32608", 500_000, 6_500_000, 30, 100, 100)
X, Y = GRID.left_m, GRID.top_m
DOWN = LineString([(X + 100, Y - 100), (X + 100, Y - 900), (X + 400, Y - 1500)])


def write(folder: Path, shapes: list, crs: str = GRID.crs, **columns) -> VectorFile:
    path = folder / "lines.gpkg"
    table = geopandas.GeoDataFrame(columns, geometry=shapes, crs=GRID.crs)
    table.to_crs(crs).to_file(path, driver="GPKG")
    return VectorFile(str(path), setting="series.centre_lines_")


@pytest.mark.parametrize("crs", [GRID.crs, "EPSG:4326"])
def test_a_line_keeps_its_direction_and_its_name(tmp_path: Path, crs: str) -> None:
    far = LineString([(X + 90_000, Y), (X + 91_000, Y)])
    file = write(tmp_path, [DOWN, far], crs, rgi_id=["RGI2000-v7.0-G-01-00001", "x"])
    (line,) = place_centre_lines(read_centre_lines(file), GRID)
    assert line.name == "RGI2000-v7.0-G-01-00001"
    assert line.corners == pytest.approx(np.array(DOWN.coords), abs=1e-3)


def test_parts_that_follow_each_other_are_one_line(tmp_path: Path) -> None:
    first, second = LineString(DOWN.coords[:2]), LineString(DOWN.coords[1:])
    file = write(tmp_path, [MultiLineString([second, first])], Name=["Big"])
    (line,) = place_centre_lines(read_centre_lines(file), GRID)
    assert (line.name, line.corners.tolist()) == ("Big", [list(xy) for xy in DOWN.coords])


def test_lines_without_a_name_have_a_number(tmp_path: Path) -> None:
    file = write(tmp_path, [DOWN, LineString([(X, Y), (X + 30, Y - 50)])])
    assert [line.name for line in place_centre_lines(read_centre_lines(file), GRID)] == ["1", "2"]
    elsewhere = Grid("EPSG:32633", 500_000, 6_500_000, 30, 100, 100)
    assert place_centre_lines(read_centre_lines(file), elsewhere) == ()


@pytest.mark.parametrize(
    ("shapes", "columns", "words"),
    [
        ([box(X, Y - 90, X + 90, Y)], {}, "no layer read holds lines"),
        ([DOWN, Point(X, Y)], {"name": ["a", "b"]}, "b is no line in one piece"),
        ([MultiLineString([[(X, Y), (X, Y - 9)], [(X + 9, Y), (X + 9, Y - 9)]])], {},
         "1 is no line in one piece"),
        ([DOWN, DOWN], {"rgi_id": ["a", "a"]}, "a has several lines"),
    ],
)  # fmt: skip
def test_other_files_are_refused(tmp_path: Path, shapes: list, columns: dict, words: str) -> None:
    file = write(tmp_path, shapes, **columns)
    with pytest.raises(VectorError, match=words):
        place_centre_lines(read_centre_lines(file), GRID)


def test_a_description_that_opens_others_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lines.vrt"
    path.write_text("<OGRVRTDataSource/>")
    with pytest.raises(VectorError, match="by its first bytes"):
        read_centre_lines(VectorFile(str(path)))
