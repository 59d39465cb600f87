"""Whom each method of a sweep serves worst: rows of ``groups.csv`` and of the report's page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from glacier.evaluation.fairness import GroupScores, compare_groups
from glacier.evaluation.results import SweepResult
from glacier.evaluation.scorecard import ImageScore
from glacier.training.saved import SavedSweep

Groups = dict[str, tuple[GroupScores, ...]]
"""Method to its groups."""


def find_groups(sweep: SavedSweep) -> Groups:
    """The groups of every method that was tested; empty where all images are of one kind."""
    sensors = {
        f"{record.region}/{record.month}": " and ".join(record.platforms)
        for record in sweep.records
        if record.platforms
    }
    found = {
        name: compare_groups(images, sweep.result.southern, sensors)
        for name, images in list_tested(sweep.result).items()
    }
    return {name: groups for name, groups in found.items() if groups}


def list_tested(result: SweepResult) -> dict[str, list[ImageScore]]:
    """Method to its scores on all images of its test parts."""
    tested = {
        name: [image for trial in trials for image in trial.scorecard.images]
        for name, trials in result.by_encoder.items()
    }
    if result.ensemble.folds:
        tested["ensemble"] = [i for fold in result.ensemble.folds for i in fold.scorecard.images]
    for name, baseline in result.baselines.items():
        if baseline.folds:
            tested[name] = [i for fold in baseline.folds for i in fold.scorecard.images]
    return tested


def list_group_rows(groups: Groups) -> list[dict[str, Any]]:
    """A table's row per method and group, the worst of each kind first."""
    return [
        {
            "method": method,
            "kind": group.kind,
            "group": group.name,
            "images": group.images,
            "iou": group.iou,
            "iou_low": low_of(group.iou_interval),
            "iou_high": high_of(group.iou_interval),
            "area_error": group.area_error,
            "area_error_low": low_of(group.area_interval),
            "area_error_high": high_of(group.area_interval),
            "calibration": group.calibration,
            "calibration_low": low_of(group.calibration_interval),
            "calibration_high": high_of(group.calibration_interval),
        }
        for method, own in groups.items()
        for group in own
    ]


def low_of(ends: Sequence[float] | None) -> float | None:
    """The lower end of an interval, where there is one."""
    return ends[0] if ends else None


def high_of(ends: Sequence[float] | None) -> float | None:
    """The upper end."""
    return ends[1] if ends else None
