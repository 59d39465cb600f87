"""Errors of Ray become a sentence; defects stay what they are."""

import tempfile
from pathlib import Path

import pytest
from ray import exceptions

from glacier.command import run_command
from glacier.errors import StoreError
from glacier.faults import SENTENCES, explain_fault, find_fault
from tests.support.tiny import write_tiny

ACTOR = exceptions.ActorDiedError()
TASK = exceptions.RayTaskError("work", "a long traceback", KeyError("defect"))


def chained(cause: BaseException) -> RuntimeError:
    """An error that was raised from another one."""
    error = RuntimeError("Tune gives up")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (exceptions.OutOfMemoryError("C++ frames"), "ran low on memory"),
        (exceptions.NodeDiedError("C++ frames"), "a node was lost"),
        (exceptions.WorkerCrashedError(), "a worker process was ended"),
        (ACTOR, "a worker process was ended, or its node was lost"),
        (exceptions.GetTimeoutError("x"), "no answer in time"),
        (exceptions.ObjectLostError("ab", None, ""), "was lost with its node"),
        (exceptions.RaySystemError("x"), "connection to the cluster was lost"),
        (exceptions.TaskUnschedulableError("x"), "Ray could not go on"),
        (chained(exceptions.OutOfMemoryError("x")), "ran low on memory"),
    ],
)
def test_a_fault_is_one_sentence_and_its_account_a_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    error: BaseException,
    words: str,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "logs"))
    (tmp_path / "logs").mkdir()

    def stage(_: object) -> int:
        raise error

    assert run_command([str(write_tiny(tmp_path))], "About.", stage) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line and "goes on where this one stopped" in line
    (log,) = (tmp_path / "logs").iterdir()
    assert str(log) in line and log.name.startswith("glacier-tiny-")
    assert type(find_fault(error)).__name__ in log.read_text()


@pytest.mark.parametrize("error", [KeyError("x"), TASK, chained(ValueError("x")), StoreError("x")])
def test_a_defect_and_an_error_of_ours_are_no_faults(error: BaseException) -> None:
    assert find_fault(error) is None


def test_a_task_that_lost_its_actor_is_a_fault() -> None:
    assert find_fault(exceptions.RayTaskError("work", "text", ACTOR)) is ACTOR


def test_where_no_account_can_be_kept_the_sentence_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null")
    said = explain_fault(exceptions.NodeDiedError("x"), "run")
    assert said == "NodeDiedError: a node was lost; the same command goes on where this one stopped"


def test_the_sentences_are_of_errors_that_ray_has() -> None:
    assert all(issubclass(getattr(exceptions, name), exceptions.RayError) for name in SENTENCES)
