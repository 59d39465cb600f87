"""Processes that die in the middle of a write, at every kind of file: the same command goes on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from glacier import store
from glacier.verify import verify_folder
from tests.support.tiny import write_tiny
from tests.support.trees import list_files, read_tree

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(2400)]

PARTS = (
    "/archive/mendenhall", ".truth.gpkg", "2014-08.json", "manifest.json", "calendar.png",
    "mendenhall_2014-06.parquet", "mendenhall_2014-07.json", "/samples/tiny", "epoch-0.pt",
    "checkpoint.json", "predictions.npz", "model.safetensors", "model.json", "done.json",
    "trials.parquet", "sweep.json", "folds.csv", "report.html",
)  # fmt: skip
"""Parts of the names of files, in the order in which a run writes them."""

ROOT = Path(__file__).parents[2]

POINTS = ("written", "flushed", "renamed")


def run(folder: Path, armed: str | None) -> tuple[int, str]:
    """The pipeline on one worker, a point armed; returns its exit code and what it said."""
    env = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
    env |= {store.KILL_AT: armed} if armed else {}
    command = [sys.executable, "-m", "jobs.pipeline", str(folder / "tiny.yaml")]
    done = subprocess.run(
        [*command, "--cluster.cpus", "1"], cwd=ROOT, env=env, timeout=400, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_killed_at_every_kind_of_file_the_next_run_goes_on_to_the_same_end(tmp_path: Path) -> None:
    """One run after the other goes on where the one before was killed, driver or worker."""
    changes = {"sweep": {"checkpoint_s": 0}}
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    for folder in (unbroken, broken):
        write_tiny(folder, **changes)
    assert run(unbroken, None)[0] == 0
    killed, token = 0, tmp_path / "token"
    for part in PARTS:
        for point in POINTS:
            token.touch()
            code, out = run(broken, f"{point}:{part}:{token}")
            if token.exists():
                break  # the file was whole before: its later points cannot be met any more
            killed += 1
            assert code in (0, 1, -9), out  # a worker's work is done again, a driver's is not
            for place in ("data", "results"):
                assert verify_folder(str(broken / place)).damaged == [], (part, point)
    assert killed >= 40, killed
    code, out = run(broken, None)
    assert code == 0, out
    found = read_tree(broken)
    assert {n: c for n, c in found.items() if not Path(n).name.startswith(".")} == read_tree(
        unbroken
    )
    assert not [path for path in list_files(broken) if path.name.endswith(".pt")]
    assert os.environ.get(store.KILL_AT) is None
