"""The log of a job: what it did and how long it took, as lines of JSON, while it works.

It lies in ``<storage>/logs/<name>-<h8>/``, a file a job. On a disk every line is appended whole as
it comes; in an object store, which cannot append, the lines of a stage are one object when it ends.
A log that cannot be written stops no job.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, ValidationError

from glacier import store
from glacier.config import Config, config_digest
from glacier.interrupts import is_interrupted
from glacier.memory_use import measure_tree_mb
from glacier.owner import Owner
from glacier.progress import WATCHERS, say
from glacier.settings.model import STORED, Model

LOGS = "logs"
"""Folder of a storage."""

END = ".jsonl"
"""End of the name of a log, or of a part of one."""

KEPT_LINES = 5000
"""Lines that wait in the memory for the end of a stage, at most."""

REASON_LETTERS = 2000
"""Of what ended a job, at most."""

LOOK_S = 2.0
"""Time between two looks at the memory, seconds."""

Event = Literal["begun", "plan", "stage", "unit", "stage ended", "ended"]
"""A job began; what was predicted of it; a stage began or counts units; a unit, or a part of one,
has finished; a stage has ended; the job has."""

Outcome = Literal["finished", "failed", "interrupted"]


class StagePlan(Model):
    """What is predicted of a stage."""

    stage: str
    seconds: float | None = None
    """None: not known without a measurement."""
    memory_mb: float | None = None
    """Most that this machine holds for it at once, with Ray; None: not known."""


class LogLine(Model):
    """A line of a log."""

    at: AwareDatetime
    run: str
    """Id of the job: when it began, and eight letters."""
    config_sha256: str
    verb: str
    event: Event
    owner: Owner | None = None
    """The process, of ``begun``."""
    plan: tuple[StagePlan, ...] = ()
    """Of ``plan``."""
    stage: str = ""
    unit: str = ""
    """What has finished, and how."""
    done: float | None = None
    """Units of the stage that have finished."""
    total: int | None = None
    """Its units."""
    left: str = ""
    """Time that is left of the stage, in words, where it can be told."""
    seconds: float | None = None
    """Since the stage began; of ``ended``: since the job did."""
    peak_mb: float | None = None
    """Most memory so far of the stage, or of the job; of this machine alone."""
    outcome: Outcome | None = None
    """Of ``stage ended`` and ``ended``."""
    failed_units: int | None = None
    """Of ``ended``: units that failed past the allowed number."""
    reason: str = ""
    """Of ``ended``: what ended a job that failed."""


def place_logs(config: Config) -> str:
    """Address of the folder of all logs of a run."""
    folder = f"{config.name}-{config_digest(config)[:8]}"
    return store.join(store.absolute(config.storage), LOGS, folder)


@contextmanager
def open_log(config: Config, verb: str) -> Iterator[JobLog]:
    """Log what this process does for the length of the block, which may fail."""
    log, done = JobLog(config, verb), threading.Event()
    log.write("begun", owner=Owner.of_this_process(config.name))
    watch = threading.Thread(target=log.watch_memory, args=(done,), name="log", daemon=True)
    watch.start()
    WATCHERS.append(log)
    try:
        yield log
    except BaseException as error:
        is_asked = isinstance(error, KeyboardInterrupt) or is_interrupted()
        cause = getattr(error, "cause", error)  # Ray wraps what a worker raised in its traceback
        reason = f"{type(cause).__name__}: {cause}"[:REASON_LETTERS]
        log.conclude("interrupted" if is_asked else "failed", reason)
        raise
    else:
        log.conclude("finished")
    finally:
        WATCHERS.remove(log)
        done.set()


class JobLog:
    """The log of one job, which watches all progress of this process."""

    failed_units: int | None = None
    """Units that failed past the allowed number; the job says it at its end."""

    def __init__(self, config: Config, verb: str) -> None:
        """A log of which nothing is written yet."""
        self.run = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
        self.told = {"run": self.run, "config_sha256": config_digest(config), "verb": verb}
        self.address, self.parts = store.join(place_logs(config), self.run), 0
        self.began, self.open = time.monotonic(), dict[str, OpenStage]()
        self.kept: list[str] = []
        """Lines that wait for the end of a stage."""
        self.peak_mb, self.is_broken, self.turn = 0.0, False, threading.RLock()

    def begin(self, stage: str, total: int | None) -> None:
        """A stage has begun, or counts its units from now on."""
        with self.turn:
            self.open.setdefault(stage, OpenStage()).depth += 1
            self.write("stage", stage=stage, total=total)

    def advance(self, stage: str, unit: str, done: float, left: str) -> None:
        """So many units of it have finished."""
        with self.turn:
            self.write("unit", stage=stage, unit=unit, done=done, left=left, **self.measure(stage))

    def end(self, stage: str, is_whole: bool) -> None:
        """It has ended; one that was begun within itself ends with the outer one."""
        with self.turn:
            if stage not in self.open:
                return
            self.open[stage].depth -= 1
            if self.open[stage].depth == 0:
                outcome = "finished" if is_whole else name_end()
                self.write("stage ended", stage=stage, outcome=outcome, **self.measure(stage))
                del self.open[stage]

    def conclude(self, outcome: Outcome, reason: str = "") -> None:
        """The job has ended."""
        self.look_at_memory()
        with self.turn:
            self.write(
                "ended", outcome=outcome, reason=reason, failed_units=self.failed_units,
                seconds=round(time.monotonic() - self.began, 3), peak_mb=self.peak_mb or None,
            )  # fmt: skip

    def measure(self, stage: str) -> dict[str, float | None]:
        """Seconds and memory of a stage so far."""
        state = self.open.get(stage, OpenStage())
        return {
            "seconds": round(time.monotonic() - state.began, 3),
            "peak_mb": state.peak_mb or None,
        }

    def watch_memory(self, done: threading.Event) -> None:
        """Look at the memory until it is done."""
        while not done.wait(LOOK_S):
            self.look_at_memory()

    def look_at_memory(self) -> None:
        """Note what is held now, of the job and of every stage that is under way."""
        held_mb = round(measure_tree_mb() or 0.0, 1)
        with self.turn:
            self.peak_mb = max(self.peak_mb, held_mb)
            for state in self.open.values():
                state.peak_mb = max(state.peak_mb, held_mb)

    def write(self, event: Event, **values: Any) -> None:
        """Write a line, or keep it for the end of the stage where nothing can be appended."""
        if self.is_broken:
            return
        line = LogLine(at=datetime.now(UTC), event=event, **self.told, **values)
        self.kept.append(f"{line.model_dump_json(exclude_defaults=True)}\n")
        waits = "://" in self.address and event in ("stage", "unit")
        if waits and len(self.kept) < KEPT_LINES:
            return
        try:
            self.put_kept()
        except OSError as error:  # StoreError, too
            self.is_broken = True
            say(f"log: {self.address}{END} cannot be written, so the job goes on without: {error}")

    def put_kept(self) -> None:
        """Have the store hold the lines that wait.

        Raises:
            OSError: They cannot be written.
        """
        data = "".join(self.kept).encode()
        if "://" in self.address:
            self.parts += 1
            store.write_bytes(f"{self.address}-{self.parts:04d}{END}", data)
        else:
            append(Path(f"{self.address}{END}"), data)
        self.kept.clear()


def name_end() -> Outcome:
    """What to call a stage that did not come to its end."""
    return "interrupted" if is_interrupted() else "failed"


class OpenStage:
    """A stage that is under way."""

    def __init__(self) -> None:
        """It begins now."""
        self.began, self.depth, self.peak_mb = time.monotonic(), 0, 0.0


def append(path: Path, data: bytes) -> None:
    """Put whole lines at the end of a local file, in one piece.

    Raises:
        OSError: They cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab", buffering=0) as file:
        if file.write(data) != len(data):
            raise OSError(f"the disk took a part of {len(data)} bytes only")


def read_newest(folder: str) -> list[LogLine]:
    """The log of the job that began last of all in a folder; nothing where there is none.

    Raises:
        StoreError: The store cannot be reached.
    """
    names = [name for name in store.list_files(folder) if name.endswith(END)]
    if not names:
        return []
    newest = max(names)[: len("20000101T000000Z-12345678")]
    parts = [name for name in names if name.startswith(newest)]
    return [line for name in parts for line in parse(store.read_bytes(store.join(folder, name)))]


def parse(data: bytes) -> Iterator[LogLine]:
    """The lines of a log that are whole: one that a killed process left torn is none."""
    for text in data.splitlines():
        try:
            yield LogLine.model_validate_json(text, context=STORED)
        except ValidationError:
            continue
