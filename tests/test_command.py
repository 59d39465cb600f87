"""Exit codes of a job, and places that a submitted job would lose."""

from pathlib import Path

import pytest

from glacier.command import IN_A_JOB, run_command
from glacier.errors import StoreError
from tests.support.tiny import write_tiny


def run(stage: object, *argv: str) -> int:
    return run_command(argv, "About.", stage)


def fail(_: object) -> int:
    raise StoreError("the disk is full")


def interrupt(_: object) -> int:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("stage", "code"), [(lambda _: 0, 0), (lambda _: 3, 1), (fail, 1), (interrupt, 130)]
)
def test_the_exit_code_says_how_it_ended(tmp_path: Path, stage: object, code: int) -> None:
    assert run(stage, str(write_tiny(tmp_path))) == code


def test_a_defect_is_not_hidden(tmp_path: Path) -> None:
    def defect(_: object) -> int:
        raise KeyError("defect")

    with pytest.raises(KeyError):
        run(defect, str(write_tiny(tmp_path)))


def test_a_mode_runs_in_place_of_the_stage_wherever_it_stands(tmp_path: Path) -> None:
    modes = {"--dry-run": lambda _: 3}
    for argv in (
        [str(write_tiny(tmp_path)), "--dry-run"],
        ["--dry-run", str(tmp_path / "tiny.yaml")],
    ):
        assert run_command(argv, "About.", lambda _: pytest.fail("work was begun"), modes) == 1
        assert "--dry-run" in argv, "the caller's list is left alone"


@pytest.mark.parametrize("place", ["storage", "results"])
def test_a_job_refuses_a_folder_that_it_would_lose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, place: str
) -> None:
    flags = [str(write_tiny(tmp_path)), f"--{place}", "./somewhere"]
    assert run(lambda _: 0, *flags) == 0
    monkeypatch.setenv(IN_A_JOB, "{}")
    assert run(lambda _: pytest.fail("work was begun"), *flags) == 2
    assert f"{place} = './somewhere' lies in this job's private copy" in capsys.readouterr().err
    assert run(lambda _: 0, *flags[:2], "s3://bucket/somewhere") == 0
