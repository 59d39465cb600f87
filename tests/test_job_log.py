"""The log of a job: what is written while it works, and what is read of what was written."""

import json
from pathlib import Path

import pytest

from glacier import job_log, store
from glacier.config import config_digest
from glacier.errors import ConfigError, StoreError
from glacier.job_log import LogLine, open_log, place_logs, read_newest
from glacier.progress import WATCHERS, Progress, enter_stage
from tests.support.tiny import tiny_config

Said = pytest.CaptureFixture[str]


def work(total: int = 2) -> None:
    with enter_stage("ingest"), Progress("ingest", total) as progress:
        for k in range(total):
            progress.advance(f"month {k}")


def events(lines: list[LogLine]) -> list[tuple[str, str]]:
    return [(line.event, line.stage) for line in lines]


def test_a_job_says_what_it_does_in_whole_lines_that_name_it(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    with open_log(config, "pipeline") as log:
        work()
        log.failed_units = 0
    lines = read_newest(place_logs(config))
    assert events(lines) == [
        ("begun", ""), ("stage", "ingest"), ("stage", "ingest"), ("unit", "ingest"),
        ("unit", "ingest"), ("stage ended", "ingest"), ("ended", ""),
    ]  # fmt: skip
    assert {(line.run, line.verb) for line in lines} == {(log.run, "pipeline")}
    assert {line.config_sha256 for line in lines} == {config_digest(config)}
    unit, over = lines[4], lines[-1]
    assert (unit.unit, unit.done, lines[2].total) == ("month 1", 2, 2) and unit.seconds >= 0
    assert (over.outcome, over.failed_units) == ("finished", 0) and over.seconds >= unit.seconds
    (file,) = (tmp_path / "data/logs").rglob("*.jsonl")
    assert all(json.loads(text)["run"] == log.run for text in file.read_text().splitlines())


def test_what_takes_no_time_is_not_logged(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    with open_log(config, "ingest"), Progress("checksums", 3, is_brief=True) as progress:
        progress.advance("a")
    assert [line.event for line in read_newest(place_logs(config))] == ["begun", "ended"]


@pytest.mark.parametrize(
    ("error", "outcome"), [(ConfigError("no"), "failed"), (KeyboardInterrupt(), "interrupted")]
)
def test_a_job_that_ends_early_says_how(tmp_path: Path, error: BaseException, outcome: str) -> None:
    config = tiny_config(tmp_path)
    with pytest.raises(type(error)), open_log(config, "ingest"), enter_stage("ingest"):
        raise error
    *_, stage, last = read_newest(place_logs(config))
    assert (stage.event, stage.outcome) == ("stage ended", "failed")
    assert last.outcome == outcome and type(error).__name__ in last.reason
    assert not WATCHERS


def test_in_an_object_store_the_lines_of_a_stage_are_one_object(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, storage=f"memory://{tmp_path.name}")
    with open_log(config, "pipeline"):
        work(50)
        assert len(store.list_files(place_logs(config))) == 2
    assert len(store.list_files(place_logs(config))) == 3
    lines = read_newest(place_logs(config))
    assert len(lines) == 55 and lines[-1].event == "ended"


def test_no_more_than_so_many_lines_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_log, "KEPT_LINES", 10)
    config = tiny_config(tmp_path, storage=f"memory://{tmp_path.name}")
    with open_log(config, "pipeline") as log:
        work(50)
        assert len(log.kept) < 10
    assert len(read_newest(place_logs(config))) == 55


def test_a_log_that_cannot_be_written_stops_no_job(tmp_path: Path, capsys: Said) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    with open_log(tiny_config(tmp_path), "pipeline"):
        work()
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("log: ")]
    assert len(said) == 1 and "cannot be written, so the job goes on without" in said[0]


def test_a_store_that_fails_later_stops_no_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    def refuse(*_: object) -> str:
        raise StoreError("no")

    with open_log(tiny_config(tmp_path, storage=f"memory://{tmp_path.name}"), "pipeline"):
        monkeypatch.setattr(store, "write_bytes", refuse)
        work()
    assert capsys.readouterr().out.count("log: ") == 1


def test_a_torn_line_is_left_out_and_the_newest_job_is_read(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    for verb in ("ingest", "prepare"):
        with open_log(config, verb) as log:
            log.run  # noqa: B018
    folder = Path(place_logs(config))
    assert len(list(folder.iterdir())) == 2
    first = folder / "20000101T000000Z-00000000.jsonl"
    first.write_text("not a line\n")
    newest = max(folder.iterdir())
    with open(newest, "a") as file:
        file.write('{"at": "2026-01-01T00:0')
    lines = read_newest(str(folder))
    assert [line.event for line in lines] == ["begun", "ended"]
    assert read_newest(str(folder / "none")) == []


def test_memory_is_that_of_the_process_and_of_all_below_it(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    with open_log(config, "ingest"):
        work()
    assert 10 < (read_newest(place_logs(config))[-1].peak_mb or 0) < 1e5
