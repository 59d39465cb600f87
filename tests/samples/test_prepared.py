"""What is prepared is seen by one listing; what has changed since is looked at, and no more."""

import dataclasses
import os
import pickle
import shutil
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glacier import seals
from glacier.archive.contents import read_outcomes, read_records
from glacier.archive.ingest import ingest_month
from glacier.archive.records import list_months
from glacier.config import Config
from glacier.geo.raster import Grid
from glacier.samples import prepare
from glacier.samples.month import prepare_month
from glacier.samples.prepared import MonthStates, RunMonths, find_prepared, make_task, mark_file
from glacier.samples.sample_set import (
    MONTHS,
    BandSums,
    LabelPixels,
    SampleMonth,
    SampleSet,
    hold_months,
    make_month,
    make_row,
    read_set,
    samples_folder,
    write_set,
)
from glacier.sources.factory import open_source
from glacier.store import FileState
from glacier.table_rows import TableRows
from tests.support.discs import make_samples
from tests.support.tiny import VALUES, tiny_config

SPAN = {"first": "2014-09", "last": "2014-12"}
"""Two months with images, and two without."""
COARSE = [{**VALUES["regions"][0], "pixel_m": 300}]


def coarse_config(folder: Path, **prepared: object) -> Config:
    return tiny_config(folder, months=SPAN, regions=COARSE, prepare=prepared)


def months_of(config: Config) -> RunMonths:
    archives = read_outcomes(config)
    return RunMonths(config, samples_folder(config, archives), archives)


def fill(config: Config) -> None:
    """Archive and samples of a run, without Ray."""
    for target in list_months(config, open_source(config)):
        ingest_month(config, target)
    months = months_of(config)
    for row in months.choose(np.ones(4, bool)).to_pylist():
        prepare_month(make_task(row, months.folder, config.prepare))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose samples are described."""
    folder = tmp_path_factory.mktemp("made")
    config = coarse_config(folder)
    fill(config)
    assert prepare.run_prepare(config) == 0
    return folder


@pytest.fixture
def finished(made: Path, tmp_path: Path) -> Config:
    """The run in a copy of it."""
    shutil.copytree(made, tmp_path / "run")
    return coarse_config(tmp_path / "run")


def pending(config: Config) -> list[int]:
    found = find_prepared(months_of(config), owned=False)
    assert sorted([*np.flatnonzero(found.pending), *found.months["place"].to_pylist()]) == [
        0, 1, 2, 3,
    ]  # fmt: skip
    return np.flatnonzero(found.pending).tolist()


def test_a_finished_run_opens_nothing_of_its_months(
    finished: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "read_whole", lambda *_: pytest.fail("a month was opened"))
    monkeypatch.setattr(prepare, "hold", lambda *_: pytest.fail("a lock was taken"))
    assert prepare.run_prepare(finished) == 0


@pytest.mark.parametrize(
    "name",
    ["mendenhall_2014-10.json", "mendenhall_2014-10.parquet",
     "quicklooks/mendenhall/2014-10_ndsi.png"],
)  # fmt: skip
@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_month_whose_files_have_changed_is_looked_at(
    finished: Config, name: str, how: str
) -> None:
    path = Path(months_of(finished).folder, name)
    whole = path.read_bytes()
    path.unlink()
    if how == "changed":
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert pending(finished) == [1]
    path.write_bytes(whole)  # as it was, at another time
    assert pending(finished) == []


def test_damage_that_left_size_and_time_is_found_when_it_is_read(finished: Config) -> None:
    path = Path(months_of(finished).folder, "mendenhall_2014-10.parquet")
    whole, facts = path.read_bytes(), path.stat()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert pending(finished) == []
    samples = read_set(str(path.parent))
    assert seals.find_damage({str(path): samples.months[1].sha256})


def test_a_copy_without_times_is_looked_at_once(
    finished: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = months_of(finished).folder
    for path in Path(folder).rglob("*.*"):
        os.utime(path)
    before = read_set(folder)
    assert prepare.run_prepare(finished) == 0
    assert read_set(folder).months == before.months
    monkeypatch.setattr(seals, "read_whole", lambda *_: pytest.fail("a month was opened"))
    assert prepare.run_prepare(finished) == 0


def test_pictures_that_are_wanted_later_are_made(tmp_path: Path) -> None:
    config = coarse_config(tmp_path, quick_looks=False)
    fill(config)
    assert pending(config) == []
    assert pending(coarse_config(tmp_path)) == [0, 1]  # the months with images


def test_a_month_has_a_state_by_its_own_files_alone(tmp_path: Path) -> None:
    config = coarse_config(tmp_path)
    fill(config)
    months = months_of(config)
    states = MonthStates.read(months)
    assert states.has_pictures and states.values.all() and len(set(states.values.tolist())) == 4
    for name in (".lock", "summary.json", "mendenhall_x_2014-10.json", "other.parquet",
                 ".mendenhall_2014-10.json.1f.tmp"):  # fmt: skip
        Path(months.folder, name).write_bytes(b"x")
    assert (MonthStates.read(months).values == states.values).all()


def test_a_file_that_tells_no_state_has_another_every_time() -> None:
    assert mark_file("a", FileState(1, "7")) == mark_file("a", FileState(1, "7"))
    for other in (("b", FileState(1, "7")), ("a", FileState(2, "7")), ("a", FileState(1, "8"))):
        assert mark_file(*other) != mark_file("a", FileState(1, "7"))
    assert mark_file("a", FileState(1, "")) != mark_file("a", FileState(1, ""))


GRID = Grid("EPSG:32608", 512340.5, 6.5e6, 30.0, 40, 50)
SHARES, COUNTS = st.none() | st.floats(0, 1), st.integers(0, 2**40)
SUMS = st.tuples(st.floats(0, 9), st.floats(0, 9))
SAMPLE_MONTHS = st.builds(
    SampleMonth,
    region=st.sampled_from(["a", "b-1"]),
    month=st.dates(date(1984, 1, 1), date(2030, 1, 1)),
    status=st.sampled_from(["ok", "empty", "failed"]), reason=st.text(max_size=9),
    rows=st.integers(0, 9), sha256=st.sampled_from(["", "0" * 64]),
    grid=st.sampled_from([None, GRID]), shape=st.sampled_from([None, (32, 40)]),
    label_pixels=st.none() | st.builds(LabelPixels, glacier=COUNTS, ground=COUNTS, unknown=COUNTS),
    band_sums=st.none() | st.builds(BandSums, pixels=COUNTS, sums=SUMS, squares=SUMS),
    snow_outside=SHARES, clipped=SHARES, notes=st.lists(st.text(max_size=9)).map(tuple),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(SAMPLE_MONTHS, max_size=4))
def test_months_come_back_as_they_were(months: list[SampleMonth]) -> None:
    rows = hold_months(months)
    assert rows == months and hold_months(rows) is rows
    assert [repr(month) for month in pickle.loads(pickle.dumps(rows))] == list(map(repr, months))


def test_a_set_is_read_as_it_was_written(tmp_path: Path) -> None:
    samples = make_samples()
    write_set(str(tmp_path), samples)
    found = read_set(str(tmp_path))
    assert found == samples.model_copy(update={"files": found.files})
    assert found.months == samples.months and len(found.usable) == 12 and not found.failed
    assert "months" not in (tmp_path / "summary.json").read_text().replace("_months", "")
    assert pickle.loads(pickle.dumps(found)) == found
    as_tuple = samples.model_copy(update={"months": tuple(samples.months)})
    assert as_tuple.usable == samples.usable


def test_a_month_takes_less_than_500_bytes() -> None:
    grid = dataclasses.replace(GRID)
    sums = BandSums(pixels=2000, sums=tuple(map(float, range(6))), squares=(1.0,) * 6)
    month = SampleMonth(
        region="a", month=date(2020, 1, 1), status="ok", rows=9, sha256="0" * 64, grid=grid,
        shape=(40, 50), label_pixels=LabelPixels(glacier=1, ground=2, unknown=3), band_sums=sums,
        snow_outside=0.25, clipped=0.5, notes=("a.gpkg: 3 of 9 rows left out (3 line_type lake)",),
    )  # fmt: skip
    count = 5000
    rows = hold_months([month] * count)
    assert rows.table.nbytes / count < 300 and sys.getsizeof(rows) < 100
    assert len(pickle.dumps(SampleSet(**dict(make_samples()) | {"months": rows}))) / count < 300


def test_a_table_of_another_form_is_refused(tmp_path: Path) -> None:
    row: dict[str, Any] = make_row(make_samples().months[0])
    rows = TableRows(pa.Table.from_pylist([row], MONTHS).drop_columns("status"), make_month)
    write_set(str(tmp_path), make_samples().model_copy(update={"months": rows}))
    with pytest.raises(seals.DamagedError, match=r"_months\.parquet is damaged: no months"):
        read_set(str(tmp_path))


def test_records_of_a_run_are_the_same_whichever_columns_are_read(finished: Config) -> None:
    whole, short = (next(iter(read(finished).values())) for read in (read_records, read_outcomes))
    for record, outcome in zip(whole, short, strict=True):
        assert (record.month, record.why) == (outcome.month, outcome.why)
        assert record.sha256 == outcome.sha256 and not outcome.scene_ids
