"""A study from nothing to its page: variants share what is equal, fail, and are compared."""

import csv
from pathlib import Path

import pytest

from glacier import store
from glacier.errors import ConfigError
from glacier.studies.study import run_study
from glacier.studies.summary import StudySummary
from tests.support.tiny import ENCODER, tiny_config

VARIANTS = {
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
    config = make_config(tmp_path, VARIANTS)
    assert run_study(config) == 1  # eight months of one year are no two folds of years
    said = capsys.readouterr().out
    assert "study: variant decay (3 of 4)" in said
    assert "variant years failed: ConfigError: sweep.folds.count = 2: by_year has only 1" in said
    place = tmp_path / "results/tiny"
    summary = store.read_model(str(place / "study.json"), StudySummary)
    assert [variant.name for variant in summary.variants] == ["plain", "same", "decay"]
    assert list(summary.failed_variants) == ["years"]
    assert (summary.reference, summary.compared_on) == ("plain", "validation")
    rows = {row.variant: row for row in summary.rows if row.method == ENCODER}
    assert rows["same"].test.difference == rows["same"].val.difference == 0
    assert rows["decay"].val.how == "paired"
    assert len(list((tmp_path / "data/sweeps").glob("tiny-*"))) == 2  # same is plain
    assert len(list((tmp_path / "data/samples").glob("tiny-*"))) == 1
    table = list(csv.DictReader((place / "variants.csv").open()))
    assert [(row["variant"], row["method"]) for row in table] == [
        (row.variant, row.method) for row in summary.rows
    ]
    page = (place / "README.md").read_text()
    assert "6 months of Synthetic Mendenhall (source: synthetic), resized to 32 x 32 px" in page
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


@pytest.mark.ray
def test_a_study_of_other_settings_is_kept_with_the_reports_of_its_variants(
    tmp_path: Path, ray_local: None
) -> None:
    plain = make_config(tmp_path, {"plain": {}, "same": {}})
    run_study(plain)
    place = tmp_path / "results/tiny"
    before = {p.relative_to(place): p.read_bytes() for p in place.rglob("*") if p.is_file()}
    sha256 = store.read_json(str(place / "study.json"))["config_sha256"]
    run_study(make_config(tmp_path, {"plain": {"sweep.flips": False}, "same": {}}))
    aside = place.with_name(f"tiny-{sha256[:8]}")
    kept = {p.relative_to(aside): p.read_bytes() for p in aside.rglob("*") if p.is_file()}
    assert kept == {name: data for name, data in before.items() if name.name != "calendar.png"
                    or name.parent.name == "figures"}  # fmt: skip
    assert store.read_json(str(place / "study.json"))["config_sha256"] != sha256


def test_one_variant_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"variants = \['plain'\]: a study compares two or more"):
        run_study(make_config(tmp_path, {"plain": {}}))
