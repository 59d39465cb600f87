"""Scorecards of a method -> its scores by fold, and over all folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from glacier.evaluation.breakdown import Breakdown, break_down, mean_known
from glacier.evaluation.calibration import Reliability, ReliabilityStep
from glacier.evaluation.metrics import Counts, pool_counts
from glacier.evaluation.results import BaselineResult, EnsembleResult, TrialResult
from glacier.evaluation.scorecard import Scorecard
from glacier.evaluation.verdict import bootstrap_dice, spread
from glacier.settings.model import Model

MEASURES = (
    "boundary_f1", "boundary_mean_m", "boundary_p95_m", "area_error_km2", "area_error_abs_km2",
    "area_error_percent", "ece",
)  # fmt: skip
"""Scores of a fold besides counts, whose means over the folds are given."""


class FoldScores(Model):
    """Scores of one method in one fold, from its counts summed over the test images."""

    fold: int
    dice: float
    iou: float
    precision: float
    recall: float
    tp: int
    """Pixels, like the three below."""
    fp: int
    fn: int
    tn: int
    boundary_f1: float | None = None
    boundary_mean_m: float | None = None
    boundary_p95_m: float | None = None
    area_error_km2: float | None = None
    area_error_abs_km2: float | None = None
    area_error_percent: float | None = None
    ece: float | None = None
    fitted: dict[str, float] = Field(default_factory=dict)
    """What was fitted to the training split, by name."""
    epoch_kept: int | None = None
    """Epoch whose weights were kept, from 1; None but for a network, likewise below."""
    val_dice_loss: float | None = None
    val_dice_loss_lowest: float | None = None
    val_dice_loss_last: float | None = None
    images_per_s: float | None = None
    epoch_s: float | None = None
    train_s: float | None = None

    @property
    def counts(self) -> Counts:
        """All test pixels of the fold."""
        return Counts(self.tp, self.fp, self.fn, self.tn)

    @property
    def decides(self) -> bool:
        """Whether ice is known in the fold; without any it counts in no mean and no ranking."""
        return self.tp + self.fn > 0

    def row(self) -> dict[str, Any]:
        """The scores as a row of a table."""
        values = self.model_dump(exclude={"fitted"})
        return values | self.fitted


class MethodScores(Breakdown):
    """Scores of one method over its folds, in the form of the report's summary."""

    title: str
    """As tables name it."""
    dice_mean: float
    """Mean over the folds that decide, each by its summed counts; likewise all means below."""
    dice_sd: float
    """Standard deviation over these folds (ddof 1)."""
    iou_mean: float
    iou_sd: float
    iou_all_test_pixels: float
    """Of the pixels of all folds together, likewise the two below."""
    precision_all_test_pixels: float
    recall_all_test_pixels: float
    dice_loss_lowest: float | None = None
    """Of all epochs and folds, on the selection split; None without one, likewise below."""
    dice_loss_last_mean: float | None = None
    """Mean of the folds' last epochs."""
    parameters: int | None = None
    gflop: float | None = None
    """Operations of a prediction of one window, billions."""
    images_per_s: float | None = None
    """Training samples a second, median of the folds."""
    epoch_s: float | None = None
    """Seconds an epoch, median of the folds."""
    train_s: float | None = None
    """Seconds of all training."""
    boundary_f1_mean: float | None
    boundary_mean_m_mean: float | None
    boundary_p95_m_mean: float | None
    area_error_km2_mean: float | None
    area_error_abs_km2_mean: float | None
    area_error_percent_mean: float | None
    ece_mean: float | None
    units: int
    """Independent units behind the intervals: blocks, years, regions or images."""
    dice_all_test_pixels: float
    dice_interval: tuple[float, float] | None
    iou_interval: tuple[float, float] | None
    reliability: tuple[ReliabilityStep, ...]
    """Empty without probabilities."""
    ece_before_mean: float | None = None
    """Before a temperature was fitted; None where none was, likewise below."""
    reliability_before: tuple[ReliabilityStep, ...] = ()
    members: dict[int, tuple[str, ...]] | None = None
    """Of an ensemble: fold to the encoders that are averaged."""
    folds: tuple[FoldScores, ...]

    @property
    def dice(self) -> tuple[float, ...]:
        """Test Dice of the folds that decide."""
        return tuple(fold.dice for fold in self.folds if fold.decides)

    @property
    def worst_region(self) -> tuple[str, float] | None:
        """The region with the lowest IoU over all folds, and that; None where none shows ice."""
        found = [(s.iou, name) for name, s in self.by_region.items() if s.iou is not None]
        return min(found)[::-1] if found else None


class LeftOut(Model):
    """A method without scores."""

    title: str
    reason: str


def score_fold(fold: int, card: Scorecard, **extra: Any) -> FoldScores:
    """Scores of one method in one fold.

    Args:
        fold: Number of the fold.
        card: What it scored there.
        extra: Further fields of the scores.
    """
    counts, outline, area = card.counts, card.outline, card.area
    return FoldScores(
        fold=fold,
        dice=counts.dice,
        iou=counts.iou,
        precision=counts.precision,
        recall=counts.recall,
        tp=counts.tp,
        fp=counts.fp,
        fn=counts.fn,
        tn=counts.tn,
        boundary_f1=outline.f1,
        boundary_mean_m=outline.mean_m,
        boundary_p95_m=outline.p95_m,
        area_error_km2=area.error_km2,
        area_error_abs_km2=area.error_abs_km2,
        area_error_percent=area.error_percent,
        ece=card.reliability.ece if card.reliability else None,
        **extra,
    )


def score_method(
    title: str, folds: Sequence[FoldScores], cards: Sequence[Scorecard], **extra: Any
) -> MethodScores:
    """Scores of one method over its folds.

    Args:
        title: As tables name it.
        folds: Its scores by fold.
        cards: The scorecards behind them.
        extra: What only some methods have.
    """
    deciding = [fold for fold in folds if fold.decides] or list(folds)
    dice_mean, dice_sd = spread([fold.dice for fold in deciding])
    iou_mean, iou_sd = spread([fold.iou for fold in deciding])
    together = pool_counts(fold.counts for fold in folds)
    units = [unit.counts for card in cards for unit in card.units]
    interval = bootstrap_dice(units)
    means = {f"{name}_mean": mean_known([getattr(f, name) for f in deciding]) for name in MEASURES}
    return MethodScores(
        title=title,
        dice_mean=dice_mean,
        dice_sd=dice_sd,
        iou_mean=iou_mean,
        iou_sd=iou_sd,
        iou_all_test_pixels=together.iou,
        precision_all_test_pixels=together.precision,
        recall_all_test_pixels=together.recall,
        units=len(units),
        dice_all_test_pixels=together.dice,
        dice_interval=interval,
        iou_interval=(interval[0] / (2 - interval[0]), interval[1] / (2 - interval[1]))
        if interval
        else None,
        reliability=pool_curve([card.reliability for card in cards]),
        folds=tuple(folds),
        **dict(break_down(cards)),
        **means,
        **extra,
    )


def pool_curve(found: Sequence[Reliability | None]) -> tuple[ReliabilityStep, ...]:
    """Reliability curve over all folds; empty without probabilities."""
    return sum((part for part in found if part), Reliability()).curve


def score_encoder(name: str, trials: Sequence[TrialResult]) -> MethodScores:
    """Scores, losses and cost of one encoder.

    Args:
        name: The encoder.
        trials: Its finished trials, in the order of the folds.
    """
    folds = [score_trial(trial) for trial in trials]
    lowest = [fold.val_dice_loss_lowest for fold in folds]
    fitted = any(trial.calibration.temperature != 1 for trial in trials)
    before = [trial.uncalibrated for trial in trials] if fitted else []
    return score_method(
        name,
        folds,
        [trial.scorecard for trial in trials],
        dice_loss_lowest=None
        if None in lowest
        else min(loss for loss in lowest if loss is not None),
        dice_loss_last_mean=mean_known([fold.val_dice_loss_last for fold in folds]),
        parameters=trials[0].parameters,
        gflop=trials[0].gflop,
        images_per_s=float(np.median([trial.images_per_s for trial in trials])),
        epoch_s=float(np.median([trial.epoch_s for trial in trials])),
        train_s=float(sum(trial.train_s for trial in trials)),
        ece_before_mean=mean_known([part.ece for part in before]),
        reliability_before=pool_curve(before),
    )


def score_trial(trial: TrialResult) -> FoldScores:
    """Scores, losses and cost of one trial."""
    losses = [epoch.val_dice_loss for epoch in trial.epochs]
    known = [loss for loss in losses if loss is not None]
    return score_fold(
        trial.fold,
        trial.scorecard,
        epoch_kept=trial.epoch_kept,
        val_dice_loss=trial.kept.val_dice_loss,
        val_dice_loss_lowest=min(known) if len(known) == len(losses) else None,
        val_dice_loss_last=losses[-1],
        images_per_s=trial.images_per_s,
        epoch_s=trial.epoch_s,
        train_s=trial.train_s,
    )


def score_baseline(result: BaselineResult) -> MethodScores | LeftOut:
    """Scores of a simple method, or the reason why there are none."""
    if result.reason is not None:
        return LeftOut(title=result.title, reason=result.reason)
    ordered = sorted(result.folds, key=lambda found: found.fold)
    folds = [score_fold(found.fold, found.scorecard, fitted=found.fitted) for found in ordered]
    return score_method(result.title, folds, [found.scorecard for found in ordered])


def score_ensemble(result: EnsembleResult) -> MethodScores | None:
    """Scores of the mean of the encoders, or None."""
    if not result.folds:
        return None
    folds = [score_fold(found.fold, found.scorecard) for found in result.folds]
    members = {found.fold: found.members for found in result.folds}
    cards = [found.scorecard for found in result.folds]
    return score_method("ensemble", folds, cards, members=members)
