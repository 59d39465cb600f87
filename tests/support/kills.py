"""Kills of a run at points of its writing, one after another on the same storage.

The points are those that an undisturbed run comes to. A run is killed at the first of some of them,
the same command at the next, and so on; the last is left to finish, and has to leave what the
undisturbed one left. A run that survives the loss of a worker goes on to the next point itself.
A command may follow another on the same storage: it is killed once that one has ended.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import psutil

from glacier.interrupts import GO_ON, LOST
from glacier.kill_points import FOLDER, ORDER, REACHED, TAKEN
from glacier.seals import ASIDE
from glacier.verify import is_hidden
from tests.support.driver import CODES, FORBIDDEN, Run
from tests.support.tiny import write_tiny
from tests.support.trees import read_tree

COMMANDS = {
    "pipeline": ("ingest", "prepare", "sweep", "report", "predict", "series"),
    "latest": ("latest",),
}
"""Verbs that follow one another on the same storage, and the stages of each."""

STAGES = tuple(stage for stages in COMMANDS.values() for stage in stages)
BEGINS = {
    "prepare": "/data/samples/", "sweep": "/data/models/", "report": "/results/",
    "predict": "/data/maps/", "series": "/results/",
}  # fmt: skip
"""What the first file of a stage has in its address, once the stage before it has begun; the first
stage of a command begins with it."""

KILL, TERM, INT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT
Tree = dict[str, object]
"""Name of each file to its content, without what differs between two runs of the same."""

Action = tuple[str, tuple[signal.Signals, ...]]
"""Who is killed, and by which signals: the driver, the process that stands at the point
(``writer``), all that a terminal would send Ctrl-C to, or a process of Ray."""

ACTIONS: tuple[Action, ...] = (
    ("driver", (KILL,)), ("driver", (TERM,)), ("driver", (INT,)), ("driver", (INT, INT)),
    ("terminal", (INT,)), ("writer", (KILL,)), ("writer", (TERM,)), ("raylet", (KILL,)),
    ("raylet", (TERM,)), ("gcs_server", (KILL,)),
)  # fmt: skip

REACH_S, DIE_S = 600.0, 60.0
"""Longest waits for a point and for an end, seconds."""

HUNG = 999
"""Stands for the exit code of a run that did not end by itself."""

CHANGES = {
    "sweep": {"checkpoint_s": 0, "random_forest": False},
    "latest": {"until": "2015-02"},  # a dark month, and one with a map
}


@dataclass(frozen=True)
class Point:
    """A step of a writing."""

    stage: str
    step: str
    pattern: str
    """Of the address, which begins with another folder in each chain."""

    @property
    def verb(self) -> str:
        """The command whose stage it is in."""
        return next(verb for verb, stages in COMMANDS.items() if self.stage in stages)

    def is_in(self, line: str) -> bool:
        """Whether a noted line is of this point."""
        step, _, address = line.partition(" ")
        return step == self.step and fnmatchcase(address, self.pattern)

    def was_passed(self, folder: Path) -> bool:
        """Whether its file, or the whole trial, is there already in the storage of a chain."""
        path = Path(self.pattern.replace("*", str(folder), 1))
        was_written = path.exists() and self.step not in ("removed", "linked")
        return was_written or path.with_name("done.json").exists()


@dataclass(frozen=True)
class Kill:
    """A kill that is to be."""

    point: Point
    victim: str
    signals: tuple[signal.Signals, ...]


@dataclass(frozen=True)
class Outcome:
    """What came of a kill."""

    kill: Kill
    holder: str
    """Who stood at the point: the driver or a worker."""
    code: int | None = None
    """Exit code of the run; None: it went on."""
    said: str = ""
    seconds: float = 0.0
    """From the first signal to the end of the run, or to the same point again."""
    wrong: str = ""

    @property
    def victim(self) -> str:
        """Who was killed: the driver, a worker, or a process of Ray."""
        kind = self.kill.victim
        return {"terminal": "driver", "writer": self.holder}.get(kind, kind)


@dataclass(frozen=True)
class Recorded:
    """What undisturbed commands come to."""

    folder: Path
    """Where they ran."""
    points: tuple[Point, ...]
    """In their order."""
    trees: dict[str, Tree]
    """Verb to what is there once it has ended."""
    begun: Path | None = None
    """A storage with results on which chains go on; None: each begins with nothing."""


def record_points(folder: Path, temp: Path) -> Recorded:
    """The points of undisturbed commands, and what each leaves."""
    chain = Chain(folder, temp, Recorded(folder, (), {}))
    points: list[Point] = []
    trees = {}
    for verb, stages in COMMANDS.items():
        chain.verb = verb
        code, said = chain.end(chain.start(), 400)
        assert code == 0, said
        reached = chain.signs / REACHED
        points += parse_points(reached.read_text().splitlines(), folder, stages)
        trees[verb] = chain.read()
        reached.unlink()
    return Recorded(folder, tuple(points), trees)


def parse_points(lines: Iterable[str], folder: Path, names: Sequence[str]) -> Iterator[Point]:
    """Each point once, with its stage: the stages of these names follow one another."""
    stages = iter(names)
    stage, following = next(stages), next(stages, "")
    seen = set()
    for line in lines:
        step, _, address = line.partition(" ")
        if following and BEGINS[following] in address:
            stage, following = following, next(stages, "")
        pattern = re.sub(r"\.lock-[0-9a-f]{32}", ".lock-*", address).replace(str(folder), "*", 1)
        point = Point(stage, step, pattern)
        if point not in seen:
            seen.add(point)
            yield point


def draw_kills(
    points: Sequence[Point], actions: Mapping[str, Sequence[Action]], draw: random.Random
) -> list[Kill]:
    """A kill for each action, at points that are spread over its stage.

    Args:
        points: In their order.
        actions: Stage to who is killed there, and how; nobody where it has none.
        draw: Chooses.
    """
    kills = []
    for stage in [stage for stage in STAGES if stage in actions]:
        here, count = [point for point in points if point.stage == stage], len(actions[stage])
        for at, action in enumerate(actions[stage]):
            part = here[at * len(here) // count : (at + 1) * len(here) // count]
            kills.append(Kill(draw.choice(part), *action))
    return kills


class Chain:
    """Runs of one configuration on one storage, each killed at a point."""

    def __init__(self, folder: Path, temp: Path, recorded: Recorded) -> None:
        """Have a fresh storage.

        Args:
            folder: Where it lies.
            temp: Folder for the files of Ray, with a short name.
            recorded: What undisturbed commands come to.
        """
        self.folder, self.temp, self.recorded = folder, temp, recorded
        self.verb = next(iter(COMMANDS))
        if recorded.begun is not None:
            shutil.copytree(recorded.begun, folder)
        self.config = write_tiny(folder, **CHANGES)
        self.signs, self.logs = folder / "signs", folder / "logs"
        self.signs.mkdir()
        self.logs.mkdir()
        self.run: Run | None = None

    def start(self) -> Run:
        """The run that is going on, or a new one."""
        if self.run is None:
            more = {FOLDER: str(self.signs), "TMPDIR": str(self.logs)}
            self.run = Run(self.config, self.temp, self.verb, **more)
        return self.run

    def end(self, run: Run, within_s: float = DIE_S) -> tuple[int, str]:
        """Wait for the end of a run; returns its exit code and what was said, and what is left."""
        self.run = None
        code = HUNG
        with suppress(subprocess.TimeoutExpired):
            run.process.wait(within_s)
            code = run.process.returncode
        run.process.kill()
        left = "".join(f"still there: {name}\n" for name in run.list_left())
        return code, run.process.communicate()[1] + left

    def kill(self, kill: Kill) -> Outcome | None:
        """Bring a run to a point and kill; None where it ended well without getting there."""
        if wrong := self.finish(before=kill.point.verb):
            return Outcome(kill, "nobody", wrong=f"before it: {wrong}")
        order = self.signs / f"{ORDER}.new"
        order.write_text(f"{kill.point.step} {kill.point.pattern}")
        order.rename(self.signs / ORDER)
        run = self.start()
        number = self.await_taken(run)
        if number is None:
            (self.signs / ORDER).unlink()
            code, said = self.end(run)
            return Outcome(kill, "nobody", code, said, wrong="ended before") if code else None
        outcome = self.strike(kill, run, number)
        is_at_work = outcome.code is None
        files = "" if is_at_work else self.explain_files()
        return replace(outcome, wrong=explain_wrong(outcome) or files)

    def await_taken(self, run: Run) -> int | None:
        """The number of the process that stands at the point; None where the run ended before."""
        until = time.monotonic() + REACH_S
        while time.monotonic() < until:
            has_ended = run.process.poll() is not None
            for path in self.signs.glob(f"{TAKEN}*"):
                return int(path.name.removeprefix(TAKEN))
            if has_ended:
                return None
            time.sleep(0.02)
        run.process.kill()
        raise AssertionError(f"no end, and no {(self.signs / ORDER).read_text()}")

    def strike(self, kill: Kill, run: Run, number: int) -> Outcome:
        """Kill, and see what becomes of the run."""
        outcome = Outcome(kill, "driver" if number == run.process.pid else "worker")
        victim = find_victim(kill.victim, run.process.pid, number)
        (self.signs / REACHED).unlink(missing_ok=True)
        began = time.monotonic()
        for each in kill.signals:
            with suppress(ProcessLookupError):
                os.kill(victim, each)
            time.sleep(0.5)
        taken = self.signs / f"{TAKEN}{number}"
        if outcome.victim in ("driver", "worker"):
            taken.unlink()
        code, said = None, ""
        if outcome.victim != "worker" or not self.comes_again(kill.point, run):
            code, said = self.end(run)
        taken.unlink(missing_ok=True)
        return replace(outcome, code=code, said=said, seconds=time.monotonic() - began)

    def comes_again(self, point: Point, run: Run) -> bool:
        """Whether another worker does what a lost one was doing, before the run has ended."""
        until = time.monotonic() + REACH_S
        while run.process.poll() is None and time.monotonic() < until:
            with suppress(FileNotFoundError):
                if any(map(point.is_in, (self.signs / REACHED).read_text().splitlines())):
                    return True
            time.sleep(0.02)
        return False

    def finish(self, before: str = "") -> str:
        """Let commands come to their end; returns what is wrong with that, or with what they leave.

        Args:
            before: The verb that is not begun; empty: all are done.
        """
        verbs = [*COMMANDS]
        for verb in verbs[verbs.index(self.verb) :]:
            self.verb = verb
            if verb == before:
                break
            code, said = self.end(self.start(), 400)
            if wrong := f"exit code {code}: {said}" if code or said else self.explain_end():
                return f"{verb}: {wrong}"
        return ""

    def explain_end(self) -> str:
        """What is wrong with what a finished run has left; empty: nothing."""
        left = [*self.temp.iterdir(), *self.logs.glob("glacier-*"), *self.logs.glob("tmp*")]
        return f"left: {left}" if left else self.explain_files(is_whole=True)

    def read(self) -> Tree:
        """What is in storage and results, wherever they lie."""
        found = read_tree(self.folder)
        return {
            name: self.hide_folder(found[name])
            for name in found
            if name.startswith(("data/", "results/"))
        }

    def hide_folder(self, content: object) -> object:
        """A file's content without the names of the folders in which it was written."""
        if isinstance(content, bytes | None):
            return content
        text = json.dumps(content)
        for folder in (self.folder, self.recorded.folder):
            text = text.replace(str(folder), "*")
        return json.loads(text)

    def explain_files(self, is_whole: bool = False) -> str:
        """Which files are not as an undisturbed run leaves them.

        Args:
            is_whole: The run is done, so that none may be missing and none be unfinished, or be as
                a command before has left it.
        """
        found = self.read()
        known = {name: data for name, data in found.items() if is_whole or is_final(name)}
        verbs = [*COMMANDS]
        *earlier, wanted = (
            self.recorded.trees[verb] for verb in verbs[: verbs.index(self.verb) + 1]
        )
        good = [wanted] if is_whole else [*earlier, wanted]
        names = {
            name for name, data in known.items() if all(data != tree.get(name, "") for tree in good)
        }
        names |= wanted.keys() - found.keys() if is_whole else set()
        names |= {str(path) for path in self.folder.rglob(ASIDE)}
        return f"differ: {sorted(names)}" if names else ""


def find_victim(kind: str, driver: int, holder: int) -> int:
    """The number of the process to kill; turned negative, that of a group."""
    known = {"writer": holder, "driver": driver, "terminal": -driver}
    if kind in known:
        return known[kind]
    (found,) = (each for each in psutil.Process(driver).children() if each.name() == kind)
    return found.pid


def is_final(name: str) -> bool:
    """Whether a file has a final name, and is none that goes with the end of a trial."""
    passing = re.fullmatch(r"epoch-\d+\.pt|checkpoint\.json", Path(name).name)
    return not passing and not is_hidden(name)


def explain_wrong(outcome: Outcome) -> str:
    """What is wrong with how a run ended; empty: nothing."""
    first = outcome.kill.signals[0]
    ends: tuple[tuple[int | None, str], ...] = ((None, ""), (0, ""))
    if outcome.victim == "driver":
        ends = ((CODES.get(first, -first), f"{GO_ON if first in CODES else LOST}\n"),)
    elif outcome.victim != "worker" and outcome.code == 1 and is_sentence(outcome.said):
        return ""
    return "" if (outcome.code, outcome.said) in ends else f"ended with {outcome.code}"


def is_sentence(said: str) -> bool:
    """Whether it is one line, that says what to do and shows nothing of Ray's inside."""
    shows = any(word in said for word in FORBIDDEN)
    return said.count("\n") == 1 and "the same command goes on" in said and not shows


def run_chain(folder: Path, temp: Path, recorded: Recorded, kills: Sequence[Kill]) -> list[Outcome]:
    """Do kills in the order of their points, and let the command finish.

    Where a run comes to its end before a point, since workers do not keep to the order of another
    run, the kill is done on a new storage. What is wrong with a finished run is said of the last
    kill before.
    """
    outcomes: list[Outcome] = []
    chain, storages = Chain(folder / "0", temp, recorded), 1
    while len(outcomes) < len(kills):
        kill = move_on(kills[len(outcomes)], recorded.points, chain.folder)
        if outcome := chain.kill(kill):
            outcomes.append(outcome)
            continue
        assert storages <= len(kills), f"no run comes to {kill.point}"
        blame(outcomes, chain.explain_end())
        chain, storages = Chain(folder / str(storages), temp, recorded), storages + 1
    blame(outcomes, chain.finish())
    return outcomes


def move_on(kill: Kill, points: Sequence[Point], folder: Path) -> Kill:
    """The kill at its point, or the next one of the stage whose file is not written yet."""
    later = points[points.index(kill.point) :]
    here = (point for point in later if point.stage == kill.point.stage)
    point = next((point for point in here if not point.was_passed(folder)), kill.point)
    return replace(kill, point=point)


def blame(outcomes: list[Outcome], wrong: str) -> None:
    """Say of the last kill what is wrong with what a finished run left."""
    if wrong and outcomes:
        outcomes[-1] = replace(outcomes[-1], wrong=f"{outcomes[-1].wrong} afterwards: {wrong}")
    assert outcomes or not wrong, wrong
