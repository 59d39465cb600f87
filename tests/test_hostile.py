"""Inputs that somebody made to do harm: each is refused by name, or does none.

``tests/support/hostile`` holds them as data.
"""

import mmap
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glacier.errors import VectorError
from tests.support.hostile import table
from tests.support.hostile.row import Row, Trap
from tests.support.hostile.table import ROWS, Outcome, run_table

MOST_MB = 50
"""Of memory that a row may take."""


def complain(outcomes: list[Outcome]) -> list[Outcome]:
    """Those that did harm."""
    return [found for found in outcomes if not found.is_good or found.growth_mb > MOST_MB]


def test_the_table_is_large_and_its_rows_have_names_of_their_own() -> None:
    assert len(ROWS) >= 200
    assert max(Counter((row.kind, row.name) for row in ROWS).values()) == 1
    assert {row.kind for row in ROWS} >= {"vector", "raster", "scenes", "catalogue"}


@pytest.mark.timeout(300)
def test_a_sixth_of_the_table_does_no_harm(tmp_path: Path) -> None:
    outcomes = run_table(tmp_path, range(0, len(ROWS), 6))
    assert complain(outcomes) == [] and len(outcomes) == len(range(0, len(ROWS), 6))
    assert {found.kind for found in outcomes} == {row.kind for row in ROWS}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_whole_table_does_no_harm(tmp_path: Path) -> None:
    assert complain(run_table(tmp_path)) == []


def name_secret(trap: Trap) -> str:
    """A file that names the secret one."""
    path = trap.folder / "a.txt"
    path.write_text(str(trap.secret))
    return str(path)


def refuse(path: str) -> None:
    raise VectorError(f"{path} is refused")


def refuse_nameless(path: str) -> None:
    raise VectorError("something is refused")


def fail(path: str) -> None:
    raise KeyError(path)


def follow(path: str) -> bytes:
    return Path(Path(path).read_text()).read_bytes()


def swell(path: str) -> int:
    """New pages, whatever other tests have left to this process to be used again."""
    pages = np.frombuffer(mmap.mmap(-1, 90 << 20), np.uint8)
    pages[:] = 1
    return len(pages)


OPENS: dict[str, tuple[Callable[[str], Any], str]] = {
    "refused: VectorError": (refuse, ""),
    "raised without a name": (refuse_nameless, "no name"),
    "raised: KeyError": (fail, "another kind"),
    "harmless": (follow, "the secret file"),
    "harmless ": (swell, "memory"),
    "hung": (lambda _: time.sleep(30), "time"),
    "died of signal 9": (lambda _: os.kill(os.getpid(), 9), "life"),
    "used: ": (lambda _: "x", "use"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("expected", "case"), OPENS.items(), ids=[k[1] or "none" for k in OPENS.values()]
)
def test_the_table_would_tell(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    expected: str,
    case: tuple[Callable[[str], Any], str],
) -> None:
    """What a row may do wrong, done on purpose."""
    monkeypatch.setattr(table, "LIMIT_S", 2)
    opens, harm = case
    harmless = (lambda _: True) if expected.startswith("harmless") else None
    row = Row("test", "row", name_secret, opens, harmless)
    outcome = table.run_row(row, 0, "", tmp_path)
    assert outcome.happened.startswith(expected.strip())
    assert complain([outcome]) == ([outcome] if harm else [])


def test_a_call_of_the_canary_is_harm() -> None:
    assert not Outcome("vector", "row", "refused: VectorError: a", 0.1, 1, hits=1).is_good
