"""A job in a process of its own, which a test ends from outside."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from glacier.interrupts import GO_ON

ROOT = Path(__file__).parents[2]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
FORBIDDEN = ("Traceback", "stack trace", "StackTrace", "terminate", "Fatal", "***", "raylet")
END_S = 40.0
"""Longest wait for an end; the program's own limit is 20 s, on a machine that is not shared."""

FINISH_S = 400.0
"""Longest that the smallest pipeline may take where other work runs beside it, seconds."""


class Run:
    """A pipeline in a process of its own, whose Ray has its files in a folder of the test.

    It leads a group of processes, as what is started in a terminal does.
    """

    def __init__(self, config: Path, temp: Path, verb: str = "pipeline", **more: str) -> None:
        env = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
        self.temp = temp
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", f"jobs.{verb}", str(config), "--cluster.cpus", "2"],
            cwd=ROOT, env=env | {"RAY_TMPDIR": str(temp)} | more, text=True, process_group=0,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heed_interrupts,
        )  # fmt: skip

    def await_line(self, text: str) -> None:
        """Read what it prints until a line holds a text."""
        assert self.process.stdout is not None and self.process.stderr is not None
        for line in self.process.stdout:
            if text in line:
                return
        raise AssertionError(f"ended before {text!r}: {self.process.stderr.read()}")

    def stop(self, *numbers: int) -> tuple[int, str]:
        """Send signals, half a second apart; returns the exit code and what was said last."""
        for number in numbers:
            self.process.send_signal(number)
            time.sleep(0.5)
        _, said = self.process.communicate(timeout=END_S)
        return self.process.returncode, said

    def list_left(self, within_s: float = 90.0) -> list[str]:
        """Processes of its Ray that have not ended soon after; where many run, that takes a while.

        All of them have its environment, whoever started them and whenever.
        """
        until = time.monotonic() + within_s
        while alive := [each for each in psutil.process_iter(["name"]) if self.is_mine(each)]:
            if time.monotonic() > until:
                break
            time.sleep(0.5)
        return [process.info["name"] for process in alive]

    def is_mine(self, process: psutil.Process) -> bool:
        """Whether it is a process of this run."""
        try:
            is_dead = process.status() == psutil.STATUS_ZOMBIE
            return not is_dead and process.environ().get("RAY_TMPDIR") == str(self.temp)
        except psutil.Error:
            return False

    def finish(self) -> tuple[int, str, str]:
        """Wait for its end; returns the exit code, what was printed and what was said."""
        out, said = self.process.communicate(timeout=FINISH_S)
        return self.process.returncode, out, said


def heed_interrupts() -> None:
    """A shell starts what runs in its background deaf to Ctrl-C, and so all its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def check_stopped(run: Run, wanted: int, numbers: tuple[int, ...]) -> None:
    """Stop a run, which has to end as it should and to leave no process."""
    code, said = run.stop(*numbers)
    assert code == wanted, said
    assert said == f"{GO_ON}\n"
    assert run.list_left() == []
