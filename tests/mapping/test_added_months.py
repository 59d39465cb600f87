"""Months that are added to a run: which they are, what is told of them, and who reads it."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from glacier import store
from glacier.archive.ingest import ingest_month
from glacier.archive.records import ArchiveMonth, MonthRecord, list_months
from glacier.config import Config
from glacier.errors import StoreError
from glacier.mapping import added_months
from glacier.mapping.added_months import (
    AddedMonth,
    AddedMonths,
    added_address,
    choose_months,
    describe_added,
    explain_fixed_archive,
    extend_sweep,
    find_grown_sweep,
    find_newest,
    read_added,
    span_added,
)
from glacier.mapping.maps import MapRecord
from glacier.seals import write_model
from glacier.sources.factory import open_source
from glacier.training.saved import SavedSweep, SweepPlaces
from tests.support.saved_sweeps import describe_samples
from tests.support.saved_sweeps import make_config as make_folder_config
from tests.support.sweeps import make_sweep
from tests.support.tiny import tiny_config

TODAY = date(2015, 4, 9)
FOLDER = "/archive/mendenhall-01234567"


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(added_months, "find_today", lambda: TODAY)


def add(*months: str, first: str | None = None) -> AddedMonths:
    """What a file says to which these months were added."""
    named = tuple(AddedMonth(month=month) for month in months)
    return AddedMonths(first=first, archives={"mendenhall-01234567": named} if named else {})


@pytest.mark.parametrize(
    ("until", "added", "span"),
    [
        (None, add(), ("2015-01", "2015-04")),  # the month that it is, UTC
        ("2015-02", add(), ("2015-01", "2015-02")),
        ("2014-12", add(), None),  # a month of the run itself
        ("2013-01", add(), None),
        (None, add("2015-03", first="2015-03"), ("2015-03", "2015-04")),  # earlier ones went
        ("2015-02", add("2015-01", "2015-03"), ("2015-01", "2015-03")),  # what is there stays
    ],
)
def test_months_are_looked_for_after_the_run_s_own(
    tmp_path: Path, until: str | None, added: AddedMonths, span: tuple[str, str] | None
) -> None:
    config = tiny_config(tmp_path, latest={"until": until})
    found = span_added(config, added)
    assert (found and (found.months.first, found.months.last)) == span


def choose(config: Config, *records: MonthRecord, first: str | None = None) -> tuple:
    """First month and names of the months that are chosen of some."""
    targets = {
        ArchiveMonth(config.regions[0], record.day, FOLDER, ""): record
        for record in sorted(records, key=lambda record: record.reason)  # in no order of time
    }
    start, later = choose_months(config, targets, AddedMonths(first=first))
    return start, [record.month for months in later.values() for record in months]


def make_record(month: str, status: str = "ok", **facts: object) -> MonthRecord:
    known = {"sha256": "a" * 64, "valid_share": 0.9} if status == "ok" else {}
    return MonthRecord("mendenhall", month, status, **(known | facts))  # type: ignore[arg-type]


def test_months_are_chosen_by_date_and_a_month_without_scenes_is_awaited(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    months = [
        make_record("2015-10"), make_record("2016-02", reason="0"), make_record("2015-09"),
        make_record("2015-12", "empty", reason="solar_zenith: dark"),
        make_record("2016-01", "failed", reason="cut", unsettled=True),
    ]  # fmt: skip
    there = ["2015-09", "2015-10", "2015-12", "2016-01", "2016-02"]
    assert choose(config, *months) == (None, there)
    young = make_record("2016-03", "empty", reason="no_scenes", unsettled=True)
    assert choose(config, *months, young) == (None, there)
    assert choose(config, *months, replace(young, unsettled=False)) == (None, [*there, "2016-03"])
    cloudy = make_record("2016-03", valid_share=0.1, unsettled=True)
    strict = tiny_config(tmp_path, ingest={"min_valid_share": 0.5})
    assert choose(config, *months, cloudy) == (None, [*there, "2016-03"])
    assert choose(strict, *months, cloudy) == (None, there)


def test_the_newest_months_are_kept_and_no_month_comes_back(tmp_path: Path) -> None:
    months = [make_record(f"2015-{k:02d}") for k in range(8, 13)]
    keep = tiny_config(tmp_path, latest={"keep_months": 2})
    assert choose(keep, *months) == ("2015-11", ["2015-11", "2015-12"])
    assert choose(keep, *months[3:], first="2015-11") == ("2015-11", ["2015-11", "2015-12"])
    more = tiny_config(tmp_path, latest={"keep_months": 4})
    assert choose(more, *months[3:], first="2015-11") == ("2015-11", ["2015-11", "2015-12"])
    assert choose(more, *months[:3]) == (None, ["2015-08", "2015-09", "2015-10"])


def test_a_map_keeps_its_day_until_it_is_of_another_image() -> None:
    scenes = (
        "LC08_L2SP_058019_20150321_20200909_02_T1",
        "LC08_L2SP_058020_20150228_20200909_02_T1",
    )
    records = [
        make_record("2015-02"), make_record("2015-03", scene_ids=scenes),
        make_record("2015-04", sha256="b" * 64), make_record("2015-05", "empty", reason="cloud"),
    ]  # fmt: skip
    maps = [MapRecord(region="mendenhall", name=r.month, status="ok") for r in records[:3]]
    told = AddedMonths(
        archives={
            "mendenhall-01234567": tuple(
                AddedMonth(month=f"2015-{k:02d}", image_sha256="a" * 64, mapped=date(2015, 3, k))
                for k in (3, 4)
            )
        }
    )
    found = describe_added("2015-02", {FOLDER: records}, maps, told, {})
    assert found.first == "2015-02" and list(found.archives) == ["mendenhall-01234567"]
    assert [(month.month, month.mapped) for month in found.months] == [
        ("2015-02", TODAY), ("2015-03", date(2015, 3, 3)), ("2015-04", TODAY), ("2015-05", None)
    ]  # fmt: skip
    assert [month.newest for month in found.months] == [None, date(2015, 3, 21), None, None]
    assert describe_added("2015-02", {FOLDER: records}, maps, found, {}) == found  # twice is once


def test_the_day_of_a_scene_is_in_its_id() -> None:
    assert find_newest(["LC08_058019_20150321", "LC08_SYNTHETIC_gorner_20150402"]) == date(
        2015, 4, 2
    )
    assert find_newest(["a_20159999", "2015-04.tif"]) is None and find_newest([]) is None


def test_what_was_added_is_read_back_and_a_damaged_file_names_who_makes_it_again(
    tmp_path: Path,
) -> None:
    config = tiny_config(tmp_path)
    assert read_added(config) == AddedMonths()
    write_model(added_address(config), add("2015-01", first="2015-01"))
    assert read_added(config) == add("2015-01", first="2015-01")
    path = Path(added_address(config))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(StoreError, match=r"latest\.json is damaged: run `glacier latest`"):
        read_added(config)
    assert path.exists()


def test_a_folder_of_files_takes_no_new_month_and_says_what_does(tmp_path: Path) -> None:
    assert explain_fixed_archive(tiny_config(tmp_path)) == ""
    assert "set months.last and run `glacier pipeline`" in explain_fixed_archive(
        make_folder_config(tmp_path)
    )


def test_a_grown_sweep_has_the_added_months_of_its_own_archive_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(tmp_path, months={"first": "2015-01", "last": "2015-02"})
    dark, seen = list_months(config, open_source(config))
    records = [ingest_month(config, target) for target in (dark, seen)]
    own = make_record("2014-12")
    places, samples = SweepPlaces("", "", "", ""), describe_samples(make_folder_config(tmp_path))
    sweep = SavedSweep(
        make_sweep({"resnet18": [0.9, 0.8]}), "", samples, places, {dark.folder: [own]}
    )
    monkeypatch.setattr(added_months, "find_mapping_sweep", lambda _: sweep)
    run = tiny_config(tmp_path)
    assert find_grown_sweep(run) == sweep
    months = tuple(AddedMonth(month=name) for name in ("2014-12", "2015-01", "2015-02"))
    name = dark.folder.rpartition("/")[2]
    other = {"mendenhall-fedcba98": (AddedMonth(month="2015-03"),)}  # of other settings
    write_model(added_address(run), AddedMonths(archives={name: months} | other))
    grown = find_grown_sweep(run)
    assert grown.archives == {dark.folder: [own, *records]}
    assert grown == extend_sweep(sweep, {dark.folder: records})
    store.remove(seen.record_address)
    with pytest.raises(StoreError, match=r"month 2015-02 of .* is gone .*run `glacier latest`"):
        find_grown_sweep(run)
