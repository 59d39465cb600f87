"""Progress: plain lines in a log, time left, a renewed line on a terminal."""

import io
import os
import sys
import threading
import time

import pytest
from ray import cloudpickle
from rich.console import Console
from rich.live import Live
from rich.table import Table

from glacier import progress
from glacier.progress import MAX_MARKS, Progress, duration, span


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
    assert capsys.readouterr().out.splitlines() == [
        "ingest: 0/50; begun", "ingest: 50/50; month 49"
    ]  # fmt: skip


def test_a_log_is_never_silent_for_long_while_a_unit_takes_its_time(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LOG_EVERY_S", 0.05)
    said, heard = [], threading.Event()

    def listen(text: str) -> None:
        said.append(text)
        if len(said) >= 4:
            heard.set()

    monkeypatch.setattr(progress, "say", listen)
    with Progress("ingest", 50) as shown:
        shown.advance("month 7")
        assert heard.wait(30)  # with no unit's end
    ended = len(said)
    assert said[0] == "ingest: 0/50; begun"
    assert said[-1].startswith("ingest: 1/50; month 7; at work for ")
    time.sleep(0.2)
    assert len(said) == ended


def test_nothing_is_said_of_work_that_is_over_at_once(capsys: pytest.CaptureFixture) -> None:
    with Progress("checksums", 3, is_brief=True) as shown:
        for k in range(3):
            shown.advance(f"file {k}")
    assert capsys.readouterr().out == ""


def test_brief_work_that_took_long_says_its_end(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LOG_EVERY_S", 0.05)
    with Progress("checksums", 2, is_brief=True) as shown:
        while shown.printed == shown.started:
            time.sleep(0.01)
        shown.advance("a", 2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("checksums: 0/2; begun; at work for ")
    assert lines[-1] == "checksums: 2/2; a"


class Clock:
    """Stands still until it is told what time it is."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        patch.setattr(progress.time, "monotonic", lambda: self.now)

    def show(self, shown: Progress, *ends: float, units: float = 1) -> str:
        """The time left once units have ended at these times."""
        for self.now in ends:
            shown.advance("x", units)
        return shown.time_left()


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (181, 299, "3 to 5 min"),
        (170, 175, "2 to 3 min"),
        (21, 24, "20 to 25 s"),
        (1, 8, "under 10 s"),
        (7300, 9000, "2 to 3 h"),
        (5, 5, "about 5 s"),
        (10, 120, "under 2 min"),
    ],
)
def test_the_time_left_is_a_range_around_both_ends(low: float, high: float, text: str) -> None:
    assert span(low, high) == text


def test_no_time_is_told_before_two_units_nor_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    shown = Progress("ingest", 4)
    assert clock.show(shown, 130) == ""
    assert clock.show(shown, 160) != ""
    assert clock.show(shown, 190) == "about 30 s"
    assert clock.show(shown, 220) == ""


def test_parts_of_units_tell_a_pace_once_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    shown = Progress("sweep", 3)
    assert clock.show(shown, *range(101, 108), units=0.1) == ""
    assert clock.show(shown, 108, units=0.1) == "20 to 25 s"


def test_a_slow_start_widens_the_range_and_a_changing_pace_silences_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    slow_start = Progress("ingest", 20)  # half a minute until the first, then one in ten seconds
    assert clock.show(slow_start, 130, 140, 150, 160, 170, 180) == "2 to 4 min"
    clock.now = 100
    cached = Progress("ingest", 20)  # a quarter of an hour, then many at once
    assert clock.show(cached, 1000, 1001, 1002, 1003, 1004, 1005) == ""


def test_a_long_count_keeps_few_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    shown = Progress("ingest", 10_000)
    left = clock.show(shown, *(100 + k for k in range(1, 5001)))
    assert left == "83 to 84 min" and len(shown.marks) <= MAX_MARKS + 1


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
