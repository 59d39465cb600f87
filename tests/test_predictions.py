"""What is said of a run before it is run, and noted in its log."""

import json
from datetime import date
from pathlib import Path

import pytest

from glacier import predictions, store
from glacier.config import Config
from glacier.job_log import open_log, place_logs, read_newest
from glacier.planning.speeds import key_of
from glacier.plans import plan_run
from glacier.predictions import count_steps, count_work, find_prediction, log_plan, run_plan
from tests.support.speeds import make_speeds
from tests.support.tiny import tiny_config, write_tiny

Said = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def keep(config: Config) -> str:
    """Keep a made-up measurement of a configuration; returns its address."""
    address = predictions.kept_address(key_of(config))
    store.write_bytes(address, make_speeds(key_of(config)).model_dump_json().encode())
    return address


@pytest.mark.parametrize(
    ("folds", "protocol", "tested", "glanced", "trained"),
    [
        ({"kind": "shuffled", "count": 2, "validation_share": 0.25}, "honest", 4, 1, 3),
        ({"kind": "shuffled", "count": 4, "validation_share": 0}, "honest", 2, 0, 6),
        ({"kind": "shuffled", "count": 2}, "notebook", 4, 4, 4),
        ({"kind": "by_block", "count": 2, "validation_share": 0.25}, "honest", 8, 8, 3),
    ],
)
def test_images_are_parted_as_the_folds_part_them(
    tmp_path: Path, folds: dict, protocol: str, tested: float, glanced: float, trained: float
) -> None:
    changes = {"sweep": {"folds": folds, "protocol": protocol}, "prepare": {"layout": "chips"}}
    parts = predictions.part_images(8, tiny_config(tmp_path, **changes))
    assert (parts.tested, parts.glanced, parts.trained) == (tested, glanced, trained)


def test_steps_are_those_of_the_windows_that_train(tmp_path: Path) -> None:
    plan = plan_run(tiny_config(tmp_path))
    assert count_steps(plan, 7) == 4  # whole images, two a batch
    chips = plan_run(tiny_config(tmp_path, prepare={"layout": "chips"}))
    assert count_steps(chips, 7) == -(-7 * 127 * 80 // 32**2 // 2)
    given = plan_run(tiny_config(tmp_path, sweep={"steps_per_epoch": 9}))
    assert count_steps(given, 7) == 9


def test_a_run_of_which_nothing_is_done_has_all_to_do(tmp_path: Path) -> None:
    work = count_work(plan_run(tiny_config(tmp_path)))
    assert (work.months, work.unprepared, work.images) == (7, 7, 7)  # one of the eight is dark
    assert work.trials_due and work.maps_due and work.trials == 2 and work.pixels == 127 * 80
    assert date(2014, 12, 1).month == 12


def test_the_verb_says_time_memory_and_cost_and_keeps_the_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said, cache: Path
) -> None:
    config, path = tiny_config(tmp_path), str(write_tiny(tmp_path))
    speeds = make_speeds(key_of(config))
    monkeypatch.setattr(predictions, "measure", lambda *_, **__: speeds)
    mine = tmp_path / "mine.json"
    assert run_plan([path, "--plan.price_per_node_hour", "36", "--keep", str(mine)]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("plan: tiny takes about ") and " of memory on m, and costs " in first
    assert "no request over the network" in lines[0] and "2 trials" in lines[1]
    assert [line.split()[0] for line in lines[2:]] == [
        "stage", "start", "ingest", "prepare", "sweep", "report", "predict", "series",
    ]  # fmt: skip
    assert mine.exists() and len(list(cache.rglob("*.json"))) == 1
    assert not (tmp_path / "data").exists() and not (tmp_path / "results").exists()
    assert run_plan([path, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["run"]["cost"] is None and len(told["run"]["stages"]) == 7


def test_a_measurement_of_another_machine_is_taken_where_it_is_named(
    tmp_path: Path, capsys: Said
) -> None:
    path, file = str(write_tiny(tmp_path)), tmp_path / "node.json"
    assert run_plan([path, "--plan.speeds", str(file)]) == 2
    assert "no measurement is there" in capsys.readouterr().err
    file.write_text(make_speeds(key_of(tiny_config(tmp_path))).model_dump_json())
    assert run_plan([path, "--plan.speeds", str(file)]) == 0
    assert "on m" in capsys.readouterr().out


def test_a_pipeline_notes_what_was_predicted_where_a_measurement_fits(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    assert find_prediction(config) is None
    address = keep(config)
    with open_log(config, "pipeline") as log:
        log_plan(config, log)
    lines = read_newest(place_logs(config))
    assert [line.event for line in lines] == ["begun", "plan", "ended"]
    assert {plan.stage for plan in lines[1].plan} >= {"ingest", "sweep"}
    Path(address).write_text("{}")
    assert find_prediction(config) is None
