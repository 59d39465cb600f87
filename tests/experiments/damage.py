"""Every file of a finished and of a pending run, damaged in five ways, and what became of it.

    python tests/experiments/damage.py

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
from tests.support.trees import list_files, read_tree  # noqa: E402

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


def main() -> int:
    """Damage both runs and keep the table; 1 where a file was missed, lost or used."""
    with tempfile.TemporaryDirectory(prefix="glacier-damage-") as temp:
        pending = make_pending(Path(temp) / "pending")
        config = tiny_config(Path(temp) / "finished", **CHANGES)
        with connect(config.cluster):
            run_quietly(config)
            finished = Path(temp) / "finished"
            wanted = read_run(finished)
            tallies = [
                damage_run("finished", finished, config, wanted),
                damage_run("pending", pending, tiny_config(pending, **CHANGES), wanted),
            ]
        keep(tallies, len(list_files(finished)))
    return int(any(tally.mended != tally.files or tally.used for tally in tallies))


def make_pending(folder: Path) -> Path:
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
    return folder


def is_pending(folder: Path) -> bool:
    """Whether a trial has ended and another has a checkpoint."""
    trials = folder / "data" / "trials"
    done = list(trials.rglob("done.json"))
    return bool(done) and any(
        seal.parent not in {path.parent for path in done}
        for seal in trials.rglob("checkpoint.json")
    )


def damage_run(name: str, folder: Path, config: Config, wanted: dict[str, object]) -> Tally:
    """Damage every file of a run in every way."""
    kept, tally = folder.with_name(f"{name}-kept"), Tally(name)
    shutil.copytree(folder, kept)
    for how in DAMAGES:
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


def keep(tallies: list[Tally], finished: int) -> None:
    """Write the table and the page."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(COLUMNS)
    rows = [HEAD]
    for tally in tallies:
        counters = (tally.files, tally.found, tally.named, tally.mended, tally.used)
        for key in tally.files:
            out.writerow((tally.name, *key, *(counter[key] for counter in counters)))
        for stage in dict.fromkeys(key[0] for key in tally.files):
            files, found, _, mended, used = (
                sum(number for key, number in counter.items() if key[0] == stage)
                for counter in counters
            )
            row = (tally.name, stage, files // len(DAMAGES), files, found, mended, used)
            rows.append(f"| {' | '.join(map(str, row))} |")
    pending = sum(tallies[1].files.values()) // len(DAMAGES)
    page = PAGE.format(finished=finished, pending=pending, rows="\n".join(rows))
    store.write_bytes(str(PLACE / "damage.csv"), text.getvalue().encode())
    store.write_bytes(str(PLACE / "damage.md"), page.encode())


if __name__ == "__main__":
    raise SystemExit(main())
