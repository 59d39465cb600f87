"""Progress of long work: one line that renews itself on a terminal, plain lines in a log."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

LOG_EVERY_S = 5.0
"""Longest silence of a log while work goes on."""

LEAST_MARKS = 8
"""Reports of parts of units from which a pace can be told before two units have finished."""

MOST_APART = 3.0
"""How much slower one half may be than the whole for the time left to be said."""

MAX_MARKS = 1000


class Watcher(Protocol):
    """Somebody who is told of all stages of this process, such as its log."""

    def begin(self, stage: str, total: int | None) -> None:
        """A stage has begun, or counts its units from now on."""

    def advance(self, stage: str, unit: str, done: float, left: str) -> None:
        """So many units of it have finished; the time left in words, where it can be told."""

    def end(self, stage: str, is_whole: bool) -> None:
        """It has ended: at its end, or by an error."""


WATCHERS: list[Watcher] = []
"""Who is told. None of them raises."""


@contextmanager
def enter_stage(stage: str) -> Iterator[None]:
    """Tell the watchers of a stage that has no units, or does more than count them."""
    for watcher in WATCHERS:
        watcher.begin(stage, None)
    is_whole = False
    try:
        yield
        is_whole = True
    finally:
        for watcher in WATCHERS:
            watcher.end(stage, is_whole)


def say(text: str) -> None:
    """Print a line at once, also where output is buffered."""
    print(text, flush=True)


def duration(seconds: float) -> str:
    """``1 h 02 min``, ``3 min 05 s`` or ``7 s``."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def span(low_s: float, high_s: float) -> str:
    """``3 to 5 min``, ``about 2 h`` or ``under 10 s``: whole units around both ends."""
    unit, name = (3600, "h") if high_s >= 2 * 3600 else (60, "min") if high_s >= 90 else (1, "s")
    step = 5 if unit == 1 else 1
    low = int(low_s / unit / step) * step
    high = max(step, math.ceil(high_s / unit / step) * step)
    if not low:
        return f"under {high} {name}"
    return f"about {high} {name}" if low == high else f"{low} to {high} {name}"


class Progress:
    """Counts finished units of a stage and shows the time left, once it can be told.

    Used as a context manager; it owns the terminal's last line while it lasts.
    """

    def __init__(self, stage: str, total: int, is_brief: bool = False) -> None:
        """Count towards ``total`` units of a stage.

        Args:
            stage: Its name.
            total: Its units.
            is_brief: It mostly takes no time, and then nothing is said of it.
        """
        self.stage, self.total, self.done, self.is_brief = stage, total, 0.0, is_brief
        self.last = "begun"
        """What was shown last beside the count."""
        self.started = self.printed = time.monotonic()
        self.marks = [(self.started, 0.0)]
        """When how many units had finished."""
        self.ended = threading.Event()
        self.live: Live | None = None
        if sys.stdout.isatty():
            self.live = Live(console=Console(file=sys.stdout), transient=is_brief)

    def __getstate__(self) -> dict[str, object]:
        """Leave the terminal out: Tune pickles its callbacks, and a terminal cannot be."""
        return self.__dict__ | {"live": None, "ended": None}

    def __enter__(self) -> Self:
        """Take the terminal, or see to it that a log is never silent for long."""
        for watcher in self.watchers:
            watcher.begin(self.stage, self.total)
        if self.live:
            self.live.update(Text(self.line(self.last)))
            self.live.start()
            return self
        if not self.is_brief:
            say(self.line(self.last))
        threading.Thread(target=self.beat, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Give the terminal back."""
        for watcher in self.watchers:
            watcher.end(self.stage, kind is None)
        self.ended.set()
        if self.live:
            self.live.stop()

    def beat(self) -> None:
        """Say how far the work is whenever nothing was said for long, until it has ended."""
        while not self.ended.wait(max(0.0, self.printed + LOG_EVERY_S - time.monotonic())):
            now = time.monotonic()
            if now - self.printed >= LOG_EVERY_S:
                self.printed = now
                say(f"{self.line(self.last)}; at work for {duration(now - self.started)}")

    def advance(self, what: str, units: float = 1, above: RenderableType | None = None) -> None:
        """Count finished units.

        Args:
            what: Shown beside the count, such as the unit's name and outcome.
            units: How many have finished; a fraction of a long unit may be given.
            above: Shown over the line on a terminal, such as a table; never in a log.
        """
        self.done, self.last = self.done + units, what
        now = time.monotonic()
        self.marks.append((now, self.done))
        if len(self.marks) > MAX_MARKS:
            self.marks = [*self.marks[:-1:2], self.marks[-1]]
        for watcher in self.watchers:
            watcher.advance(self.stage, what, self.done, self.time_left())
        if self.live:
            line = Text(self.line(what))
            self.live.update(Group(above, line) if above else line, refresh=True)
        elif now - self.printed >= LOG_EVERY_S or self.is_over():
            self.printed = now
            say(self.line(what))

    @property
    def watchers(self) -> list[Watcher]:
        """Who is told of it; nobody is of what mostly takes no time."""
        return [] if self.is_brief else WATCHERS

    def is_over(self) -> bool:
        """Whether the last unit has finished of work that anything was said of."""
        return self.done >= self.total and not (self.is_brief and self.printed == self.started)

    def line(self, what: str) -> str:
        """The state in one line."""
        left = self.time_left()
        count = f"{self.done:.4g}/{self.total}"
        return f"{self.stage}: {f'{count}, {left} left' if left else count}; {what}"

    def time_left(self) -> str:
        """A range that holds the time left at the pace so far and at that of the later half.

        Nothing while it would be a guess: before two units have finished, or as many reports of
        parts of them as tell a pace, and while both paces are too far apart.
        """
        if self.done >= self.total or (self.done < 2 and len(self.marks) <= LEAST_MARKS):
            return ""
        now, _ = self.marks[-1]
        middle = next(mark for mark in self.marks if mark[1] >= self.done / 2)
        if middle[1] >= self.done or now <= middle[0]:
            return ""
        paces = [(now - at) / (self.done - done) for at, done in (self.marks[0], middle)]
        if max(paces) > MOST_APART * min(paces):
            return ""
        rest = self.total - self.done
        return span(rest * min(paces), rest * max(paces))
