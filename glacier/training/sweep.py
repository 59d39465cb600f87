"""Samples -> one trained model per (encoder, fold), side by side under Ray Tune.

The sweep's folder is its state: a trial with a ``done.json`` is never run again, any other goes
on from its own sealed checkpoint. So the same command creates the sweep, and resumes it.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray

from glacier import store
from glacier.archive.records import read_records
from glacier.cluster import connect
from glacier.config import Config, config_digest
from glacier.errors import SweepError
from glacier.evaluation.results import kept_loss
from glacier.evaluation.scores import score_part
from glacier.geo.frames import find_overlaps
from glacier.geo.raster import Grid
from glacier.progress import Progress, say
from glacier.samples import dataset
from glacier.samples.dataset import samples_folder
from glacier.samples.folds import Split, make_splits
from glacier.training.saved import sweep_folders
from glacier.training.trial import Trial
from glacier.training.tuning import ask_weights, await_weights, tune_trials

TRIAL_FACTS = ("best_epoch", "parameters", "images_per_s", "epoch_s", "train_s", "model")
"""What the table of trials takes from a trial as it is."""


def run_sweep(config: Config) -> int:
    """Train, test and export every trial; returns how many failed past the allowed number.

    Raises:
        ConfigError: The folds cannot be made of the samples.
        WeightsError: The encoder weights cannot be had.
        SweepError: Every trial failed, or some ended without an outcome.
    """
    samples_at = samples_folder(config, read_records(config))
    summary = dataset.read_summary(samples_at)
    folder, models = sweep_folders(config, samples_at)
    if store.exists(store.join(folder, "sweep.json")):
        found = store.read_json(store.join(folder, "sweep.json"))
        if not found["failed"]:
            say(f"sweep: complete in {folder}")
            return 0
    began = time.monotonic()
    splits, held_out = plan_splits(config, summary)
    with connect(config.cluster):
        images = ray.remote(dataset.read_images).options(num_cpus=1).remote(samples_at, summary)
        asked = ask_weights(config)  # first in line, so that a wrong name is answered soon
        baselines = start_baselines(config, images, splits, summary)
        random = config.sweep.encoder_weights == "none"
        weights = dict.fromkeys(config.sweep.encoders) if random else await_weights(config, asked)
        trials = plan_trials(config, summary, splits, weights, held_out, (folder, models))
        pending = [t for t in trials if not store.exists(store.join(t.folder, "done.json"))]
        say(f"sweep: {len(trials)} trials, {len(trials) - len(pending)} done before, in {folder}")
        failed = tune_trials(config, pending, images, folder, asked) if pending else []
        baseline_rows = gather_baselines(baselines)
    done = read_done(trials, failed)
    facts = {
        "schema": 1,
        "config": config.model_dump(mode="json"),
        "config_sha256": config_digest(config),
        "samples": samples_at,
        "models": models,
        "splits": [split.as_dict() for split in splits],
        "held_out": held_out,
        "trials": done,
        "failed": failed,
        "baselines": baseline_rows,
        "sweep_s": time.monotonic() - began if len(pending) == len(trials) else None,
    }
    store.write_bytes(store.join(folder, "trials.parquet"), encode_trials(trials, done, failed))
    store.write_json(store.join(folder, "sweep.json"), facts)
    name_best(done)
    say(f"sweep: {len(done)} trials done, {len(failed)} failed; models in {models}")
    return max(0, len(failed) - config.sweep.max_failed)


def read_done(trials: list[Trial], failed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the finished trials say.

    Raises:
        SweepError: Every trial failed, or some ended without an outcome.
    """
    places = [store.join(trial.folder, "done.json") for trial in trials]
    done = [store.read_json(place) for place in places if store.exists(place)]
    if len(done) + len(failed) < len(trials):
        raise SweepError(
            f"{len(trials) - len(done) - len(failed)} of {len(trials)} trials ended without an "
            "outcome; run the same command again, which goes on with them"
        )
    if not done:
        raise SweepError(f"every trial failed; the first said: {failed[0]['reason']}")
    return done


def plan_splits(config: Config, summary: dict[str, Any]) -> tuple[list[Split], list[str]]:
    """Folds of a set of samples, and the keys of the held-out images.

    Raises:
        ConfigError: The samples hold too few units for the folds.
    """
    usable = [
        (part["region"], dataset.month_of(part))
        for part in summary["parts"]
        if part["status"] == "ok"
    ]
    rows, cols = summary["blocks"]
    grids = {name: Grid(**facts["grid"]) for name, facts in summary["regions"].items()}
    overlaps = find_overlaps(grids)
    splits, held = make_splits(usable, config.sweep.folds, (rows, cols), config.seed, overlaps)
    if config.sweep.protocol == "notebook":  # the test part chooses, so validation trains
        splits = [Split(s.fold, s.test, (), tuple(sorted(s.train + s.validation))) for s in splits]
    return splits, [f"{region}/{month:%Y-%m}" for region, month in held]


def plan_trials(
    config: Config,
    summary: dict[str, Any],
    splits: list[Split],
    weights: Mapping[str, str | None],
    held_out: list[str],
    folders: tuple[str, str],
) -> list[Trial]:
    """Every (encoder, fold) of a sweep, encoder by encoder.

    Args:
        config: The run.
        summary: Description of the samples.
        splits: The folds.
        weights: Encoder to the address of its initial weights, None for random ones.
        held_out: Keys of the images that are in no fold.
        folders: Addresses of the sweep and of its models.
    """
    folder, models = folders
    return [
        Trial(
            encoder=encoder,
            split=split,
            settings=config.sweep,
            seed=config.seed,
            samples=summary,
            folder=store.join(folder, "trials", encoder, f"fold-{split.fold}"),
            model_folder=store.join(models, encoder, f"fold-{split.fold}"),
            weights=weights[encoder],
            held_out=tuple(held_out),
        )
        for encoder in config.sweep.encoders
        for split in splits
    ]


Answers = dict[str, list[ray.ObjectRef[Any]]]
"""Baseline to what it will say of each fold."""


def start_baselines(
    config: Config, images: ray.ObjectRef[Any], splits: list[Split], summary: dict[str, Any]
) -> Answers:
    """Begin to score the simple methods in every fold, on cores that no trial uses yet."""
    from glacier.training import baselines  # scikit-learn takes a second, which no trial needs

    task = ray.remote(num_cpus=1, max_retries=3)(baselines.score_baseline)
    return {
        name: [task.remote(name, config, images, split, summary) for split in splits]
        for name in baselines.METHODS
        if name != "random_forest" or config.sweep.random_forest
    }


def gather_baselines(begun: Answers) -> dict[str, Any]:
    """Wait for the simple methods.

    Returns:
        Name to ``{"folds": [...]}``, a row of :func:`baselines.score_baseline` each, or to
        ``{"reason"}`` where a method cannot be used on these samples.
    """
    rows: dict[str, Any] = {}
    with Progress("baselines", sum(map(len, begun.values()))) as progress:
        for name, refs in begun.items():
            answers = []
            for ref in refs:
                answers.append(ray.get(ref))
                progress.advance(name)
            reasons = [a["reason"] for a in answers if "reason" in a]
            rows[name] = {"reason": reasons[0]} if reasons else {"folds": answers}
    return rows


def encode_trials(
    trials: list[Trial], done: list[dict[str, Any]], failed: list[dict[str, Any]]
) -> bytes:
    """``trials.parquet``: a row a trial."""
    by_key: Mapping[tuple[str, int], dict[str, Any]] = {(d["encoder"], d["fold"]): d for d in done}
    reasons = {(f["encoder"], f["fold"]): f["reason"] for f in failed}
    rows = []
    for trial in trials:
        key = (trial.encoder, trial.split.fold)
        row: dict[str, Any] = {"encoder": key[0], "fold": key[1]}
        row |= {"status": "done" if key in by_key else "failed", "reason": reasons.get(key, "")}
        if key in by_key:
            outcome = by_key[key]
            best = outcome["rows"][outcome["best_epoch"]]
            row |= {name: outcome[name] for name in TRIAL_FACTS}
            row |= {name: best[name] for name in ("val_dice_loss", "val_dice", "val_iou")}
            row |= score_part(outcome)
        rows.append(row)
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def name_best(done: list[dict[str, Any]]) -> None:
    """Say which fold's model of each encoder has the lowest loss of its kept epoch."""
    for encoder in dict.fromkeys(d["encoder"] for d in done):
        best = min((d for d in done if d["encoder"] == encoder), key=kept_loss)
        loss = kept_loss(best)
        say(f"sweep: best of {encoder}: fold {best['fold']}, loss {loss:.3f}, {best['model']}")
