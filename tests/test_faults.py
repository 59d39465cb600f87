"""Errors of Ray become a sentence; defects stay what they are."""

import errno
import os
import tempfile
from pathlib import Path

import pytest
from ray import exceptions

from glacier.command import run_command
from glacier.errors import StoreError
from glacier.faults import SENTENCES, explain_fault, explain_files, find_fault
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
        (exceptions.RaySystemError("no attribute x", "in deserialize_objects"), "code differs"),
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


def failed(number: int, path: object = None) -> OSError:
    """What the system says of a file; some libraries name it in their text alone."""
    return OSError(number, os.strerror(number), str(path)) if path else OSError(number, "x")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize(
    "wrap", [lambda e: e, chained, lambda e: exceptions.RayTaskError("f", "t", e)]
)
def test_a_full_disk_is_one_sentence_whoever_met_it(
    tmp_path: Path, capsys: pytest.CaptureFixture, number: int, wrap: object
) -> None:
    def stage(_: object) -> int:
        raise wrap(failed(number, tmp_path / "data/sweeps/x/tune/state.json"))

    assert run_command([str(write_tiny(tmp_path))], "About.", stage) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"cannot write {tmp_path}/data/sweeps/x/tune/state.json: ")
    assert line.endswith(" make room, then run the same command again")
    free = int(line.partition(": ")[2].partition(" bytes are free")[0])
    assert 0 < free < 10**15


def test_without_a_name_the_fullest_place_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from glacier import store

    places = [str(tmp_path / "storage"), str(tmp_path / "results")]
    monkeypatch.setattr(store, "measure_free", lambda place: 7 if "results" in place else 10**9)
    said = explain_files(failed(errno.ENOSPC), places)
    assert said.startswith(f"cannot write {tmp_path}/results: 7 bytes are free there, and more")


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EROFS, errno.EACCES, errno.EIO])
def test_a_place_that_was_taken_away_is_one_sentence(tmp_path: Path, number: int) -> None:
    place = str(tmp_path / "data")
    for error in (failed(number, f"{place}/a.json"), OSError(number, f"x '{place}/a.json'")):
        said = explain_files(error, [place])
        assert said.startswith(f"cannot use {place}") and "run the same command again" in said
        assert os.strerror(number).lower() in said and "\n" not in said


@pytest.mark.parametrize(
    "error",
    [failed(errno.ENOENT, "/usr/lib/libx.so"), failed(errno.ENOENT), failed(errno.EBADF, "/tmp/x"),
     ValueError("x"), OSError("x")],
)  # fmt: skip
def test_an_error_of_another_file_is_a_defect(tmp_path: Path, error: Exception) -> None:
    assert explain_files(error, [str(tmp_path / "data"), "s3://bucket/x"]) == ""
