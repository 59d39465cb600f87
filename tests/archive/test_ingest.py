"""The archive: complete months, empty months, failures as rows, repair of damage."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from glacier import locks, seals
from glacier.archive import ingest
from glacier.archive.contents import read_records
from glacier.archive.ingest import ingest_month
from glacier.archive.records import (
    ArchiveMonth,
    MonthRecord,
    archive_folder,
    archive_key,
    complete_record,
    list_months,
)
from glacier.composite import Composite
from glacier.config import Config
from glacier.errors import SourceError, StoreError
from glacier.geo.raster import read_named
from glacier.labels import label_truth
from glacier.settings.regions import Region
from glacier.settings.synthetic import Synthetic
from glacier.sources.factory import open_source
from glacier.sources.synthetic.source import SyntheticSource
from tests.support.occupied import impatient, occupy
from tests.support.outlines import rasterise_outlines
from tests.support.tiny import VALUES, tiny_config

JULY, DECEMBER = date(2014, 7, 1), date(2014, 12, 1)


def locate(config: Config, month: date = JULY) -> ArchiveMonth:
    """Where a month goes, be it of the run or not."""
    (region,) = config.regions
    key = archive_key(config, region, open_source(config))
    return ArchiveMonth(region, month, archive_folder(config, region, key), key)


def make(config: Config, month: date = JULY) -> tuple[ArchiveMonth, MonthRecord]:
    target = locate(config, month)
    return target, ingest_month(config, target)


def test_a_month_on_disk_is_the_composite_of_its_scenes(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    target, record = make(config)
    source = open_source(config)
    expected = source.fetch_month(config.regions[0], JULY)
    bands, grid = read_named(f"{target.folder}/2014-07.tif")
    assert list(bands) == [*expected.bands, "n_obs"]
    for name, values in expected.bands.items():
        np.testing.assert_array_equal(bands[name], values)
    np.testing.assert_array_equal(bands["n_obs"], expected.n_obs)
    assert grid == source.grid(config.regions[0])
    assert record.status == "ok" and record.scene_ids == tuple(expected.scene_ids)
    assert record.valid_share == pytest.approx(expected.valid_share(), abs=1e-6)
    assert record == target.read_record()


def test_a_month_takes_one_core(tmp_path: Path) -> None:
    """OpenCV would else take all of them in every task."""
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        make(tiny_config(tmp_path), DECEMBER)
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)


def test_the_truth_is_written_beside_the_image(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    target, _ = make(config)
    truth, grid = read_named(f"{target.folder}/2014-07.truth.tif")
    glacier = label_truth(truth["surface"])
    np.testing.assert_array_equal(
        rasterise_outlines(f"{target.folder}/2014-07.truth.gpkg", grid), glacier
    )


def test_a_month_too_young_for_its_catalogue_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    this_month, config = date.today().replace(day=1), tiny_config(tmp_path)
    target, record = make(config, this_month)
    assert complete_record(target) == record  # synthetic scenes are all there
    monkeypatch.setattr(Synthetic, "grows", True)
    target, record = make(config, this_month)
    assert record.unsettled and complete_record(target) is None
    target, record = make(config)
    assert not record.unsettled and complete_record(target) == record


def test_a_month_that_is_asked_for_new_scenes_in_vain_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that is down for a day takes no month out of a series."""
    this_month, config = date.today().replace(day=1), tiny_config(tmp_path)
    monkeypatch.setattr(Synthetic, "grows", True)
    target, record = make(config, this_month.replace(month=7, year=this_month.year + 1))
    before = {path: path.read_bytes() for path in Path(target.folder).iterdir()}

    def fail(*_: object) -> None:
        raise SourceError("service is down")

    with monkeypatch.context() as patch:
        patch.setattr(SyntheticSource, "fetch_month", fail)
        kept = ingest_month(config, target)
        assert kept == replace(record, reason="as it was; asked for new scenes: service is down")
        assert {path: path.read_bytes() for path in Path(target.folder).iterdir()} == before
        Path(f"{target.stem}.tif").write_bytes(b"cut")
        assert ingest_month(config, target).status == "failed"


def test_an_empty_month_is_a_result_with_a_reason_and_no_image(tmp_path: Path) -> None:
    target, record = make(tiny_config(tmp_path), DECEMBER)
    assert record.status == "empty" and record.reason.startswith("solar_zenith")
    assert not Path(f"{target.folder}/2014-12.tif").exists()
    assert complete_record(target) == record  # and is not tried again


def test_an_expected_error_is_a_failed_row_that_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(tmp_path)

    def fail(*_: object) -> None:
        raise SourceError("scene gone")

    with monkeypatch.context() as patch:
        patch.setattr(SyntheticSource, "fetch_month", fail)
        target, record = make(config)
    assert (record.status, record.error, record.reason) == ("failed", "SourceError", "scene gone")
    assert record.why == "SourceError: scene gone" and record.attempts == 1
    assert complete_record(target) is None
    again = make(config)[1]
    assert (again.status, again.error, again.attempts) == ("ok", "", 2)
    assert make(config)[1].attempts == 1  # it did not fail before this one


def test_an_unexpected_error_is_not_swallowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(SyntheticSource, "fetch_month", fail)
    with pytest.raises(KeyError):
        make(tiny_config(tmp_path))


@pytest.mark.parametrize("name", ["2014-07.tif", "2014-07.truth.tif", "2014-07.truth.gpkg"])
def test_a_damaged_or_missing_file_makes_the_month_incomplete(tmp_path: Path, name: str) -> None:
    config = tiny_config(tmp_path)
    target, record = make(config)
    assert complete_record(target) == record
    path = Path(target.folder) / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert complete_record(target) is None
    path.unlink()
    assert complete_record(target) is None
    again = make(config)[1]
    assert path.read_bytes() == whole
    assert dataclasses.replace(again, seconds=0) == dataclasses.replace(record, seconds=0)


def test_the_record_says_how_the_month_was_made(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    target, july = make(config)
    assert target.folder.endswith(july.config_sha256[:8]) and len(july.config_sha256) == 64
    assert (july.source, july.cloud_profile, july.attempts) == ("synthetic", "ice", 1)
    assert july.platforms == ("landsat-8",) and july.skipped == () and july.seconds > 0
    _, december = make(config, DECEMBER)
    assert december.config_sha256 == july.config_sha256 and december.cloud_profile == "ice"


def test_what_a_source_knows_of_its_scenes_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(self: SyntheticSource, region: Region, month: date) -> Composite:
        grid = self.grid(region)
        ones = np.ones((grid.height, grid.width), np.uint16)
        ids = ["LC09_L2SP_057019_20140702_20200911_02_T1", "LC08_L2SP_057019_20140710"]
        return Composite({"SR_B4": ones}, ones, ids, saturated_share=0.25, skipped=("a: why",))

    monkeypatch.setattr(SyntheticSource, "fetch_month", fetch)
    config = tiny_config(tmp_path)
    _, record = make(config)
    assert record.platforms == ("landsat-8", "landsat-9")
    assert record.saturated_share == 0.25 and record.skipped == ("a: why",)


def test_a_record_of_an_earlier_version_is_read_with_the_rest_unknown(tmp_path: Path) -> None:
    target, record = make(tiny_config(tmp_path))
    new = {"error", "outlines_sha256", "platforms", "skipped", "saturated_share", "attempts"}
    new |= {"config_sha256"}
    values = seals.read_json(target.record_address)
    seals.write_json(target.record_address, {k: v for k, v in values.items() if k not in new})
    found = complete_record(target)
    assert found is not None and found.sha256 == record.sha256
    assert (found.config_sha256, found.attempts, found.platforms) == ("", 1, ())


@pytest.mark.parametrize("text", ["", "{", "[]", '{"region": "a"}', '{"later": 1}'])
def test_a_record_that_cannot_be_read_is_made_again(tmp_path: Path, text: str) -> None:
    config = tiny_config(tmp_path)
    target, record = make(config)
    Path(target.record_address).write_text(text)
    assert complete_record(target) is None
    again = make(config)[1]
    assert dataclasses.replace(again, seconds=0) == dataclasses.replace(record, seconds=0)


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"months": {"last": "2020-01"}}, True),
        ({"sweep": {"epochs": 9}}, True),
        ({"cluster": {"cpus": 1}}, True),
        ({"regions": [VALUES["regions"][0] | {"title": "Mendenhall Glacier"}]}, True),
        ({"seed": 4}, False),
        ({"ingest": {"cloud_profile": "strict"}}, False),
        ({"ingest": {"synthetic": {"cloud_share": 0.1}}}, False),
    ],
)
def test_the_archive_is_named_by_what_changes_its_bytes(
    tmp_path: Path, changes: dict, same: bool
) -> None:
    folders = []
    for config in (tiny_config(tmp_path), tiny_config(tmp_path, **changes)):
        folders.append(locate(config).folder)
    assert (folders[0] == folders[1]) is same


def test_the_grid_is_part_of_the_archives_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(tmp_path)
    first = locate(config).folder
    monkeypatch.setattr("glacier.geo.raster.LANDSAT_EDGE_M", 0.0)
    assert locate(config).folder != first


def test_reading_an_archive_that_is_not_there_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"month 2014-05 is not in the archive.*glacier ingest"):
        read_records(tiny_config(tmp_path))


@pytest.mark.ray
def test_a_rerun_does_only_what_is_missing(
    tmp_path: Path, ray_local: None, capsys: pytest.CaptureFixture
) -> None:
    config = tiny_config(tmp_path)
    assert ingest.run_ingest(config) == 0
    (folder,) = read_records(config)
    times = {p.name: p.stat().st_mtime_ns for p in Path(folder).iterdir()}
    manifest = pq.read_table(Path(folder, "manifest.parquet")).to_pylist()
    assert [row["status"] for row in manifest] == ["ok"] * 6 + ["empty"] * 2
    Path(folder, "2014-08.json").unlink()
    calendar = tmp_path / "results/tiny/calendar.png"
    assert f"calendar in {calendar}" in capsys.readouterr().out
    assert calendar.read_bytes().startswith(b"\x89PNG")
    assert ingest.run_ingest(config) == 0
    changed = {p.name for p in Path(folder).iterdir() if times[p.name] != p.stat().st_mtime_ns}
    assert changed - {"manifest.json", "manifest.parquet"} == {
        f"2014-08{end}" for end in (".json", ".tif", ".truth.tif", ".truth.gpkg")
    }
    out = capsys.readouterr().out
    assert "ingest: 1/1" in out and "ingest: 8 months: 6 ok, 2 empty, 0 failed" in out
    assert "2 empty: solar_zenith" in out
    assert "calendar" not in out  # it is there


def test_a_stricter_share_of_clear_pixels_changes_the_verdict_and_not_the_composite(
    tmp_path: Path,
) -> None:
    """The image stays, the month is EMPTY for a run that wants more of it; the address is one."""
    plain, strict = (
        tiny_config(tmp_path, ingest={"min_valid_share": share}) for share in (0.0, 1.0)
    )
    source = open_source(plain)
    (target, *_) = list_months(plain, source)
    assert list_months(strict, open_source(strict))[0] == target
    record = ingest.ingest_month(strict, target)
    assert record.status == "ok" and record.valid_share < 1
    assert record.judge(0.0) == record
    judged = record.judge(1.0)
    assert judged.status == "empty" and judged.sha256 == record.sha256
    assert judged.reason == f"valid_share: {record.valid_share:.3f} is below 1.000"


def test_what_another_run_made_meanwhile_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(tmp_path)
    targets = list_months(config, open_source(config))
    waited = []

    @contextmanager
    def wait_for_another(_: Config, *folders: str) -> Iterator[None]:
        waited.append(folders)
        for target in targets:
            if not target.is_recorded():
                ingest_month(config, target)
        yield

    monkeypatch.setattr(ingest, "hold", wait_for_another)
    monkeypatch.setattr(ingest, "ingest_pending", lambda *_: pytest.fail("made twice"))
    assert ingest.run_ingest(config) == 0
    assert waited[0] == (targets[0].folder,)


@pytest.fixture
def finished(tmp_path: Path) -> Config:
    """A run whose archive is there, with manifest and calendar."""
    config = tiny_config(tmp_path)
    for target in list_months(config, open_source(config)):
        ingest_month(config, target)
    assert ingest.run_ingest(config) == 0
    return config


def test_a_finished_archive_needs_no_lock(
    finished: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = finished
    monkeypatch.setattr(locks, "create", lambda *_: pytest.fail("a lock was taken"))
    assert ingest.run_ingest(config) == 0


def test_a_damaged_manifest_is_left_to_the_run_that_works_in_the_archive(
    finished: Config, capsys: pytest.CaptureFixture
) -> None:
    """That one writes it at its end: nobody waits for it, nor takes the file away."""
    (folder,) = read_records(finished)
    manifest, lock = Path(folder, "manifest.json"), Path(folder, ".lock")
    whole = manifest.read_bytes()
    manifest.write_bytes(whole[:-9])
    occupy(folder)
    assert ingest.run_ingest(finished) == 0
    assert manifest.read_bytes() == whole[:-9] and not Path(folder, ".damaged").exists()
    lock.unlink()
    assert ingest.run_ingest(finished) == 0 and manifest.read_bytes() == whole
    assert f"{manifest} is damaged" in capsys.readouterr().out


def test_a_damaged_calendar_is_set_aside_by_the_owner_of_the_results_alone(
    finished: Config, capsys: pytest.CaptureFixture
) -> None:
    place = Path(finished.results, "tiny")
    whole = (place / "calendar.json").read_bytes()
    (place / "calendar.json").write_bytes(whole[:-9])
    occupy(str(place))
    assert ingest.run_ingest(impatient(finished)) == 0
    assert (place / "calendar.json").read_bytes() == whole[:-9]
    (place / ".lock").unlink()
    assert ingest.run_ingest(finished) == 0 and (place / "calendar.json").read_bytes() == whole
    assert "calendar.json is damaged" in capsys.readouterr().out
