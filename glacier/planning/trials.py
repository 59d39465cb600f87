"""A trial, a map and the simple methods, once each on a few images, and how long they take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from glacier import store
from glacier.config import Config
from glacier.evaluation.calibration import Calibration
from glacier.evaluation.results import Epoch
from glacier.mapping.assignment import ModelName
from glacier.mapping.assignment import Part as Ground
from glacier.mapping.map_plan import MapTask, begin_record
from glacier.mapping.map_worker import MapWorker
from glacier.memory_use import measure_own_mb
from glacier.planning.months import MadeMonths
from glacier.planning.speeds import TrialSpeed
from glacier.samples.folds import FoldMasks, Split, make_splits
from glacier.settings.sweep import Sweep
from glacier.training.baselines import list_baselines, score_baseline
from glacier.training.fit import evaluate_test_split, make_learner, run_trial
from glacier.training.inference import Viewer
from glacier.training.trial import Trial

STEPS = 2
"""Of an epoch."""

EPOCHS, FEW_EPOCHS = 6, 3
"""Of a trial, and of one whose steps take long; the first pays for all first times."""

LARGE_PIXELS = 100_000
"""Of a batch whose steps take long."""


class MapSpeed(NamedTuple):
    """A map of one image by one model."""

    seconds: float
    load_s: float
    """Of the model, before."""
    worker_mb: float
    """What the process holds for itself."""
    model_mb: float
    """What it holds more for another model."""


def measure_trial(config: Config, months: MadeMonths, encoder: str) -> TrialSpeed:
    """Train an encoder for some short epochs, and test it, as a trial of the run does."""
    trial, rows, began = make_trial(config, months, encoder), list[Epoch](), time.monotonic()
    run_trial(trial, months.images, rows.append)
    taken_s, epoch_s = time.monotonic() - began, median(row.seconds for row in rows[1:])
    memory_mb, tested = measure_own_mb(), count_tested(trial, months)
    step_s = trial.settings.batch_size / median(row.images_per_s for row in rows[1:])
    glance_s = max(0.0, epoch_s - STEPS * step_s) / count_glanced(trial, months)
    test_s = measure_test(trial, months)
    return TrialSpeed(
        encoder=encoder,
        step_s=step_s,
        glance_s=glance_s,
        test_s=test_s,
        trial_s=max(0.0, taken_s - len(rows) * epoch_s - (tested - 1) * test_s),
        memory_mb=memory_mb,
    )


def measure_test(trial: Trial, months: MadeMonths) -> float:
    """Seconds of the test of one image, or of a fold's part of one, by a network that is ready.

    Not asked where a run has one image: its test is in what a trial needs besides.
    """
    if len(months.images) == 1:
        return 0.0
    learner = make_learner(trial, months.images)
    viewer = Viewer.of(learner.model, learner.inference)
    began = time.monotonic()
    evaluate_test_split(trial, months.images, viewer, Calibration())
    return (time.monotonic() - began) / max(1, count_tested(trial, months))


def count_glanced(trial: Trial, months: MadeMonths) -> int:
    """Images of which something chooses an epoch; 1 where none does."""
    units = trial.selection_units
    return sum(bool(trial.mask(image, units).any()) for image in months.images) or 1


def count_tested(trial: Trial, months: MadeMonths) -> int:
    """Images of which the trial tests something."""
    return sum(bool(trial.mask(image, trial.split.test).any()) for image in months.images)


def make_trial(config: Config, months: MadeMonths, encoder: str) -> Trial:
    """A short trial of a run on the months that were made, random at its beginning."""
    folder = store.absolute(config.storage)
    pixels = config.sweep.batch_size * config.prepare.size_px**2
    epochs = EPOCHS if pixels < LARGE_PIXELS else FEW_EPOCHS
    short = {"encoders": (encoder,), "epochs": epochs, "steps_per_epoch": STEPS,
             "encoder_weights": "none", "warm_up_epochs": 0.0, "patience_epochs": None,
             "calibrate": False, "gpus_per_trial": config.sweep.gpu_share}  # fmt: skip
    settings: Sweep = config.sweep.model_copy(update=short)
    return Trial(
        encoder=encoder,
        split=make_split(config, months),
        settings=settings,
        seed=config.seed,
        samples=months.samples,
        masks=make_masks(config),
        folder=store.join(folder, "trials", encoder),
        model_folder=store.join(folder, "models", encoder, "fold-0"),
        label=config.prepare.label,
    )


def make_masks(config: Config) -> FoldMasks:
    """Which pixels belong to which units: blocks of ground, or else whole images."""
    is_by_block = config.sweep.folds.kind == "by_block"
    return FoldMasks("by_block" if is_by_block else "shuffled", config.prepare.blocks)


def make_split(config: Config, months: MadeMonths) -> Split:
    """The first fold of blocks as the run makes it, or one image each to train, choose and test."""
    keys = [image.key for image in months.images]
    if config.sweep.folds.kind == "by_block":
        images = [(image.region, image.month) for image in months.images]
        splits, _ = make_splits(images, config.sweep.parts, config.prepare.blocks, config.seed)
        return splits[0]
    chooses = config.sweep.protocol == "honest" and config.sweep.folds.validation_share > 0
    first, last = keys[0], keys[-1]
    middle = keys[1 % len(keys)]
    return Split(0, (first,), (middle,) if chooses else (), (last,))


def measure_map(config: Config, months: MadeMonths) -> MapSpeed:
    """Map an image by a model that was trained just now, twice, and by one more."""
    folder = store.absolute(config.storage)
    worker = MapWorker(
        store.join(folder, "maps"), store.join(folder, "models"),
        config.predict.model_copy(update={"gpus_per_worker": 0.0, "resample": False}),
    )  # fmt: skip
    before_mb, seconds = measure_own_mb(), list[float]()
    for at in (0, -1):
        began = time.monotonic()
        worker.map_image(task_of(months, at, config.sweep.encoders[:1]))
        seconds.append(time.monotonic() - began)
    first_s, map_s = seconds
    held_mb = measure_own_mb()
    return MapSpeed(map_s, max(0.0, first_s - map_s), held_mb, max(0.0, held_mb - before_mb))


def task_of(months: MadeMonths, at: int, encoders: Sequence[str]) -> MapTask:
    """The map of a month by the models of some encoders."""
    image, file = months.images[at], months.files[at]
    models = tuple(ModelName(encoder=encoder, fold=0) for encoder in encoders)
    record = begin_record(image.region, f"{image.month:%Y-%m}", store.checksum_file(file))
    part = Ground(rectangles=None, models=models)
    return MapTask(
        record=record.model_copy(update={"month": f"{image.month:%Y-%m}"}),
        image=file,
        parts=(part,),
    )


def measure_baselines(config: Config, months: MadeMonths) -> tuple[float, float]:
    """Seconds of all simple methods in a fold that tests one image, and of one more image."""
    split, masks, seconds = make_split(config, months), make_masks(config), list[float]()
    for method in list_baselines(config):
        began = time.monotonic()
        score_baseline(method, config, months.images, months.samples, masks, split)
        seconds.append(time.monotonic() - began)
    return sum(seconds), min(seconds) * len(seconds)
