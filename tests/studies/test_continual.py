"""The benchmark of strategies from nothing to its page."""

import csv
from pathlib import Path

import pytest

from glacier import seals
from glacier.errors import ConfigError
from glacier.studies import continual
from glacier.studies.continual import run_continual
from glacier.studies.continual_summary import ContinualSummary
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


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sweep": {"folds": {"kind": "by_region", "count": 2}}}, "which by_block gives"),
        ({"continual": {"strategies": ["repaly"]}}, "did you mean replay?"),
        ({"continual": {"levels": 5}, "prepare": {"size_px": 32}}, ""),
    ],
)
def test_what_has_no_stream_is_refused(tmp_path: Path, changes: dict, said: str) -> None:
    config = stream_config(tmp_path, **changes)
    if not said:
        assert continual.explain_no_stream(config) == ""
        return
    with pytest.raises(ConfigError, match=said.replace("?", r"\?")):
        run_continual(config)
