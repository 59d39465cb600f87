"""The comparison as charts: folds, cost, reliability, conditions and learning curves."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence

from glacier.evaluation.calibration import ReliabilityStep
from glacier.evaluation.comparison import Comparison
from glacier.evaluation.results import SweepResult, TrialResult
from glacier.evaluation.scores import MethodScores
from glacier.plots import figures
from glacier.plots.figures import CostPoint, Curve, Picture

Lines = dict[str, dict[str, float]]
"""Method to condition to its Dice."""


def draw_charts(sweep: SweepResult, found: Comparison) -> dict[str, Picture]:
    """Charts by file name: folds, cost, what the data allow, and learning curves."""
    return {
        **draw_accuracy(sweep, found),
        **draw_cost(found),
        **draw_reliability(found),
        **draw_conditions(found),
        **draw_learning(sweep, found.ranked),
    }


def list_networks(found: Comparison) -> dict[str, MethodScores]:
    """Encoders by rank, then their ensemble where there is one."""
    networks = {name: found.encoders[name] for name in found.ranked}
    return networks | ({"ensemble": found.ensemble} if found.ensemble else {})


def draw_accuracy(sweep: SweepResult, found: Comparison) -> dict[str, Picture]:
    """Test Dice of every fold that decides, of the networks and the best baseline that is a rival.

    The other baselines are a line each, at their means. Nothing where no fold decides.
    """
    simple = {name: scores for name, scores in found.scored_baselines.items() if scores.dice}
    rivals = [name for name in simple if sweep.baselines[name].is_rival]
    nearest = max(rivals, key=lambda name: simple[name].dice_mean, default=None)
    dotted = list_networks(found) | ({simple[nearest].title: simple[nearest]} if nearest else {})
    dice = {name: scores.dice for name, scores in dotted.items() if scores.dice}
    means = {s.title: s.dice_mean for name, s in simple.items() if name != nearest}
    return {"folds": figures.draw_folds(dice, means)} if dice else {}


def draw_cost(found: Comparison) -> dict[str, Picture]:
    """What each encoder achieves, and what it costs; nothing where no fold decides."""
    encoders = {name: scores for name in found.ranked if (scores := found.encoders[name]).dice}
    points = [
        CostPoint(name, (s.dice_mean, s.dice_sd), s.epoch_s or 0.0, s.parameters or 0)
        for name, s in encoders.items()
    ]
    return {"cost": figures.draw_cost(points)} if points else {}


def draw_reliability(found: Comparison) -> dict[str, Picture]:
    """Reliability of all methods that give probabilities, also before a temperature was fitted."""
    scored = {
        method.scores.title: method.scores
        for method in found.methods
        if isinstance(method.scores, MethodScores)
    }
    curves = {
        "reliability": {title: scores.reliability for title, scores in scored.items()},
        "before": {title: scores.reliability_before for title, scores in scored.items()},
    }
    known = {chart: list_points(of_methods) for chart, of_methods in curves.items()}
    return {chart: figures.draw_reliability(points) for chart, points in known.items() if points}


def list_points(
    curves: Mapping[str, Sequence[ReliabilityStep]],
) -> dict[str, list[tuple[float, float]]]:
    """Probability and share of glacier by bin, of the methods that have a curve."""
    return {
        title: [(step.probability, step.glacier) for step in steps]
        for title, steps in curves.items()
        if steps
    }


def draw_conditions(found: Comparison) -> dict[str, Picture]:
    """Dice by month and by what was seen, where the images tell two conditions apart."""
    networks = list_networks(found)
    by_month: Lines = {
        name: {calendar.month_abbr[month]: row.dice for month, row in scores.by_month.items()}
        for name, scores in networks.items()
    }
    by_seen: Lines = {
        name: {share: row.dice for share, row in scores.by_seen.items()}
        for name, scores in networks.items()
    }
    charts = {
        "by-month": ("month", by_month),
        "by-share": ("share of the test part that was seen", by_seen),
    }
    return {
        chart: figures.draw_conditions(title, lines)
        for chart, (title, lines) in charts.items()
        if len({condition for line in lines.values() for condition in line}) > 1
    }


def draw_learning(sweep: SweepResult, ranked: Sequence[str]) -> dict[str, Picture]:
    """Learning curves of each encoder, all to one scale."""
    curves = {name: [make_curve(trial) for trial in sweep.by_encoder[name]] for name in ranked}
    losses = [
        loss
        for found in curves.values()
        for curve in found
        for loss in (*curve.train, *(curve.selection or ()))
    ]
    return {
        f"curves-{name}": figures.draw_curves(name, found, 1.05 * max(losses), sweep.loss_names)
        for name, found in curves.items()
    }


def make_curve(trial: TrialResult) -> Curve:
    """Learning curve of a trial."""
    train = [epoch.train_loss for epoch in trial.epochs]
    known = [epoch.val_dice_loss for epoch in trial.epochs if epoch.val_dice_loss is not None]
    return Curve(trial.fold, train, known if len(known) == len(train) else None, trial.best_epoch)
