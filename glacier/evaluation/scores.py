"""Counts and scorecards of a method -> its scores by fold, and over all folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from glacier.evaluation.breakdown import break_down, mean_known
from glacier.evaluation.calibration import Reliability
from glacier.evaluation.metrics import Facts, pool_counts
from glacier.evaluation.verdict import bootstrap_dice, spread

MEASURES = {
    "boundary_f1": "boundary",
    "boundary_mean_m": "boundary",
    "boundary_p95_m": "boundary",
    "area_error_km2": "area",
    "area_error_abs_km2": "area",
    "area_error_percent": "area",
    "ece": "calibration",
}
"""What a scorecard holds besides counts: name to the group that holds it."""


def score_fold(fold: int, tested: Sequence[Facts]) -> Facts:
    """Scores of one method in one fold, from its counts summed over the test images.

    Args:
        fold: Number of the fold.
        tested: A row of ``tp``, ``fp``, ``fn``, ``tn`` per test image, pixels.

    Returns:
        ``fold``, ``dice``, ``iou``, ``precision``, ``recall`` and the four sums.
    """
    counts = pool_counts(tested)
    scores = {name: getattr(counts, name) for name in ("dice", "iou", "precision", "recall")}
    return {"fold": fold, **scores, **asdict(counts)}


def score_part(facts: Facts) -> Facts:
    """Scores of one method in one fold, from all that its scorecard holds.

    Args:
        facts: ``fold`` and the content of a scorecard.

    Returns:
        As :func:`score_fold`, with the ``MEASURES`` (None where a method has none) and what was
        fitted.
    """
    extra = {name: (facts.get(group) or {}).get(name) for name, group in MEASURES.items()}
    return {**score_fold(facts["fold"], facts["tested"]), **extra, **facts.get("fitted", {})}


def score_units(parts: Sequence[Facts]) -> Facts:
    """Dice and IoU of all test pixels with their intervals over independent units.

    Args:
        parts: Scorecards of all folds, whose ``units`` are blocks, years, regions or images.
    """
    units = [pool_counts([row]) for part in parts for row in part.get("units", [])]
    interval = bootstrap_dice(units)
    return {
        "units": len(units),
        "dice_all_test_pixels": pool_counts(row for part in parts for row in part["tested"]).dice,
        "dice_interval": interval,
        "iou_interval": interval and tuple(end / (2 - end) for end in interval),
    }


def score_reliability(parts: Sequence[Facts], name: str = "calibration") -> list[Facts]:
    """Reliability curve of a method over all folds; empty without probabilities.

    Args:
        parts: Scorecards of the folds.
        name: ``calibration``, or ``uncalibrated`` for probabilities at temperature 1.
    """
    found = [part[name] for part in parts if part.get(name)]
    return sum(map(Reliability.from_dict, found), Reliability()).as_rows()


def score_method(rows: Sequence[Facts], parts: Sequence[Facts] = ()) -> Facts:
    """Scores of one method over its folds, in the form of the report's summary.

    Args:
        rows: A row of :func:`score_part` per fold.
        parts: The scorecards behind them, for the interval and the reliability curve.

    Returns:
        Mean and standard deviation over the folds of Dice and IoU; IoU, precision and recall
        of all test pixels together; the rows; and null where only a network has a number.
    """
    dice_mean, dice_sd = spread([row["dice"] for row in rows])
    iou_mean, iou_sd = spread([row["iou"] for row in rows])
    together = pool_counts(rows)
    return {
        "dice_mean": dice_mean,
        "dice_sd": dice_sd,
        "iou_mean": iou_mean,
        "iou_sd": iou_sd,
        "iou_all_test_pixels": together.iou,
        "precision_all_test_pixels": together.precision,
        "recall_all_test_pixels": together.recall,
        "dice_loss_lowest": None,
        "dice_loss_last_mean": None,
        "parameters": None,
        "images_per_s": None,
        "epoch_s": None,
        "train_s": None,
        **{f"{name}_mean": mean_known([row.get(name) for row in rows]) for name in MEASURES},
        **score_units(parts),
        "reliability": score_reliability(parts),
        **break_down(parts),
        "folds": list(rows),
    }


def score_encoder(trials: Sequence[Facts]) -> Facts:
    """Scores, losses and cost of one encoder.

    Args:
        trials: Its finished trials, as in ``sweep.json``.

    Returns:
        As :func:`score_method`, with losses (None where no part chose), number of parameters,
        median images a second and seconds an epoch over the folds, and the seconds of all its
        training.
    """
    ordered = sorted(trials, key=lambda trial: int(trial["fold"]))
    costs = ("images_per_s", "epoch_s", "train_s")
    rows = []
    for trial in ordered:
        losses = [row["val_dice_loss"] for row in trial["rows"]]
        chosen = None not in losses
        extra = {
            "best_epoch": trial["best_epoch"],
            "val_dice_loss": losses[trial["best_epoch"]],
            "val_dice_loss_lowest": min(losses) if chosen else None,
            "val_dice_loss_last": losses[-1],
            **{name: trial[name] for name in costs},
        }
        rows.append(score_part(trial) | extra)
    lowest = [row["val_dice_loss_lowest"] for row in rows]
    return score_method(rows, ordered) | {
        "dice_loss_lowest": min(lowest) if None not in lowest else None,
        "dice_loss_last_mean": mean_known([row["val_dice_loss_last"] for row in rows]),
        "parameters": ordered[0]["parameters"],
        "images_per_s": float(np.median([trial["images_per_s"] for trial in ordered])),
        "epoch_s": float(np.median([trial["epoch_s"] for trial in ordered])),
        "train_s": float(sum(trial["train_s"] for trial in ordered)),
        **score_uncalibrated(ordered),
    }


def score_uncalibrated(trials: Sequence[Facts]) -> Facts:
    """Calibration of an encoder as it was before its temperature was fitted.

    Returns:
        ``ece_before_mean`` over the folds and ``reliability_before``; None and empty where no
        temperature was fitted.
    """
    if all(trial.get("temperature", 1) == 1 for trial in trials):
        return {"ece_before_mean": None, "reliability_before": []}
    before = [trial["uncalibrated"]["ece"] for trial in trials]
    return {
        "ece_before_mean": float(np.mean(before)),
        "reliability_before": score_reliability(trials, "uncalibrated"),
    }


def score_baseline(facts: Facts) -> Facts:
    """Scores of a simple method, or the reason why there are none."""
    if "reason" in facts:
        return {"reason": facts["reason"]}
    ordered = sorted(facts["folds"], key=lambda row: int(row["fold"]))
    return score_method([score_part(row) for row in ordered], ordered)
