"""Every file of a finished and of a pending run, damaged in five ways, and what became of it.

    python tests/experiments/damage.py [finished|pending]

The smallest run through all stages; the pending one was killed in the middle of its second trial.
Each file is damaged alone for ``glacier verify``; then, a file of every kind of a stage at a time
until all were, the same command runs again, and its tree is held against that of a run that nobody
disturbed. Writes ``results/reliability/damage.csv``, a row for each kind and way, and its page.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from glacier import store  # noqa: E402
from glacier.cluster import connect  # noqa: E402
from glacier.config import Config  # noqa: E402
from glacier.pipeline import run_pipeline  # noqa: E402
from glacier.verify import verify_folder  # noqa: E402
from tests.support.damage import DAMAGES, damage, group_by_kind, is_manifest, is_named  # noqa: E402
from tests.support.tiny import tiny_config, write_tiny  # noqa: E402
from tests.support.trees import read_tree  # noqa: E402

PLACE = ROOT / "results" / "reliability"
CHANGES = {"sweep": {"epochs": 30, "checkpoint_s": 0}, "cluster": {"cpus": 2}}
COLUMNS = (
    "run", "stage", "kind", "damage", "files", "found", "named again", "mended", "used silently",
)  # fmt: skip

PAGE = """# Damaged files

`python tests/experiments/damage.py` takes the smallest run that goes through all stages, finished
({finished} files) and killed in the middle of its second trial ({pending} files), and damages every
file of it in five ways: a flipped bit, a changed digit, cut short, emptied, removed.
[damage.csv](damage.csv) has a row for each kind of file and way.

{rows}

Found: `glacier verify` names this file and no other (a removed manifest leaves a unit that is not
there at all, which is no damage). Mended: the same command makes a tree that is equal, but for
times, to that of a run that nobody disturbed, and nothing in it is damaged; there a file of every
kind of a stage is damaged at once. Used: the tree is another one and nothing was said.
"""

HEAD = """| run | stage | files | damaged | found | mended | used |
|---|---|---|---|---|---|---|"""


@dataclass
class Tally:
    """What became of the files of a run: (stage, kind, way) to a number."""

    name: str
    files: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    found: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    named: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    mended: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    used: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def rows(self) -> list[list[str]]:
        """A row of the table for each kind of file and way."""
        counters = (self.files, self.found, self.named, self.mended, self.used)
        return [
            [self.name, *key, *(str(counter[key]) for counter in counters)] for key in self.files
        ]


def main(*names: str) -> int:
    """Damage both runs, or the one named, and keep the table; 1 where a file was missed or used."""
    with tempfile.TemporaryDirectory(prefix="glacier-damage-") as temp:
        folder = Path(temp) / "run"  # the same for both: a sweep keeps its own configuration
        make_pending(folder)
        pending = folder.rename(Path(temp) / "pending")
        config = tiny_config(folder, **CHANGES)
        with connect(config.cluster):
            run_quietly(config)
            finished = Path(temp) / "finished"
            shutil.copytree(folder, finished)
            wanted = read_run(finished)
            kept = {"finished": finished, "pending": pending}
            tallies = [
                damage_run(name, kept[name], config, wanted) for name in names or tuple(kept)
            ]
    keep([row for tally in tallies for row in tally.rows()])
    return int(any(tally.mended != tally.files or tally.used for tally in tallies))


def make_pending(folder: Path) -> None:
    """A run that was killed when one of its trials had ended and the other had a checkpoint."""
    config = write_tiny(folder, **CHANGES)
    env = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
    command = [sys.executable, "-m", "jobs.pipeline", str(config), "--cluster.cpus", "1"]
    driver = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    while not is_pending(folder) and driver.poll() is None:
        time.sleep(0.005)
    driver.kill()
    driver.wait()
    if not is_pending(folder):
        raise SystemExit(f"the run ended before it could be killed (exit {driver.returncode})")


def is_pending(folder: Path) -> bool:
    """Whether a trial has ended and another has a checkpoint."""
    trials = folder / "data" / "trials"
    done = list(trials.rglob("done.json"))
    return bool(done) and any(
        seal.parent not in {path.parent for path in done}
        for seal in trials.rglob("checkpoint.json")
    )


def damage_run(name: str, kept: Path, config: Config, wanted: dict[str, object]) -> Tally:
    """Damage every file of a run in every way.

    Args:
        name: Of the run.
        kept: A copy of it.
        config: Of the run, whose place is another.
        wanted: What a run that nobody disturbed has left.
    """
    folder, tally = Path(config.storage).parent, Tally(name)
    for how in DAMAGES:
        restore(kept, folder)
        find_each(folder, how, tally)
        for stage, kinds in group_by_kind(kept).items():
            for number in range(max(len(files) for files in kinds.values())):
                chosen = {
                    kind: folder / files[number].relative_to(kept)
                    for kind, files in kinds.items()
                    if number < len(files)
                }
                restore(kept, folder)
                mend(folder, config, chosen, (stage, how), wanted, tally)
            print(f"{name}: {how}, {stage}", file=sys.stderr, flush=True)
    return tally


def restore(kept: Path, folder: Path) -> None:
    """The run as it was before anything was damaged."""
    for place in ("data", "results"):
        shutil.rmtree(folder / place, ignore_errors=True)
        if (kept / place).exists():
            shutil.copytree(kept / place, folder / place)


def find_each(folder: Path, how: str, tally: Tally) -> None:
    """Damage each file alone, look whether it and no other is named, and put it back."""
    for stage, kinds in group_by_kind(folder).items():
        for kind, files in kinds.items():
            for path in files:
                key, whole = (stage, kind, how), path.read_bytes()
                tally.files[key] += 1
                damage(path, how)
                place = folder / path.relative_to(folder).parts[0]
                named = {error.address for error in verify_folder(str(place)).damaged}
                is_whole_unit_gone = how == "gone" and is_manifest(path) and not named
                tally.found[key] += named == {str(path)} or is_whole_unit_gone
                path.write_bytes(whole)


def mend(
    folder: Path,
    config: Config,
    chosen: dict[str, Path],
    where: tuple[str, str],
    wanted: dict[str, object],
    tally: Tally,
) -> None:
    """Damage some files of a stage, run the same command, and compare the trees."""
    stage, how = where
    for path in chosen.values():
        damage(path, how)
    said = run_quietly(config)
    left = [e for p in ("data", "results") for e in verify_folder(str(folder / p)).damaged]
    is_equal = read_run(folder) == wanted and not left
    for kind, path in chosen.items():
        key, is_said = (stage, kind, how), is_named(path, said, list(chosen.values()), how)
        tally.named[key] += is_said
        tally.mended[key] += is_equal
        tally.used[key] += not is_equal and not is_said


def read_run(folder: Path) -> dict[str, object]:
    """Content of all that a run left, without its configuration and times."""
    return {name: data for name, data in read_tree(folder).items() if "/" in name}


def run_quietly(config: Config) -> str:
    """The whole command; returns what it said."""
    said = io.StringIO()
    with redirect_stdout(said):
        failed = run_pipeline(config)
    if failed:
        raise SystemExit(f"{failed} units failed:\n{said.getvalue()}")
    return said.getvalue()


def keep(rows: list[list[str]]) -> None:
    """Write the table, in which the other run stays as it was, and the page made of it."""
    path = PLACE / "damage.csv"
    known = list(csv.reader(path.read_text().splitlines()))[1:] if path.exists() else []
    fresh = {row[0] for row in rows}
    rows = sorted([*(row for row in known if row[0] not in fresh), *rows], key=lambda row: row[0])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    store.write_bytes(str(path), text.getvalue().encode())
    files = Counter[str]()
    lines = dict[tuple[str, str], list[int]]()
    for run, stage, _, how, *numbers in rows:
        sums = lines.setdefault((run, stage), [0] * len(numbers))
        lines[run, stage] = [a + int(b) for a, b in zip(sums, numbers, strict=True)]
        files[run] += int(numbers[0]) if how == next(iter(DAMAGES)) else 0
    table = [
        f"| {run} | {stage} | {damaged // len(DAMAGES)} | {damaged} | {found} | {mended} | {used} |"
        for (run, stage), (damaged, found, _, mended, used) in lines.items()
    ]
    page = PAGE.format(**files, rows="\n".join([HEAD, *table]))
    store.write_bytes(str(PLACE / "damage.md"), page.encode())


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
