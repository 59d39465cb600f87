"""A finished run that takes in the months that come after it, as a timer would have it."""

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from glacier.archive.records import MonthRecord
from glacier.config import Config
from glacier.latest import run_latest
from glacier.mapping.added_months import AddedMonth, read_added
from glacier.mapping.area_table import AreaRow, read_area_rows
from glacier.monitoring import held
from glacier.monitoring.findings import MonitorSummary, summary_address
from glacier.monitoring.monitor import run_monitor
from glacier.pipeline import run_pipeline
from glacier.seals import read_json, read_model, write_json
from glacier.store import checksum_file
from glacier.verify import run_verify
from tests.support.tiny import ENCODER, tiny_config, write_tiny
from tests.support.trees import list_differences

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

REPO = Path(__file__).parents[2]
UNTIL = "2015-03"
"""January is dark, the two months after it are not."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, ray_local: None) -> Path:
    """The folder of a run that has come to its end."""
    folder = tmp_path_factory.mktemp("finished")
    assert run_pipeline(tiny_config(folder)) == 0
    return folder


@pytest.fixture
def place(finished: Path, tmp_path: Path) -> Path:
    """A copy of it; a storage can be moved."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def add(folder: Path, until: str = UNTIL, **latest: object) -> Config:
    """Take in the months up to one; returns the run."""
    config = tiny_config(folder, latest={"until": until} | latest)
    assert run_latest(config) == 0
    return config


def read_files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of all files that a run has left."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns)
        for p in found
        if not p.name.startswith("manifest.")
    }


def read_contents(folder: Path) -> dict[str, object]:
    """Content of all files, but for the seconds that records of months tell."""
    return {
        name: re.sub(rb'"(seal|seconds)": [^,]+,', b"", content)
        for name, (content, _) in read_files(folder).items()
    }


def read_months(folder: Path) -> list[AreaRow]:
    """Rows of the table of areas that are of months."""
    rows = read_area_rows((folder / "results/tiny/area.csv").read_bytes())
    return [row for row in rows if row.kind == "month"]


def test_new_months_join_the_series_once_and_stay(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = read_files(place)
    config = add(place)
    rows = read_months(place)
    assert [row.month for row in rows] == [
        *(date(2014, k, 1) for k in range(5, 13)), *(date(2015, k, 1) for k in (1, 2, 3))
    ]  # fmt: skip
    assert [row.status for row in rows[-3:]] == ["empty", "ok", "ok"]
    assert all(row.snow_outside is not None for row in rows[-2:])
    dark, *seen = read_added(config).months
    assert dark == AddedMonth(month="2015-01")
    assert all(m.mapped and m.newest and m.newest < m.mapped for m in seen)
    out = capsys.readouterr().out
    told = r"2015-03: the newest image is of \d+ March 2015; its map was written \d+ days after"
    assert re.search(told, out) and "sweep" not in out
    new = read_files(place)
    trained = ("data/models", "data/trials", "data/sweeps", "data/samples")
    for name, content in old.items():
        assert not name.startswith(trained) or new[name] == content
    assert "2015" in (place / "results/tiny/map.html").read_text()

    add(place)
    assert capsys.readouterr().out == f"latest: no month has become available after {UNTIL}\n"
    assert read_files(place) == new
    assert run_pipeline(config) == 0
    assert read_files(place) == new  # whoever writes the series keeps its months
    where = ["--storage", str(place / "data"), "--results", str(place / "results")]
    assert run_verify(where) == 0


def test_missed_times_are_made_up_for(place: Path, finished: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(finished, other)
    for until in ("2015-01", "2015-02", UNTIL):
        add(place, until)
    add(other)
    assert list_differences(read_contents(place), read_contents(other)) == []


def replace_image(folder: Path, source: str | None, **changes: object) -> None:
    """Change the record of the newest month, and put the image of another month in its place."""
    (record,) = (folder / "data/archive").glob(f"*/{UNTIL}.json")
    found = MonthRecord.from_dict(read_json(str(record)))
    if source is not None:
        shutil.copy(record.with_name(source), record.with_suffix(".tif"))
        changes["sha256"] = checksum_file(record.with_suffix(".tif"))
    write_json(str(record), replace(found, **changes).as_dict())  # type: ignore[arg-type]


def test_a_young_month_is_asked_for_again_and_mapped_again_where_its_image_is_another(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(place)
    wanted = read_contents(place)
    mapped = {n: at for n, (_, at) in read_files(place).items() if "/archive/" not in n}
    replace_image(place, None, unsettled=True)
    capsys.readouterr()
    add(place)
    assert f"latest: no month has become available after {UNTIL}\n" in capsys.readouterr().out
    found = read_files(place)
    assert {name: found[name][1] for name in mapped} == mapped
    replace_image(place, "2015-02.tif")
    add(place)
    assert "latest: new images or months: 1, 2015-03\n" in capsys.readouterr().out
    assert list_differences(read_contents(place), wanted)
    replace_image(place, None, unsettled=True)
    add(place)
    assert list_differences(read_contents(place), wanted) == []


def test_months_that_are_not_kept_leave_maps_archive_and_series(place: Path) -> None:
    config = add(place)
    of_run = {name for name in read_files(place) if re.search(r"/2014-\d\d\.", name)}
    add(place, keep_months=1)
    kept = read_files(place)
    assert of_run <= kept.keys()
    assert {name for name in kept if re.search(r"/2015-0[12]\.", name)} == set()
    assert [row.month for row in read_months(place)][-2:] == [date(2014, 12, 1), date(2015, 3, 1)]
    assert read_added(config).first == UNTIL
    add(place)  # what went is not looked for again
    assert read_files(place) == kept
    assert run_pipeline(config) == 0 and read_files(place) == kept


def start(config: Path) -> subprocess.Popen[str]:
    """A job as a timer starts it, with a private Ray of one core."""
    env = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
    command = [sys.executable, "-m", "jobs.latest", str(config), "--cluster.cpus", "1"]
    return subprocess.Popen(
        command, cwd=REPO, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_of_two_at_once_one_works_and_the_other_says_so(place: Path) -> None:
    config = write_tiny(place, latest={"until": UNTIL})
    first, deadline = start(config), time.monotonic() + 100
    while not (place / "results/tiny/.lock").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    second = start(config)
    told, _ = second.communicate(timeout=200)
    assert second.returncode == 0, told
    assert re.search(rf"is worked on by run tiny \(process {first.pid} on .*leaves it to it", told)
    assert len(told.splitlines()) == 2 and "looking at what it needs" in told.splitlines()[0]
    told, _ = first.communicate(timeout=300)
    assert first.returncode == 0 and "2015-03: the newest image is of" in told, told
    assert not list(place.rglob(".lock*"))


def test_an_alarm_is_mapped_and_waits_until_somebody_has_looked(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it is that the watch takes for an alarm: here the newest month."""
    name = f"mendenhall/{UNTIL}"
    monkeypatch.setattr(
        held, "find_alarms",
        lambda config, *_: {} if name in config.monitor.looked else {("mendenhall", UNTIL): "dark"},
    )  # fmt: skip

    def watch(**monitor: object) -> list[str]:
        config = tiny_config(place, latest={"until": UNTIL}, monitor={"hold": True} | monitor)
        assert run_latest(config) == 0
        return [f"{row.month:%Y-%m}" for row in read_months(place)]

    assert watch()[-1] == "2015-02"
    assert f"{UNTIL} is not published, dark; once somebody" in capsys.readouterr().out
    assert list(place.glob(f"data/maps/*/*/{UNTIL}.class.tif"))
    before = read_files(place)
    assert watch()[-1] == "2015-02" and read_files(place) == before
    config = tiny_config(place, latest={"until": UNTIL}, monitor={"features": True})
    assert run_monitor(config) == 0  # which shows what waits
    assert UNTIL in (place / "results/tiny/monitor.csv").read_text()
    (region,) = read_model(summary_address(f"{place}/results/tiny"), MonitorSummary).regions
    assert (region.network.encoder, region.network.why_none) == (ENCODER, "")
    assert "2 could not be judged" in capsys.readouterr().out
    assert watch(looked={name: "Ann"})[-1] == UNTIL
