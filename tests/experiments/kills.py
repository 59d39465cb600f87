"""Runs of the smallest pipeline, killed at points of their writing, and what became of each.

    python tests/experiments/kills.py
    python tests/experiments/kills.py maps

kill in the stages up to the report, or in those of the maps. Each writes a table into
``results/reliability``, ``kills.csv`` or ``map_kills.csv``, a row for each kill, and a page beside.
"""

from __future__ import annotations

import csv
import io
import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from glacier import seals, store

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
PLACE = ROOT / "results" / "reliability"
SEED = 0
COLUMNS = (
    "stage", "step", "file", "stood there", "killed", "signals", "exit code", "what was said",
    "seconds", "wrong",
)  # fmt: skip

KILLED, SIGNALS, CODE = (COLUMNS.index(name) for name in ("killed", "signals", "exit code"))


@dataclass(frozen=True)
class Study:
    """Which stages are killed, and how often."""

    name: str
    """Of the table and the page."""
    stages: tuple[str, ...]
    chains: int
    """Storages on which the kills follow one another."""
    again: int = 0
    """Kills by SIGKILL in each stage, besides each way once."""
    is_begun: bool = False
    """Each storage has what an undisturbed run makes before the first of the stages."""


STUDIES = {
    "stages": Study("kills", ("ingest", "prepare", "sweep", "report"), chains=4),
    "maps": Study("map_kills", ("predict", "series", "latest"), 8, again=6, is_begun=True),
}

PAGE = """# Kills in {stages}

`python tests/experiments/kills.py {study}` ends runs of the smallest pipeline (eight months, two
trials of two epochs, a report, maps, a series; two months more by `glacier latest`) {total} times,
each at a point of their writing: after a file was written beside its place, flushed, renamed into
it, after a manifest, after a lock was taken, after a file was removed or moved. One process of all,
the driver or a worker of Ray, stands still there, and then the driver, that process, or a process
of Ray is killed from outside. The points are drawn (seed {seed}) from the {points} that undisturbed
runs come to in these stages, in their order, which workers vary a little; every stage has each of
the ten ways to end a run{again}: {sigkills} of all are by SIGKILL. The same command follows, and is
killed at the next point; after each {each} it is left to finish.{begun}
[{name}.csv]({name}.csv) has a row for each.

Steps that were drawn: {steps}. Where the process that writes was to be killed and was the driver,
as where pages are written, the table has it there.

{rows}

Right is: 130 for SIGINT and 143 for SIGTERM; a run that loses a worker goes on by itself; one that
loses another process of Ray ends with 1; and in each case but a worker's one line that says how to
go on, also where the driver was killed. No process of a run that has ended is left then, and what
has a final name is what the undisturbed run has there. Of the {chains} chains {good} ended with 0
and left, byte for byte but for times, what the undisturbed run did, and no unfinished file, lock,
checkpoint or temporary folder of Ray. Ends took {median:.1f} s in the median and {slowest:.1f} s at
most, on {machine}.

Not covered: points while Ray starts and in Ray's and Ray Tune's own files, heartbeats of locks, the
making of Ray's temporary folder, an object store, a cluster of several nodes, sources that wait for
a service, several workers lost at once, and a machine that loses its power.
"""

BEGUN = " Each storage begins as the undisturbed one was once it had a report."


def main(study: str = "stages", machine: str = "2 cores beside other work") -> int:
    """Do the kills and keep what came of them; 1 where something was wrong."""
    from tests.support.kills import record_points, run_chain

    chosen, outcomes = STUDIES[study], []
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(prefix="g") as temp:
        recorded = record_points(Path(folder) / "undisturbed", Path(temp))
        if chosen.is_begun:
            recorded = leave_maps_out(recorded, Path(folder))
        for number, kills in enumerate(draw_chains(chosen, recorded.points)):
            place = Path(folder) / f"chain-{number}"
            for outcome in run_chain(place, Path(temp), recorded, kills):
                print(*make_row(outcome), sep="; ", flush=True)
                outcomes.append(outcome)
    keep(chosen, recorded.points, outcomes, machine)
    return int(any(outcome.wrong for outcome in outcomes))


def keep(study: Study, points: Sequence[Any], outcomes: Sequence[Any], machine: str) -> None:
    """Write the table and the page."""
    rows = [make_row(outcome) for outcome in outcomes]
    keep_rows(study, rows)
    times = sorted(outcome.seconds for outcome in outcomes)
    page = PAGE.format(
        study=next(name for name, each in STUDIES.items() if each == study),
        stages=", ".join(study.stages),
        name=study.name,
        total=len(outcomes),
        seed=SEED,
        points=sum(point.stage in study.stages for point in points),
        again=f" once, and {study.again} kills more" if study.again else " once",
        sigkills=sum("SIGKILL" in row[SIGNALS] for row in rows),
        each=len(outcomes) // study.chains,
        begun=BEGUN if study.is_begun else "",
        steps=", ".join(f"{step} {count}" for step, count in Counter(r[1] for r in rows).items()),
        rows="\n".join(describe(study, rows)),
        chains=study.chains,
        good=study.chains - sum("afterwards" in outcome.wrong for outcome in outcomes),
        median=times[len(times) // 2],
        slowest=times[-1],
        machine=machine,
    )
    store.write_bytes(str(PLACE / f"{study.name}.md"), page.encode())


def leave_maps_out(recorded: Any, folder: Path) -> Any:
    """What was recorded, with a storage to go on with: a copy of that, as of the report."""
    whole, begun = recorded.folder, folder / "begun"
    (series,) = whole.glob("results/*/series.json")
    files = {series, *(series.with_name(name) for name in seals.read_json(str(series))["files"])}
    for name in recorded.trees["pipeline"]:
        path = whole / name
        if not name.startswith("data/maps/") and path not in files:
            (begun / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, begun / name)
    return replace(recorded, begun=begun)


def draw_chains(study: Study, points: Sequence[Any]) -> Iterable[Any]:
    """The kills of each chain, which has its share of the ways to kill a stage."""
    from tests.support.kills import ACTIONS, KILL, draw_kills

    draw = random.Random(SEED)
    hard = [action for action in ACTIONS if action[1] == (KILL,) and action[0] != "gcs_server"]
    deck = [*ACTIONS, *(hard[k % len(hard)] for k in range(study.again))]
    decks = {stage: draw.sample(deck, len(deck)) for stage in study.stages}
    for number in range(study.chains):
        actions = {}
        for at, stage in enumerate(study.stages):
            shift = at * study.chains // len(study.stages)  # so that chains are of like length
            actions[stage] = decks[stage][(number + shift) % study.chains :: study.chains]
        yield draw_kills(points, actions, draw)


def keep_rows(study: Study, rows: Sequence[tuple[str, ...]]) -> None:
    """Write a row for each kill."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(COLUMNS)
    out.writerows(rows)
    store.write_bytes(str(PLACE / f"{study.name}.csv"), text.getvalue().encode())


def make_row(outcome: Any) -> tuple[str, ...]:
    """What came of a kill, as the table has it."""
    point = outcome.kill.point
    said = re.sub(r"(below|is in) /[^;]*", r"\1 ...", " ".join(outcome.said.split()))
    return (
        point.stage,
        point.step,
        point.pattern.removeprefix("*/"),
        outcome.holder,
        outcome.victim,
        name_signals(outcome),
        "goes on" if outcome.code is None else str(outcome.code),
        said,
        f"{outcome.seconds:.1f}",
        outcome.wrong,
    )


def name_signals(outcome: Any) -> str:
    """How it was killed; a terminal's Ctrl-C reaches all processes of the run."""
    names = " ".join(each.name for each in outcome.kill.signals)
    return f"{names} from a terminal" if outcome.kill.victim == "terminal" else names


def describe(study: Study, rows: Sequence[tuple[str, ...]]) -> Iterable[str]:
    """The exit codes of each victim and signal by stage, and how many of all were wrong."""
    yield f"| killed | signals | {' | '.join(study.stages)} | wrong |"
    yield "|---" * (len(study.stages) + 3) + "|"
    ways = sorted({(row[KILLED], row[SIGNALS]) for row in rows})
    for way in ways:
        found = [row for row in rows if (row[KILLED], row[SIGNALS]) == way]
        stages = (join_ends(found, stage) for stage in study.stages)
        yield f"| {' | '.join((*way, *stages))} | {count_wrong(found)} |"
    yield f"| all {len(rows)} |{' |' * (len(study.stages) + 1)} {count_wrong(rows)} |"


def join_ends(rows: Sequence[tuple[str, ...]], stage: str) -> str:
    """The exit codes of one stage."""
    return ", ".join(row[CODE] for row in rows if row[0] == stage)


def count_wrong(rows: Sequence[tuple[str, ...]]) -> int:
    """How many kills left something wrong."""
    return sum(bool(row[-1]) for row in rows)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
