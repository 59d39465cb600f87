"""Samples -> one trained model per (encoder, fold), side by side under Ray Tune.

The trials' folders are the state: a trial with a ``done.json`` is never run again, any other goes
on from its own sealed checkpoint. So the same command creates the sweep, and resumes it.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray

from glacier import store
from glacier.archive.records import read_records
from glacier.cluster import connect
from glacier.config import Config, config_digest
from glacier.errors import SweepError
from glacier.evaluation.results import (
    BaselineFold,
    BaselineResult,
    EnsembleResult,
    FailedTrial,
    SweepResult,
    TrialResult,
    explain_no_ensemble,
)
from glacier.evaluation.scores import score_trial
from glacier.geo.frames import find_overlaps, is_southern
from glacier.machine import Room
from glacier.progress import Progress, say
from glacier.samples.dataset import SampleSet, read_images, read_set, samples_folder
from glacier.samples.folds import FoldMasks, Split, make_splits
from glacier.training.saved import SweepPlaces, place_sweep
from glacier.training.trial import Trial
from glacier.training.tuning import Networks, await_weights, tune_trials

SCORES = {
    **dict.fromkeys(("dice", "iou", "precision", "recall"), pa.float64()),
    **dict.fromkeys(("tp", "fp", "fn", "tn"), pa.int64()),
    **dict.fromkeys(
        ("boundary_f1", "boundary_mean_m", "boundary_p95_m", "area_error_km2",
         "area_error_abs_km2", "area_error_percent", "ece"), pa.float64(),
    ),
}  # fmt: skip
"""Test scores in the table of trials."""

TRIALS = pa.schema(
    {
        "encoder": pa.string(),
        "fold": pa.int64(),
        "status": pa.string(),
        "reason": pa.string(),
        "best_epoch": pa.int64(),
        "parameters": pa.int64(),
        **dict.fromkeys(("gflop", "images_per_s", "epoch_s", "train_s"), pa.float64()),
        "model": pa.string(),
        **dict.fromkeys(("val_dice_loss", "val_dice", "val_iou"), pa.float64()),
        **SCORES,
    }
)
"""Columns of ``trials.parquet``, the same whatever has failed; ``model`` lies in the storage."""


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep works on."""

    config: Config
    places: SweepPlaces
    samples: SampleSet
    splits: list[Split]
    masks: FoldMasks

    def list_trials(self, weights: Mapping[str, str | None]) -> list[Trial]:
        """Every (encoder, fold), encoder by encoder.

        Args:
            weights: Encoder to the address of its initial weights, None for random ones.
        """
        return [
            Trial(
                encoder=encoder,
                split=split,
                settings=self.config.sweep,
                seed=self.config.seed,
                samples=self.samples,
                masks=self.masks,
                folder=self.places.trial(encoder, split.fold),
                model_folder=self.places.model(encoder, split.fold),
                weights=weights[encoder],
                label=self.config.prepare.label,
            )
            for encoder in self.config.sweep.encoders
            for split in self.splits
        ]


def run_sweep(config: Config) -> int:
    """Train, test and export every trial; returns how many failed past the allowed number.

    Raises:
        ConfigError: The folds cannot be made of the samples, no node has room for a trial, or an
            encoder or its weights cannot be had.
        SweepError: Every trial failed, or some ended without an outcome.
    """
    places = place_sweep(config, samples_folder(config, read_records(config)))
    plan = plan_sweep(config, places)
    if is_complete(plan):
        say(f"sweep: complete in {places.sweep}")
        return 0
    result = train_and_score(plan)
    store.write_bytes(places.table, encode_trials(result))
    store.write_model(places.result, result)
    name_best(result, places)
    done, failed = len(result.trials), len(result.failed)
    say(f"sweep: {done} trials done, {failed} failed; models in {places.models}")
    return max(0, failed - config.sweep.max_failed)


def is_complete(plan: SweepPlan) -> bool:
    """Whether a sweep has ended without a failure, and all that it made is there."""
    places = plan.places
    if not (store.exists(places.result) and store.exists(places.table)):
        return False
    trials = plan.list_trials(dict.fromkeys(plan.config.sweep.encoders))
    whole = all(trial.is_done() for trial in trials)
    return whole and not store.read_model(places.result, SweepResult).failed


def plan_sweep(config: Config, places: SweepPlaces) -> SweepPlan:
    """Part the samples of a run into folds.

    Raises:
        ConfigError: The samples hold too few units for the folds.
    """
    samples = read_set(places.samples)
    usable = [(month.region, month.month) for month in samples.usable]
    grids = {name: frame.grid for name, frame in samples.regions.items()}
    overlaps = find_overlaps(grids)
    southern = tuple(name for name, grid in grids.items() if is_southern(grid))
    folds, blocks = config.sweep.folds, samples.blocks
    splits, held = make_splits(usable, folds, blocks, config.seed, overlaps, southern)
    if config.sweep.protocol == "notebook":  # the test split chooses, so validation trains
        splits = [Split(s.fold, s.test, (), tuple(sorted(s.train + s.validation))) for s in splits]
    held_out = tuple(f"{region}/{month:%Y-%m}" for region, month in held)
    masks = FoldMasks(folds.kind, blocks, held_out, southern)
    return SweepPlan(config, places, samples, splits, masks)


def train_and_score(plan: SweepPlan) -> SweepResult:
    """Run what is missing of a sweep, and put its results together.

    Raises:
        ConfigError: No node has room for a trial, or an encoder or its weights cannot be had.
        SweepError: Every trial failed, or some ended without an outcome.
    """
    config, places, began = plan.config, plan.places, time.monotonic()
    with connect(config.cluster, Room.of(config.sweep)):
        trials = plan.list_trials(await_weights(Networks.of(config)))
        images = ray.remote(num_cpus=1)(read_images).remote(places.samples, plan.samples)
        baselines = start_baselines(plan, images)
        pending = [trial for trial in trials if not trial.is_done()]
        done_before = len(trials) - len(pending)
        say(f"sweep: {len(trials)} trials, {done_before} done before, in {places.sweep}")
        failed = tune_trials(config, pending, images, places.sweep) if pending else []
        done = read_done(trials, failed)
        ensemble = start_ensemble(plan, images, done)
        return SweepResult(
            config=config,
            config_sha256=config_digest(config),
            samples=places.samples.rpartition("/")[2],
            models=places.models.rpartition("/")[2],
            splits=tuple(plan.splits),
            held_out=plan.masks.held_out,
            southern=plan.masks.southern,
            trials=tuple(done),
            failed=tuple(failed),
            baselines=gather_baselines(config, baselines),
            ensemble=gather_ensemble(config, plan.splits, done, ensemble),
            sweep_s=None if done_before else time.monotonic() - began,
        )


def read_done(trials: Sequence[Trial], failed: Sequence[FailedTrial]) -> list[TrialResult]:
    """What the finished trials say.

    Raises:
        SweepError: Every trial failed, or some ended without an outcome.
    """
    done = [trial.read_result() for trial in trials if store.exists(trial.result_address)]
    if len(done) + len(failed) < len(trials):
        raise SweepError(
            f"{len(trials) - len(done) - len(failed)} of {len(trials)} trials ended without an "
            "outcome; run the same command again, which goes on with them"
        )
    if not done:
        raise SweepError(f"every trial failed; the first said: {failed[0].reason}")
    return done


Refs = list["ray.ObjectRef[Any]"]
"""What tasks that have begun will say, fold by fold."""


def start_baselines(plan: SweepPlan, images: ray.ObjectRef[Any]) -> dict[str, Refs]:
    """Begin to score the simple methods in every fold, on cores that no trial uses yet.

    Returns:
        Name of each method to what it will say of each fold.
    """
    from glacier.training import baselines  # scikit-learn takes a second, which no trial needs

    task = ray.remote(num_cpus=1, max_retries=3)(baselines.score_baseline)
    return {
        method.name: [
            task.remote(method, plan.config, images, plan.samples, plan.masks, split)
            for split in plan.splits
        ]
        for method in baselines.list_baselines(plan.config)
    }


def gather_baselines(config: Config, begun: dict[str, Refs]) -> dict[str, BaselineResult]:
    """Wait for the simple methods; one that a fold lacks has the reason instead of scores."""
    from glacier.training.baselines import list_baselines

    found = {}
    with Progress("baselines", sum(map(len, begun.values()))) as progress:
        for method in list_baselines(config):
            said: list[BaselineFold | str] = []
            for ref in begun[method.name]:
                said.append(ray.get(ref))
                progress.advance(method.title)
            reasons = [answer for answer in said if isinstance(answer, str)]
            folds = [answer for answer in said if isinstance(answer, BaselineFold)]
            outcome = {"reason": reasons[0]} if reasons else {"folds": tuple(folds)}
            described = method.describe(config.prepare.label.kind)
            found[method.name] = described.model_copy(update=outcome)
    return found


def start_ensemble(
    plan: SweepPlan, images: ray.ObjectRef[Any], done: Sequence[TrialResult]
) -> Refs:
    """Begin to score the mean of the encoders in every fold; nothing where there is none."""
    from glacier.training.ensemble import score_ensemble_fold

    if explain_no_ensemble(plan.config.sweep.encoders, done, plan.splits):
        return []
    task = ray.remote(num_cpus=1, max_retries=3)(score_ensemble_fold)
    return [
        task.remote(
            [trial for trial in done if trial.fold == split.fold],
            images, plan.samples, plan.masks, split, plan.places,
        )
        for split in plan.splits
    ]  # fmt: skip


def gather_ensemble(
    config: Config, splits: Sequence[Split], done: Sequence[TrialResult], begun: Refs
) -> EnsembleResult:
    """Wait for the mean of the encoders, or say why there is none."""
    reason = explain_no_ensemble(config.sweep.encoders, done, splits)
    return EnsembleResult(reason=reason, folds=tuple(ray.get(begun)))


def encode_trials(result: SweepResult) -> bytes:
    """``trials.parquet``: a row a trial."""
    done = {(trial.encoder, trial.fold): trial for trial in result.trials}
    reasons = {(trial.encoder, trial.fold): trial.reason for trial in result.failed}
    rows = []
    for encoder in result.config.sweep.encoders:
        for split in result.splits:
            key = (encoder, split.fold)
            row: dict[str, Any] = {"encoder": encoder, "fold": split.fold}
            row |= {"status": "done" if key in done else "failed", "reason": reasons.get(key, "")}
            rows.append(row | describe_trial(done[key], result.models) if key in done else row)
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=TRIALS), buffer)
    return buffer.getvalue()


def describe_trial(trial: TrialResult, models: str) -> dict[str, Any]:
    """Columns of a finished trial whose model lies in a folder of models."""
    kept = trial.kept
    return {
        "best_epoch": trial.best_epoch,
        "parameters": trial.parameters,
        "gflop": trial.gflop,
        "images_per_s": trial.images_per_s,
        "epoch_s": trial.epoch_s,
        "train_s": trial.train_s,
        "model": f"models/{models}/{trial.encoder}/fold-{trial.fold}",
        "val_dice_loss": kept.val_dice_loss,
        "val_dice": kept.val_dice,
        "val_iou": kept.val_iou,
        **score_trial(trial).model_dump(include=set(SCORES)),
    }


def name_best(result: SweepResult, places: SweepPlaces) -> None:
    """Say which fold's model of each encoder has the lowest loss of its kept epoch."""
    for encoder, trials in result.by_encoder.items():
        best = min(trials, key=lambda trial: trial.kept_loss)
        model = places.model(encoder, best.fold)
        say(f"sweep: best of {encoder}: fold {best.fold}, loss {best.kept_loss:.3f}, {model}")
