"""Runs that are ended from outside: by a signal in any stage, by a full or a missing disk."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from glacier.interrupts import GO_ON
from tests.support.tiny import write_tiny

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
CHANGES = {"sweep": {"checkpoint_s": 0, "random_forest": False}, "prepare": {"quick_looks": False}}
FORBIDDEN = ("Traceback", "stack trace", "StackTrace", "terminate", "Fatal", "***", "raylet")
END_S = 40.0
"""Longest wait for an end; the program's own limit is 20 s, on a machine that is not shared."""


class Run:
    """A pipeline in a process of its own, whose Ray has its files in a folder of the test."""

    def __init__(self, config: Path, temp: Path, verb: str = "pipeline") -> None:
        env = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
        self.temp = temp
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", f"jobs.{verb}", str(config), "--cluster.cpus", "2"],
            cwd=ROOT, env=env | {"RAY_TMPDIR": str(temp)}, text=True, preexec_fn=heed_interrupts,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.children: dict[int, psutil.Process] = {}

    def await_line(self, text: str) -> None:
        """Read what it prints until a line holds a text."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if text in line:
                return
        pytest.fail(f"ended before {text!r}: {self.process.stderr.read()}")

    def stop(self, *numbers: int) -> tuple[int, str]:
        """Send signals, half a second apart; returns the exit code and what was said last."""
        here = psutil.Process(self.process.pid)
        self.children |= {child.pid: child for child in here.children(recursive=True)}
        for number in numbers:
            self.process.send_signal(number)
            time.sleep(0.5)
        _, said = self.process.communicate(timeout=END_S)
        return self.process.returncode, said

    def list_left(self) -> list[str]:
        """Names of Ray's processes that have not ended soon after."""
        _, alive = psutil.wait_procs(list(self.children.values()), timeout=15)
        return [process.name() for process in alive if process.status() != psutil.STATUS_ZOMBIE]

    def finish(self) -> tuple[int, str, str]:
        out, said = self.process.communicate(timeout=400)
        return self.process.returncode, out, said


def heed_interrupts() -> None:
    """A shell starts what runs in its background deaf to Ctrl-C, and so all its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def temp() -> Iterator[Path]:
    """A folder with a short name, since Ray's sockets lie in it."""
    folder = Path("/tmp") / f"ge{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def list_unfinished(folder: Path) -> list[Path]:
    """Files under a final name that hold nothing."""
    return [path for path in folder.rglob("*") if path.is_file() and not path.stat().st_size]


def check_stopped(run: Run, wanted: int, numbers: tuple[int, ...]) -> None:
    code, said = run.stop(*numbers)
    assert code == wanted, said
    assert said == f"{GO_ON}\n"
    assert not [word for word in FORBIDDEN if word in said]
    assert run.list_left() == []


MOMENTS = {
    "ray starts": ("ray: starting", 1.5),
    "months are made": ("ray: starting", 9.0),
    "samples are made": ("ingest took", 0.3),
    "trials begin": ("prepare took", 2.0),
    "trials train": ("sweep: 2 trials, 0 done", 6.0),
    "the report is drawn": ("sweep took", 0.5),
}
"""Where a run is: a line that it prints, and seconds after it."""


def test_one_run_is_ended_by_every_signal_and_comes_to_its_end(tmp_path: Path, temp: Path) -> None:
    config = write_tiny(tmp_path, **CHANGES)
    for moment, numbers in (
        ("ray starts", (signal.SIGTERM,)),
        ("trials train", (signal.SIGTERM,)),
        ("trials train", (signal.SIGINT, signal.SIGINT)),
        ("the report is drawn", (signal.SIGINT,)),
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
@pytest.mark.parametrize("seed", range(8))
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
