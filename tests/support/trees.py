"""What a run has left in storage and results, but for what differs between two runs of the same."""

import json
from pathlib import Path

from glacier.job_log import LOGS
from glacier.verify import is_hidden

TIMES = {
    "seal", "seconds", "images_per_s", "epoch_s", "train_s", "sweep_s", "wall_s", "files",
    "sweep_sha256", "device", "mapped",
}  # fmt: skip
"""What differs between two runs of the same."""

TIMED = (
    "report.html", "folds.csv", "epochs.csv", "trials.parquet", "cost.png", "cost.svg",
    "manifest.parquet", "_months.parquet",
)  # fmt: skip
"""Ends of names of files that show times."""


def list_files(folder: Path) -> list[Path]:
    """All files of storage and results, what was set aside and logs left out."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not {".damaged", LOGS} & {*path.parts})


def read_tree(folder: Path) -> dict[str, object]:
    """Content of all files by name, without what differs between two runs of the same."""
    found: dict[str, object] = {}
    for path in list_files(folder):
        name = str(path.relative_to(folder))
        found[name] = None if name.endswith(TIMED) else path.read_bytes()
        if path.suffix == ".json" and not is_hidden(name):
            found[name] = strip_times(json.loads(path.read_bytes()))
    return found


def list_differences(found: dict[str, object], wanted: dict[str, object]) -> list[str]:
    """Names of the files that only one of two trees has, or that differ."""
    names = sorted(found.keys() | wanted.keys())
    return [name for name in names if found.get(name, "") != wanted.get(name, "")]


def strip_times(value: object) -> object:
    if isinstance(value, dict):
        return {k: strip_times(v) for k, v in value.items() if k not in TIMES}
    return [strip_times(v) for v in value] if isinstance(value, list) else value
