"""Samples of a run: what the driver sees, failures, reruns, their description."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import ray

from glacier.archive import ingest
from glacier.archive.contents import read_records
from glacier.archive.manifest import OUTCOME
from glacier.archive.records import list_months
from glacier.config import Config
from glacier.errors import Occupied, StoreError
from glacier.samples import prepare
from glacier.samples.month import MonthTask, prepare_month
from glacier.samples.month_images import read_images
from glacier.samples.sample_set import (
    SampleMonth,
    read_set,
    samples_folder,
    set_address,
    write_set,
)
from glacier.sources.factory import open_source
from tests.support.occupied import impatient, occupy
from tests.support.tiny import make_task, tiny_config


def make_row(task: MonthTask) -> dict[str, Any]:
    """A month as it goes to a worker."""
    record = {name: getattr(task.record, name) for name in OUTCOME}
    return record | {"archive": task.archive, "place": 0}


def test_what_comes_back_to_the_driver_does_not_grow_with_pixels(tmp_path: Path) -> None:
    sizes = []
    for pixel_m in (300, 100):
        config = tiny_config(tmp_path, prepare={"quick_looks": False})
        (region,) = config.regions
        config = config.model_copy(
            update={"regions": (region.model_copy(update={"pixel_m": pixel_m}),)}
        )
        task = make_task(config)
        row = make_row(task)
        back = prepare.prepare_row(row, task.samples, config.prepare, 0.0)
        assert list(back) == ["place", "month", "unwritten"] and back["unwritten"] == ""
        assert SampleMonth.model_validate_json(back["month"]).status == "ok"
        sizes.append(len(back["month"]) + len(json.dumps(row)))
    assert abs(sizes[0] - sizes[1]) < 50 and max(sizes) < 2000  # bytes, at 9 times the pixels


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 81, 127, 128, 129, 1000])
def test_months_are_cut_into_parts_of_which_none_is_empty(count: int) -> None:
    """Ray Data cuts 81 rows in 64 parts into 41 of rows and 23 empty ones, and fails at those."""
    table, parts = pa.table({"name": [f"month {k}" for k in range(count)]}), min(count, 64)
    cut = prepare.cut_table(table, parts)
    sizes = {len(part) for part in cut}
    assert len(cut) == parts and min(sizes) > 0 and max(sizes) - min(sizes) <= 1
    assert pa.concat_tables(cut).equals(table)


def test_more_months_than_parts_come_through_ray(ray_local: None) -> None:
    archive = pa.array(["data/archive"] * 9).dictionary_encode()  # has bytes without rows, too
    table = pa.table({"name": [f"month {k}" for k in range(9)], "archive": archive})
    rows = ray.data.from_arrow(prepare.cut_table(table, 7)).map(lambda row: row).take_all()
    assert [row["name"] for row in rows] == [f"month {k}" for k in range(9)]


def test_samples_that_cannot_be_written_are_told_in_their_row(tmp_path: Path) -> None:
    """Ray Data would make pages of an error that a worker raises."""
    config = tiny_config(tmp_path, prepare={"quick_looks": False})
    task = make_task(config)
    (tmp_path / "file").touch()
    back = prepare.prepare_row(make_row(task), str(tmp_path / "file"), config.prepare, 0.0)
    assert back["month"] == "" and back["unwritten"].startswith(f"cannot write {tmp_path}/file/")


def test_samples_that_are_not_there_say_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"run `glacier prepare`"):
        read_set(str(tmp_path))


@pytest.mark.ray
def test_one_bad_raster_costs_one_row_and_is_mended_by_a_rerun(
    tmp_path: Path, ray_local: None, capsys: pytest.CaptureFixture
) -> None:
    config = tiny_config(tmp_path)
    ingest.run_ingest(config)
    (archive,) = read_records(config)
    path = Path(archive, "2014-06.tif")
    whole = path.read_bytes()
    path.write_bytes(b"no raster")
    target = next(t for t in list_months(config, open_source(config)) if t.name == "2014-06")
    record = target.read_record()
    target.write_record(replace(record, sha256=sha256(b"no raster").hexdigest()))
    assert prepare.run_prepare(config) == 1
    allowing = config.model_copy(
        update={"prepare": config.prepare.model_copy(update={"max_failed": 1})}
    )
    assert prepare.run_prepare(allowing) == 0
    folder = samples_folder(config, read_records(config))
    samples = read_set(folder)
    statuses = [month.status for month in samples.months]
    assert statuses == ["ok", "failed", "ok", "ok", "ok", "ok", "empty", "empty"]
    assert "1 failed: RasterError" in capsys.readouterr().out
    path.unlink()
    assert ingest.run_ingest(config) == 0 and path.read_bytes() == whole
    assert prepare.run_prepare(config) == 0
    folder = samples_folder(config, read_records(config))
    samples = read_set(folder)
    assert len(samples.usable) == 6 and not samples.failed

    images = read_images(folder, samples)
    stack = np.stack([image.image for image in images])
    np.testing.assert_allclose(samples.mean, np.nanmean(stack, axis=(0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(samples.std, np.nanstd(stack, axis=(0, 2, 3)), rtol=1e-5)
    before = {p: p.stat().st_mtime_ns for p in Path(folder).iterdir()}
    assert prepare.run_prepare(config) == 0
    assert before == {p: p.stat().st_mtime_ns for p in Path(folder).iterdir()}


def archive_tiny(folder: Path) -> Config:
    """The tiny run, whose archive is there."""
    config = tiny_config(folder)
    for target in list_months(config, open_source(config)):
        ingest.ingest_month(config, target)
    return config


def make_samples(config: Config, folder: str) -> None:
    """The samples of a run, without Ray."""
    made = [
        prepare_month(MonthTask(record, archive, folder, config.prepare))
        for archive, records in read_records(config).items()
        for record in records
    ]
    write_set(folder, prepare.describe_set(config, made))


def test_what_another_run_made_meanwhile_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, waited = archive_tiny(tmp_path), []

    @contextmanager
    def wait_for_another(_: Config, folder: str) -> Iterator[None]:
        waited.append(folder)
        make_samples(config, folder)
        yield

    monkeypatch.setattr(prepare, "hold", wait_for_another)
    monkeypatch.setattr(prepare, "prepare_months", lambda *_: pytest.fail("made twice"))
    assert prepare.run_prepare(config) == 0 and len(waited) == 1
    monkeypatch.setattr(prepare, "hold", lambda *_: pytest.fail("a lock was taken"))
    assert prepare.run_prepare(config) == 0


def test_a_damaged_description_is_set_aside_by_the_owner_of_its_folder_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config = archive_tiny(tmp_path)
    folder = samples_folder(config, read_records(config))
    make_samples(config, folder)
    assert prepare.run_prepare(config) == 0  # from now on the states of its files are known
    description = Path(set_address(folder))
    whole = description.read_bytes()
    description.write_bytes(whole[:-9])
    occupy(folder)
    with pytest.raises(Occupied):
        prepare.run_prepare(impatient(config))
    assert description.read_bytes() == whole[:-9] and not Path(folder, ".damaged").exists()
    Path(folder, ".lock").unlink()
    assert prepare.run_prepare(config) == 0 and description.read_bytes() == whole
    assert f"{description} is damaged" in capsys.readouterr().out
