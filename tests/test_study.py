"""A study from nothing to its page: arms share what is equal, fail as rows, are compared once."""

import csv
import json
from pathlib import Path

import pytest
from tiny import ENCODER, tiny_config

from glacier.errors import ConfigError
from glacier.study import run_study

ARMS = {
    "plain": {},
    "same": {},
    "decay": {"sweep.weight_decay": 0.1},
    "years": {"sweep.folds.kind": "by_year"},
}


def make_config(folder: Path, arms: dict):
    return tiny_config(folder, arms=arms, sweep={"forest": False, "epochs": 1})


@pytest.mark.ray
def test_arms_are_run_shared_and_compared(
    tmp_path: Path, ray_local: None, capsys: pytest.CaptureFixture
) -> None:
    config = make_config(tmp_path, ARMS)
    assert run_study(config) == 1  # eight months of one year are no two folds of years
    said = capsys.readouterr().out
    assert "study: arm decay (3 of 4)" in said
    assert "arm years failed: ConfigError: sweep.folds.count = 2: by_year has only 1" in said
    place = tmp_path / "results/tiny"
    summary = json.loads((place / "summary.json").read_text())
    assert [arm["name"] for arm in summary["arms"]] == ["plain", "same", "decay"]
    assert list(summary["failed_arms"]) == ["years"]
    assert (summary["reference"], summary["compared_on"]) == ("plain", "validation")
    rows = {row["arm"]: row for row in summary["rows"] if row["method"] == ENCODER}
    assert rows["same"]["test_difference"] == rows["same"]["val_difference"] == 0
    assert rows["decay"]["val_how"] == "paired"
    assert len(list((tmp_path / "data/sweeps").glob("tiny-*"))) == 2  # same is plain
    assert len(list((tmp_path / "data/samples").glob("tiny-*"))) == 1
    table = list(csv.DictReader((place / "arms.csv").open()))
    assert [(row["arm"], row["method"]) for row in table] == [
        (row["arm"], row["method"]) for row in summary["rows"]
    ]
    page = (place / "README.md").read_text()
    assert "sweep.weight_decay = 0.1" in page and "- years: failed, ConfigError" in page
    assert "were not used" in page  # the test scores
    assert (place / "arms.png").read_bytes().startswith(b"\x89PNG")

    before = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    assert run_study(config) == 1
    assert "study: complete" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in place.iterdir()} == before


def test_one_arm_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"arms = \['plain'\]: a study compares two or more"):
        run_study(make_config(tmp_path, {"plain": {}}))
