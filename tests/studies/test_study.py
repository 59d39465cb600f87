"""A study from nothing to its page: variants share what is equal, fail, and are compared."""

import csv
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from glacier import seals, store
from glacier.errors import ConfigError
from glacier.reports.summary import Stamp
from glacier.studies import claims, study
from glacier.studies.study import run_study
from glacier.studies.summary import StudySummary
from tests.support.tiny import ENCODER, tiny_config
from tests.support.variants import make_variant

VARIANTS = {
    "plain": {},
    "same": {},
    "decay": {"sweep.weight_decay": 0.1},
    "years": {"sweep.folds.kind": "by_year"},
}


def make_config(folder: Path, variants: dict, **changes: object):
    sweep = {"random_forest": False, "epochs": 1, "track": ["tensorboard"]}
    return tiny_config(folder, variants=variants, sweep=sweep, **changes)


@pytest.mark.ray
def test_variants_are_run_shared_and_compared(
    tmp_path: Path, ray_local: None, capsys: pytest.CaptureFixture
) -> None:
    again = {"seeds": [4], "variants": ["plain", "decay"]}
    config = make_config(tmp_path, VARIANTS, repeats=again)
    assert run_study(config) == 1  # eight months of one year are no two folds of years
    said = capsys.readouterr().out
    assert "study: variant decay (3 of 4)" in said
    assert "study: variant decay from seed 4 (2 of 2)" in said
    assert "variant years failed: ConfigError: sweep.folds.count = 2: by_year has only 1" in said
    place = tmp_path / "results/tiny"
    summary = seals.read_model(str(place / "study.json"), StudySummary)
    assert [variant.name for variant in summary.variants] == ["plain", "same", "decay"]
    assert list(summary.failed_variants) == ["years"]
    assert (summary.reference, summary.compared_on) == ("plain", "validation")
    rows = {row.variant: row for row in summary.rows if row.method == ENCODER}
    assert rows["same"].test.difference == rows["same"].val.difference == 0
    assert rows["decay"].val.how == "paired"
    seeds = {row.variant: row for row in summary.seeds}
    assert list(seeds) == ["plain", "decay"]
    assert seeds["plain"].dice_sd > 0  # the seed tells
    assert seeds["decay"].over_seeds and seeds["decay"].over_folds
    assert len(list((tmp_path / "data/sweeps").glob("tiny-*"))) == 4  # same is plain
    assert len(list((tmp_path / "data/samples").glob("tiny-*"))) == 1
    events = {path.parent for path in place.glob("tensorboard/*/*/events.*")}
    assert len(events) == 8 and len({path.parent for path in events}) == 4  # 2 folds a sweep
    table = list(csv.DictReader((place / "variants.csv").open()))
    assert [(row["variant"], row["method"]) for row in table] == [
        (row.variant, row.method) for row in summary.rows
    ]
    page = (place / "README.md").read_text()
    assert "6 months of Synthetic Mendenhall (source: synthetic), resized to 32 x 32 px" in page
    assert "sweep.weight_decay = 0.1" in page and "- years: failed, ConfigError" in page
    assert "were not used" in page  # the test scores
    assert "## Other training seeds" in page
    assert (place / "variants.png").read_bytes().startswith(b"\x89PNG")

    assert "does otherwise than" not in page  # one change each says itself
    for name in ("plain", "same", "decay"):
        assert f"]({name}/report.html)" in page
        assert "test Dice" in (place / name / "report.html").read_text()

    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    assert run_study(config) == 1
    assert "study: complete" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == before


def test_a_study_of_other_settings_is_kept_with_the_reports_of_its_variants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variants = [make_variant(), make_variant("same")]

    def report(sweep: None, folder: str) -> None:
        """Stands in for a report of a variant: its page, a picture and its summary."""
        names = ("report.html", "figures/cost.png", "figures/cost.svg")
        contents = {name: name.encode() for name in names}
        seals.write_whole(store.join(folder, "summary.json"), Stamp(), contents)

    monkeypatch.setattr(study, "make_variants", lambda config: (variants, {}, 0))
    monkeypatch.setattr(study, "find_sweep", lambda config: None)
    monkeypatch.setattr(study, "make_report", report)
    plain = make_config(tmp_path, {"plain": {}, "same": {}})
    place = tmp_path / "results/tiny"
    run_study(plain)
    before = {p.relative_to(place): p.read_bytes() for p in place.rglob("*") if p.is_file()}
    assert len(before) == 4 + 2 * 4
    sha256 = seals.read_json(str(place / "study.json"))["config_sha256"]
    variants[1] = replace(variants[1], sha256="of another sweep")
    run_study(make_config(tmp_path, {"plain": {}, "same": {"sweep.flips": False}}))
    aside = place.with_name(f"tiny-{sha256[:8]}")
    assert {p.relative_to(aside): p.read_bytes() for p in aside.rglob("*") if p.is_file()} == before
    assert seals.read_json(str(place / "study.json"))["config_sha256"] != sha256


def test_one_variant_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"variants = \['plain'\]: a study compares two or more"):
        run_study(make_config(tmp_path, {"plain": {}}))


@pytest.mark.parametrize(
    ("module", "run"), [(study, "run_study"), (claims, "run_claims")], ids=["study", "claims"]
)
def test_what_another_run_wrote_meanwhile_is_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, module, run: str
) -> None:
    config, made, held = make_config(tmp_path, VARIANTS), [], []
    monkeypatch.setattr(module, "make_variants", lambda _: ([], {}, 0))
    monkeypatch.setattr(module, "is_current", lambda *_, **__: bool(made))

    @contextmanager
    def wait_for_another(_, folder: str):
        held.append(folder)
        made.append("by another run")
        yield

    monkeypatch.setattr(module, "hold", wait_for_another)
    assert getattr(module, run)(config) == getattr(module, run)(config) == 0
    assert held == [str(tmp_path / "results/tiny")]  # once: then it was complete
    assert capsys.readouterr().out.count("complete in") == 2
    assert not (tmp_path / "results").exists()
