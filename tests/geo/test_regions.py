"""Glaciers of vector files become regions: frames, names, order, and what is refused."""

import shutil
import subprocess
import sys
import time
import unicodedata
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import yaml
from shapely.geometry import GeometryCollection, MultiPolygon, Point, Polygon, box

from glacier.command import read_file
from glacier.config import Config, config_digest
from glacier.errors import ConfigError
from glacier.flags import load_config
from glacier.geo.raster import grid_of_region
from glacier.geo.regions import read_regions
from glacier.settings.regions import RegionFile
from tests.support.tiny import tiny_values

ROOT = Path(__file__).parents[1]
MENDENHALL = box(-134.62, 58.42, -134.42, 58.59)
TAKU = box(-134.2, 58.4, -134.0, 58.6)
CRS = "EPSG:4326"


def write(path: Path, ids: Sequence[Any], shapes: Sequence[Any], **more: Any) -> Path:
    """A vector file with an RGI 7 column, or with the columns given."""
    crs, columns = more.pop("crs", CRS), {"rgi_id": ids} if ids else {}
    geopandas.GeoDataFrame(columns | more, geometry=list(shapes), crs=crs).to_file(path)
    return path


def read(file: Path, **wanted: Any) -> list[Any]:
    return read_regions(RegionFile(file=str(file), **wanted))


@pytest.fixture
def two(tmp_path: Path) -> Path:
    ids = ["RGI2000-v7.0-G-01-00709", "RGI2000-v7.0-G-01-00012"]
    return write(tmp_path / "two.gpkg", ids, [MENDENHALL, TAKU], name=["Mendenhall", "Taku"])


# The frame.


@pytest.mark.parametrize("buffer_m", [0, 500])
def test_the_frame_is_the_outlines_rectangle_and_its_margin(tmp_path: Path, buffer_m: int) -> None:
    """Known answer: a polygon of whole pixels in its own UTM zone."""
    outline = Polygon([(522015, 6480015), (531015, 6483015), (525015, 6495015)])
    file = write(tmp_path / "a.gpkg", ["RGI60-01.00709"], [outline], crs="EPSG:32608")
    (region,) = read(file, buffer_m=buffer_m)
    grid = grid_of_region(region)
    west, north = 522015 - buffer_m, 6495015 + buffer_m
    assert region.name == "rgi60-01-00709" and grid.crs == "EPSG:32608"
    assert west - 60 <= grid.left_m <= west and north <= grid.top_m <= north + 60
    assert 9000 + 2 * buffer_m <= grid.width * 30 <= 9000 + 2 * buffer_m + 120
    assert 15000 + 2 * buffer_m <= grid.height * 30 <= 15000 + 2 * buffer_m + 120
    assert grid.left_m % 30 == 15 and grid.top_m % 30 == 15


@pytest.mark.parametrize("name", ["a.gpkg", "a.shp", "a.geojson"])
def test_every_format_gives_the_same_regions(tmp_path: Path, two: Path, name: str) -> None:
    geopandas.read_file(two).to_file(tmp_path / name)
    assert read(tmp_path / name) == read(two)


def test_rows_of_one_id_are_one_glacier(tmp_path: Path) -> None:
    parts = [box(10, 46, 10.02, 46.01), box(10.05, 46.02, 10.06, 46.03)]
    whole = write(tmp_path / "whole.gpkg", ["g"], [MultiPolygon(parts)])
    assert read(write(tmp_path / "rows.gpkg", ["g", "g"], parts)) == read(whole)


def test_a_glacier_on_the_180th_meridian_has_a_frame_of_its_own_size(tmp_path: Path) -> None:
    halves = MultiPolygon([box(179.9, 71.0, 180, 71.1), box(-180, 71.0, -179.8, 71.1)])
    file = write(tmp_path / "a.gpkg", ["wrangel"], [halves])
    grid = grid_of_region(read(file, buffer_m=0)[0])
    assert grid.crs == "EPSG:32601"
    assert grid.width * 30 == pytest.approx(0.3 * 111_320 * np.cos(np.radians(71)), rel=0.06)


def test_the_real_inventory_of_everest(real_data: Path) -> None:
    file = real_data / "everest_l7_rgi/15_rgi60_glacier_outlines.gpkg"
    regions = read(file)
    outlines = geopandas.read_file(file)
    assert len(regions) == len(outlines) == 86
    (khumbu,) = read(file, ids=["RGI60-15.03733"], buffer_m=1000)
    (row,) = outlines[outlines.RGIId == "RGI60-15.03733"].geometry
    corners = Polygon(khumbu.polygon)
    assert khumbu.name == "rgi60-15-03733" and corners.contains(row)
    west, south, east, north = geopandas.GeoSeries([row], crs=CRS).to_crs("EPSG:32645")[0].bounds
    grid = grid_of_region(khumbu)
    assert grid.crs == "EPSG:32645"
    assert grid.width * 30 == pytest.approx(east - west + 2000, abs=90)
    assert grid.height * 30 == pytest.approx(north - south + 2000, abs=90)


# Which glaciers, and what they are called.


def test_ids_choose_and_the_order_is_by_name_whatever_was_asked(two: Path) -> None:
    seven, twelve = "RGI2000-v7.0-G-01-00709", "RGI2000-v7.0-G-01-00012"
    names = [region.name for region in read(two)]
    assert names == ["rgi2000-v7-0-g-01-00012", "rgi2000-v7-0-g-01-00709"]
    assert [r.name for r in read(two, ids=[seven, twelve])] == names
    assert [r.name for r in read(two, ids=[seven])] == names[1:]
    assert [r.name for r in read(two, column="name", ids=["Taku"])] == ["taku"]


@pytest.mark.parametrize("column", ["rgi_id", "RGIId", "RGIID"])
def test_the_inventorys_own_column_needs_no_naming(tmp_path: Path, column: str) -> None:
    file = write(tmp_path / "a.gpkg", [], [TAKU], area=[1.0], **{column: ["RGI60-01.00709"]})
    assert [region.name for region in read(file, ids=["RGI60-01.00709"])] == ["rgi60-01-00709"]


def test_names_are_safe_and_distinct_and_do_not_depend_on_the_order(tmp_path: Path) -> None:
    ids = ["A.1", "A-1", "Sørbreen/../x", "Glacier d'Argentière", "Ледник", "x" * 90]
    shapes = [box(10 + k, 46, 10.02 + k, 46.01) for k in range(len(ids))]
    there = read(write(tmp_path / "a.gpkg", ids, shapes))
    back = read(write(tmp_path / "b.gpkg", ids[::-1], shapes[::-1]))
    assert there == back
    names = {region.name for region in there}
    assert len(names) == len(ids) and "glacier-d-argentiere" in names and "srbreen-x" in names


def test_glaciers_are_called_as_their_inventory_calls_them(tmp_path: Path) -> None:
    ids = [f"RGI60-01.{k:05d}" for k in range(5)]
    shapes = [box(10 + k, 46, 10.02 + k, 46.01) for k in range(5)]
    words = ["Großer  Aletschgletscher", "Glacier de la Mer", None, "Unnamed", "Unnamed"]
    for column in ("Name", "glac_name"):
        found = read(write(tmp_path / f"{column}.gpkg", ids, shapes, **{column: words}))
        assert [region.title for region in found] == [
            "Großer Aletschgletscher", "Glacier de la Mer", None,
            "Unnamed (rgi60-01-00003)", "Unnamed (rgi60-01-00004)",
        ]  # fmt: skip
    (named,) = read(tmp_path / "Name.gpkg", column="Name", ids=["Großer  Aletschgletscher"])
    assert (named.name, named.title) == ("groer-aletschgletscher", "Großer Aletschgletscher")
    plain = read(write(tmp_path / "plain.gpkg", ids, shapes))
    assert {region.title for region in plain} == {None}  # a code is no name


@pytest.mark.parametrize("ids", [[7, 12], [7.0, None], ["7", ""]])
def test_numbers_name_glaciers_too(tmp_path: Path, ids: list[Any]) -> None:
    file = write(tmp_path / "a.gpkg", [], [TAKU, MENDENHALL], number=ids)
    assert [region.name for region in read(file, column="number", ids=[7])] == ["7"]


def test_thousands_of_glaciers_are_a_longer_list(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    west, south = rng.uniform(-179, 178, 2000), rng.uniform(-55, 80, 2000)
    shapes = [box(x, y, x + 0.05, y + 0.02) for x, y in zip(west, south, strict=True)]
    file = write(tmp_path / "a.gpkg", [f"RGI60-01.{k:05d}" for k in range(2000)], shapes)
    began = time.monotonic()
    regions = read(file)
    assert len(regions) == 2000 and time.monotonic() - began < 20
    assert regions == sorted(regions, key=lambda region: region.name)


def test_letters_with_marks_are_the_same_however_they_are_coded(tmp_path: Path) -> None:
    name = "Kötlujökull"
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    assert forms[0] != forms[1]
    for k, (asked, stored) in enumerate(product(forms, forms)):
        column = unicodedata.normalize("NFD", "Gletscherübung")
        file = write(tmp_path / f"{k}.gpkg", [], [TAKU], **{column: [stored]})
        found = read(file, column="Gletscherübung", ids=[asked])
        assert [region.name for region in found] == ["kotlujokull"]


def test_ids_of_digits_are_texts_or_numbers_as_the_column_is(tmp_path: Path) -> None:
    text = write(tmp_path / "a.gpkg", [], [TAKU, MENDENHALL], wgi=["00712", "712"])
    assert [region.name for region in read(text, column="wgi", ids=["00712"])] == ["00712"]
    numbers = write(tmp_path / "b.gpkg", [], [TAKU, MENDENHALL], wgi=[712, 713])
    assert [region.name for region in read(numbers, column="wgi", ids=["00712"])] == ["712"]
    with pytest.raises(ConfigError, match=r"column wgi: no glacier x7; known: 712, 713"):
        read(numbers, column="wgi", ids=["x7"])


def test_an_id_behind_a_nought_is_no_octal_number(tmp_path: Path) -> None:
    file = write(tmp_path / "a.gpkg", [], [TAKU, MENDENHALL], wgi=["00712", "00713"])
    path = tmp_path / "run.yaml"
    text = yaml.safe_dump(tiny_values(tmp_path) | {"regions": []}).replace(
        "regions: []", f"regions: [{{file: {file}, column: wgi, ids: [00712]}}]"
    )
    path.write_text(text)
    config = load_config([str(path)], "Test.", read_file)
    assert [region.name for region in config.regions] == ["00712"]


# One name for several glaciers, several layers, and rows that are no ice.


SOUTH, NORTH = box(-131.53, 56.97, -131.47, 57.03), box(-134.53, 58.47, -134.47, 58.53)


@pytest.mark.parametrize("shapes", [[SOUTH, NORTH], [MultiPolygon([SOUTH, NORTH])]])
def test_a_name_that_far_glaciers_share_is_refused_with_their_places(
    tmp_path: Path, shapes: list
) -> None:
    names = ["West Glacier"] * len(shapes)
    file = write(tmp_path / "a.gpkg", [], shapes, Name=names)
    said = r"West Glacier \(57\.00 N 131\.50 W and 58\.50 N 134\.50 W\): one name for places more"
    for ids in (None, ["West Glacier"]):
        with pytest.raises(ConfigError, match=f"{said} than 20 km apart.*give each a name of its"):
            read(file, column="Name", ids=ids)


def test_a_column_that_tells_them_apart_is_named(tmp_path: Path) -> None:
    ids = ["RGI60-01.00001", "RGI60-01.00002", "RGI60-01.00003"]
    shapes, names = [SOUTH, NORTH, TAKU], ["West Glacier", "West Glacier", "Taku"]
    file = write(tmp_path / "a.gpkg", [], shapes, Name=names, Area=[1.0, 2.0, 3.0], RGIId=ids)
    with pytest.raises(ConfigError, match="such as column: RGIId"):
        read(file, column="Name")
    assert len(read(file)) == 3
    assert [region.name for region in read(file, column="Name", ids=["Taku"])] == ["taku"]


def test_what_an_inventory_calls_one_glacier_is_one(tmp_path: Path) -> None:
    """Its own id is no name that two could share, but where two rows have it."""
    file = write(tmp_path / "a.gpkg", ["g"], [MultiPolygon([SOUTH, NORTH])])
    assert [region.name for region in read(file)] == ["g"]
    with pytest.raises(ConfigError, match=r"g \(57\.00 N 131\.50 W and 58\.50 N 134\.50 W\)"):
        read(write(tmp_path / "b.gpkg", ["g", "g"], [SOUTH, NORTH]))


def test_parts_that_lie_near_each_other_are_one_glacier(tmp_path: Path) -> None:
    chain = [box(10 + 0.2 * k, 46, 10.05 + 0.2 * k, 46.02) for k in range(3)]  # 12 km between
    assert len(read(write(tmp_path / "a.gpkg", ["g"] * 3, chain))) == 1
    ends = [box(179.95, 71.0, 180, 71.1), box(-180, 71.0, -179.9, 71.1)]
    assert len(read(write(tmp_path / "b.gpkg", ["g"] * 2, ends))) == 1


def test_the_only_layer_with_the_column_is_taken_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.gpkg"
    for layer, columns in (("area", {"name": ["x"]}), ("glaciers", {"rgi_id": ["g"]})):
        table = geopandas.GeoDataFrame(columns, geometry=[TAKU], crs=CRS)
        table.to_file(path, layer=layer)
    assert [region.name for region in read(path)] == ["g"]
    assert "a.gpkg: layer glaciers was read" in capsys.readouterr().out
    assert [region.name for region in read(path, layer="area", column="name")] == ["x"]
    table.to_file(path, layer="more")
    with pytest.raises(ConfigError, match=r"area, glaciers and more, of which 2 .* in layer"):
        read(path)
    with pytest.raises(ConfigError, match="no layer 'glacier'; did you mean glaciers"):
        read(path, layer="glacier")


def test_rows_that_are_no_ice_widen_no_frame(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shapes = [TAKU, box(-134.3, 58.3, -133.9, 58.7), box(-134.11, 58.5, -134.1, 58.51)]
    kinds = ["glac_bound", "basin", "intrnl_rock"]
    file = write(tmp_path / "a.gpkg", [], shapes, glac_id=["g"] * 3, line_type=kinds)
    plain = write(tmp_path / "b.gpkg", [], [TAKU], glac_id=["g"])
    assert read(file, column="glac_id") == read(plain, column="glac_id")
    said = "a.gpkg: 2 of 3 rows are no ice (1 line_type basin, 1 line_type intrnl_rock)"
    assert said in capsys.readouterr().out


def test_a_collection_that_holds_a_polygon_is_an_outline(tmp_path: Path) -> None:
    mixed = GeometryCollection([Point(-134.1, 58.5), TAKU])
    assert read(write(tmp_path / "a.gpkg", ["g"], [mixed])) == read(
        write(tmp_path / "b.gpkg", ["g"], [TAKU])
    )


# What is refused, and how it is said.


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"column": "nam"}, r"no column 'nam'; its columns are rgi_id, name"),
        ({"ids": ["RGI2000-v7.0-G-01-0709"]}, r"did you mean RGI2000-v7.0-G-01-00709\?"),
        ({"column": "name", "ids": ["taku", "mend"]}, r"column name: no glacier taku, mend; "),
        ({"buffer_m": 99_999, "pixel_m": 1}, r"px of 1 m; at most 20000 a side"),
    ],
)
def test_what_cannot_be_found_is_named(two: Path, wanted: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read(two, **wanted)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (None, "no polygon for g1"),
        (Polygon(), "no polygon for g1"),
        (Point(10, 46), "no polygon for g1"),
        (box(10, -85, 11, -84), "g1 spans .* within the UTM zones"),
        (box(500_000, 46, 500_100, 47), "g1 spans .* is the CRS right"),
    ],
)
def test_shapes_without_a_frame_are_refused(tmp_path: Path, shape: Any, said: str) -> None:
    file = write(tmp_path / "a.gpkg", ["g0", "g1"], [TAKU, shape])
    with pytest.raises(ConfigError, match=said):
        read(file)
    assert len(read(file, ids=["g0"])) == 1  # the others can be used


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no such file"), (b"nothing of the kind", "cannot be read")],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "a.gpkg").write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        read(tmp_path / "a.gpkg")


def test_files_without_crs_column_or_rows(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="'crs' was not provided"):
        bare = write(tmp_path / "a.shp", ["g"], [TAKU], crs=None)
    with pytest.raises(ConfigError, match=r"no CRS; assign one .* as crs$"):
        read(bare)
    assert len(read(bare, column="rgi_id", crs="EPSG:4326")) == 1
    with pytest.raises(ConfigError, match=r"no column rgi_id or RGIId: name one; .* are Name"):
        read(write(tmp_path / "b.gpkg", [], [TAKU], Name=["a"]))
    with pytest.raises(ConfigError, match="column Name is empty in 1 of 2 rows"):
        read(write(tmp_path / "c.gpkg", [], [TAKU, TAKU], Name=["a", None]), column="Name")
    with pytest.raises(ConfigError, match="holds no glacier"):
        read(write(tmp_path / "d.gpkg", [], [], rgi_id=[]))


# In a configuration.


def config_with(folder: Path, *regions: dict) -> Config:
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(tiny_values(folder) | {"regions": list(regions)}))
    return load_config([str(path)], "Test.", read_file)


def test_an_entry_with_a_file_is_replaced_by_its_glaciers(tmp_path: Path, two: Path) -> None:
    corners = [[-134.6, 58.4], [-134.4, 58.4], [-134.4, 58.6]]
    config = config_with(tmp_path, {"name": "mine", "polygon": corners}, {"file": str(two)})
    assert [region.name for region in config.regions] == [
        "mine", "rgi2000-v7-0-g-01-00012", "rgi2000-v7-0-g-01-00709",
    ]  # fmt: skip
    assert Config.model_validate(config.model_dump()) == config  # workers need no file


def test_the_hash_is_of_the_glaciers_and_not_of_their_file(tmp_path: Path, two: Path) -> None:
    first = config_digest(config_with(tmp_path, {"file": str(two)}))
    moved = shutil.copy(two, tmp_path / "moved.gpkg")
    assert config_digest(config_with(tmp_path, {"file": str(moved)})) == first
    table = geopandas.read_file(two)
    table.loc[0, "geometry"] = table.geometry[0].buffer(0.01)
    table.to_file(tmp_path / "edited.gpkg")
    edited = config_digest(config_with(tmp_path, {"file": str(tmp_path / "edited.gpkg")}))
    assert edited != first


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"colum": "name"}, "regions.0: colum = 'name': no such field; did you mean column?"),
        ({"ids": []}, "regions.0: ids = []: "),
        ({"buffer_m": -1}, "regions.0: buffer_m = -1: input should be greater than or equal to 0"),
        ({"column": "nam"}, "regions.0: .*two.gpkg has no column 'nam'"),
        ({"ids": ["RGI"]}, "regions.0: .*: no glacier RGI"),
    ],
)
def test_a_wrong_entry_names_its_place(tmp_path: Path, two: Path, entry: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("[]", r"\[\]")):
        config_with(tmp_path, {"file": str(two)} | entry)


def test_a_glacier_named_twice_is_refused(tmp_path: Path, two: Path) -> None:
    with pytest.raises(ConfigError, match="no name twice"):
        config_with(tmp_path, {"file": str(two)}, {"file": str(two)})


def test_a_job_answers_a_wrong_id_without_torch_or_ray(tmp_path: Path, two: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(tiny_values(tmp_path) | {
        "regions": [{"file": str(two), "ids": ["RGI2000-v7.0-G-01-0709"]}]
    }))  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "jobs.ingest", str(path)],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2 and "did you mean RGI2000-v7.0-G-01-00709?" in done.stderr
    assert "geopandas" in done.stderr and "| ray\n" not in done.stderr
    assert "| torch\n" not in done.stderr
