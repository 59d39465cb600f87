"""Runs that are ended from outside: by a signal in any stage, by a full or a missing disk."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from glacier.verify import is_hidden
from tests.support.driver import CODES, Run, check_stopped
from tests.support.tiny import write_tiny

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

CHANGES = {"sweep": {"checkpoint_s": 0, "random_forest": False}, "prepare": {"quick_looks": False}}


def list_unfinished(folder: Path) -> list[Path]:
    """Files under a final name that hold nothing."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.stat().st_size]
    return [path for path in files if not is_hidden(str(path.relative_to(folder)))]


MOMENTS = {
    "ray starts": ("ray: starting", 1.5),
    "months are made": ("ray: starting", 9.0),
    "samples are made": ("ingest took", 0.3),
    "trials begin": ("prepare took", 2.0),
    "trials train": ("sweep: 2 trials, 0 done", 6.0),
    "the report is drawn": ("sweep took", 0.5),
}
"""Where a run is: a line that it prints, and seconds after it."""


@pytest.mark.slow
def test_a_run_that_is_ended_twice_comes_to_its_end(tmp_path: Path, temp: Path) -> None:
    config = write_tiny(tmp_path, **CHANGES)
    for moment, numbers in (
        ("ray starts", (signal.SIGINT, signal.SIGINT)),
        ("trials train", (signal.SIGTERM,)),
    ):
        run = Run(config, temp)
        line, wait_s = MOMENTS[moment]
        run.await_line(line.replace("2 trials, 0 done", "2 trials"))
        time.sleep(wait_s)
        if run.process.poll() is None:
            check_stopped(run, CODES[numbers[0]], numbers)
    code, _, said = Run(config, temp).finish()
    assert code == 0 and said == "", said
    assert (tmp_path / "results/tiny/report.html").exists()
    assert list(temp.iterdir()) == [], "nothing of Ray is left"
    assert list_unfinished(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1))
def test_seeded_signals_in_every_stage(tmp_path: Path, temp: Path, seed: int) -> None:
    draw = random.Random(seed)
    config = write_tiny(tmp_path, **CHANGES)
    for moment, (line, wait_s) in MOMENTS.items():
        first = draw.choice(list(CODES))
        numbers = (first,) * draw.choice([1, 1, 2])
        run = Run(config, temp)
        run.await_line(line.replace(", 0 done", ""))
        time.sleep(draw.uniform(0, 2 * wait_s))
        if run.process.poll() is None:
            print(f"seed {seed}: {moment}, {numbers}")
            check_stopped(run, CODES[first], numbers)
        else:
            run.finish()
    code, _, said = Run(config, temp).finish()
    assert code == 0, said
    assert list(temp.iterdir()) == []


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 160 MB: two checkpoints of each trial fit, and it is full before the machine's."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Take all the room that is left."""
    ballast = disk / "ballast"
    with suppress(OSError), open(ballast, "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return ballast


STAGES = {
    "ingest": "ray: starting",
    "prepare": "ingest took",
    "sweep": "prepare took",
    "checkpoint": "sweep: 2 trials",
    "report": "sweep took",
}
"""Where something happens to a run: after the line that it prints there."""


@pytest.mark.slow
def test_a_full_disk_in_any_stage_is_one_sentence_and_the_same_command_goes_on(
    tmp_path: Path, disk: Path, temp: Path
) -> None:
    places = {"storage": str(disk / "data"), "results": str(disk / "results")}
    config = write_tiny(tmp_path, **CHANGES, **places)
    for stage, line in STAGES.items():
        run = Run(config, temp)
        run.await_line(line)
        ballast = fill(disk)
        code, out, said = run.finish()
        assert (code, said.count("\n")) == (1, 1), f"{stage}: {out}{said}"
        assert "bytes are free there" in said and str(disk) in said, stage
        assert "the same command" in said, stage
        assert list_unfinished(disk) == [], stage
        ballast.unlink()
    code, _, said = Run(config, temp).finish()
    assert code == 0, said
    assert (disk / "results/tiny/summary.json").exists()


@pytest.mark.slow
def test_a_storage_that_is_taken_away_is_one_sentence(tmp_path: Path, temp: Path) -> None:
    config = write_tiny(tmp_path, **CHANGES)
    for stage in ("prepare", "checkpoint", "report"):
        run = Run(config, temp)
        run.await_line(STAGES[stage])
        os.rename(tmp_path / "data", tmp_path / "gone")
        (tmp_path / "data").write_text("another thing")
        code, out, said = run.finish()
        assert (code, said.count("\n")) == (1, 1), f"{stage}: {out}{said}"
        assert str(tmp_path / "data") in said, stage
        (tmp_path / "data").unlink()
        os.rename(tmp_path / "gone", tmp_path / "data")
    assert Run(config, temp).finish()[0] == 0


@pytest.mark.slow
def test_results_that_are_locked_in_mid_run_are_one_sentence(
    tmp_path: Path, disk: Path, temp: Path
) -> None:
    config = write_tiny(tmp_path, **CHANGES, results=str(disk / "results"))
    run = Run(config, temp)
    run.await_line("prepare took")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    code, out, said = run.finish()
    assert code == 1, out + said
    assert said.count("\n") == 1, said
    line = said.strip()
    assert "Read-only file system" in line and str(disk / "results") in line
    code, out, said = Run(config, temp).finish()  # the next time it is known beforehand
    assert code == 2 and f"you may not write to {disk}/results" in said
    assert "ray: starting" not in out
