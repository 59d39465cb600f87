"""Whether another commit gives the same answer: weights byte for byte, tables but for times.

    python tests/experiments/same_answer.py COMMIT [OTHER]   # OTHER: this checkout if left out

Both run the smallest pipeline (two encoders, two folds, a fixed seed) from nothing, a commit in
a checkout of its own. Names of methods that have changed are translated; columns that only one of
them has are named, and the order of rows and columns is no matter.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

ROOT = Path(__file__).parents[2]
RUN = {
    "name": "same",
    "seed": 3,
    "regions": [
        {
            "name": "mendenhall",
            "polygon": [[-134.62, 58.42], [-134.42, 58.42], [-134.42, 58.59], [-134.62, 58.59]],
            "pixel_m": 150,
        }
    ],
    "months": {"first": "2014-05", "last": "2014-12"},
    "prepare": {"layout": "resize", "size_px": 32, "label": {"kind": "truth"}},
    "sweep": {
        "encoders": ["resnet18", "tu-test_efficientnet"],
        "folds": {"kind": "shuffled", "count": 2},
        "epochs": 3,
        "batch_size": 2,
        "learning_rate": 1e-3,
    },
}
RENAMED = {"everything": "all_glacier"}
TIMES = {"images_per_s", "epoch_s", "train_s", "seconds"}
"""Columns that differ from run to run."""
PLACES = {"model"}
"""Columns that hold addresses."""


def run_pipeline(checkout: Path, folder: Path) -> None:
    """Run the smallest pipeline with the code of a checkout."""
    folder.mkdir()
    (folder / "same.yaml").write_text(yaml.safe_dump(RUN), encoding="utf-8")
    places = ["--storage", str(folder / "data"), "--results", str(folder / "results")]
    command = [sys.executable, "-m", "jobs.pipeline", str(folder / "same.yaml"), *places]
    env = os.environ | {"PYTHONPATH": str(checkout)}
    subprocess.run(command, cwd=checkout, env=env, check=True, stdout=subprocess.DEVNULL)


def read_weights(folder: Path) -> dict[str, bytes]:
    """Encoder and fold to the bytes of the model."""
    found = (folder / "data/models").glob("*/*/*/model.safetensors")
    return {"/".join(path.parts[-3:-1]): path.read_bytes() for path in found}


def read_tables(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Rows of each table, without what differs from run to run and place to place."""
    (trials,) = (folder / "data/sweeps").glob("*/trials.parquet")
    tables = {"trials.parquet": pq.read_table(trials).to_pylist()}
    for name in ("folds.csv", "epochs.csv"):
        with (folder / "results/same" / name).open(encoding="utf-8", newline="") as file:
            tables[name] = list(csv.DictReader(file))
    return {
        name: [
            {
                column: RENAMED.get(value, value)
                for column, value in row.items()
                if column not in TIMES | PLACES
            }
            for row in rows
        ]
        for name, rows in tables.items()
    }


def sort_rows(rows: list[dict[str, Any]], columns: set[str]) -> list[str]:
    """Some columns of every row, as text, in an order of their own."""
    return sorted(str({name: row[name] for name in sorted(columns)}) for row in rows)


def check_out(commit: str, folder: Path) -> Path:
    """A checkout of a commit in a folder of its own."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    subprocess.run(["git", "checkout", "--quiet", commit], cwd=folder, check=True)
    return folder


def main(commit: str, other: str | None = None) -> int:
    """Compare a commit with another one, or with this checkout; 0 when all is the same."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run_pipeline(check_out(commit, folder / "first"), folder / "before")
        run_pipeline(check_out(other, folder / "second") if other else ROOT, folder / "after")
        before, after = (read_weights(folder / name) for name in ("before", "after"))
        print(f"{len(before)} models; weights {'equal' if before == after else 'DIFFER'}")
        same = bool(before) and before == after
        old, new = (read_tables(folder / name) for name in ("before", "after"))
        for name in old:
            shared = set(old[name][0]) & set(new[name][0])
            alike = sort_rows(old[name], shared) == sort_rows(new[name], shared)
            other = sorted(set(old[name][0]) ^ set(new[name][0]))
            print(
                f"{name}: {len(old[name])} rows, {len(shared)} columns "
                f"{'equal' if alike else 'DIFFER'}; in one alone: {', '.join(other) or 'none'}"
            )
            same &= alike
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
