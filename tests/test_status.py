"""What is said of a job by its log: at work, finished, failed, interrupted or killed."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from glacier import status
from glacier.config import Config
from glacier.job_log import LogLine, StagePlan, append, place_logs
from glacier.lock_file import create
from glacier.owner import Owner
from glacier.status import describe, find_state, fold, run_status
from tests.support.tiny import tiny_config, write_tiny

NOW = datetime.now(UTC)
RUN = "20260101T000000Z-abcdef01"
Said = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def clock_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the tests before take."""
    monkeypatch.setattr(status, "read_clock", lambda: NOW)


def line(event: str, after_s: float = 0.0, **values: object) -> LogLine:
    told = {"run": RUN, "config_sha256": "ab", "verb": "pipeline"}
    at = NOW - timedelta(minutes=10) + timedelta(seconds=after_s)
    return LogLine(at=at, event=event, **told, **values)


def own(**changes: object) -> Owner:
    return Owner.of_this_process("tiny").model_copy(update=changes)


def write_log(config: Config, *lines: LogLine) -> None:
    data = "".join(f"{each.model_dump_json(exclude_defaults=True)}\n" for each in lines)
    append(Path(place_logs(config)) / f"{RUN}.jsonl", data.encode())


BUSY = (
    line("stage", 1, stage="ingest"),
    line("stage", 2, stage="ingest", total=4),
    line("unit", 5, stage="ingest", done=4, unit="month"),
    line("stage ended", 11, stage="ingest", outcome="finished", seconds=10, peak_mb=50),
    line("stage", 12, stage="sweep", total=8),
    line("unit", 20, stage="sweep", done=2.5, unit="epoch", left="3 to 4 min", peak_mb=70),
)
PLAN = line("plan", 0, plan=(StagePlan(stage="ingest", seconds=12, memory_mb=60),
                             StagePlan(stage="report", seconds=9)))  # fmt: skip


def test_of_a_job_at_work_its_stage_units_and_time_left_are_said(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    write_log(config, line("begun", owner=own()), PLAN, *BUSY)
    state = find_state(config)
    assert state is not None and state.state == "running"
    sentence, titles, *rows = describe(state)
    assert sentence.startswith(
        "tiny: pipeline is running in sweep, 2.5 of 8, 3 to 4 min left of it; at work for 10 min"
    )
    assert titles.split() == ["stage", "state", "units", "time", "predicted", "peak", "MB",
                              "predicted"]  # fmt: skip
    ingest = ["ingest", "finished", "4/4", "10", "s", "12", "s", "50", "60"]
    assert rows[0].split() == ingest and rows[1].split()[:3] == ["sweep", "running", "2.5/8"]
    assert rows[2].split()[:2] == ["report", "waiting"]


def test_a_job_whose_process_is_gone_was_killed(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    write_log(config, line("begun", owner=own(started="1")), *BUSY)
    state = find_state(config)
    assert state is not None and state.state == "killed" and state.seconds == 20
    assert "was killed in sweep, 2.5 of 8 after 20 s" in describe(state)[0]
    assert "the same command goes on" in describe(state)[0]


@pytest.mark.parametrize(("has_lock", "found"), [(True, "running"), (False, "killed")])
def test_on_another_machine_a_lock_with_a_heartbeat_says_that_it_lives(
    tmp_path: Path, has_lock: bool, found: str
) -> None:
    config, owner = tiny_config(tmp_path), own(machine="far away", host="far")
    write_log(config, line("begun", owner=owner), *BUSY)
    if has_lock:
        create(str(tmp_path / "data/sweeps/tiny-12345678/.lock"), owner)
    state = find_state(config)
    assert state is not None and state.state == found


def test_on_another_machine_one_that_wrote_lately_lives(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    owner = own(machine="far away")
    write_log(config, line("begun", owner=owner), line("stage", 590, stage="report"))
    state = find_state(config)
    assert state is not None and state.state == "running"


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (line("ended", 30, outcome="finished", seconds=30, failed_units=0), "nothing failed"),
        (line("ended", 30, outcome="finished", seconds=30, failed_units=2), "2 unit(s) failed"),
        (line("ended", 30, outcome="failed", seconds=30, reason="StoreError: no"), ": StoreError"),
        (line("ended", 30, outcome="interrupted", seconds=30), "was interrupted"),
    ],
)
def test_of_a_job_that_is_over_it_is_said_how(last: LogLine, said: str) -> None:
    state = fold("tiny", [line("begun"), *BUSY[:4], last], True, NOW)
    assert said in describe(state)[0] and "30 s" in describe(state)[0]
    assert state.state == last.outcome and state.peak_mb == 50


def test_the_plan_is_held_against_what_happened() -> None:
    last = line("ended", 30, outcome="finished", seconds=30)
    state = fold("tiny", [line("begun"), PLAN, *BUSY[:4], last], True, NOW)
    assert describe(state)[1] == "predicted: 12 s; it took 2.50 times that"


def test_a_stage_that_runs_again_adds_up() -> None:
    state = fold("tiny", [line("begun"), *BUSY[:4], *BUSY[:4]], True, NOW)
    (ingest,) = state.stages
    assert (ingest.done, ingest.total, ingest.seconds) == (8, 8, 20)


def test_the_verb_answers_people_and_programs(tmp_path: Path, capsys: Said) -> None:
    path, config = str(write_tiny(tmp_path)), tiny_config(tmp_path)
    assert run_status([path]) == 2
    assert "no job of this configuration" in capsys.readouterr().out
    write_log(config, line("begun", owner=own()), *BUSY)
    assert run_status([path, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["state"] == "running" and found["stages"][1]["done"] == 2.5
    write_log(config, line("ended", 30, outcome="failed", seconds=30, reason="no"))
    assert run_status([path]) == 1
