"""Masks of any method on the frozen real places: ``glacier places score``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glacier import seals, store
from glacier.archive.contents import read_outcomes
from glacier.command import run_command
from glacier.config import Config
from glacier.errors import ConfigError, RasterError, StoreError
from glacier.evaluation.places import ImageFind, PlaceTable, Score, judge_image, make_table
from glacier.labels import IGNORE
from glacier.progress import say
from glacier.reports.tables import encode_csv
from glacier.samples.given_masks import read_given_mask
from glacier.samples.month_images import MonthImage, read_image
from glacier.samples.sample_set import Frame, SampleMonth, read_set, samples_folder
from glacier.settings.values import BARE

ABOUT = """Score masks of any method on real places, each with its own ground truth.

    glacier places score FOLDER               on the places that ship, places.yaml
    glacier places score FOLDER mine.yaml     on those of another configuration

FOLDER holds a GeoTIFF for every image, <region>/<YYYY-MM>.tif or <region>_<YYYY-MM>.tif: 1 glacier,
0 not, 255 unknown, or a probability of 0 to 1; the maps of glacier predict are such. Any grid that
covers the image will do. What it leaves unknown counts as not glacier. Run glacier ingest and
glacier prepare first: the images to map are then in <storage>/archive.

Writes scores.csv and scores.json into <results>/<name>/scores/<folder's name>."""

SHIPPED = "places.yaml"
"""The configuration that is meant where none is named."""

NAMES = (
    "{region}/{month}.tif", "{region}_{month}.tif", "{region}/{month}.class.tif",
    "{region}/{month}.probability.tif",
)  # fmt: skip
"""How the file of an image may be called, the first that is there."""

MIN_COVERED = 0.99
"""Share of the labelled ground of an image that a mask has to cover."""

COLUMNS = {
    "IoU": "iou", "Dice": "dice", "precision": "precision", "recall": "recall",
    "debris": "debris_recall", "outline m": "boundary_mean_m", "area %": "area_error_percent",
    "claimed %": "claimed_percent",
}  # fmt: skip
"""Columns of the printed table to fields of a score."""


def run_places(argv: Sequence[str]) -> int:
    """Answer the arguments of the verb; returns its exit code."""
    if argv[:1] != ["score"] or len(argv) < 2 or argv[1].startswith("-"):
        asked = bool(argv) and argv[-1] in ("--help", "-h")
        print(ABOUT, file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    folder, rest = argv[1], list(argv[2:])
    if not rest or rest[0].startswith("-"):
        rest = [SHIPPED, *rest]
    return run_command(rest, ABOUT, partial(score_places, folder=folder), sections=("storage",))


def score_places(config: Config, folder: str) -> int:
    """Score the masks of a folder, print the table and write it; returns 0.

    Raises:
        ConfigError: The ground truth is not there, or masks are missing.
        RasterError: A mask cannot be used.
    """
    table = make_scores(config, Path(store.absolute(folder)))
    for line in describe_table(table):
        say(line)
    place = store.join(store.absolute(config.results), config.name, "scores", table.method)
    rows = [score.model_dump() for score in (*table.places, *table.images)]
    seals.write_whole(store.join(place, "scores.json"), table, {"scores.csv": encode_csv(rows)})
    say(f"places: scores.csv and scores.json in {place}")
    return 0


def make_scores(config: Config, folder: Path) -> PlaceTable:
    """Scores of the masks in a folder, image by image.

    Raises:
        ConfigError: The ground truth is not there, or masks are missing.
        RasterError: A mask cannot be used.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; give the one that holds the masks")
    ground = find_ground(config)
    samples = read_set(ground)
    files = find_masks(folder, samples.usable)
    finds: list[ImageFind] = []
    for month, path in zip(samples.usable, files, strict=True):
        image, frame = read_image(ground, samples, month), samples.regions[month.region]
        found = match_mask(path, image, frame)
        finds.append(judge_image(image, found, samples))
    method = folder.name if BARE.fullmatch(folder.name) else "masks"
    return make_table(method, ground.rpartition("/")[2], finds)


def find_ground(config: Config) -> str:
    """Address of the samples that hold the ground truth.

    Raises:
        ConfigError: They have not been made.
    """
    try:
        ground = samples_folder(config, read_outcomes(config))
        read_set(ground)
    except StoreError as error:
        raise ConfigError(
            f"the ground truth of {config.name} is not in {config.storage}: run glacier ingest and "
            f"glacier prepare with the same configuration first ({error})"
        ) from error
    return ground


def find_masks(folder: Path, months: Sequence[SampleMonth]) -> list[Path]:
    """The mask of each image.

    Raises:
        ConfigError: Some are missing, with their names.
    """
    found: list[Path] = []
    missing: list[str] = []
    for month in months:
        words = {"region": month.region, "month": f"{month.month:%Y-%m}"}
        there = [path for name in NAMES if (path := folder / name.format(**words)).is_file()]
        found += there[:1]
        if not there:
            missing.append(NAMES[0].format(**words))
    if missing:
        raise ConfigError(
            f"{len(missing)} of {len(months)} masks are missing in {folder}: {', '.join(missing)}; "
            "add them, since places are compared on all images alone"
        )
    return found


def match_mask(path: Path, image: MonthImage, frame: Frame) -> NDArray[np.bool_]:
    """A mask on the pixels of an image: (H, W) bool.

    Raises:
        RasterError: It cannot be used, or covers too little of the image.
    """
    given, known = read_given_mask(path, frame.grid), image.label != IGNORE
    covered = float(given.covered[known].mean()) if known.any() else 1.0
    if covered < MIN_COVERED:
        raise RasterError(
            f"{path} covers {100 * covered:.0f} % of the labelled ground of {image.key}, wanted "
            f"{100 * MIN_COVERED:.0f} % or more: map all of {frame.grid}"
        )
    return given.glacier


def describe_table(table: PlaceTable) -> list[str]:
    """The scores of places as lines, the worst first."""
    wide = max(len(score.region) for score in table.places)
    lines = [f"{'':<{wide}}" + "".join(f"{name:>11}" for name in COLUMNS)]
    lines += [f"{s.region:<{wide}}" + "".join(show_cells(s)) for s in table.places]
    if table.iou_mean is not None:
        lines.append(f"places: {table.method}: mean IoU over places {table.iou_mean:.3f}")
    return lines


def show_cells(score: Score) -> list[str]:
    """Cells of a printed row."""
    values = [getattr(score, field) for field in COLUMNS.values()]
    digits = [1 if name.endswith(("%", " m")) else 3 for name in COLUMNS]
    return [
        f"{'-' if value is None else format(value, f'.{few}f'):>11}"
        for value, few in zip(values, digits, strict=True)
    ]
