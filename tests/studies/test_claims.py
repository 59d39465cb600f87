"""The page and the file of the list of claims."""

from dataclasses import replace
from pathlib import Path

import pytest

from glacier import seals
from glacier.errors import ConfigError
from glacier.studies import claims
from glacier.studies.claim_list import CLAIMS
from glacier.studies.claims import ClaimsSummary
from tests.support.tiny import tiny_config
from tests.support.variants import archive_of, count_months, make_encoders, make_variant


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, sha256: str, source: str) -> ClaimsSummary:
    """The list of claims that a run with only the variant of the encoders writes."""
    variant = replace(count_months(make_encoders(source=source), 82), sha256=sha256)
    lost = {"ndsi": "TrainingError: the loss is nan"}
    monkeypatch.setattr(claims, "make_variants", lambda config: ([variant], lost, 1))
    config = tiny_config(folder, variants={"encoders": {}, "ndsi": {"prepare.image": ["ndsi"]}})
    assert claims.run_claims(config) == 1
    return seals.read_model(str(folder / "results/tiny/claims.json"), ClaimsSummary)


def test_every_claim_stands_in_the_file_and_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = run(monkeypatch, tmp_path, "a", "earthengine")
    assert (found.format, found.sweeps) == (claims.SCHEMA, (("encoders", "a"),))
    verdicts = {row.id: row.verdict for row in found.claims}
    assert list(verdicts) == [claim.id for claim in CLAIMS]
    assert verdicts["best-encoder"] == verdicts["usable-months"] == "held"
    assert verdicts["second-encoder"] == "not held"
    assert verdicts["false-colour"] == "not testable here"  # its variant failed
    page = (tmp_path / "results/tiny/README.md").read_text()
    assert all(claim.sentence in page for claim in CLAIMS)
    assert "- ndsi: failed, TrainingError" in page
    assert "| sweep.epochs | 2 | 30 |" in page  # what was scaled down
    assert "labels are the polygons of rgi.gpkg" in page and "chosen on a validation part" in page
    assert "The folds are whole years" in page
    assert page.count("\n| ") == 1 + len(CLAIMS) + 1 + len(found.departures)


def test_a_synthetic_archive_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = run(monkeypatch, tmp_path, "a", "synthetic")
    held = [row for row in found.claims if row.verdict == "held"]
    assert held and all("synthetic archive" in row.why for row in held)
    page = (tmp_path / "results/tiny/README.md").read_text()
    assert "The archive is synthetic" in page and "labels are their exact truth" in page
    assert page.startswith("# What the published experiment claims (tiny, synthetic data)\n")


def test_the_page_introduces_the_experiment_and_its_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = run(monkeypatch, tmp_path, "a", "earthengine")
    page = claims.write_page(found.model_copy(update={"is_synthetic": False}))
    assert page.startswith("# What the published experiment claims (tiny)\n")
    assert "The published experiment is a notebook of 2024 that mapped the Mendenhall" in page
    for measure in ("Dice: overlap of", "IoU: the ground that both", "p: how often"):
        assert measure in page


def test_the_page_and_its_file_name_no_account_and_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {
        "ingest.earthengine.project": "icy-project",
        "sweep.encoder_weights": "/home/alice/weights/net.pt",
    }
    variant = make_variant("encoders", changes=changes, **archive_of("earthengine"))
    lost = {"ndsi": "StoreError: /home/alice/x.tif, of icy-project, is damaged"}
    monkeypatch.setattr(claims, "make_variants", lambda config: ([variant], lost, 1))
    shared = {"ingest": {"source": "earthengine", "earthengine": {"project": "icy-project"}},
              "prepare": {"label": {"kind": "ndsi"}}}  # fmt: skip
    claims.run_claims(tiny_config(tmp_path, variants={"encoders": {}, "ndsi": {}}, **shared))
    text = "".join(p.read_text() for p in (tmp_path / "results/tiny").iterdir())
    assert "icy-project" not in text and "alice" not in text
    assert "ingest.earthengine.project = (hidden)" in text and "…/net.pt" in text
    assert "StoreError: …/x.tif, of (hidden), is damaged" in text


def test_claims_of_other_settings_are_kept_under_their_own_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, tmp_path, "a", "synthetic")
    folder = tmp_path / "results/tiny"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    sha256 = seals.read_json(str(folder / "claims.json"))["config_sha256"]
    (folder / "README.md").unlink()
    before.pop("README.md")  # what has lost a file is no less of other settings
    variant = replace(make_encoders(source="synthetic"), sha256="b")
    monkeypatch.setattr(claims, "make_variants", lambda config: ([variant], {}, 0))
    claims.run_claims(tiny_config(tmp_path, seed=9, variants={"encoders": {}}))
    aside = folder.with_name(f"tiny-{sha256[:8]}")
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == before
    assert seals.read_json(str(folder / "claims.json"))["config_sha256"] != sha256


def test_the_claims_are_judged_again_for_another_sweep_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    run(monkeypatch, tmp_path, "a", "synthetic")
    capsys.readouterr()
    run(monkeypatch, tmp_path, "a", "synthetic")
    assert "claims: complete" in capsys.readouterr().out
    assert run(monkeypatch, tmp_path, "b", "synthetic").sweeps == (("encoders", "b"),)
    assert "complete" not in capsys.readouterr().out


def test_a_list_of_another_version_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    run(monkeypatch, tmp_path, "a", "synthetic")
    old = {"schema": claims.SCHEMA - 1, "sweeps": [["encoders", "a"]], "then": "called otherwise"}
    address = str(tmp_path / "results/tiny/claims.json")
    seals.write_json(address, old)
    capsys.readouterr()
    assert run(monkeypatch, tmp_path, "a", "synthetic").format == claims.SCHEMA
    assert "complete" not in capsys.readouterr().out


def test_without_variants_the_claims_have_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"variants is empty: the claims read encoders, .*size_512"
    ):
        claims.run_claims(tiny_config(tmp_path))
