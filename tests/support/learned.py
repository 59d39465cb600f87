"""A serving model of bright discs, and more months of them, without Ray and without an archive."""

import os
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from glacier import learn, lock_file, seals, store
from glacier.config import Config
from glacier.evaluation.results import SweepResult, TrialResult
from glacier.registry.cells import Cell
from glacier.samples.coding import REFLECTANCE
from glacier.samples.folds import FoldMasks, make_splits
from glacier.samples.month_images import MonthImage, read_images
from glacier.samples.rows import write_rows
from glacier.samples.sample_set import SampleMonth, read_set, write_set
from glacier.training import candidate, continued
from glacier.training.fit import run_trial
from glacier.training.frozen import FrozenFold, compare_fold
from glacier.training.saved import place_sweep, settings_digest
from glacier.training.sweep_plan import SweepPlan
from tests.support.discs import TINY, make_images, make_samples
from tests.support.versions import list_cells

SEEN = 8
"""Months that the serving model has."""


def disc_config(folder: Path, **learning: object) -> Config:
    """A run on discs that learns so."""
    return Config.model_validate(
        {
            "name": "discs",
            "storage": str(folder / "data"),
            "results": str(folder / "results"),
            "regions": [{"name": "a"}],
            "ingest": {"source": "folder"},
            "prepare": {
                "layout": "resize", "size_px": 32, "blocks": (4, 4), "label": {"kind": "ndsi"},
            },
            "sweep": {
                "encoders": [TINY], "epochs": 6, "steps_per_epoch": 3, "batch_size": 4,
                "learning_rate": 3e-3, "batch_norm_momentum": 0.3,
                "folds": {"kind": "shuffled", "count": 2, "validation_share": 0.3},
            },
            "learn": learning,
        }
    )  # fmt: skip


def write_discs(config: Config, count: int, seed: int = 0) -> str:
    """Write the samples of so many months; returns their address."""
    folder = store.join(config.storage, "samples", f"discs-{count:04d}{seed:04d}")
    months = [write_month(folder, image) for image in make_images(seed)[:count]]
    samples = make_samples(blocks=(4, 4), coding=(REFLECTANCE,) * 3)
    write_set(folder, samples.model_copy(update={"months": tuple(months)}))
    return folder


def write_month(folder: str, image: MonthImage) -> SampleMonth:
    """The samples of one month: one window."""
    row = {
        "sample_id": "0_0", "region": image.region, "month": image.month, "row_px": 0, "col_px": 0,
        "status": "ok", "image": image.numbers.tobytes(), "label": image.label.tobytes(),
        "surface": image.classes.tobytes(),
    }  # fmt: skip
    month = SampleMonth(region=image.region, month=image.month, status="ok", rows=1)
    return write_rows(folder, [row], month)


def run_plan(plan: SweepPlan, *_: object) -> int:
    """A sweep in this process."""
    images = read_images(plan.places.samples, plan.samples)
    trials: list[TrialResult] = [
        run_trial(plan.trial(*key), images, lambda _: None) for key in plan.keys
    ]
    result = SweepResult(
        config=plan.config,
        config_sha256=settings_digest(plan.config),
        samples=plan.places.samples.rpartition("/")[2],
        models=plan.places.models.rpartition("/")[2],
        splits=tuple(plan.splits),
        trials=tuple(trials),
    )
    seals.write_whole(plan.places.result, result, {})
    return 0


def train_serving(config: Config) -> str:
    """Train what serves first; returns the address of its sweep."""
    folder = write_discs(config, SEEN)
    samples = read_set(folder)
    splits, _ = make_splits(samples.images, config.sweep.folds, samples.blocks, config.seed)
    masks = FoldMasks("shuffled", samples.blocks)
    plan = SweepPlan(config, place_sweep(config, folder), samples, splits, masks)
    run_plan(plan)
    return plan.places.sweep


def compare_here(folds: Sequence[FrozenFold]) -> list[Cell]:
    """What :func:`candidate.compare_models` does, in this process."""
    return [cell for fold in folds for cell in compare_fold(fold)]


def stay_here(
    monkeypatch: pytest.MonkeyPatch, samples: str, cells: Sequence[Cell] | None = None
) -> None:
    """Learn without Ray and without an archive.

    Args:
        monkeypatch: Undoes it.
        samples: Address of the samples that are found.
        cells: What both models are said to answer; None: what they do.
    """

    def nothing(*_: Any, **__: Any) -> Any:
        return {}

    monkeypatch.setattr(continued, "read_outcomes", nothing)
    monkeypatch.setattr(continued, "find_grids", nothing)
    monkeypatch.setattr(continued, "samples_folder", lambda *_: samples)
    monkeypatch.setattr(candidate, "complete_sweep", run_plan)
    compare = compare_here if cells is None else lambda _: list(cells)
    monkeypatch.setattr(learn, "compare_models", compare)
    monkeypatch.setattr(learn, "connect", lambda *_: nullcontext())


def learn_until(folder: Path, moment: int, told: Path) -> None:
    """Learn in a process that is killed at its so manieth step of writing.

    Args:
        folder: With a registry that has its first version.
        moment: The step; 0: none.
        told: File that the number of steps is written to where it comes to its end.
    """
    steps = 0

    def reach(*_: str) -> None:
        nonlocal steps
        steps += 1
        if steps == moment:
            os._exit(9)  # as a kill: nothing is tidied up

    with pytest.MonkeyPatch.context() as patch:
        for module in (store, seals, lock_file):
            patch.setattr(module, "reach", reach)
        (samples,) = (folder / "data/samples").glob("discs-0012*")
        stay_here(patch, str(samples), list(list_cells()))
        learn.run_learn(disc_config(folder, **EASY))
    told.write_text(str(steps))


EASY = {"gate": {"widest": 1.0, "tolerance": 0.1}, "epochs": 1}
"""Settings by which a candidate passes."""
