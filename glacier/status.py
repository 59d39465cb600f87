"""What the last job of a run is doing or has done, by its log: ``glacier status``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Literal

from pydantic import AwareDatetime

from glacier import store
from glacier.command import run_command
from glacier.config import Config
from glacier.job_log import LogLine, Outcome, StagePlan, place_logs, read_newest
from glacier.locks import find_locks
from glacier.owner import DEAD_S, Owner
from glacier.progress import duration, say
from glacier.settings.model import Model

ABOUT = """Say what the last job of a configuration is doing or has done, by its log.

    glacier status demo.yaml
    glacier status demo.yaml --json   the same for a program

Exit codes: 0 at work or finished, 1 failed, interrupted or killed, 2 no job is known."""

PLACES = ("name", "storage")
"""Fields that its help shows."""

State = Literal["waiting", "running", "killed"] | Outcome

GOOD = ("running", "finished")


class StageState(Model):
    """A stage of a job, or a part of one that counts units of its own."""

    stage: str
    state: State
    done: float | None = None
    """Units that have finished; None: it counts none."""
    total: int | None = None
    left: str = ""
    """Time left, in words."""
    seconds: float = 0.0
    peak_mb: float | None = None
    planned_s: float | None = None
    """Seconds that were predicted; None: none were."""
    planned_mb: float | None = None


class JobState(Model):
    """A job, as its log and its process tell."""

    name: str
    verb: str
    run: str
    state: State
    began: AwareDatetime
    seconds: float
    peak_mb: float | None
    """Most memory on the driver's machine, Ray and its workers there included."""
    failed_units: int | None
    reason: str
    owner: Owner | None
    stages: tuple[StageState, ...]

    @property
    def planned_s(self) -> float | None:
        """Seconds that were predicted of all its stages; None: none were."""
        planned = [stage.planned_s for stage in self.stages if stage.planned_s is not None]
        return sum(planned) if planned else None


def run_status(argv: Sequence[str]) -> int:
    """Answer the arguments of the verb; returns its exit code."""
    found: list[int] = []

    def show(config: Config, as_json: bool) -> int:
        found.append(show_status(config, as_json))
        return 0

    modes = {"--json": partial(show, as_json=True)}
    code = run_command(argv, ABOUT, partial(show, as_json=False), modes, None, PLACES)
    return code or found[0]


def show_status(config: Config, as_json: bool) -> int:
    """Print the state of the last job of a run; returns the exit code."""
    state = find_state(config)
    if state is None:
        say("null" if as_json else f"status: no job of this configuration in {place_logs(config)}")
        return 2
    say(state.model_dump_json(indent=1) if as_json else "\n".join(describe(state)))
    return 0 if state.state in GOOD else 1


def read_clock() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)


def find_state(config: Config) -> JobState | None:
    """The state of the last job of a run; None where none is known.

    Raises:
        StoreError: The storage cannot be reached.
    """
    lines = read_newest(place_logs(config))
    if not lines:
        return None
    is_over = lines[-1].event == "ended"
    return fold(config.name, lines, is_over or is_at_work(config, lines), read_clock())


def is_at_work(config: Config, lines: Sequence[LogLine]) -> bool:
    """Whether the process of a log that has no end is alive, as far as one look tells.

    On its own machine its process is looked at. Elsewhere it is alive if it has written not long
    ago, or renews a lock of one of the folders that it works in.
    """
    owner = lines[0].owner
    if owner is not None and owner.is_near():
        return owner.is_running()
    if (read_clock() - lines[-1].at).total_seconds() < DEAD_S:
        return True
    locks = find_locks(store.absolute(config.storage)).values()
    return owner is not None and any(
        (other.machine, other.pid) == (owner.machine, owner.pid) and other.may_live()
        for other in locks
    )


def fold(name: str, lines: Sequence[LogLine], is_alive: bool, now: datetime) -> JobState:
    """The state of a job by its log.

    Args:
        name: Of the run.
        lines: One or more.
        is_alive: The job has said its end, or its process lives.
        now: The time of the look.
    """
    first, last = lines[0], lines[-1]
    until = now if is_alive else last.at
    state: State = last.outcome or "finished" if last.event == "ended" else "running"
    if not is_alive:
        state = "killed"
    stages = fold_stages(lines, state, until)
    peaks = [line.peak_mb for line in lines if line.peak_mb is not None]
    is_over = last.event == "ended" and last.seconds is not None
    return JobState(
        name=name,
        verb=first.verb,
        run=first.run,
        state=state,
        began=first.at,
        seconds=(last.seconds or 0.0) if is_over else (until - first.at).total_seconds(),
        peak_mb=max(peaks, default=None),
        failed_units=last.failed_units,
        reason=last.reason,
        owner=first.owner,
        stages=tuple(stages),
    )


def fold_stages(lines: Sequence[LogLine], state: State, until: datetime) -> list[StageState]:
    """The stages of a job, in the order in which they began; those only planned come last."""
    found: dict[str, OpenRow] = {}
    planned: dict[str, StagePlan] = {}
    for line in lines:
        if line.event == "plan":
            planned |= {plan.stage: plan for plan in line.plan}
        elif line.stage:
            found.setdefault(line.stage, OpenRow()).take(line)
    names = [*found, *(name for name in planned if name not in found and state == "running")]
    return [
        found.get(name, OpenRow()).close(name, planned.get(name), state, until) for name in names
    ]


class OpenRow:
    """A stage as the lines of a log have told of it so far."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.before, self.done, self.total = 0.0, 0.0, 0
        self.seconds, self.peak_mb, self.left = 0.0, 0.0, ""
        self.began: datetime | None = None
        """When it began; None: it is not under way."""
        self.outcome: Outcome | None = None

    def take(self, line: LogLine) -> None:
        """Take a line of this stage in."""
        self.peak_mb = max(self.peak_mb, line.peak_mb or 0.0)
        if line.event == "stage":
            self.began, self.before = self.began or line.at, self.done
            self.total += line.total or 0
        elif line.event == "unit":
            self.done, self.left = self.before + (line.done or 0.0), line.left
        else:
            self.seconds += line.seconds or 0.0
            self.began, self.outcome, self.left = None, line.outcome, ""

    def close(self, name: str, plan: StagePlan | None, state: State, until: datetime) -> StageState:
        """The stage, of a job in some state that was seen last at a time."""
        under_way = (until - self.began).total_seconds() if self.began else 0.0
        return StageState(
            stage=name,
            state=state if self.began else self.outcome or "waiting",
            done=self.done if self.total else None,
            total=self.total or None,
            left=self.left,
            seconds=round(self.seconds + under_way, 3),
            peak_mb=self.peak_mb or None,
            planned_s=plan.seconds if plan else None,
            planned_mb=plan.memory_mb if plan else None,
        )


def describe(state: JobState) -> list[str]:
    """A job in lines: a sentence first, then a table of its stages."""
    lines = [say_state(state)]
    if state.planned_s is not None and state.state == "finished":
        ratio = state.seconds / state.planned_s
        lines.append(f"predicted: {duration(state.planned_s)}; it took {ratio:.2f} times that")
    return lines + table_stages(state.stages)


def say_state(state: JobState) -> str:
    """A job in one sentence."""
    what = f"{state.name}: {state.verb}"
    took, began = duration(state.seconds), f"{state.began.astimezone():%Y-%m-%d %H:%M}"
    under_way = [stage for stage in state.stages if stage.state == state.state]
    at = f" in {' of '.join(name_units(stage) for stage in under_way[-1:])}" if under_way else ""
    if state.state == "running":
        left = f", {under_way[-1].left} left of it" if under_way and under_way[-1].left else ""
        owner = f" ({state.owner})" if state.owner else ""
        return f"{what} is running{at}{left}; at work for {took}{owner}"
    if state.state == "finished":
        failed = state.failed_units or 0
        units = f"{failed} unit(s) failed past the allowed number" if failed else "nothing failed"
        return f"{what} finished after {took}, begun {began}; {units}"
    if state.state == "failed":
        return f"{what} failed after {took}, begun {began}: {state.reason}"
    return (
        f"{what} was {state.state}{at} after {took}, begun {began}; the same command goes on where "
        "it stopped"
    )


def name_units(stage: StageState) -> str:
    """A stage with how far it is."""
    return f"{stage.stage}, {stage.done:.4g} of {stage.total}" if stage.total else stage.stage


def table_stages(stages: Sequence[StageState]) -> list[str]:
    """A line a stage, under a line of titles."""
    rows = [("stage", "state", "units", "time", "predicted", "peak MB", "predicted")]
    for stage in stages:
        units = f"{stage.done:.4g}/{stage.total}" if stage.total else ""
        rows.append((
            stage.stage, stage.state, units, duration(stage.seconds),
            "" if stage.planned_s is None else duration(stage.planned_s),
            "" if stage.peak_mb is None else f"{stage.peak_mb:.0f}",
            "" if stage.planned_mb is None else f"{stage.planned_mb:.0f}",
        ))  # fmt: skip
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
