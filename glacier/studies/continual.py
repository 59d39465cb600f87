"""The benchmark of strategies that learn task after task, from nothing to its page.

The trials' folders are the state: a trial with an outcome is never run again. ``continual.json`` is
written last and carries the checksum of what it was made from.
"""

from __future__ import annotations

import numpy as np

from glacier import seals, store
from glacier.archive.ingest import run_ingest
from glacier.cluster import connect
from glacier.config import Config
from glacier.continual.trial import StreamPlan, explain_no_stream, plan_stream
from glacier.continual.tuning import StreamResults, find_all, run_trials
from glacier.errors import ConfigError
from glacier.locks import hold, remove_dead
from glacier.machine import Room
from glacier.plots.figures import Picture
from glacier.plots.matrices import draw_matrices
from glacier.progress import say
from glacier.reports.tables import encode_csv
from glacier.samples.prepare import run_prepare
from glacier.studies.continual_page import write_stream_page
from glacier.studies.continual_summary import (
    SCHEMA,
    ContinualSummary,
    StreamStamp,
    encode_rows,
    encode_trials,
    hash_trials,
    summarise_stream,
)

SUMMARY = "continual.json"
"""Name of the summary, which vouches for the other files of the benchmark."""


def run_continual(config: Config) -> int:
    """Run the benchmark and write its page; returns how many trials failed past the allowed number.

    Raises:
        ConfigError: The configuration has no stream, or no node has room for a trial.
        SweepError: Every trial that was to choose a learning rate failed.
    """
    if reason := explain_no_stream(config):
        raise ConfigError(reason)
    with connect(config.cluster, Room(config.continual.cpus_per_trial, 0.0), config.storage):
        failed = sum(stage(config) for stage in (run_ingest, run_prepare))
        plan = plan_stream(config)
        results = find_all(plan, owned=False)
        if results is None:
            with hold(config, plan.folder):
                results = find_all(plan, owned=True) or run_trials(plan)
    write_results(plan, results)
    remove_dead(config, plan.folder)
    return failed + max(0, len(results.lost) - config.continual.max_failed)


def write_results(plan: StreamPlan, results: StreamResults) -> None:
    """Write page, picture and tables, and the summary last, unless they are there."""
    folder = store.results_folder(plan.config)
    address, sha256 = store.join(folder, SUMMARY), hash_trials(results)
    if not is_written(address, sha256, owned=False):
        with hold(plan.config, folder):
            if not is_written(address, sha256, owned=True):
                write_stream(address, plan, results)
    say(f"continual: {store.join(folder, 'README.md')}")


def is_written(address: str, trials_sha256: str, owned: bool) -> bool:
    """Whether a summary, with its files whole, is of the very trials.

    Args:
        address: Of the summary.
        trials_sha256: Of the trials.
        owned: This run alone works there, so damaged files are said and set aside.
    """
    found = seals.read_whole(address, StreamStamp, owned) or StreamStamp()
    return (found.format, found.trials_sha256) == (SCHEMA, trials_sha256)


def write_stream(address: str, plan: StreamPlan, results: StreamResults) -> None:
    """Write all files of the benchmark."""
    summary = summarise_stream(plan, results)
    picture = draw_strategies(summary)
    contents = {
        "strategies.csv": encode_csv(encode_rows(summary)),
        "trials.csv": encode_csv(encode_trials(results)),
        "matrices.png": picture.png,
        "README.md": write_stream_page(summary, picture.alt).encode(),
    }
    seals.write_whole(address, summary, contents)
    for sentence in (summary.verdict, summary.replay, summary.forgets):
        say(f"continual: {sentence}")


def draw_strategies(summary: ContinualSummary) -> Picture:
    """The matrices of all strategies, by the place at which a task is learned."""
    places = [f"task {at + 1}" if at == 0 else str(at + 1) for at in range(len(summary.tasks))]
    return draw_matrices({row.scores.method: np.array(row.matrix) for row in summary.rows}, places)
