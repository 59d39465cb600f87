"""A candidate: trained side by side as any sweep is, then held against what serves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import ray

from glacier.cluster import get_result
from glacier.errors import SweepError
from glacier.locks import hold
from glacier.progress import Progress
from glacier.registry.cells import Cell, Cells, measure_iou
from glacier.registry.records import NewGround
from glacier.training.continued import ContinuedPlan
from glacier.training.frozen import FrozenFold, compare_fold
from glacier.training.saved import SavedSweep, open_sweep
from glacier.training.sweep import complete_sweep, find_results, is_complete


def train_candidate(continued: ContinuedPlan) -> SavedSweep:
    """Train all folds that are missing; a finished candidate is read back.

    Raises:
        ConfigError: No node has room for a trial.
        SweepError: A trial failed: what has holes cannot serve.
    """
    plan = continued.plan
    with hold(plan.config, *plan.places.written):
        found = find_results(plan, owned=True)
        if not is_complete(plan, found, owned=True):
            complete_sweep(plan, found)
    sweep = open_sweep(plan.places.sweep)
    if failed := sweep.result.failed:
        raise SweepError(
            f"{len(failed)} trials of the candidate failed, the first since {failed[0].reason}; "
            "what serves goes on; run the same command again"
        )
    return sweep


def list_frozen(
    continued: ContinuedPlan,
    candidate: SavedSweep,
    serving_encoders: Sequence[str],
    candidate_encoders: Sequence[str],
) -> list[FrozenFold]:
    """The test part of every fold, and who is tested there.

    Args:
        continued: What the candidate was trained by.
        candidate: The finished candidate.
        serving_encoders: Whose networks answer of what serves; the mean of several.
        candidate_encoders: Likewise of the candidate.
    """
    plan, old = continued.plan, continued.serving.places
    predict = plan.config.predict
    return [
        FrozenFold(
            folder=plan.places.samples,
            samples=plan.samples,
            masks=plan.masks,
            split=split,
            seen=continued.seen,
            serving=tuple(old.model(name, split.fold) for name in serving_encoders),
            candidate=tuple(
                candidate.places.model(name, split.fold) for name in candidate_encoders
            ),
            cpus=predict.cpus_per_worker,
            gpus=predict.gpus_per_worker,
        )
        for split in plan.splits
    ]


def compare_models(folds: Sequence[FrozenFold]) -> list[Cell]:
    """What serves and the candidate, on every fold, side by side on Ray."""
    first, *_ = folds
    task = ray.remote(num_cpus=first.cpus, num_gpus=first.gpus)(compare_fold)
    cells: list[Cell] = []
    with Progress("gate", len(folds)) as progress:
        begun = [task.remote(fold) for fold in folds]
        for fold, ref in zip(folds, begun, strict=True):
            cells += get_result(ref)
            progress.advance(f"fold {fold.split.fold}: both models tested")
    return cells


def measure_new(cells: Sequence[Cell]) -> NewGround | None:
    """IoU of both on test pixels that are new to both; None where there are none."""
    new = Cells.of(cell for cell in cells if not cell.is_frozen)
    if not len(new):
        return None
    serving, candidate = (
        float(measure_iou(np.asarray(model.sum(axis=0)))) for model in (new.serving, new.candidate)
    )
    return NewGround(serving_iou=serving, candidate_iou=candidate)
