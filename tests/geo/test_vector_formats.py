"""Formats are told by first bytes, whatever a file is called, and all of them are read."""

import zipfile
from pathlib import Path

import geopandas
import pytest
from shapely.geometry import box

from glacier.errors import VectorError
from glacier.geo.raster import Grid
from glacier.geo.vector_formats import FORMATS, KML, match_head
from tests.support.outlines import rasterise_outlines

GRID = Grid("EPSG:32608", 500025.0, 6500025.0, 30.0, 40, 50)
SHAPE = box(500025, 6499425, 500625, 6500025)
"""20 x 20 pixels."""


def write(folder: Path, name: str) -> Path:
    """The square in a format by its ending."""
    table = geopandas.GeoDataFrame({"Name": ["a"]}, geometry=[SHAPE], crs=GRID.crs)
    path = folder / name
    if path.suffix == ".parquet":
        table.to_parquet(path)
    elif path.suffix == ".zip":
        (folder / "parts").mkdir()
        table.to_file(folder / "parts" / "a.shp")
        with zipfile.ZipFile(path, "w") as archive:
            for part in (folder / "parts").iterdir():
                archive.write(part, f"inventory/{part.name}")
    else:
        drivers = {".gpkg": "GPKG", ".shp": None, ".geojson": "GeoJSON", ".kml": "KML"}
        driver = drivers.get(path.suffix, "FlatGeobuf")
        (table.to_crs(4326) if path.suffix == ".kml" else table).to_file(path, driver=driver)
    return path


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.name)
def test_each_format_is_read(tmp_path: Path, kind: object) -> None:
    path = write(tmp_path, f"a{kind.ending}")  # type: ignore[attr-defined]
    assert match_head(path.read_bytes()[: 1 << 16]) is kind
    assert rasterise_outlines(str(path), GRID).sum() == 400


@pytest.mark.parametrize("ending", [".gpkg", ".geojson", ".fgb", ".kml", ".parquet", ".zip"])
def test_each_format_is_read_under_any_name(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path, f"a{ending}").rename(tmp_path / "outlines.of.2015.txt")
    assert rasterise_outlines(str(path), GRID).sum() == 400
    assert [place.name for place in tmp_path.iterdir() if place.is_file()] == [path.name]


def test_a_shapefile_needs_its_name(tmp_path: Path) -> None:
    path = write(tmp_path, "a.shp").rename(tmp_path / "a.gpkg")
    with pytest.raises(VectorError, match=r"a Shapefile; give it the ending \.shp"):
        rasterise_outlines(str(path), GRID)


@pytest.mark.parametrize(
    "head",
    [b"", b"hello", b"<OGRVRTDataSource/>", b"SQLite format 3\0" + bytes(80), b"[1, 2]", b"\0{",
     b"<!DOCTYPE kml><kml>", b"<html><kml>", b"<kmlx>", b"PK\5\6", b"n,WKT\n"],
)  # fmt: skip
def test_other_heads_are_no_format(head: bytes) -> None:
    assert match_head(head) is None


@pytest.mark.parametrize(
    "head",
    [b"<kml>", b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a - b -->\n<!--c--><kml xmlns="x">',
     b'<k:kml xmlns:k="x">'],
)  # fmt: skip
def test_a_kml_may_begin_in_many_ways(head: bytes) -> None:
    assert match_head(head) is KML
