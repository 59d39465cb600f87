import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import date
from pathlib import Path

import geopandas
import pytest
import shapely

from glacier.errors import StoreError, VectorError
from glacier.geo.outline_files import (
    encode_geopackage,
    encode_geoparquet,
    read_outline_rows,
    write_outlines,
)  # fmt: skip
from glacier.geo.outline_rows import NOT_ASSIGNED, OutlineRow

HOLE = shapely.Polygon(
    [(86.9, 27.9), (87.0, 27.9), (87.0, 28.0), (86.9, 28.0)],
    [[(86.94, 27.94), (86.94, 27.96), (86.96, 27.96)]],
)
ROW = OutlineRow(
    geometry=HOLE, rgi_id="RGI2000-v7.0-G-15-00001", o1region="15", glims_id="G086932E27925N",
    anlys_id=12345, src_date=date(2014, 7, 8), src_date_min=date(2014, 7, 1),
    src_date_max=date(2014, 7, 24), cenlon=86.92, cenlat=27.95, utm_zone=45, area_km2=109.0,
    primeclass=None, conn_lvl=0, surge_type=NOT_ASSIGNED, term_type=NOT_ASSIGNED,
    glac_name="Khumbu", year=2014, month=7, region="everest", probability=0.875,
    uncertainty_km2=0.61, snow=False, debris_share=0.25,
    scene_ids="LC08_a LC08_b", model="ab" * 32, analyst="glacier 1.0",
)  # fmt: skip
BARE = replace(
    ROW, geometry=shapely.box(87.1, 27.9, 87.2, 28.0), rgi_id=None, o1region=None, glims_id=None,
    anlys_id=None, conn_lvl=None, glac_name=None, snow=None, debris_share=None, month=8,
    src_date_min=date(2014, 7, 8), src_date_max=date(2014, 7, 8), scene_ids="",
)  # fmt: skip
ROWS = [ROW, BARE]


@pytest.mark.parametrize("rows", [ROWS, [BARE], []], ids=["two", "nothing known", "none"])
def test_what_is_written_is_read_back(tmp_path: Path, rows: list[OutlineRow]) -> None:
    sums = write_outlines(str(tmp_path), "series", rows)
    assert sorted(sums) == ["series.gpkg", "series.parquet", "series.qml"]
    for name in ("series.gpkg", "series.parquet"):
        assert read_outline_rows(str(tmp_path / name)) == rows


def test_the_same_rows_give_the_same_bytes() -> None:
    assert encode_geopackage(ROWS) == encode_geopackage(ROWS)
    assert encode_geoparquet(ROWS) == encode_geoparquet(ROWS)


def test_a_temporary_folder_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    with pytest.raises(StoreError, match="cannot write a GeoPackage in /nowhere/at/all"):
        encode_geopackage(ROWS)


def test_the_layer_for_oggm_has_the_names_of_rgi_6(tmp_path: Path) -> None:
    write_outlines(str(tmp_path), "series", ROWS)
    first, second = (row for _, row in geopandas.read_file(tmp_path / "series.gpkg", layer="oggm")
                     .iterrows())  # fmt: skip
    assert (first.RGIId, second.RGIId) == ("RGI60-15.00001_201407", "RGI60-00.00002_201408")
    assert (first.BgnDate, first.EndDate) == ("20140701", "20140724")
    assert (second.BgnDate, second.EndDate) == ("20140708", "-9999999")
    assert (first.Area, first.CenLon, first.CenLat) == (109.0, 86.92, 27.95)
    assert (first.Name, second.Name, first.inv_id) == ("Khumbu", "", ROW.rgi_id)
    assert (first.TermType, first.Form, first.Surging, first.Status) == (9, 9, 9, 0)
    assert first.geometry.equals_exact(HOLE) and "rgi_id" not in first


def test_ids_for_oggm_are_never_as_long_as_those_of_rgi_7(tmp_path: Path) -> None:
    """OGGM takes an id of 23 letters for one of RGI 7."""
    write_outlines(str(tmp_path), "series", [ROW] * 12)
    ids = geopandas.read_file(tmp_path / "series.gpkg", layer="oggm").RGIId
    assert ids.is_unique and set(ids.str.len()) == {21}


def test_the_style_lies_beside_both_files_and_draws_polygons(tmp_path: Path) -> None:
    write_outlines(str(tmp_path), "series", ROWS)
    style = ET.parse(tmp_path / "series.qml").getroot()
    assert style.tag == "qgis" and style.find("renderer-v2/symbols/symbol").get("type") == "fill"


def test_a_table_without_our_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    geopandas.GeoDataFrame({"a": [1]}, geometry=[HOLE], crs=4326).to_parquet(path)
    with pytest.raises(VectorError, match=r"a\.parquet has no column analyst"):
        read_outline_rows(str(path))


@pytest.mark.skipif(shutil.which("ogrinfo") is None, reason="ogrinfo (GDAL's programs) is missing")
def test_ogrinfo_reads_every_layer(tmp_path: Path) -> None:
    write_outlines(str(tmp_path), "series", ROWS)
    said = subprocess.run(
        ["ogrinfo", "-ro", "-al", "-so", str(tmp_path / "series.gpkg")],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    for words in (
        "Layer name: outlines",
        "Layer name: oggm",
        "Feature Count: 2",
        "src_date: String",
    ):
        assert words in said.stdout
    assert "Warning" not in said.stderr and "ERROR" not in said.stderr
