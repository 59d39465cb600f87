"""A quick measurement of this machine: every part of a run once, on four of its months, aside.

All that is measured is what a run does, called as it calls it; nothing goes into its storage.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stdout
from io import StringIO
from typing import NamedTuple

from glacier.config import Config
from glacier.errors import ConfigError
from glacier.memory_use import measure_own_mb, measure_tree_mb
from glacier.planning.speeds import Speeds, TrialSpeed, key_of
from glacier.processor import find_cores
from glacier.scratch import open_scratch
from glacier.sources.factory import open_source

MONTHS = 4
"""Months that are made: what trains, chooses and is tested, and one more."""

TRIES = 8
"""Months that are tried for as many that can be seen."""

LIGHT_MONTHS = (7, 8, 6, 9, 5, 4, 3, 10)
"""Months of the year, the likeliest to be seen in the north first."""

MOST_PROCESSES = 8
"""Processes side by side, at most; where more trials fit, they are no slower for it."""


class Part(NamedTuple):
    """What one of the processes has measured."""

    task_start_s: float
    task_mb: float
    gpus: int
    import_s: float
    import_mb: float
    pixels: int
    ingest_s: float
    prepare_s: float
    map_s: float
    load_s: float
    map_mb: float
    model_mb: float
    baselines_s: float
    score_s: float
    trials: tuple[TrialSpeed, ...]


ONCE = ("task_start_s", "import_s")
"""What a process does at its start: of several that started together, the one that waited least."""

OFTEN = (
    "task_mb", "import_mb", "prepare_s", "map_s", "load_s", "map_mb", "model_mb", "baselines_s",
    "score_s",
)  # fmt: skip
"""What it does again and again, of which the mean counts."""


LOST = (
    "plan: a process that measured ended without a word, as the system does where memory runs "
    "out; lower sweep.batch_size or prepare.size_px, or raise sweep.cpus_per_trial, so that fewer "
    "trials run side by side"
)


def measure_machine(config: Config) -> Speeds:
    """Measure this machine for a run; a minute or so on two cores.

    Raises:
        ConfigError: Nothing of the run can be made here.
        GlacierError: A part of it cannot be done.
    """
    cores = max(1, config.cluster.cpus or int(find_cores()))
    ray_s, ray_mb = measure_ray(config)
    count = min(MOST_PROCESSES, max(1, cores // config.sweep.cpus_per_trial))
    if config.sweep.gpu_share:
        count = 1  # a GPU's memory would not be shared as a run shares it
    began = time.time()
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(count, mp_context=context) as pool:
            parts = [pool.submit(measure_part, stand_in(config), began) for _ in range(count)]
            found = [part.result() for part in parts]
    except BrokenProcessPool as error:
        raise ConfigError(LOST) from error
    once = {name: min(getattr(part, name) for part in found) for name in ONCE}
    middle = {name: statistics.mean(getattr(part, name) for part in found) for name in OFTEN}
    return Speeds(
        key=key_of(config),
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
        cores=cores,
        ray_s=ray_s,
        ray_mb=ray_mb,
        pixels=found[0].pixels,
        gpus=found[0].gpus,
        ingest_s=None if asks_network(config) else statistics.mean(part.ingest_s for part in found),
        trials=tuple(map(mean_trial, zip(*(part.trials for part in found), strict=True))),
        **once,
        **middle,
    )


def asks_network(config: Config) -> bool:
    """Whether the months of a run come over a network."""
    return bool(open_source(config).addresses())


def stand_in(config: Config) -> Config:
    """The run, with synthetic scenes in place of those that a network would have to bring."""
    if not asks_network(config):
        return config
    values = config.model_dump(mode="json", exclude={"ingest"})
    return Config.model_validate(values | {"ingest": {"source": "synthetic"}})


def mean_trial(speeds: Sequence[TrialSpeed]) -> TrialSpeed:
    """The mean of what several processes have measured of one encoder."""
    names = ("step_s", "glance_s", "test_s", "trial_s", "memory_mb")
    values = {name: statistics.mean(getattr(one, name) for one in speeds) for name in names}
    return TrialSpeed(encoder=speeds[0].encoder, **values)


def measure_ray(config: Config) -> tuple[float, float]:
    """Seconds until a private Ray answers, and the memory that it and this process hold."""
    from glacier.cluster import connect, count_cpus  # late: it takes a second

    began = time.monotonic()
    with (
        redirect_stdout(StringIO()),
        connect(config.cluster.model_copy(update={"address": "local"})),
    ):
        count_cpus()
        return time.monotonic() - began, measure_tree_mb() or 0.0


def measure_part(config: Config, began: float) -> Part:
    """Everything once, in this process, with its files aside; others do the same meanwhile.

    Args:
        config: The run.
        began: When the process was asked for, seconds since 1970.
    """
    with open_scratch() as folder, redirect_stdout(StringIO()):
        places = {"storage": str(folder / "data"), "results": str(folder / "results")}
        return measure_run(config.model_copy(update=places), began)


def measure_run(config: Config, began: float) -> Part:
    """The same, in the storage of the configuration."""
    from glacier.planning.months import make_months

    months = make_months(config, MONTHS, TRIES, LIGHT_MONTHS)
    task_start_s, task_mb = max(0.0, months.first_at - began - months.ingest_s), measure_own_mb()
    imported = time.monotonic()
    from glacier.planning.trials import measure_baselines, measure_map, measure_trial
    from glacier.training.gpus import find_gpus

    import_s, import_mb = time.monotonic() - imported, measure_own_mb()
    trials = tuple(measure_trial(config, months, each) for each in config.sweep.encoders)
    maps = measure_map(config, months)
    baselines_s, score_s = measure_baselines(config, months)
    return Part(
        task_start_s, task_mb, len(find_gpus()), import_s, import_mb, months.pixels,
        months.ingest_s, months.prepare_s, maps.seconds, maps.load_s, maps.worker_mb,
        maps.model_mb, baselines_s, score_s, trials,
    )  # fmt: skip
