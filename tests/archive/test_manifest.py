"""The table of an archive tells what the records say, as long as their files are unchanged."""

import dataclasses
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glacier import seals, store
from glacier.archive import contents
from glacier.archive.contents import look_at_archive, read_outcomes, read_records
from glacier.archive.ingest import ingest_month, run_ingest
from glacier.archive.manifest import (
    RECORD,
    SEAL,
    TABLE,
    describe_written,
    encode_rows,
    find_unchanged,
    make_record,
    make_row,
    read_manifest,
    update_manifest,
)
from glacier.archive.records import Archive, ArchiveMonth, MonthRecord, list_archives, list_months
from glacier.config import Config
from glacier.errors import StoreError
from glacier.samples.month import prepare_month
from glacier.sources.factory import open_source
from glacier.store import FileState
from glacier.verify import verify_folder
from tests.support.tiny import VALUES, make_task, tiny_config

COARSE = [{**VALUES["regions"][0], "pixel_m": 300}]
SPAN = {"first": "2014-07", "last": "2014-12"}
"""Four months with images, and two without."""


def coarse_config(folder: Path, **changes: object) -> Config:
    return tiny_config(folder, **({"months": SPAN, "regions": COARSE} | changes))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose archive is there, with its manifest."""
    folder = tmp_path_factory.mktemp("made")
    config = coarse_config(folder)
    for target in list_months(config, open_source(config)):
        ingest_month(config, target)
    assert run_ingest(config) == 0
    return folder


@pytest.fixture
def finished(made: Path, tmp_path: Path) -> Config:
    """The run in a copy of it, whose files have the times of the first."""
    shutil.copytree(made, tmp_path / "run")
    return coarse_config(tmp_path / "run")


def find_folder(config: Config) -> Path:
    (archive,) = list_archives(config, open_source(config))
    return Path(archive.folder)


def refuse_opening(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a record or any of a month's files is opened."""
    monkeypatch.setattr(ArchiveMonth, "read_record", lambda _: pytest.fail("a record was read"))
    monkeypatch.setattr(seals, "find_damage", lambda _: pytest.fail("a file was hashed"))


def test_a_finished_run_opens_nothing_of_its_months(
    finished: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [target.read_record() for target in list_months(finished, open_source(finished))]
    refuse_opening(monkeypatch)
    monkeypatch.setattr("glacier.archive.ingest.update_manifest", lambda *_: pytest.fail("noted"))
    monkeypatch.setattr("glacier.archive.ingest.write_calendar", lambda *_: None)
    assert run_ingest(finished) == 0
    (records,) = read_records(finished).values()
    assert records == expected and records[0].scene_ids and records[0].n_obs[2] > 0
    (outcomes,) = read_outcomes(finished).values()
    assert [(r.status, r.reason, r.sha256, r.valid_share) for r in outcomes] == [
        (r.status, r.reason, r.sha256, r.valid_share) for r in expected
    ]


def test_a_run_sees_as_little_as_it_wants(finished: Config) -> None:
    strict = finished.model_copy(
        update={"ingest": finished.ingest.model_copy(update={"min_valid_share": 1.0})}
    )
    (records,) = read_records(strict).values()
    assert {record.status for record in records} == {"empty"}
    assert "below 1.000" in records[0].reason and records[0].sha256


@pytest.mark.parametrize("end", [".json", ".tif", ".truth.tif", ".truth.gpkg"])
@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_month_whose_files_have_changed_is_looked_at(
    finished: Config, end: str, how: str
) -> None:
    path = find_folder(finished) / f"2014-08{end}"
    whole = path.read_bytes()
    path.unlink()
    if how == "changed":
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    (archive,) = list_archives(finished, open_source(finished))
    state = look_at_archive(archive)
    assert [target.name for target in state.missing] == ["2014-08"] and len(state.records) == 5
    path.write_bytes(whole)  # as it was, at another time
    state = look_at_archive(archive)
    assert state.missing == () and [row["month"] for row in state.rows] == ["2014-08"]


def test_damage_that_left_size_and_time_is_found_when_it_is_read_or_verified(
    finished: Config,
) -> None:
    path = find_folder(finished) / "2014-08.tif"
    whole, facts = path.read_bytes(), path.stat()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    (archive,) = list_archives(finished, open_source(finished))
    assert look_at_archive(archive).missing == ()
    assert [error.address for error in verify_folder(finished.storage).damaged] == [str(path)]
    task = dataclasses.replace(
        make_task(finished, "2014-07"), record=archive.list_targets()[1].read_record()
    )
    assert "DamagedError" in prepare_month(task).reason


def test_a_copy_without_times_is_looked_at_once(
    finished: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in find_folder(finished).iterdir():
        os.utime(path)
    assert run_ingest(finished) == 0
    refuse_opening(monkeypatch)
    (archive,) = list_archives(finished, open_source(finished))
    assert look_at_archive(archive).missing == ()


def test_runs_with_other_months_share_the_table(finished: Config) -> None:
    first, later = ({"first": a, "last": b} for a, b in (("2014-07", "2014-08"), SPAN.values()))
    folder, storage = find_folder(finished), Path(finished.storage).parent
    (folder / TABLE).unlink()
    assert run_ingest(coarse_config(storage, months=first)) == 0
    table = read_manifest(str(folder), RECORD, owned=False)
    assert table is not None and table["month"].to_pylist() == ["2014-07", "2014-08"]
    assert run_ingest(coarse_config(storage, months=later)) == 0
    assert run_ingest(coarse_config(storage, months=first)) == 0
    table = read_manifest(str(folder), RECORD, owned=False)
    assert table is not None and table.num_rows == 6


@pytest.mark.parametrize("name", [TABLE, SEAL])
@pytest.mark.parametrize("how", ["cut", "gone"])
def test_a_damaged_table_is_made_again_from_the_records(
    finished: Config, name: str, how: str, capsys: pytest.CaptureFixture
) -> None:
    path = find_folder(finished) / name
    whole = path.read_bytes()
    path.unlink()
    if how == "cut":
        path.write_bytes(whole[:-9])
    assert run_ingest(finished) == 0 and path.read_bytes() == whole
    assert (f"{path} is damaged" in capsys.readouterr().out) == (how == "cut")


def test_a_list_of_an_earlier_version_is_replaced(finished: Config) -> None:
    folder = find_folder(finished)
    (folder / TABLE).unlink()
    seals.write_json(str(folder / SEAL), {"months": [{"month": "2014-07"}]})
    assert run_ingest(finished) == 0
    assert (folder / TABLE).exists() and not (folder / ".damaged").exists()


@pytest.mark.parametrize("version", ["17", ""])
def test_a_store_that_tells_no_version_is_never_taken_at_its_word(version: str) -> None:
    record = MonthRecord("a", "2014-07", "ok", sha256="0" * 64)
    files = {name: FileState(3, version) for name in ("2014-07.json", "2014-07.tif")}
    table = encode_rows([make_row(record, files)])
    assert find_unchanged(table, files).to_pylist() == [bool(version)]
    assert find_unchanged(table, {}).to_pylist() == [False]


def test_an_object_store_tells_what_has_changed() -> None:
    folder = f"memory://{uuid.uuid4().hex}"
    record = MonthRecord("a", "2014-07", "ok", sha256=store.checksum(b"x"))
    target = ArchiveMonth(VALUES["regions"][0], record.day, folder, "")  # type: ignore[arg-type]
    archive = Archive(target.region, folder, "", (record.day,))
    store.write_bytes(f"{target.stem}.tif", b"x")
    target.write_record(record)
    update_manifest(folder, describe_written(folder, [record]))
    files = store.list_states(folder)
    assert set(files) == {"2014-07.tif", "2014-07.json", TABLE, SEAL}
    assert contents.read_archive(archive, RECORD, 0.0) == [record]
    store.write_bytes(f"{target.stem}.tif", b"y")
    table = contents.read_rows(folder, store.list_states(folder), RECORD)
    assert table.num_rows == 0
    store.remove(target.record_address)
    store.remove(f"{folder}/{TABLE}")
    assert store.list_states(f"{folder}/nowhere") == {}


def test_a_month_that_is_not_there_is_named(tmp_path: Path) -> None:
    for read in (read_records, read_outcomes):
        with pytest.raises(StoreError, match=r"month 2014-07 is not in the archive.*ingest"):
            read(coarse_config(tmp_path))


TEXTS = st.text(st.characters(codec="utf-8"), max_size=9)
RECORDS = st.builds(
    MonthRecord,
    region=TEXTS, month=st.dates().map("{:%Y-%m}".format), reason=TEXTS, error=TEXTS,
    status=st.sampled_from(["ok", "empty", "failed"]), sha256=TEXTS, truth_sha256=TEXTS,
    outlines_sha256=TEXTS, source=TEXTS, cloud_profile=TEXTS, config_sha256=TEXTS,
    scene_ids=st.lists(TEXTS, max_size=2).map(tuple),
    platforms=st.lists(TEXTS, max_size=2).map(tuple),
    skipped=st.lists(TEXTS, max_size=2).map(tuple),
    n_obs=st.tuples(st.integers(0, 9), st.floats(0, 9), st.integers(0, 9)),
    valid_share=st.floats(0, 1), saturated_share=st.none() | st.floats(0, 1),
    sun_elevation_deg=st.none() | st.floats(-90, 90), unsettled=st.booleans(),
    attempts=st.integers(1, 9), repeats=st.integers(0, 9), seconds=st.floats(0, 9),
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(st.lists(RECORDS, min_size=1, max_size=3))
def test_a_record_comes_back_as_it_was(records: list[MonthRecord]) -> None:
    rows: list[dict[str, Any]] = encode_rows([make_row(r, {}) for r in records]).to_pylist()
    found = [make_record(row) for row in rows]
    assert found == records
    assert [repr(record) for record in found] == [repr(record) for record in records]
