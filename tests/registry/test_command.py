"""``glacier registry``: what people type to see what serves, and to change it."""

from pathlib import Path

import pytest

from glacier.lock_file import create
from glacier.owner import Owner
from glacier.registry.gate import judge
from glacier.registry.ledger import Ledger
from glacier.settings.learn import Gate
from glacier.verbs import main
from tests.support.versions import make_cells, make_version

Said = pytest.CaptureFixture[str]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    found = Ledger(str(tmp_path), "alps")
    found.begin(make_version(), "nothing served before")
    judgement = judge(make_cells(), Gate(), needs_approval=True)
    found.record(make_version(decision="waits", judgement=judgement))
    return found


def call(ledger: Ledger, *typed: str) -> int:
    return main(["registry", *typed, "--storage", ledger.storage])


def test_show_has_every_version_number_and_decision(ledger: Ledger, capsys: Said) -> None:
    assert call(ledger, "show", "alps") == 0
    out = capsys.readouterr().out
    for words in (
        "registry alps: version 1 serves",
        "version 1: sweeps/tiny-00000001, resnet18",
        "  learned anew: 6 images, 2014-05 to 2014-12",
        "  learned replay from version 1: ",
        "  fold 0: IoU 0.8",
        "version 2 waits, by the gate: no frozen fold and no region falls, and calibration holds",
    ):
        assert words in out, out


def test_who_promotes_and_who_rolls_back_is_recorded(ledger: Ledger, capsys: Said) -> None:
    assert call(ledger, "promote", "alps", "--approve", " Ada Moraine ") == 0
    assert capsys.readouterr().out == ("registry: version 2 of alps serves, sweeps/tiny-00000001\n")
    assert call(ledger, "rollback", "alps", "--approve", "Ben") == 0
    history = ledger.read().history
    assert [(entry.kind, entry.by) for entry in history[-2:]] == [
        ("promoted", "Ada Moraine"), ("rolled back", "Ben"),
    ]  # fmt: skip
    assert call(ledger, "rollback", "alps", "--approve", "Ben", "--to", "2") == 0
    assert ledger.read().serving.id == 2


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("promote", "alps"), "promote needs --approve NAME: who decides it is recorded"),
        (("rollback", "alps", "--approve", " "), "rollback needs --approve NAME"),
        (("rollback", "alps", "--approve", "Ben"), "nothing served before version 1"),
        (("show", "andes"), "there is no registry 'andes'"),
        (("show", "../alps"), "'../alps' is no name of a registry"),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_changes_nothing(
    ledger: Ledger, capsys: Said, typed: tuple[str, ...], said: str
) -> None:
    before = ledger.read()
    assert call(ledger, *typed) == 2
    assert said in capsys.readouterr().err and ledger.read() == before


def test_while_another_process_writes_nothing_is_done(ledger: Ledger, capsys: Said) -> None:
    assert create(f"{ledger.storage}/registry/.lock", Owner.of_this_process("other"))
    assert call(ledger, "promote", "alps", "--approve", "Ada") == 1
    assert "is worked on by run other" in capsys.readouterr().out
    assert ledger.read().serving.id == 1
