"""The benchmark of strategies from nothing to its page."""

import csv
from pathlib import Path

import pytest

from glacier import seals
from glacier.continual.trial import StreamPlan, choose_best
from glacier.continual.tuning import LostTrial, StreamResults
from glacier.errors import ConfigError
from glacier.studies import continual
from glacier.studies.continual import run_continual
from glacier.studies.continual_page import write_stream_page
from glacier.studies.continual_summary import (
    ContinualSummary,
    encode_rows,
    encode_trials,
    summarise_stream,
)
from tests.support.stream_plans import make_outcome, make_plan
from tests.support.stream_runs import stream_config


@pytest.mark.slow
@pytest.mark.ray
def test_a_benchmark_runs_once_to_its_page(
    tmp_path: Path, ray_local: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    config = stream_config(tmp_path)
    assert run_continual(config) == 0
    place = tmp_path / "results/tiny"
    summary = seals.read_model(str(place / "continual.json"), ContinualSummary)
    assert [row.strategy for row in summary.rows] == ["naive", "joint", "replay"]
    assert summary.tasks == ("mendenhall", "taku") and not summary.lost
    rows = list(csv.DictReader((place / "trials.csv").open()))
    assert [row["status"] for row in rows] == ["done"] * 3
    assert len(rows[0]["iou_after_0"].split()) == 2
    page = (place / "README.md").read_text()
    assert page.startswith("# Learning without forgetting: tiny (synthetic data)")
    assert summary.verdict in page and "| experience replay, 5 % |" in page
    assert (place / "matrices.png").read_bytes().startswith(b"\x89PNG")
    assert not list((tmp_path / "data/continual").rglob("state.*"))

    monkeypatch.setattr(continual, "run_trials", lambda plan: pytest.fail("trained again"))
    monkeypatch.setattr(continual, "write_stream", lambda *_: pytest.fail("written again"))
    capsys.readouterr()
    assert run_continual(config) == 0
    assert "README.md" in capsys.readouterr().out


def test_what_has_no_stream_is_refused(tmp_path: Path) -> None:
    config = stream_config(tmp_path, sweep={"folds": {"kind": "by_region", "count": 2}})
    with pytest.raises(ConfigError, match="which by_block gives"):
        run_continual(config)


def make_results(plan: StreamPlan) -> StreamResults:
    """Trials of which replay ends high, and every one of EWC is lost."""
    ends = {"naive": 0.4, "joint": 0.8, "replay": 0.7}
    choices = [key for key in plan.list_choices() if key.strategy in ends]
    chosen = choose_best([make_outcome(key) for key in choices])
    trials = plan.list_trials(chosen)
    lost = [key for key in plan.list_choices() if key.strategy == "ewc"]
    return StreamResults(
        outcomes=tuple(make_outcome(key, ends[key.strategy]) for key in trials),
        chosen=tuple(chosen),
        choices=tuple(make_outcome(key) for key in choices),
        lost=tuple(LostTrial(key=key, reason="TrainingError: the loss is nan") for key in lost),
    )


def test_the_page_says_whom_to_take_what_closes_the_gap_and_what_was_lost(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, strategies=["ewc", "replay"], orders=2, seeds=2, budgets_percent=[5])
    results = make_results(plan)
    summary = summarise_stream(plan, results)
    assert summary.replay.startswith("experience replay, 5 % closes 75% of the gap between naive")
    assert "forgets 0.4" in summary.forgets
    rows = {row.strategy: row for row in summary.rows}
    assert list(rows) == ["naive", "joint", "replay"] and len(summary.lost) == 3
    assert rows["replay"].kept_mb == 2.0 and rows["replay"].budget_mb == pytest.approx(4 * 1792e-6)
    assert rows["replay"].matrix[0] == (0.9, 0.2)
    page = write_stream_page(summary, "squares")
    assert page.count("failed: TrainingError: the loss is nan") == 3
    assert "| experience replay, 5 % |" in page and summary.verdict in page
    table = encode_trials(results)
    assert [row["status"] for row in table].count("failed") == 3
    assert len(encode_rows(summary)) == 3


def test_results_are_written_once_for_the_same_trials(tmp_path: Path, monkeypatch) -> None:
    plan = make_plan(tmp_path, strategies=["ewc", "replay"], orders=1, seeds=2, budgets_percent=[5])
    results = make_results(plan)
    continual.write_results(plan, results)
    place = tmp_path / "results/tiny"
    names = {path.name for path in place.iterdir()} - {".lock"}
    assert names == {"README.md", "continual.json", "matrices.png", "strategies.csv", "trials.csv"}
    monkeypatch.setattr(continual, "write_stream", lambda *_: pytest.fail("written again"))
    continual.write_results(plan, results)
