from pathlib import Path

import pytest

from glacier import seals
from glacier.evaluation.results import FailedTrial
from glacier.studies.summary import SCHEMA, StudySummary
from tests.support.variants import give_ensemble, give_units, make_variant, summarise_study

VARIANTS = [
    give_units(make_variant()),
    give_ensemble(give_units(make_variant("b", changes={"sweep.epochs": 60})), [0.9, 0.8, 0.9]),
]


@pytest.fixture
def address(tmp_path: Path) -> str:
    """A study of the variants that has been written."""
    found = str(tmp_path / "study.json")
    seals.write_model(found, summarise_study(*VARIANTS, lost={"c": "StoreError: gone"}))
    return found


def test_a_study_is_read_back_as_it_was_written(address):
    summary = summarise_study(*VARIANTS, lost={"c": "StoreError: gone"})
    assert seals.read_model(address, StudySummary) == summary
    assert (summary.compared_on, summary.column) == ("validation", "val")
    assert [row.kind for row in summary.rows] == ["encoder", "encoder", "ensemble"]
    assert len(summary.sentences) == 2  # of the encoders alone


def test_the_file_keeps_its_flat_rows_and_its_schema(address):
    found = seals.read_json(address)
    assert found["schema"] == SCHEMA and "format" not in found
    assert found["sweeps"] == [["plain", "sha256 of plain"], ["b", "sha256 of b"]]
    assert found["rows"][1]["val_how"] == "paired" and "val" not in found["rows"][1]


def test_failed_trials_of_a_variant_are_told():
    failed = (FailedTrial(encoder="net", fold=1, reason="the loss is nan"),)
    lossy = make_variant("lossy", failed=failed)
    found = summarise_study(make_variant(), lossy).variants_by_name["lossy"]
    assert found.failed_trials == failed and found.rival is None
