"""Ingest, prepare, sweep and report in one driver and one Ray."""

from __future__ import annotations

import time

from glacier.archive.ingest import run_ingest
from glacier.cluster import connect
from glacier.config import Config
from glacier.progress import duration, say
from glacier.reports.report import run_report
from glacier.samples.prepare import run_prepare
from glacier.training.sweep import run_sweep


def run_pipeline(config: Config) -> int:
    """Run every stage; each skips what is complete for its hash.

    Returns:
        How many units failed past the allowed numbers. Failed months or trials do not keep the
        later stages from using the rest.
    """
    began = time.monotonic()
    failed = 0
    with connect(config.cluster):
        for stage in (run_ingest, run_prepare, run_sweep):
            started = time.monotonic()
            failed += stage(config)
            name = stage.__name__.removeprefix("run_")
            say(f"pipeline: {name} took {duration(time.monotonic() - started)}")
        failed += run_report(config, time.monotonic() - began)
    say(f"pipeline: done in {duration(time.monotonic() - began)}")
    return failed
