"""Checkpoints that killed trials left go; one that a trial goes on from stays."""

import uuid
from pathlib import Path

import pytest

from glacier import seals, store
from glacier.training.abandoned import remove_abandoned


@pytest.fixture(params=["local", "memory"])
def trials(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder of trials, on disk and in an object store."""
    base = str(tmp_path) if request.param == "local" else f"memory://{uuid.uuid4().hex}"
    return store.join(base, "trials", "tiny-12345678")


def put(trials: str, fold: int, *names: str, sealed: str = "") -> None:
    folder = store.join(trials, "resnet18", f"fold-{fold}")
    for name in names:
        store.write_bytes(store.join(folder, name), b"ice")
    if sealed:
        seals.write_json(store.join(folder, "checkpoint.json"), {"files": {sealed: "0" * 64}})


def left(trials: str, fold: int) -> set[str]:
    names = ("epoch-3.pt", "epoch-4.pt", "epoch-best.pt", "checkpoint.json", "done.json")
    folder = store.join(trials, "resnet18", f"fold-{fold}")
    return {name for name in names if store.exists(store.join(folder, name))}


def test_the_sealed_checkpoint_stays_and_no_other(trials: str) -> None:
    put(trials, 0, "epoch-3.pt", "epoch-4.pt", "epoch-best.pt", sealed="epoch-3.pt")
    put(trials, 1, "epoch-3.pt", "epoch-4.pt", sealed="epoch-4.pt")
    remove_abandoned(trials)
    assert left(trials, 0) == {"epoch-3.pt", "epoch-best.pt", "checkpoint.json"}
    assert left(trials, 1) == {"epoch-4.pt", "checkpoint.json"}


def test_killed_before_its_first_seal_a_trial_keeps_none(trials: str) -> None:
    put(trials, 0, "epoch-3.pt")
    remove_abandoned(trials)
    assert left(trials, 0) == set()


def test_an_ended_trial_needs_none(trials: str) -> None:
    put(trials, 0, "epoch-3.pt", "epoch-4.pt", "done.json", sealed="epoch-4.pt")
    put(trials, 1, "done.json", sealed="epoch-4.pt")
    remove_abandoned(trials)
    assert left(trials, 0) == left(trials, 1) == {"done.json"}


@pytest.mark.parametrize("seal", [b"", b"[]", b"{}", b"\xff"])
def test_what_a_damaged_seal_may_have_named_stays(trials: str, seal: bytes) -> None:
    put(trials, 0, "epoch-3.pt", "epoch-4.pt")
    store.write_bytes(store.join(trials, "resnet18", "fold-0", "checkpoint.json"), seal)
    remove_abandoned(trials)
    assert left(trials, 0) == {"epoch-3.pt", "epoch-4.pt", "checkpoint.json"}


def test_a_seal_names_nothing_outside_its_folder(trials: str) -> None:
    put(trials, 0, "epoch-3.pt", sealed="../fold-1/epoch-3.pt")
    put(trials, 1, "epoch-3.pt", sealed="epoch-3.pt")
    remove_abandoned(trials)
    assert left(trials, 0) == {"checkpoint.json"} and "epoch-3.pt" in left(trials, 1)


def test_where_no_trial_was_nothing_is_done(trials: str) -> None:
    remove_abandoned(trials)
