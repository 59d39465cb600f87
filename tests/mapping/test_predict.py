"""A worker that maps images, what it leaves, and what is found of it again. No Ray in here."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pystac
import pytest
import rasterio
import torch

from glacier import seals, store
from glacier.archive.ingest import ingest_month
from glacier.archive.records import MonthRecord, list_months
from glacier.geo.raster import Grid, encode_cog
from glacier.mapping import predict
from glacier.mapping.assignment import ModelName, Part
from glacier.mapping.map_plan import (
    MapTask,
    begin_record,
    find_maps,
    find_records,
    plan_month,
)
from glacier.mapping.map_worker import MapWorker
from glacier.mapping.maps import MapRecord, map_address
from glacier.mapping.predict import report_outcome
from glacier.settings.predict import Predict
from glacier.sources.factory import open_source
from glacier.training.model_files import save_model
from glacier.training.saved import SavedSweep, SweepPlaces
from glacier.training.stac_model import NAME as MODEL_ITEM
from glacier.training.stac_model import name_model
from glacier.training.unet import build_unet
from glacier.verify import verify_folder
from tests.support.model_cards import make_card
from tests.support.saved_sweeps import describe_samples, make_config
from tests.support.sweeps import fold_years, make_sweep
from tests.support.tiny import ENCODER, tiny_config

NAMES = tuple(ModelName(encoder=ENCODER, fold=fold) for fold in range(2))


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, MonthRecord]:
    """The address of a month of an archive, and its record."""
    config = tiny_config(tmp_path_factory.mktemp("archive"))
    (target,) = [t for t in list_months(config, open_source(config)) if t.name == "2014-07"]
    record = ingest_month(config, target)
    return store.join(target.folder, "2014-07.tif"), record


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of two models that learned nothing."""
    folder = tmp_path_factory.mktemp("models")
    for name in NAMES:
        torch.manual_seed(name.fold)
        windows = {"size_px": 32, "stride_px": 16, "mean": (0.3,) * 3, "std": (0.2,) * 3}
        card = make_card(
            encoder=ENCODER, fold=name.fold, pixel_m=(150, 150), inference=windows, threshold=0.5
        )
        state = build_unet(ENCODER, 3).state_dict()
        save_model(str(folder / ENCODER / f"fold-{name.fold}"), state, card)
    return str(folder)


def plan(month: tuple[str, MonthRecord], names: Sequence[ModelName] = NAMES) -> MapTask:
    """The task of the month."""
    image, record = month
    begun = begin_record("mendenhall", record.month, record.sha256)
    return MapTask(record=begun, image=image, parts=(Part(rectangles=None, models=tuple(names)),))


def run(folder: Path, models: str, task: MapTask, **settings) -> tuple[MapRecord, str]:
    """What became of a task, and why it could not be written."""
    worker = MapWorker(str(folder), models, Predict(**settings))
    row = worker({"task": task.model_dump_json()})
    return MapRecord.model_validate_json(row["record"]), row["unwritten"]


def test_a_month_becomes_two_rasters_and_the_record_that_vouches_for_them(
    month: tuple[str, MonthRecord], models: str, tmp_path: Path
) -> None:
    record, unwritten = run(tmp_path, models, plan(month))
    assert record.status == "ok" and not unwritten
    address = map_address(str(tmp_path), "mendenhall", "2014-07")
    assert seals.read_whole(address, MapRecord, owned=False) == record
    assert sorted(record.files) == [
        "2014-07.class.tif", "2014-07.item.json", "2014-07.probability.tif"
    ]  # fmt: skip
    item = pystac.Item.from_file(str(tmp_path / "mendenhall/2014-07.item.json"))
    of_models = [link for link in item.links if link.href.endswith(MODEL_ITEM)]
    assert [pystac.Item.from_file(link.absolute_href).ext.mlm.mlm_name for link in of_models] == [
        name_model(name.encoder, name.fold) for name in NAMES
    ]
    for asset in item.assets.values():
        path = Path(asset.get_absolute_href() or "")
        assert asset.ext.file.size in (None, path.stat().st_size)
    assert verify_folder(str(tmp_path)).damaged == []
    assert [(m.encoder, m.fold) for m in record.models] == [(ENCODER, 0), (ENCODER, 1)]
    with (
        rasterio.open(month[0]) as source,
        rasterio.open(tmp_path / "mendenhall/2014-07.class.tif") as out,
    ):
        assert (out.shape, out.transform, out.crs) == (source.shape, source.transform, source.crs)
        classes, n_obs = out.read(1), source.read(source.count)
    np.testing.assert_array_equal(classes == 255, n_obs == 0)
    counts = record.pixels
    assert counts is not None
    assert (counts.glacier, counts.ground) == ((classes == 1).sum(), (classes == 0).sum())
    assert find_maps(str(tmp_path), [plan(month)], owned=False) == [record]


def test_threads_and_what_was_mapped_before_change_no_byte(
    month: tuple[str, MonthRecord], models: str, tmp_path: Path
) -> None:
    first, _ = run(tmp_path / "a", models, plan(month))
    worker = MapWorker(str(tmp_path / "b"), models, Predict(cpus_per_worker=2))
    worker({"task": plan(month, NAMES[1:]).model_dump_json()})
    row = worker({"task": plan(month).model_dump_json()})
    torch.set_num_threads(1)
    assert MapRecord.model_validate_json(row["record"]) == first


def test_a_map_of_another_image_or_of_other_models_is_not_taken_for_this_one(
    month: tuple[str, MonthRecord], models: str, tmp_path: Path
) -> None:
    task = plan(month)
    record, _ = run(tmp_path, models, task)
    changed = task.model_copy(
        update={"record": task.record.model_copy(update={"image_sha256": "0" * 64})}
    )
    one = plan(month, NAMES[:1])
    assert find_maps(str(tmp_path), [task, changed, one], owned=False) == [record, None, None]
    (tmp_path / "mendenhall/2014-07.class.tif").write_bytes(b"x")
    assert find_maps(str(tmp_path), [task], owned=True) == [None]
    assert (tmp_path / "mendenhall/.damaged/2014-07.class.tif").exists()
    assert run(tmp_path, models, task)[0] == record


def test_a_run_leaves_a_catalogue_and_makes_it_again_where_it_is_not_that_of_the_maps(
    month: tuple[str, MonthRecord], models: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, made = str(tmp_path / "maps/demo-0"), []

    def make_maps(*args: object) -> dict[tuple[str, str], MapRecord]:
        record, _ = run(Path(folder), models, plan(month, NAMES[:1]))
        made.append(record)
        return {("mendenhall", "2014-07"): record}

    known = {
        "find_grown_sweep": SimpleNamespace(result=None),
        "choose_encoders": ((ENCODER,), "as asked"),
        "maps_folder": folder, "list_tasks": [plan(month, NAMES[:1])],
    }  # fmt: skip
    for name, value in known.items():
        monkeypatch.setattr(predict, name, lambda *args, value=value: value)
    monkeypatch.setattr(predict, "make_maps", make_maps)
    config = tiny_config(tmp_path)
    catalog = tmp_path / "maps/demo-0/catalog.json"
    assert predict.run_predict(config) == 0
    whole = catalog.read_bytes()
    items = list(pystac.Catalog.from_file(str(catalog)).get_items())
    assert [item.id for item in items] == ["mendenhall-2014-07"]
    for spoil in (catalog.unlink, lambda: catalog.write_bytes(whole[:-9])):
        spoil()
        assert predict.run_predict(config) == 0 and catalog.read_bytes() == whole
    assert len(made) == 1 and verify_folder(str(tmp_path / "maps")).damaged == []


def write_file(path: Path, pixel_m: float = 150) -> Path:
    """A GeoTIFF of three bands."""
    bands = {f"SR_B{k}": np.full((20, 30), 20_000 + k, np.uint16) for k in (3, 4, 5)}
    grid = Grid("EPSG:32608", 500_000, 6_500_000, pixel_m, 20, 30)
    path.write_bytes(encode_cog(bands, grid, {}))
    return path


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: write_file(p, 30), r"RasterError.*a\.tif has pixels of 30 m"),
        (lambda p: p.write_bytes(write_file(p).read_bytes()[:900]), r"RasterError.*a\.tif"),
        (lambda p: p.write_text("<VRTDataset/>"), r"RasterError.*a\.tif is not a GeoTIFF"),
    ],
)
def test_an_image_that_cannot_be_used_fails_by_name_and_leaves_its_reason_alone(
    spoil, words: str, models: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    spoil(path)
    begun = begin_record("files", "a", store.checksum_file(path))
    task = MapTask(record=begun, image=str(path), parts=(Part(rectangles=None, models=NAMES),))
    record, unwritten = run(tmp_path / "maps", models, task)
    assert record.status == "failed" and not unwritten
    assert [file.name for file in (tmp_path / "maps").rglob("*") if file.is_file()] == ["a.json"]
    assert find_records(str(tmp_path / "maps"), [task]) == [record]  # what a series tells
    assert find_maps(str(tmp_path / "maps"), [task], owned=False) == [None]  # it is tried again
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(record.reason)


def test_nothing_stays_of_the_map_of_an_image_that_fails_now(models: str, tmp_path: Path) -> None:
    path, left = tmp_path / "a.tif", []
    for spoil in (write_file, lambda p: p.write_text("<VRTDataset/>")):
        spoil(path)
        begun = begin_record("files", "a", store.checksum_file(path))
        parts = (Part(rectangles=None, models=NAMES[:1]),)
        record, _ = run(
            tmp_path / "maps", models, MapTask(record=begun, image=str(path), parts=parts)
        )
        left.append({file.name for file in (tmp_path / "maps/files").iterdir()})
        assert verify_folder(str(tmp_path / "maps")).unvouched == []
    assert record.status == "failed" and left == [{"a.json", *record_files("a")}, {"a.json"}]


def record_files(name: str) -> set[str]:
    """Names of the files of a map."""
    return {f"{name}.{end}" for end in ("probability.tif", "class.tif", "item.json")}


def test_a_damaged_image_or_model_is_said_to_be_damaged(
    month: tuple[str, MonthRecord], models: str, tmp_path: Path
) -> None:
    copy = tmp_path / "2014-07.tif"
    copy.write_bytes(Path(month[0]).read_bytes() + b"x")
    record, unwritten = run(tmp_path / "maps", models, plan((str(copy), month[1])))
    assert record.status == "failed" and not unwritten
    assert record.reason.startswith("DamagedError: ") and "2014-07.tif is damaged" in record.reason


def test_a_place_that_cannot_be_written_to_ends_the_job_with_its_name(
    month: tuple[str, MonthRecord], models: str, tmp_path: Path
) -> None:
    (tmp_path / "maps").write_text("a file where the folder should be")
    _, unwritten = run(tmp_path / "maps", models, plan(month))
    assert "cannot write" in unwritten and "2014-07.probability.tif" in unwritten


def test_positions_of_bands_belong_to_images_of_ones_own() -> None:
    with pytest.raises(ValueError, match=r"bands are those of predict\.images"):
        Predict(bands={"SR_B4": 1})
    with pytest.raises(ValueError, match=r"resample is of predict\.images"):
        Predict(resample=True)


def test_an_image_of_other_pixels_is_mapped_where_that_is_asked_for_and_it_is_said(
    month: tuple[str, MonthRecord], models: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fine.tif"
    with rasterio.open(month[0]) as source:
        pixels, profile = source.read(), source.profile
        profile["transform"] = source.transform @ rasterio.Affine.scale(0.5)
        with rasterio.open(path, "w", **profile) as out:
            out.write(pixels)
            out.descriptions = source.descriptions
    task = MapTask(
        record=begin_record("files", "fine", store.checksum_file(path)), image=str(path),
        parts=(Part(rectangles=None, models=NAMES),),
    )  # fmt: skip
    refused, _ = run(tmp_path / "a", models, task)
    assert refused.status == "failed" and "predict.resample" in refused.reason
    record, unwritten = run(tmp_path / "b", models, task, images=str(path), resample=True)
    assert record.status == "ok" and not unwritten
    assert (record.seen_pixel_m, record.grid and record.grid.pixel_m) == (150, 75)
    item = pystac.Item.from_file(str(tmp_path / "b/files/fine.item.json"))
    assert "resampled from 75 to 150 m" in item.properties["processing:lineage"]
    report_outcome([record], "maps")
    assert "brought back: fine (75 to 150 m)" in capsys.readouterr().out


def test_a_month_whose_models_failed_is_a_row_with_the_reason(tmp_path: Path) -> None:
    sweep = fold_years(make_sweep({"resnet18": [0.9, 0.8]}))
    lost = sweep.model_copy(update={"trials": sweep.trials[:1]})
    samples, places = describe_samples(make_config(tmp_path)), SweepPlaces("", "", "", "")
    saved = SavedSweep(
        lost, "", samples.model_copy(update={"regions": {"a": samples.regions["ridge"]}}), places
    )
    config = tiny_config(tmp_path)
    months = [MonthRecord("a", f"{year}-08", "ok", sha256="b" * 64) for year in (2014, 2015)]
    dark = MonthRecord("a", "2014-12", "empty", "solar_zenith: dark")
    first, second, third = (
        plan_month(saved, ["resnet18"], "x.tif", month, config) for month in (*months, dark)
    )
    assert first.models == {("resnet18", 0)} and first.image == "x.tif"
    assert not second.image and second.record.status == "failed"
    assert "no model of resnet18 is there of fold 1" in second.record.reason
    assert (third.record.status, third.record.reason) == ("empty", "solar_zenith: dark")
    assert third.is_done(third.record) and not second.is_done(None)
    elsewhere = MonthRecord("b", "2014-08", "ok", sha256="b" * 64)  # ground that no model saw
    whole = plan_month(replace(saved, result=sweep), ["resnet18"], "x.tif", elsewhere, config)
    assert whole.models == {("resnet18", 0), ("resnet18", 1)}
