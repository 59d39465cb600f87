"""A study from nothing to its page: variants share what is equal, fail as rows, are compared once."""

import csv
import json
from pathlib import Path

import pytest

from glacier.errors import ConfigError
from glacier.studies.page import write_labels, write_losses
from glacier.studies.study import run_study
from tests.support.tiny import ENCODER, tiny_config

ARMS = {
    "plain": {},
    "same": {},
    "decay": {"sweep.weight_decay": 0.1},
    "years": {"sweep.folds.kind": "by_year"},
}


def make_config(folder: Path, variants: dict):
    return tiny_config(folder, variants=variants, sweep={"random_forest": False, "epochs": 1})


@pytest.mark.ray
def test_variants_are_run_shared_and_compared(
    tmp_path: Path, ray_local: None, capsys: pytest.CaptureFixture
) -> None:
    config = make_config(tmp_path, ARMS)
    assert run_study(config) == 1  # eight months of one year are no two folds of years
    said = capsys.readouterr().out
    assert "study: variant decay (3 of 4)" in said
    assert "variant years failed: ConfigError: sweep.folds.count = 2: by_year has only 1" in said
    place = tmp_path / "results/tiny"
    summary = json.loads((place / "study.json").read_text())
    assert [variant["name"] for variant in summary["variants"]] == ["plain", "same", "decay"]
    assert list(summary["failed_variants"]) == ["years"]
    assert (summary["reference"], summary["compared_on"]) == ("plain", "validation")
    rows = {row["variant"]: row for row in summary["rows"] if row["method"] == ENCODER}
    assert rows["same"]["test_difference"] == rows["same"]["val_difference"] == 0
    assert rows["decay"]["val_how"] == "paired"
    assert len(list((tmp_path / "data/sweeps").glob("tiny-*"))) == 2  # same is plain
    assert len(list((tmp_path / "data/samples").glob("tiny-*"))) == 1
    table = list(csv.DictReader((place / "variants.csv").open()))
    assert [(row["variant"], row["method"]) for row in table] == [
        (row["variant"], row["method"]) for row in summary["rows"]
    ]
    page = (place / "README.md").read_text()
    assert "6 months of mendenhall (source: synthetic), resized to 32 x 32 px" in page
    assert "sweep.weight_decay = 0.1" in page and "- years: failed, ConfigError" in page
    assert "were not used" in page  # the test scores
    assert (place / "variants.png").read_bytes().startswith(b"\x89PNG")

    assert "does otherwise than" not in page  # one change each says itself
    for name in ("plain", "same", "decay"):
        assert f"]({name}/report.html)" in page
        assert "test Dice" in (place / name / "report.html").read_text()

    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    assert run_study(config) == 1
    assert "study: complete" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == before


def test_the_published_numbers_stand_beside_those_of_every_variant() -> None:
    losses = [
        {"variant": "published", "encoder": "resnet34", "lowest": 0.05, "last_mean": 0.075,
         "last": [0.05, 0.1]},
        {"variant": "blind", "encoder": "resnet34", "lowest": None, "last_mean": None, "last": [None]},
    ]  # fmt: skip
    variants = [{"protocol": "notebook"}, {"protocol": "honest"}]
    page = "\n".join(write_losses({"variants": variants, "losses": losses}))
    assert "| as published | resnet34 | 0.0810 | 0.1059 | 0.0810, 0.0968, 0.1424" in page
    assert "| published | resnet34 | 0.0500 | 0.0750 | 0.0500, 0.1000 |" in page
    assert "| blind | resnet34 |  |  |  |" in page
    assert "resnet50" not in page
    assert write_losses({"variants": variants[1:], "losses": losses}) == []


def test_what_the_variants_are_scored_against_is_said_once_or_apart() -> None:
    assert write_labels({"a": "Truth.", "b": "Truth."}) == ["Truth."]
    apart = write_labels({"a": "Truth.", "b": "A threshold."})
    assert "different labels" in apart[0] and apart[-2:] == ["- a: Truth.", "- b: A threshold."]


def test_one_variant_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"variants = \['plain'\]: a study compares two or more"):
        run_study(make_config(tmp_path, {"plain": {}}))
