"""From counts of work and speeds of a machine to seconds, memory and cost. Nothing is measured."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

from glacier.job_log import StagePlan
from glacier.planning.speeds import Speeds, TrialSpeed
from glacier.settings.model import Model

TUNE_S = 6.0
"""What Ray Tune needs beside its trials: its start, its last look, its folder.

Source: stages of ``demo.yaml`` on two cores."""

REPORT_IMPORTS = 0.5
"""A report takes so many times as long as PyTorch's import: it imports and draws, on one core.

Source: as above."""

SERIES_MAPS = 1.0
"""Of the time that an image's map takes, what its outlines, area and pictures do on one core.

Source: as above."""

PAGE_IMPORTS = 1.0
"""A series' tables and page, as REPORT_IMPORTS."""


@dataclass(frozen=True)
class Work:
    """How much a run has to do."""

    months: int
    """To be made."""
    unprepared: int
    """Months to be made samples of; 0: they are complete."""
    trials_due: bool
    maps_due: bool
    """The report, the maps and the series are to be made."""
    images: int
    """Months that may have an image."""
    pixels: float
    """Of an image, on average."""
    encoders: tuple[str, ...]
    folds: int
    epochs: int
    steps: int
    """Of an epoch."""
    glanced: float
    """Images, or parts of them, that choose an epoch."""
    tested: float
    """The same that are tested in a fold."""
    models_a_map: float
    """Models that look at each image's ground."""
    cpus_per_trial: int
    gpu_share: float
    """GPUs that a trial is given; 0: it trains on cores."""
    cpus_per_map: int
    nodes: int = 1

    @property
    def trials(self) -> int:
        """Models that are trained."""
        return len(self.encoders) * self.folds


class RunPrediction(Model):
    """What a run is predicted to take."""

    stages: tuple[StagePlan, ...]
    seconds: float | None
    """Of all stages; None: of one it is not known."""
    memory_mb: float
    """Most that one machine holds at once."""
    cost: float | None
    """None: no price is given, or no time known."""


def predict_run(work: Work, speeds: Speeds, price_per_node_hour: float | None) -> RunPrediction:
    """What a run takes, stage by stage."""
    stages = (
        StagePlan(
            stage="start", seconds=start_s(work, speeds), memory_mb=speeds.ray_mb + speeds.import_mb
        ),
        StagePlan(stage="ingest", seconds=ingest_s(work, speeds), memory_mb=tasks_mb(speeds)),
        StagePlan(
            stage="prepare",
            seconds=tasks_s(work.unprepared, speeds.prepare_s, work, speeds),
            memory_mb=tasks_mb(speeds),
        ),
        StagePlan(stage="sweep", seconds=sweep_s(work, speeds), memory_mb=sweep_mb(work, speeds)),
        StagePlan(stage="report", seconds=work.maps_due * REPORT_IMPORTS * speeds.import_s),
        StagePlan(
            stage="predict", seconds=predict_s(work, speeds), memory_mb=predict_mb(work, speeds)
        ),
        StagePlan(
            stage="series", seconds=series_s(work, speeds), memory_mb=series_mb(work, speeds)
        ),
    )
    known = [stage.seconds for stage in stages if stage.seconds is not None]
    seconds = sum(known) if len(known) == len(stages) else None
    cost = None
    if price_per_node_hour is not None and seconds is not None:
        cost = work.nodes * price_per_node_hour * seconds / 3600
    peaks = [stage.memory_mb for stage in stages if stage.memory_mb is not None]
    return RunPrediction(stages=stages, seconds=seconds, memory_mb=max(peaks), cost=cost)


def start_s(work: Work, speeds: Speeds) -> float:
    """Ray, and a look at the networks where any is to be trained."""
    return speeds.ray_s + work.trials_due * speeds.import_s


def ingest_s(work: Work, speeds: Speeds) -> float | None:
    """Months made on all cores; None where a network would be asked."""
    if not work.months:
        return 0.0
    if speeds.ingest_s is None:
        return None
    return tasks_s(work.months, speeds.ingest_s, work, speeds)


def tasks_s(months: int, month_s: float, work: Work, speeds: Speeds) -> float:
    """So many months on all cores, each of which starts a process first."""
    if not months:
        return 0.0
    rounds = math.ceil(months / (work.nodes * speeds.cores))
    return speeds.task_start_s + rounds * month_s * work.pixels / speeds.pixels


def sweep_s(work: Work, speeds: Speeds) -> float:
    """All trials on the places that there are, then the scores of simple methods and the mean."""
    if not work.trials_due:
        return 0.0
    places = work.nodes * count_places(work, speeds)
    taken = [trial_s(work, speed) for speed in speeds.trials for _ in range(work.folds)]
    cores = work.nodes * speeds.cores
    more = max(0.0, work.tested - 1)
    simple_s = work.folds * (speeds.baselines_s + more * speeds.score_s)
    mean_s = work.folds * work.tested * speeds.score_s if len(work.encoders) > 1 else 0.0
    queued_s = queue_s(taken, places)
    return TUNE_S + speeds.import_s + queued_s + simple_s / cores + mean_s / min(cores, work.folds)


def count_places(work: Work, speeds: Speeds) -> int:
    """Trials side by side on one machine; those that share a GPU count as one after the other."""
    places = speeds.cores // work.cpus_per_trial
    if work.gpu_share:
        places = min(places, int(speeds.gpus / max(1.0, work.gpu_share)))
    return max(1, min(work.trials, places))


def trial_s(work: Work, speed: TrialSpeed) -> float:
    """A trial: its epochs, its test, and what it needs besides."""
    epoch_s = work.steps * speed.step_s + work.glanced * speed.glance_s
    return speed.trial_s + work.epochs * epoch_s + max(0.0, work.tested - 1) * speed.test_s


def queue_s(taken: Sequence[float], places: int) -> float:
    """When the last of some tasks ends that begin in order, each where a place is free first."""
    free = [0.0] * max(1, min(places, len(taken)))
    heapq.heapify(free)
    for seconds in taken:
        heapq.heappush(free, heapq.heappop(free) + seconds)
    return max(free)


def predict_s(work: Work, speeds: Speeds) -> float:
    """All images mapped, by workers that each import PyTorch and load their models."""
    if not work.maps_due or not work.images:
        return 0.0
    workers = work.nodes * count_mappers(work, speeds)
    image_s = work.models_a_map * speeds.map_s * work.pixels / speeds.pixels
    load_s = count_models(work) * speeds.load_s
    return speeds.import_s + load_s + math.ceil(work.images / workers) * image_s


def count_models(work: Work) -> float:
    """Models that each process that maps comes to load: those of all folds."""
    return work.folds * work.models_a_map


def count_mappers(work: Work, speeds: Speeds) -> int:
    """Processes that map side by side on one machine."""
    return max(1, min(work.images, speeds.cores // work.cpus_per_map))


def series_s(work: Work, speeds: Speeds) -> float:
    """Outlines and area of all images, then tables and page."""
    if not work.maps_due or not work.images:
        return 0.0
    image_s = SERIES_MAPS * speeds.map_s * work.pixels / speeds.pixels
    rounds = math.ceil(work.images / (work.nodes * speeds.cores))
    return PAGE_IMPORTS * speeds.import_s + rounds * image_s


def tasks_mb(speeds: Speeds) -> float:
    """Memory of a machine while all of its cores make months; who looked at the networks waits."""
    return speeds.ray_mb + speeds.import_mb + speeds.cores * speeds.task_mb


def sweep_mb(work: Work, speeds: Speeds) -> float:
    """Memory of a machine while trials run, in processes of their own: Ray ends idle ones."""
    if not work.trials_due:
        return speeds.ray_mb
    largest = max(speed.memory_mb for speed in speeds.trials)
    return speeds.ray_mb + count_places(work, speeds) * largest


def predict_mb(work: Work, speeds: Speeds) -> float:
    """Memory of a machine while images are mapped: each process loads the models of all folds."""
    if not work.maps_due or not work.images:
        return speeds.ray_mb
    worker_mb = speeds.map_mb + (count_models(work) - 1) * speeds.model_mb
    return speeds.ray_mb + count_mappers(work, speeds) * worker_mb


def series_mb(work: Work, speeds: Speeds) -> float:
    """Memory of a machine at a series' begin, while Ray still keeps the processes that mapped."""
    return predict_mb(work, speeds) + speeds.cores * speeds.task_mb
