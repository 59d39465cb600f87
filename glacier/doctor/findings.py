"""What an examination finds, and the list of all that is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from glacier.config import Config
from glacier.settings.model import Model

Level = Literal["OK", "WARN", "FAIL"]


class Finding(Model):
    """A line of an examination."""

    check: str
    """What was looked at."""
    level: Level
    said: str
    """What was found."""
    remedy: str = ""
    """What to do about it; empty where nothing is to be done."""

    def __str__(self) -> str:
        """As it is printed."""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.level:<5}{self.check}: {self.said}{remedy}"


Answer = tuple[Level, str, str]
"""Level, what was found, and what to do about it."""

Look = Callable[[Config | None], Iterator[Answer]]
"""Looks at one thing, for a run or for none."""

CHECKS: dict[str, Look] = {}
"""All that is looked at, in order. A new check is one function with ``register`` over it."""


def register(name: str) -> Callable[[Look], Look]:
    """Have a function look at something of this name in every examination."""

    def add(look: Look) -> Look:
        CHECKS[name] = look
        return look

    return add


def ok(said: str) -> Answer:
    """All is well."""
    return "OK", said, ""


def warn(said: str, remedy: str) -> Answer:
    """A run may work, but not as well as it could."""
    return "WARN", said, remedy


def fail(said: str, remedy: str) -> Answer:
    """A run cannot work, or must not."""
    return "FAIL", said, remedy


def examine(config: Config | None) -> Iterator[Finding]:
    """Look at everything; what cannot be looked at is a warning.

    Args:
        config: The run that the machine is to be fit for; None: any.
    """
    for name, look in CHECKS.items():
        try:
            for level, said, remedy in look(config):
                yield Finding(check=name, level=level, said=said, remedy=remedy)
        except Exception as error:  # a defect here must not hide what the others find
            said = f"could not be looked at: {type(error).__name__}: {error}"
            yield Finding(check=name, level="WARN", said=said)
