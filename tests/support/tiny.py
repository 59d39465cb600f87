"""The smallest run that goes through every stage: six months of a coarse Mendenhall."""

from pathlib import Path

import yaml

from glacier.archive.ingest import ingest_month
from glacier.archive.records import list_months
from glacier.config import Config
from glacier.flags import overlay
from glacier.samples.month import MonthTask
from glacier.sources.factory import open_source

ENCODER = "tu-test_efficientnet"
"""A timm network of 0.4 million weights that exists for tests like these."""

VALUES = {
    "name": "tiny",
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
        "encoders": [ENCODER],
        "folds": {"kind": "shuffled", "count": 2},
        "epochs": 2,
        "batch_size": 2,
        "learning_rate": 1e-3,
    },
}


def tiny_values(folder: Path, **changes: object) -> dict:
    """The tiny configuration with its storage below a folder."""
    places = {"storage": str(folder / "data"), "results": str(folder / "results")}
    return overlay(VALUES | places, changes)


def tiny_config(folder: Path, **changes: object) -> Config:
    """The same, checked."""
    return Config.model_validate(tiny_values(folder, **changes))


def write_tiny(folder: Path, **changes: object) -> Path:
    """The same, as a file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny_values(folder, **changes)))
    return path


def make_task(config: Config, month: str = "2014-07") -> MonthTask:
    """What a worker is to do with a month, which is put into the archive."""
    (target,) = [t for t in list_months(config, open_source(config)) if t.name == month]
    folder = str(Path(config.storage) / "samples" / "x")
    return MonthTask(ingest_month(config, target), target.folder, folder, config.prepare)
