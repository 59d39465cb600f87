"""Every stage from scenes to maps in one driver and one Ray."""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING

from glacier.archive.ingest import run_ingest
from glacier.cluster import check_room, connect
from glacier.config import Config
from glacier.errors import ConfigError, DamagedError
from glacier.machine import Room
from glacier.progress import duration, enter_stage, say
from glacier.samples.prepare import run_prepare
from glacier.training.saved import is_swept
from glacier.training.sweep import run_sweep
from glacier.training.tuning import Networks, await_weights

if TYPE_CHECKING:
    from glacier.command import Stage

STAGES: tuple[Stage, ...] = (run_ingest, run_prepare, run_sweep)
"""What comes before a report and before maps, in order."""


def run_pipeline(config: Config) -> int:
    """Run every stage; each skips what is complete for its hash.

    Returns:
        How many units failed past the allowed numbers. Failed months or trials do not keep the
        later stages from using the rest.

    Raises:
        ConfigError: No trial could run: said before the first stage.
    """
    began = time.monotonic()
    failed = 0
    with ExitStack() as stack:
        with enter_stage("start"):
            stack.enter_context(connect(config.cluster, storage=config.storage))
            check_trials(config)
        for stage in STAGES:
            started = time.monotonic()
            with enter_stage(name_stage(stage)):
                failed += run_stage(config, stage)
            say(f"pipeline: {name_stage(stage)} took {duration(time.monotonic() - started)}")
        from glacier.reports.report import run_report  # late: seconds that no refusal needs

        wall_s = time.monotonic() - began
        with enter_stage("report"):
            failed += run_stage(config, partial(run_report, wall_s=wall_s))
        failed += run_stage(config, map_months)
    say(f"pipeline: done in {duration(time.monotonic() - began)}")
    return failed


def map_months(config: Config) -> int:
    """Map every month and write the series; returns how many units failed as above."""
    from glacier.mapping.predict import run_predict
    from glacier.reports.series import run_series  # late, as above

    started = time.monotonic()
    with enter_stage("predict"):
        failed = run_predict(config)
    with enter_stage("series"):
        failed += run_series(config)
    say(f"pipeline: maps took {duration(time.monotonic() - started)}")
    return failed


def run_stage(config: Config, stage: Stage) -> int:
    """Run a stage; returns how many of its units failed past the allowed number.

    It makes its own damaged files again by itself. Where it meets damage that an earlier stage has
    to mend, those run first: what is whole is not touched.
    """
    try:
        return stage(config)
    except DamagedError as error:
        return go_back(config, stage, error)


def go_back(config: Config, stage: Stage, error: DamagedError) -> int:
    """Run all stages before one, then the stage; returns how many of its units failed.

    Raises:
        DamagedError: There is none before it.
    """
    before = list(takewhile(lambda each: each != stage, STAGES))
    if config.predict.borrows and stage not in STAGES:
        before = [run_ingest]  # the models are another run's
    if not before:
        raise error
    say(f"{name_stage(stage)}: {getattr(error, 'cause', error)}")
    say(f"{name_stage(stage)}: goes back to what comes before it")
    with connect(config.cluster, storage=config.storage):
        for each in before:
            each(config)  # whose failed units do not keep the later stages from using the rest
        return stage(config)


def name_stage(stage: Stage) -> str:
    """A stage as commands and messages name it."""
    return getattr(stage, "__name__", "report").removeprefix("run_")


def run_variants(config: Config, stage: Stage) -> int:
    """Run a stage that trains the variants of a configuration, once each of them could be.

    Raises:
        ConfigError: The trials of a variant could not run.
    """
    if not config.variants:
        return stage(config)  # which says so
    with connect(config.cluster, storage=config.storage):
        for name, run in config.runs().items():
            try:
                check_trials(run)
            except ConfigError as error:
                raise ConfigError(f"variants.{name}: {error}") from error
        return stage(config)


def check_trials(config: Config) -> None:
    """Refuse a run none of whose missing trials could run on the connected Ray.

    Raises:
        ConfigError: No node has room for a trial, or an encoder or its weights cannot be had.
    """
    if not is_swept(config):
        check_room(Room.of(config))
        await_weights(Networks.of(config))
