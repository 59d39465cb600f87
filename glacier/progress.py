"""Progress of long work: one line that renews itself on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

LOG_EVERY_S = 10.0


def say(text: str) -> None:
    """Print a line at once, also where output is buffered."""
    print(text, flush=True)


def duration(seconds: float) -> str:
    """``1 h 02 min``, ``3 min 05 s`` or ``7 s``."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


class Progress:
    """Counts finished units of a stage and shows the time left.

    Used as a context manager; it owns the terminal's last line while it lasts.
    """

    def __init__(self, stage: str, total: int) -> None:
        """Count towards ``total`` units of a stage."""
        self.stage, self.total, self.done = stage, total, 0.0
        self.started = self.printed = time.monotonic()
        self.live = Live(console=Console(file=sys.stdout)) if sys.stdout.isatty() else None

    def __getstate__(self) -> dict[str, object]:
        """Leave the terminal out: Tune pickles its callbacks, and a terminal cannot be."""
        return self.__dict__ | {"live": None}

    def __enter__(self) -> Self:
        """Take the terminal."""
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Give the terminal back."""
        if self.live:
            self.live.stop()

    def advance(self, what: str, units: float = 1, above: RenderableType | None = None) -> None:
        """Count finished units.

        Args:
            what: Shown beside the count, such as the unit's name and outcome.
            units: How many have finished; a fraction of a long unit may be given.
            above: Shown over the line on a terminal, such as a table; never in a log.
        """
        self.done += units
        now = time.monotonic()
        if self.live:
            line = Text(self.line(what))
            self.live.update(Group(above, line) if above else line, refresh=True)
        elif now - self.printed >= LOG_EVERY_S or self.done >= self.total:
            self.printed = now
            say(self.line(what))

    def line(self, what: str) -> str:
        """The state in one line, with the time left if all units take as long."""
        spent = time.monotonic() - self.started
        left = spent / self.done * (self.total - self.done) if self.done else 0.0
        return f"{self.stage}: {self.done:.4g}/{self.total}, {duration(left)} left; {what}"
