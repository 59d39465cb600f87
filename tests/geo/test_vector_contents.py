"""What is looked for in vector files before a library reads them."""

import json
from pathlib import Path

import geopandas
import numpy as np
import pyarrow as pa
import pytest
import shapely
from pyarrow import parquet
from shapely.geometry import box

from glacier.geo import vector_contents
from glacier.geo.vector_contents import (
    CRS_BYTES,
    explain_bomb,
    look_into_geojson,
    look_into_geopackage,
    look_into_parquet,
)

ADDRESS = {"type": "link", "properties": {"href": "http://127.0.0.1:9/x"}}
PLAIN = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32608"}}


def write(path: Path, *parts: object) -> Path:
    path.write_text("".join(p if isinstance(p, str) else json.dumps(p) for p in parts))
    return path


def test_plain_files_hold_nothing_of_the_kind(tmp_path: Path) -> None:
    table = geopandas.GeoDataFrame(
        {"crs": ["a {crs} of crs: {x", "link"], "url": ["http://x/link", "\\u0041"]},
        geometry=[box(0, 0, 1, 1), box(2, 2, 3, 3)], crs=32608,
    )  # fmt: skip
    table.to_file(tmp_path / "a.geojson")
    table[["url", "geometry"]].to_file(tmp_path / "a.gpkg")
    table.to_parquet(tmp_path / "a.parquet")
    assert look_into_geopackage(tmp_path / "a.gpkg") == ""
    assert look_into_parquet(tmp_path / "a.parquet") == ""
    (tmp_path / "b.geojson").write_text(table.drop(columns=["crs"]).to_json())
    assert look_into_geojson(tmp_path / "b.geojson") == ""


@pytest.mark.parametrize("word", ['"crs"', '"CRS"', "'crs'", '"crs"  '])
def test_a_crs_by_its_address_is_found(tmp_path: Path, word: str) -> None:
    for spaces in (0, 100, CRS_BYTES - 10, 2 * CRS_BYTES):
        path = write(tmp_path / "a", "{", word, ":", " " * spaces, ADDRESS, "}")
        assert "address" in look_into_geojson(path), spaces
    assert look_into_geojson(write(tmp_path / "a", "{", word, ":", PLAIN, "}")) == ""


@pytest.mark.parametrize("off", range(-6, 7))
def test_it_is_found_also_where_parts_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off: int
) -> None:
    monkeypatch.setattr(vector_contents, "PART_BYTES", 6 * CRS_BYTES)
    for edge in (3 * CRS_BYTES, 6 * CRS_BYTES):
        path = write(tmp_path / "a", "{", "[" * (edge - 1 + off), '"crs":', ADDRESS, "]" * 10**6)
        assert "address" in look_into_geojson(path)
        path = write(tmp_path / "a", "{", "[" * (edge - 1 + off), '"crs":', PLAIN, "]" * 10**6)
        assert look_into_geojson(path) == ""


def test_letters_by_their_numbers_are_found(tmp_path: Path) -> None:
    assert "letters" in look_into_geojson(write(tmp_path / "a", '{"\\u0063rs": {}}'))
    assert look_into_geojson(write(tmp_path / "a", '{"a": "\\u00e5 \\u003c \\u0026"}')) == ""


def test_large_parquet_files_are_no_bombs(tmp_path: Path) -> None:
    rings = np.random.default_rng(0).random((2000, 30, 2))
    shapes = shapely.polygons(np.concatenate([rings, rings[:, :1]], axis=1))
    names = [f"RGI2000-v7.0-G-{k:06}" for k in range(len(shapes))]
    table = geopandas.GeoDataFrame({"rgi_id": names, "zone": 7}, geometry=shapes, crs=4326)
    table.to_parquet(tmp_path / "a.parquet")
    assert look_into_parquet(tmp_path / "a.parquet") == ""


def test_no_more_is_unpacked_than_is_needed_to_tell() -> None:
    asked = []

    def unpack(sizes: list[int]):
        for size in sizes:
            asked.append(size)
            yield size

    assert explain_bomb(unpack([1 << 20] * 3), 10) == ""
    asked.clear()
    assert "unpacks to more than" in explain_bomb(unpack([1 << 25, 1, 1, 1]), 10)
    assert len(asked) == 2
    assert explain_bomb(unpack([1 << 30]), 1 << 24) == ""


@pytest.mark.parametrize("kind", ["string", "large_string", "binary", "large_binary"])
@pytest.mark.parametrize("kept", [True, False])
def test_equal_cells_count_as_often_as_they_stand(tmp_path: Path, kind: str, kept: bool) -> None:
    cell = pa.array(["x" * (1 << 16)], getattr(pa, kind)())
    places = pa.array(np.zeros(2000, np.int32))
    column = pa.DictionaryArray.from_arrays(places, cell)
    parquet.write_table(pa.table({"a": column}), tmp_path / "a.parquet", store_schema=kept)
    assert (tmp_path / "a.parquet").stat().st_size < 10_000
    assert "unpacks to more than" in look_into_parquet(tmp_path / "a.parquet")
