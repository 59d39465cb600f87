"""Ingest, prepare, sweep and report in one driver and one Ray."""

from __future__ import annotations

import time
from collections.abc import Callable

from glacier.archive.ingest import run_ingest
from glacier.cluster import check_room, connect
from glacier.config import Config
from glacier.errors import ConfigError
from glacier.machine import Room
from glacier.progress import duration, say
from glacier.samples.prepare import run_prepare
from glacier.training.saved import is_swept
from glacier.training.sweep import run_sweep
from glacier.training.tuning import Networks, await_weights

Stage = Callable[[Config], int]
"""Takes the configuration, returns how many units failed past the allowed number."""


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
    with connect(config.cluster):
        check_trials(config)
        for stage in (run_ingest, run_prepare, run_sweep):
            started = time.monotonic()
            failed += stage(config)
            name = stage.__name__.removeprefix("run_")
            say(f"pipeline: {name} took {duration(time.monotonic() - started)}")
        from glacier.reports.report import run_report  # late: seconds that no refusal needs

        failed += run_report(config, time.monotonic() - began)
    say(f"pipeline: done in {duration(time.monotonic() - began)}")
    return failed


def run_variants(config: Config, stage: Stage) -> int:
    """Run a stage that trains the variants of a configuration, once each of them could be.

    Raises:
        ConfigError: The trials of a variant could not run.
    """
    if not config.variants:
        return stage(config)  # which says so
    with connect(config.cluster):
        for name in config.variants:
            try:
                check_trials(config.variant(name))
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
