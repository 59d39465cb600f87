"""Progress: plain lines in a log, time left, a renewed line on a terminal."""

import io
import os
import sys

import pytest
from ray import cloudpickle
from rich.console import Console
from rich.live import Live
from rich.table import Table

from glacier import progress
from glacier.progress import Progress, duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(7.4, "7 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (3725, "1 h 02 min")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_log_gets_few_lines_and_always_the_last(capsys: pytest.CaptureFixture) -> None:
    with Progress("ingest", 50) as shown:
        for month in range(50):
            shown.advance(f"month {month}")
    assert capsys.readouterr().out.splitlines() == ["ingest: 50/50, 0 s left; month 49"]


def test_the_time_left_supposes_that_all_units_take_as_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    clock = iter([100.0, 130.0, 130.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with Progress("sweep", 4) as shown:
        shown.advance("resnet34", 0.5)
    assert capsys.readouterr().out == "sweep: 0.5/4, 3 min 30 s left; resnet34\n"


def test_a_terminal_gets_a_table_and_a_line() -> None:
    out = io.StringIO()
    shown = Progress("sweep", 2)
    shown.live = Live(console=Console(file=out, force_terminal=True, width=80))
    table = Table("encoder")
    table.add_row("resnet34")
    with shown:
        shown.advance("epoch 1", 1, table)
    assert "resnet34" in out.getvalue() and "sweep: 1/2" in out.getvalue()


def test_what_holds_the_terminal_can_be_pickled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tune pickles its callbacks, which count here, while the line on the terminal is alive."""
    _, terminal = os.openpty()
    with open(terminal, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with Progress("sweep", 2) as progress:
            progress.advance("first")
            copy = cloudpickle.loads(cloudpickle.dumps(progress))
    assert progress.live is not None and copy.live is None and copy.done == 1
