"""The page and the file of the list of claims."""

from dataclasses import replace
from pathlib import Path

import pytest

from glacier import store
from glacier.errors import ConfigError
from glacier.studies import claims
from glacier.studies.claim_list import CLAIMS
from glacier.studies.claims import ClaimsSummary
from tests.support.tiny import tiny_config
from tests.support.variants import count_months, make_encoders


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, sha256: str, source: str) -> ClaimsSummary:
    """The list of claims that a run with only the variant of the encoders writes."""
    variant = replace(count_months(make_encoders(source=source), 82), sha256=sha256)
    lost = {"ndsi": "TrainingError: the loss is nan"}
    monkeypatch.setattr(claims, "make_variants", lambda config: ([variant], lost, 1))
    config = tiny_config(folder, variants={"encoders": {}, "ndsi": {"prepare.image": ["ndsi"]}})
    assert claims.run_claims(config) == 1
    return store.read_model(str(folder / "results/tiny/claims.json"), ClaimsSummary)


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
    store.write_json(address, old)
    capsys.readouterr()
    assert run(monkeypatch, tmp_path, "a", "synthetic").format == claims.SCHEMA
    assert "complete" not in capsys.readouterr().out


def test_without_variants_the_claims_have_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"variants is empty: the claims read encoders, .*size_512"
    ):
        claims.run_claims(tiny_config(tmp_path))
