"""Whether another commit gives the same answer: weights byte for byte, tables but for times.

    python tests/experiments/same_answer.py f0b35fa

Both run the smallest pipeline (two encoders, two folds, a fixed seed) from nothing, the other one
in a checkout of its own. Names of methods that have changed are translated; the order of rows and
columns is no matter.
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
                column: RENAMED.get(row[column], row[column])
                for column in sorted(row)
                if column not in TIMES | PLACES
            }
            for row in rows
        ]
        for name, rows in tables.items()
    }


def main(commit: str) -> int:
    """Compare; 0 when all is the same."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        checkout = folder / "checkout"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
        subprocess.run(["git", "checkout", "--quiet", commit], cwd=checkout, check=True)
        run_pipeline(checkout, folder / "before")
        run_pipeline(ROOT, folder / "after")
        before, after = (read_weights(folder / name) for name in ("before", "after"))
        print(f"{len(before)} models; weights {'equal' if before == after else 'DIFFER'}")
        same = bool(before) and before == after
        old, new = (read_tables(folder / name) for name in ("before", "after"))
        for name in old:
            alike = sorted(map(str, old[name])) == sorted(map(str, new[name]))
            print(f"{name}: {len(old[name])} rows {'equal' if alike else 'DIFFER'}")
            same &= alike
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
