"""Sweeps with given scores, in closed form."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from glacier.config import Config
from glacier.evaluation.metrics import Counts
from glacier.evaluation.results import (
    BaselineFold,
    BaselineResult,
    Epoch,
    FailedTrial,
    SweepResult,
    TrialResult,
)
from glacier.evaluation.scorecard import ImageScore, OutlineScore, Scorecard
from glacier.samples.folds import Split

POLYGON = ((-134.6, 58.4), (-134.4, 58.4), (-134.4, 58.6))


def counts_of(dice: float) -> Counts:
    """Counts whose Dice is the given one, to a thousandth."""
    hits = round(1000 * dice)
    return Counts(tp=hits, fp=1000 - hits, fn=1000 - hits, tn=500)


def make_image(counts: Counts, month: date = date(2014, 8, 1), **changes: Any) -> ImageScore:
    """An image of region ``a`` with these counts, wholly seen, its outline 30 m off."""
    values = {"region": "a", "outline": OutlineScore(mean_m=30.0), "valid_share": 1.0}
    return ImageScore(month=month, counts=counts, **(values | changes))


def make_card(*counts: Counts, **changes: Any) -> Scorecard:
    """A scorecard with an image for each of some counts."""
    return Scorecard(images=tuple(map(make_image, counts)), **changes)


def make_epochs(losses: Sequence[float | None]) -> tuple[Epoch, ...]:
    """An epoch for each validation loss; the training loss is half of it, or 0.2."""
    return tuple(
        Epoch(
            epoch=k,
            train_loss=0.2 if loss is None else loss / 2,
            val_dice_loss=loss,
            val_dice=None if loss is None else 1 - loss,
            images_per_s=10.0,
            seconds=2.0,
        )
        for k, loss in enumerate(losses)
    )


def make_trial(
    encoder: str,
    fold: int,
    dice: float = 0.9,
    losses: Sequence[float | None] = (0.4, 0.2, 0.3),
    **changes,
) -> TrialResult:
    """A trial with this test Dice on one image; its best epoch has the lowest loss or is last."""
    known = [loss for loss in losses if loss is not None]
    values = {
        "encoder": encoder,
        "fold": fold,
        "best_epoch": losses.index(min(known)) if known else len(losses) - 1,
        "epochs": make_epochs(losses),
        "scorecard": make_card(counts_of(dice)),
        "parameters": 1000,
        "images_per_s": 10.0 + fold,
        "epoch_s": 2.0,
        "train_s": 6.0,
    }
    return TrialResult(**(values | changes))


def make_split(fold: int, folds: int) -> Split:
    """A fold of one unit that trains on those of all others, or of one more where it is alone."""
    train = tuple(f"a/{k}" for k in range(max(folds, 2)) if k != fold)
    return Split(fold, (f"a/{fold}",), (f"v/{fold}",), train)


def make_baseline(values: Sequence[float] | str, title: str = "", **changes: Any) -> BaselineResult:
    """A baseline with these test Dice by fold, or left out for this reason."""
    names = {"title": title, "phrase": title} | changes
    if isinstance(values, str):
        return BaselineResult(reason=values, **names)
    folds = tuple(
        BaselineFold(fold=k, scorecard=make_card(counts_of(v))) for k, v in enumerate(values)
    )
    return BaselineResult(folds=folds, **names)


def make_config(encoders: Sequence[str], **changes: Mapping[str, Any]) -> Config:
    """A run with these encoders, and changed parts of its configuration."""
    parts = {
        "name": "made",
        "regions": [{"name": "a", "polygon": POLYGON}],
        "prepare": {"layout": "resize"},
        "sweep": {"encoders": list(encoders), "folds": {"kind": "by_year"}},
    }
    for name, values in changes.items():
        parts[name] = {**parts.get(name, {}), **values} if isinstance(values, Mapping) else values
    return Config.model_validate(parts)


def make_sweep(
    dice: Mapping[str, Sequence[float]],
    baselines: Mapping[str, BaselineResult | Sequence[float] | str] | None = None,
    failed: Sequence[FailedTrial] = (),
    losses: Sequence[float | None] = (0.4, 0.2, 0.3),
    **config: Mapping[str, Any],
) -> SweepResult:
    """A sweep with these test Dice by encoder and fold.

    Args:
        dice: Encoder to its test Dice by fold.
        baselines: Baseline to its result, its test Dice by fold, or why it was left out.
        failed: Trials that failed.
        losses: Validation losses of every trial, epoch by epoch.
        config: Changed parts of the configuration.
    """
    folds = max(len(values) for values in dice.values())
    return SweepResult(
        config=make_config(list(dice), **config),
        splits=tuple(make_split(fold, folds) for fold in range(folds)),
        trials=tuple(
            make_trial(name, fold, value, losses)
            for name, values in dice.items()
            for fold, value in enumerate(values)
        ),
        failed=tuple(failed),
        baselines={
            name: values if isinstance(values, BaselineResult) else make_baseline(values, name)
            for name, values in (baselines or {}).items()
        },
    )


def fold_years(sweep: SweepResult) -> SweepResult:
    """The sweep with a year a fold, from 2014 on."""
    splits = tuple(
        Split(k, (str(2014 + k),), (), ("2000",)) for k, split in enumerate(sweep.splits)
    )
    return sweep.model_copy(update={"splits": splits})
