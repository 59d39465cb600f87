"""What a run will take, said before it is run: ``glacier plan``."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from functools import partial
from io import StringIO
from pathlib import Path

from glacier import store
from glacier.command import run_command
from glacier.config import Config
from glacier.errors import ConfigError, GlacierError
from glacier.job_log import JobLog
from glacier.planning.laws import RunPrediction, Work, predict_run
from glacier.planning.speeds import Speeds, key_of, read_speeds
from glacier.plans import RunPlan, is_prepared, plan_run, show_gb
from glacier.progress import duration, say
from glacier.reports.summary import summary_address
from glacier.settings.model import Model
from glacier.training.saved import is_swept

ABOUT = """Predict what a pipeline will take, from its configuration and a quick measurement of this
machine: requests, bytes, trials, time, memory, and cost where a price is given.

    glacier plan demo.yaml
    glacier plan demo.yaml --json     the same for a program
    glacier plan demo.yaml --keep speeds.json
                                      keeps the measurement, for --plan.speeds elsewhere

No stage is run, and nothing goes into storage or results. A measurement is kept for pipelines
of this machine, whose log then holds the prediction: glacier status shows both."""

SECTIONS = ("plan.", "name", "storage", "months", "sweep.", "cluster.")
"""Fields that its help shows."""

KEEP = "--keep"


class Prediction(Model):
    """What a run is predicted to do and to take."""

    name: str
    machine: str
    requests: str
    """What the source is asked, in words."""
    months: int
    archive_gb: float
    samples_gb: float
    sweep_gb: float
    trials: int
    run: RunPrediction


def run_plan(argv: Sequence[str]) -> int:
    """Answer the arguments of the verb; returns its exit code."""
    words, keep = list(argv), ""
    if KEEP in words:
        at = words.index(KEEP)
        keep = words[at + 1] if at + 1 < len(words) else ""
        del words[at : at + 2]
    show = partial(show_plan, keep=keep)
    modes = {"--json": partial(show, as_json=True)}
    return run_command(words, ABOUT, partial(show, as_json=False), modes, None, SECTIONS)


def show_plan(config: Config, keep: str, as_json: bool) -> int:
    """Print what a run is predicted to take; returns 0.

    Raises:
        GlacierError: The run cannot be planned, or nothing of it can be made here.
    """
    plan = plan_run(config)
    if config.plan.speeds is not None:
        speeds = read_speeds(store.absolute(config.plan.speeds), config)
        if speeds is None:
            raise ConfigError(
                f"plan.speeds = {config.plan.speeds!r}: no measurement is there; "
                f"`glacier plan {KEEP} FILE` makes one"
            )
    else:
        speeds = measure(config, is_silent=as_json)
        keep_speeds(speeds, keep)
    prediction = predict(plan, speeds)
    say(prediction.model_dump_json(indent=1) if as_json else "\n".join(describe(prediction)))
    return 0


def measure(config: Config, is_silent: bool) -> Speeds:
    """Measure this machine for a run."""
    from glacier.planning.measure import measure_machine  # late: seconds that a kept one saves

    if is_silent:
        with redirect_stdout(StringIO()):
            return measure_machine(config)
    say("plan: measuring this machine, which takes a minute or two")
    return measure_machine(config)


def keep_speeds(speeds: Speeds, place: str) -> None:
    """Keep a measurement for pipelines of this machine, and where it is asked for.

    Raises:
        StoreError: The place that was asked for cannot be written to.
    """
    data = f"{speeds.model_dump_json(indent=1)}\n".encode()
    if place:
        store.write_bytes(store.absolute(place), data)
    with suppress(OSError):  # StoreError, too: a home that cannot be written to is no fault
        store.write_bytes(kept_address(speeds.key), data)


def kept_address(key: str) -> str:
    """Where a machine's own measurement is kept."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return store.join(cache, "glacier", "speeds", f"{key[:16]}.json")


def find_prediction(config: Config) -> Prediction | None:
    """What a run is predicted to take by a kept measurement; None where none fits, or none can be.

    Nothing is measured, so that a pipeline may ask before it begins.
    """
    with suppress(GlacierError, OSError, RuntimeError):  # a user without a home
        address = config.plan.speeds or kept_address(key_of(config))
        if speeds := read_speeds(store.absolute(address), config):
            return predict(plan_run(config), speeds)
    return None


def log_plan(config: Config, log: JobLog) -> None:
    """Note in a pipeline's log what was predicted of it, where a measurement is kept."""
    if prediction := find_prediction(config):
        log.write("plan", plan=prediction.run.stages)
        run = prediction.run
        time = "an unknown time" if run.seconds is None else f"about {duration(run.seconds)}"
        memory = show_gb(run.memory_mb / 1e3)
        say(f"plan: {time} and {memory} of memory, by a measurement kept on this machine")


def predict(plan: RunPlan, speeds: Speeds) -> Prediction:
    """What a run is predicted to do and to take."""
    work, months = count_work(plan), sum(region.pending for region in plan.regions)
    return Prediction(
        name=plan.config.name,
        machine=speeds.machine,
        requests=plan.source.describe_requests(len(plan.regions), months),
        months=work.months,
        archive_gb=plan.archive_gb,
        samples_gb=plan.samples_gb if work.unprepared else 0.0,
        sweep_gb=plan.sweep_gb if work.trials_due else 0.0,
        trials=work.trials if work.trials_due else 0,
        run=predict_run(work, speeds, plan.config.plan.price_per_node_hour),
    )


def count_work(plan: RunPlan) -> Work:
    """How much a run has to do, if every month that is not dark can be seen."""
    config, sweep = plan.config, plan.config.sweep
    images = sum(region.usable for region in plan.regions)
    pixels = sum(region.usable * math.prod(region.grid.shape) for region in plan.regions)
    parts = part_images(images, config)
    return Work(
        months=sum(region.pending for region in plan.regions),
        unprepared=0 if is_prepared(config) else images,
        trials_due=not is_swept(config),
        maps_due=not store.exists(summary_address(store.results_folder(config))),
        images=images,
        pixels=pixels / max(1, images),
        encoders=sweep.encoders,
        folds=sweep.folds.count,
        epochs=sweep.epochs,
        steps=count_steps(plan, parts.trained),
        glanced=parts.glanced,
        tested=parts.tested,
        models_a_map=count_models(config),
        cpus_per_trial=sweep.cpus_per_trial,
        gpu_share=sweep.gpu_share,
        cpus_per_map=config.predict.cpus_per_worker,
        nodes=config.plan.nodes,
    )


class FoldParts(Model):
    """Images of one fold."""

    trained: float
    """Whole images' worth."""
    glanced: float
    """Images, or a fold's parts of them, that choose an epoch."""
    tested: float


def part_images(images: int, config: Config) -> FoldParts:
    """How many images of a run train, choose and are tested in a fold."""
    folds = config.sweep.parts
    kept = max(0, images - folds.hold_out_last)
    tested = kept / folds.count
    chosen = folds.validation_share * (kept - tested)
    trained = kept - tested - chosen
    is_published = config.sweep.protocol == "notebook"
    if folds.kind == "by_block":  # every image has a part in each
        return FoldParts(
            trained=trained, tested=kept, glanced=kept if chosen or is_published else 0.0
        )
    return FoldParts(trained=trained, tested=tested, glanced=tested if is_published else chosen)


def count_steps(plan: RunPlan, trained: float) -> int:
    """Steps of an epoch over so many images' worth."""
    sweep, size = plan.config.sweep, plan.config.prepare.size_px
    if sweep.steps_per_epoch is not None:
        return sweep.steps_per_epoch
    images = max(1, sum(region.usable for region in plan.regions))
    pixels = sum(region.usable * plan.pixels(region) for region in plan.regions) / images
    return max(1, math.ceil(trained * pixels / size**2 / sweep.batch_size))


def count_models(config: Config) -> float:
    """Models that look at each image's ground."""
    encoders = len(config.sweep.encoders) if config.predict.encoder == "ensemble" else 1
    return encoders * (config.sweep.folds.count if config.predict.folds == "all" else 1)


def describe(prediction: Prediction) -> list[str]:
    """A prediction in lines: a sentence first, then a table."""
    run = prediction.run
    time = "an unknown time" if run.seconds is None else f"about {duration(run.seconds)}"
    cost = "" if run.cost is None else f", and costs {run.cost:.2f}"
    rows = [("stage", "time", "peak MB")]
    for stage in run.stages:
        seconds = "?" if stage.seconds is None else duration(stage.seconds)
        memory = "" if stage.memory_mb is None else f"{stage.memory_mb:.0f}"
        rows.append((stage.stage, seconds, memory))
    return [
        f"plan: {prediction.name} takes {time} and {show_gb(run.memory_mb / 1e3)} of memory on "
        f"{prediction.machine}{cost}",
        f"plan: {prediction.months} months to make, up to {show_gb(prediction.archive_gb)} of "
        f"archive; {prediction.requests}",
        f"plan: up to {show_gb(prediction.samples_gb)} of samples; {prediction.trials} trials, "
        f"about {show_gb(prediction.sweep_gb)}",
        *(f"{stage:<10}{seconds:<16}{memory}".rstrip() for stage, seconds, memory in rows),
    ]
