"""Runs hostile rows one by one, each in a process of its own, and says what happened.

    python -m tests.support.hostile.table ADDRESS FOLDER 0,1,2

prints a line of JSON for each of the rows 0, 1 and 2. ADDRESS is that of the canary server, which
counts for itself.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import re
import resource
import select
import signal
import struct
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from glacier.errors import GlacierError
from tests.support.canary import serve_canary
from tests.support.hostile import rasters, sources, vectors
from tests.support.hostile.row import Row, Trap

ROWS: tuple[Row, ...] = (*vectors.ROWS, *rasters.ROWS, *sources.ROWS)
"""All rows; those of another module are added here."""

ROOT = Path(__file__).parents[3]

LIMIT_S = 20
"""After so long a row counts as hung."""

IN_OPEN = 0x20


@dataclass(frozen=True)
class Outcome:
    """What became of a row."""

    kind: str
    input: str
    happened: str
    """``refused: ...`` or ``harmless``; else ``used``, ``hung``, ``died`` or ``raised``."""
    seconds: float
    growth_mb: float
    hits: int
    """On the canary server, and openings of the canary file."""

    @property
    def is_good(self) -> bool:
        """Whether it was refused by name, or did no harm."""
        return self.happened.startswith(("refused: ", "harmless")) and self.hits == 0


def run_table(folder: Path, rows: Sequence[int] = range(len(ROWS))) -> list[Outcome]:
    """Run rows, by their places among all, in a folder."""
    with serve_canary() as (url, calls):
        numbers = ",".join(map(str, rows))
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.hostile.table", url, str(folder), numbers],
            stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT,
        )  # fmt: skip
    asked = Counter(re.split("[/?]", path)[1] for path in calls)
    found = [Outcome(**json.loads(line)) for line in done.stdout.splitlines()]
    whose = [f"row-{number}" for number in rows]
    assert set(asked) <= set(whose), f"calls of no row: {asked}"
    return [
        replace(outcome, hits=outcome.hits + asked[name])
        for outcome, name in zip(found, whose, strict=True)
    ]


def run_row(row: Row, number: int, url: str, folder: Path) -> Outcome:
    """Run a row in a child."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            outcome = judge(row, make_trap(number, url, folder))
        except BaseException:
            outcome = Outcome(
                row.kind, row.name, f"raised in making: {traceback.format_exc()}", 0, 0, 0
            )
        with os.fdopen(writing, "w") as out:
            out.write(json.dumps(asdict(outcome)))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    status = os.waitpid(child, 0)[1]
    if said:
        return Outcome(**json.loads(said))
    ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    what = "hung" if ended == signal.SIGALRM else f"died of signal {ended}"
    return Outcome(row.kind, row.name, what, LIMIT_S if ended == signal.SIGALRM else 0, 0, 0)


def make_trap(number: int, url: str, folder: Path) -> Trap:
    """An empty folder, and beside it a secret one with a file."""
    inside, outside = folder / f"{number}" / "in", folder / f"{number}" / "out"
    inside.mkdir(parents=True)
    outside.mkdir()
    secret = outside / "secret.gpkg"
    vectors.table().to_file(secret, driver="GPKG", layer="a")
    return Trap(inside, f"{url}/row-{number}", secret)


def judge(row: Row, trap: Trap) -> Outcome:
    """Make a row's input, open it, and tell what happened."""
    made = row.make(trap)
    name = row.names or re.escape(Path(str(made).rstrip("/")).name.replace("\0", "\\x00"))
    before, start = peak_mb(), time.perf_counter()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    with watch(trap.secret) as opened, redirect_stdout(sys.stderr):
        try:
            found = row.open(made)
        except (GlacierError, ValueError) as error:
            known = isinstance(error, GlacierError) or "validation error" in str(error)
            is_named = bool(re.search(name, str(error)))
            happened = f"refused: {type(error).__name__}: {error}" if known and is_named else (
                f"raised without a name ({name}): {type(error).__name__}: {error}"
            )  # fmt: skip
        except Exception as error:
            happened = f"raised: {type(error).__name__}: {error}"
        else:
            fine = row.harmless is not None and row.harmless(found)
            happened = "harmless" if fine else f"used: {str(found)[:200]}"
        seconds = time.perf_counter() - start
        signal.setitimer(signal.ITIMER_REAL, 0)
        hits = opened()
    return Outcome(
        row.kind, row.name, happened, round(seconds, 3), round(peak_mb() - before, 1), hits
    )


def peak_mb() -> float:
    """Most memory that this process has held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def watch(path: Path) -> Iterator[Any]:
    """Count how often a file is opened; gives a function that tells (Linux)."""
    libc = ctypes.CDLL(None, use_errno=True)
    place = libc.inotify_init1(os.O_NONBLOCK)
    libc.inotify_add_watch(place, bytes(path), IN_OPEN)

    def count() -> int:
        events = 0
        while select.select([place], [], [], 0)[0]:
            data, at = os.read(place, 1 << 16), 0
            while at < len(data):
                events += 1
                at += 16 + struct.unpack_from("I", data, at + 12)[0]
        return events

    try:
        yield count
    finally:
        os.close(place)


def warm(folder: Path) -> None:
    """Import what rows need, so that no row pays for it."""
    for module in ("glacier.sources.stac", "glacier.sources.scene_files", "geopandas.io.arrow"):
        importlib.import_module(module)
    trap = make_trap(-1, "", folder)
    vectors.read_vector(str(vectors.write_gpkg(trap)))
    rasters.read_named(rasters.cog()(trap))


def main(url: str, folder: str, numbers: str) -> None:
    """Run rows, and say each."""
    warm(Path(folder))
    for number in map(int, numbers.split(",")):
        outcome = run_row(ROWS[number], number, url, Path(folder))
        print(json.dumps(asdict(outcome)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
