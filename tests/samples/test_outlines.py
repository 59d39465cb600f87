"""Outlines in samples: one read per worker, what was done to them said, their parts in the hash."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import geopandas
import pytest
from shapely.geometry import box

from glacier.geo import vectors
from glacier.geo.raster import Grid, read_named
from glacier.samples import outlines
from glacier.samples.month import prepare_month
from glacier.samples.outlines import debris_file, glacier_file, glacier_on
from glacier.samples.prepare import describe_set, report_outcome
from glacier.samples.sample_set import read_set, samples_folder, write_set
from glacier.settings.labels import Label
from glacier.settings.prepare import Prepare
from tests.support.tiny import make_task, tiny_config

JULY = date(2014, 7, 1)
CHIPS = {"layout": "chips", "size_px": 32, "stride_px": 32, "blocks": [2, 2]}


def write(path: Path, crs: object, shapes: list, kinds: list[str]) -> str:
    table = geopandas.GeoDataFrame({"line_type": kinds}, geometry=shapes, crs=crs)
    table.to_file(path)
    return str(path)


def test_a_file_is_read_once_for_many_grids_and_months(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.gpkg", "EPSG:32608", [box(0, 0, 9e4, 9e4)], ["glac_bound"])
    opened, read = [], vectors.read_tables
    monkeypatch.setattr(vectors, "read_tables", lambda file: (opened.append(file), read(file))[1])
    label = Label(kind="outlines", outlines=path)
    for month in range(3):
        for k in range(12):  # more than are kept as pixels
            grid = Grid("EPSG:32608", 3000.0 * k, 60_000.0, 30.0, 20, 10 + k)
            assert glacier_on(label, "a", JULY, grid, "samples/a-1").all(), month
    assert len(opened) == 1
    assert outlines.read_once.cache_info().currsize >= 1


def test_a_worker_that_lives_on_reads_outlines_that_were_changed_in_place(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, prepare=CHIPS)
    task = make_task(config)
    _, grid = read_named(f"{task.archive}/2014-07.tif")
    left, bottom, _, top = grid.bounds
    path = tmp_path / "a.gpkg"
    label = {"kind": "outlines", "outlines": str(path), "max_snow_outside": 1}
    settings = Prepare(**CHIPS, label=label)
    asked = config.model_copy(update={"prepare": settings})
    glacier_pixels = []
    for width in (600, 1500):
        write(path, grid.crs, [box(left, bottom, left + width, top)], ["glac_bound"])
        samples = samples_folder(asked, {task.archive: [task.record]})
        month = prepare_month(replace(task, settings=settings, samples=samples))
        assert month.label_pixels
        glacier_pixels.append(month.label_pixels.glacier)
    narrow, wide = glacier_pixels
    assert 0 < narrow <= grid.height * 4 < wide <= grid.height * 10


def test_a_labels_settings_reach_its_files() -> None:
    label = Label(
        kind="outlines", outlines="/a.gpkg", layer="ice", crs="EPSG:32608", debris="/b.gpkg",
        debris_layer="cover", debris_crs="EPSG:4326",
    )  # fmt: skip
    glacier, debris = glacier_file(label), debris_file(label)
    assert glacier and (glacier.layer, glacier.crs, glacier.theme) == (
        "ice",
        "EPSG:32608",
        "glacier",
    )
    assert debris and (debris.layer, debris.crs, debris.theme) == ("cover", "EPSG:4326", "debris")
    assert f"{debris.setting}layer" == "prepare.label.debris_layer"
    assert glacier_file(Label()) is debris_file(Label()) is None


@pytest.mark.parametrize("name", ["layer", "debris_layer", "crs", "debris_crs"])
def test_a_setting_of_a_file_that_is_not_given_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} EPSG:4326 is of (outlines|debris), which is"):
        Label(**{name: "EPSG:4326"})


@pytest.mark.parametrize("crs", ["4326", "epsg:4326", "WGS84", "EPSG:0"])
def test_a_crs_is_a_code(crs: str) -> None:
    with pytest.raises(ValueError, match="should match pattern"):
        Label(outlines="a.gpkg", crs=crs)


def test_what_was_left_out_and_cut_out_stands_in_the_summary_and_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny_config(tmp_path, prepare=CHIPS)
    task = make_task(config)
    _, grid = read_named(f"{task.archive}/2014-07.tif")
    left, bottom, right, top = grid.bounds
    shapes = [box(left, bottom, right, top), box(left, bottom, left + 300, bottom + 300)]
    path = write(tmp_path / "a.shp", grid.crs, [*shapes, shapes[1]], ["glac_bound", "intrnl_rock",
                                                                       "pro_lake"])  # fmt: skip
    label = {"kind": "outlines", "outlines": path, "max_snow_outside": 1}
    month = prepare_month(replace(task, settings=Prepare(**CHIPS, label=label)))
    assert month.status == "ok"
    assert month.label_pixels and month.label_pixels.ground == pytest.approx(100, abs=100)
    notes = (
        "a.shp: 1 of 3 rows cut out of the ice (1 line_type intrnl_rock)",
        "a.shp: 1 of 3 rows left out (1 line_type pro_lake)",
    )
    assert month.notes == notes
    other = month.model_copy(update={"region": "taku", "notes": notes[:1]})
    samples = describe_set(config, [month, other])
    write_set(str(tmp_path / "set"), samples)
    assert read_set(str(tmp_path / "set")).notes == {
        notes[0]: 2, notes[1]: 1,
    }  # fmt: skip
    report_outcome(samples, "there")
    out = capsys.readouterr().out
    assert f"prepare: {notes[0]}, in 2 regions\nprepare: {notes[1]}\n" in out
    assert str(tmp_path) not in str(samples.months.table.to_pylist())


def test_the_rows_of_a_shapefile_count_in_the_samples_address(tmp_path: Path) -> None:
    task_config = tiny_config(tmp_path)
    task = make_task(task_config)
    _, grid = read_named(f"{task.archive}/2014-07.tif")
    path = write(tmp_path / "a.shp", grid.crs, [box(*grid.bounds)], ["glac_bound"])
    config = tiny_config(tmp_path, prepare={"label": {"kind": "outlines", "outlines": path}})
    records = {task.archive: [task.record]}
    before = samples_folder(config, records)
    dbf = (tmp_path / "a.dbf").read_bytes()
    assert dbf.count(b"glac_bound") == 1
    (tmp_path / "a.dbf").write_bytes(dbf.replace(b"glac_bound", b"pro_lake  "))
    assert samples_folder(config, records) != before
    (tmp_path / "a.dbf").write_bytes(dbf)
    assert samples_folder(config, records) == before
