"""Samples -> one trained model per (encoder, fold), side by side under Ray Tune.

The trials' folders are the state: a trial with a ``done.json`` is never run again, any other goes
on from its own sealed checkpoint. So the same command creates the sweep, and resumes it.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from glacier import seals, store
from glacier.archive.contents import read_outcomes
from glacier.cluster import connect, get_result, list_alive
from glacier.config import Config
from glacier.errors import SweepError
from glacier.evaluation.results import (
    BaselineFold,
    BaselineResult,
    EnsembleFold,
    EnsembleResult,
    FailedTrial,
    SweepResult,
    TrialResult,
    explain_no_ensemble,
    rank_kept,
)
from glacier.evaluation.scores import MEASURES, score_trial
from glacier.locks import SHARED_S, hold, remove_dead, remove_leftovers
from glacier.machine import Room
from glacier.progress import Progress, say
from glacier.samples.folds import Split
from glacier.samples.mapped_images import open_images, remove_unused
from glacier.samples.sample_set import SampleSet, samples_folder
from glacier.training.abandoned import remove_abandoned
from glacier.training.saved import TABLE, SweepPlaces, place_sweep, settings_digest
from glacier.training.sweep_plan import SweepPlan, plan_sweep
from glacier.training.tuning import Networks, await_weights, tune_trials

SCORES = {
    **dict.fromkeys(("dice", "iou", "precision", "recall"), pa.float64()),
    **dict.fromkeys(("tp", "fp", "fn", "tn"), pa.int64()),
    **dict.fromkeys(MEASURES, pa.float64()),
}
"""Test scores in the table of trials."""

CLEARING_S = 30.0
"""Longest wait for nodes to remove their month images; else the next sweep there does it."""

TRIALS = pa.schema(
    {
        "encoder": pa.string(),
        "fold": pa.int64(),
        "status": pa.string(),
        "reason": pa.string(),
        "epoch_kept": pa.int64(),
        "parameters": pa.int64(),
        **dict.fromkeys(("gflop", "images_per_s", "epoch_s", "train_s"), pa.float64()),
        "model": pa.string(),
        **dict.fromkeys(("val_dice_loss", "val_dice", "val_iou"), pa.float64()),
        **SCORES,
    }
)
"""Columns of ``trials.parquet``, the same whatever has failed; ``model`` lies in the storage."""


def run_sweep(config: Config) -> int:
    """Train, test and export every trial; returns how many failed past the allowed number.

    Raises:
        ConfigError: The folds cannot be made of the samples, no node has room for a trial, or an
            encoder or its weights cannot be had.
        SweepError: Every trial failed, or some ended without an outcome.
    """
    places = place_sweep(config, samples_folder(config, read_outcomes(config)))
    plan = plan_sweep(config, places)
    if not is_complete(plan, find_results(plan, owned=False), owned=False):
        with hold(config, *places.written):
            found = find_results(plan, owned=True)
            if not is_complete(plan, found, owned=True):  # another run may have ended it meanwhile
                return complete_sweep(plan, found)
    remove_dead(config, *places.written)
    say(f"sweep: complete in {places.sweep}")
    return 0


def complete_sweep(plan: SweepPlan, found: Sequence[TrialResult | None]) -> int:
    """Run what is missing of a sweep and write its results; returns failures as above.

    Args:
        plan: The sweep.
        found: The result of each trial that had ended before, in the order of the trials.

    Raises:
        ConfigError: No node has room for a trial, or an encoder or its weights cannot be had.
        DamagedError: Samples are damaged.
        SweepError: Every trial failed, or some ended without an outcome.
    """
    config, places = plan.config, plan.places
    remove_leftovers(store.join(store.absolute(config.storage), "weights"), SHARED_S)
    remove_abandoned(places.trials)
    result = train_and_score(plan, found)
    remove_abandoned(places.trials)  # of workers that outlived a killed driver, too
    result = seals.write_whole(places.result, result, {TABLE: encode_trials(result)})
    name_best(result, places)
    done, failed = len(result.trials), len(result.failed)
    say(f"sweep: {done} trials done, {failed} failed; models in {places.models}")
    return max(0, failed - config.sweep.max_failed)


def find_results(plan: SweepPlan, owned: bool) -> list[TrialResult | None]:
    """The result of each trial that has ended.

    Args:
        plan: The sweep.
        owned: This run alone works in its folders, so damaged files are said and set aside.
    """
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda key: plan.trial(*key).find_result(owned), plan.keys))


def is_complete(plan: SweepPlan, found: Sequence[TrialResult | None], owned: bool) -> bool:
    """Whether a sweep has ended without a failure, and all that it made is there as written."""
    result = seals.read_whole(plan.places.result, SweepResult, owned)
    return bool(result and not result.failed and all(found))


def train_and_score(plan: SweepPlan, found: Sequence[TrialResult | None]) -> SweepResult:
    """Run what is missing of a sweep, and put its results together.

    Args:
        plan: The sweep.
        found: The result of each trial that had ended before, in the order of the trials.

    Raises:
        ConfigError: No node has room for a trial, or an encoder or its weights cannot be had.
        SweepError: Every trial failed, or some ended without an outcome.
    """
    config, places, began = plan.config, plan.places, time.monotonic()
    with connect(config.cluster, Room.of(config), config.storage), laid_out_images(plan):
        if not plan.starts:
            plan = replace(plan, weights=await_weights(Networks.of(config)))
        shared = ray.put(plan)
        baselines = start_baselines(plan, shared)
        pending = [key for key, done in zip(plan.keys, found, strict=True) if done is None]
        done_before = len(plan.keys) - len(pending)
        say(f"sweep: {len(plan.keys)} trials, {done_before} done before, in {places.sweep}")
        failed = tune_trials(plan, pending)
        done = read_done(plan, failed)
        ensemble = start_ensemble(plan, shared, done)
        return SweepResult(
            config=config,
            config_sha256=settings_digest(config),
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


@contextmanager
def laid_out_images(plan: SweepPlan) -> Iterator[None]:
    """Lay out the month images on a node, so that damage is known before any trial.

    The other nodes do it when their first trial begins. After the block no node keeps them; where
    it fails they stay, so that the same command finds them.

    Raises:
        DamagedError: Samples are damaged or gone.
        StoreError: There is no room for the images.
    """
    say("sweep: laying out the month images")
    get_result(ray.remote(num_cpus=1)(lay_out).remote(plan.places.samples, plan.samples))
    yield
    task = ray.remote(num_cpus=0)(remove_unused)
    places = [NodeAffinitySchedulingStrategy(node, soft=False) for node in list_alive()]
    ray.wait(
        [task.options(scheduling_strategy=place).remote() for place in places],
        num_returns=len(places), timeout=CLEARING_S,
    )  # fmt: skip


def lay_out(folder: str, samples: SampleSet) -> None:
    """Lay out the month images of a set on this node, as :func:`mapped_images.open_images`."""
    with open_images(folder, samples):
        pass


def read_done(plan: SweepPlan, failed: Sequence[FailedTrial]) -> list[TrialResult]:
    """What the finished trials say.

    Raises:
        SweepError: Every trial failed, or some ended without an outcome.
    """
    trials = [plan.trial(*key) for key in plan.keys]
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


def start_baselines(plan: SweepPlan, shared: ray.ObjectRef[SweepPlan]) -> dict[str, Refs]:
    """Begin to score the simple methods in every fold, on cores that no trial uses yet.

    Args:
        plan: The sweep.
        shared: The same, where all workers read it.

    Returns:
        Name of each method to what it will say of each fold.
    """
    from glacier.training import baselines  # scikit-learn takes a second, which no trial needs

    task = ray.remote(num_cpus=1, max_retries=3)(score_baseline_fold)
    return {
        method.name: [task.remote(method.name, shared, split.fold) for split in plan.splits]
        for method in baselines.list_baselines(plan.config)
    }


def score_baseline_fold(name: str, plan: SweepPlan, fold: int) -> BaselineFold | str:
    """Scores of one simple method on the test split of one fold, or why there are none."""
    from glacier.training.baselines import list_baselines, score_baseline

    (method,) = (each for each in list_baselines(plan.config) if each.name == name)
    with open_images(plan.places.samples, plan.samples) as images:
        return score_baseline(
            method, plan.config, images, plan.samples, plan.masks, plan.split(fold)
        )


def gather_baselines(config: Config, begun: dict[str, Refs]) -> dict[str, BaselineResult]:
    """Wait for the simple methods; one that a fold lacks has the reason instead of scores."""
    from glacier.training.baselines import list_baselines

    found = {}
    with Progress("baselines", sum(map(len, begun.values()))) as progress:
        for method in list_baselines(config):
            said: list[BaselineFold | str] = []
            for ref in begun[method.name]:
                said.append(get_result(ref))
                progress.advance(method.title)
            reasons = [answer for answer in said if isinstance(answer, str)]
            folds = [answer for answer in said if isinstance(answer, BaselineFold)]
            outcome = {"reason": reasons[0]} if reasons else {"folds": tuple(folds)}
            described = method.describe(config.prepare.label.kind)
            found[method.name] = described.model_copy(update=outcome)
    return found


def start_ensemble(
    plan: SweepPlan, shared: ray.ObjectRef[SweepPlan], done: Sequence[TrialResult]
) -> Refs:
    """Begin to score the mean of the encoders in every fold; nothing where there is none."""
    if explain_no_ensemble(plan.config.sweep.encoders, done, plan.splits):
        return []
    task = ray.remote(num_cpus=1, max_retries=3)(score_ensemble)
    return [
        task.remote([trial for trial in done if trial.fold == split.fold], shared, split.fold)
        for split in plan.splits
    ]


def score_ensemble(trials: Sequence[TrialResult], plan: SweepPlan, fold: int) -> EnsembleFold:
    """Score the mean of the models of a fold on its test split."""
    from glacier.training.ensemble import score_ensemble_fold

    with open_images(plan.places.samples, plan.samples) as images:
        return score_ensemble_fold(
            trials, images, plan.samples, plan.masks, plan.split(fold), plan.places
        )


def gather_ensemble(
    config: Config, splits: Sequence[Split], done: Sequence[TrialResult], begun: Refs
) -> EnsembleResult:
    """Wait for the mean of the encoders, or say why there is none."""
    reason = explain_no_ensemble(config.sweep.encoders, done, splits)
    return EnsembleResult(reason=reason, folds=tuple(map(get_result, begun)))


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
            rows.append(
                row | describe_trial(done[key], result.models or "") if key in done else row
            )
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=TRIALS), buffer)
    return buffer.getvalue()


def describe_trial(trial: TrialResult, models: str) -> dict[str, Any]:
    """Columns of a finished trial whose model lies in a folder of models."""
    kept = trial.kept
    return {
        "epoch_kept": trial.epoch_kept,
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
        best = min(trials, key=rank_kept)
        model = places.model(encoder, best.fold)
        say(f"sweep: best of {encoder}: fold {best.fold}, loss {best.kept_loss:.3f}, {model}")
    if folds := ", ".join(map(str, result.unchosen)):
        say(f"sweep: no ice is known where the epoch of fold {folds} is chosen: the last was kept")
