"""A sweep's results -> the comparison: scores by fold, spread, verdict, and what they mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal

import numpy as np
import pydantic

from glacier.evaluation.breakdown import LateSummer, measure_late_summer
from glacier.evaluation.recommendation import (
    Contenders,
    explain_training,
    recommend,
    weigh_baselines,
)
from glacier.evaluation.results import FailedTrial, SweepResult
from glacier.evaluation.scores import (
    LeftOut,
    MethodScores,
    score_baseline,
    score_encoder,
    score_ensemble,
)
from glacier.evaluation.verdict import Pair, count_folds, judge
from glacier.evaluation.worst_region import recommend_by_worst_region
from glacier.samples.folds import Split
from glacier.samples.sample_set import SampleMonth
from glacier.settings.model import Model

Kind = Literal["encoder", "ensemble", "baseline"]


class Ranking(Model):
    """Who wins, whom to take, and why."""

    winner: str | None
    """Encoder; None where the folds tell none apart."""
    choice: str | None
    """Encoder to take; None without a ranking."""
    verdict: str
    """The same for people, in plain words."""
    evidence: str = ""
    """The statistics behind it: means, p values and what the folds cannot see."""
    pairs: tuple[Pair, ...] = ()
    """Every two encoders."""
    against_baselines: dict[str, str] = pydantic.Field(default_factory=dict)
    """Encoder to a sentence."""

    @classmethod
    def nobody(cls, why: str) -> Ranking:
        """No ranking, and why."""
        return cls(winner=None, choice=None, verdict=why)


class Comparison(Ranking):
    """All methods of a sweep."""

    encoders: dict[str, MethodScores]
    baselines: dict[str, MethodScores | LeftOut]
    ensemble: MethodScores | None
    ensemble_reason: str | None
    """Why there is no ensemble."""
    failed_trials: tuple[FailedTrial, ...]

    @property
    def ranked(self) -> tuple[str, ...]:
        """Encoders, the highest mean Dice first; those that lost a fold come last."""
        return rank_encoders(self.encoders)

    @property
    def shown(self) -> str:
        """Encoder, or the ensemble, that a page shows: the one to take, else the best by Dice."""
        networks = {*self.encoders, *(["ensemble"] if self.ensemble else [])}
        return self.choice if self.choice in networks and self.choice else self.ranked[0]

    @property
    def scored_baselines(self) -> dict[str, MethodScores]:
        """Baselines that have scores."""
        return {name: s for name, s in self.baselines.items() if isinstance(s, MethodScores)}

    @property
    def methods(self) -> tuple[Method, ...]:
        """Rows of the main table: encoders by rank, ensemble, baselines by their mean Dice."""
        encoders = [Method(name=n, kind="encoder", scores=self.encoders[n]) for n in self.ranked]
        ensemble = self.ensemble or LeftOut(title="ensemble", reason=self.ensemble_reason or "")
        order = sorted(
            self.baselines,
            key=lambda name: -getattr(self.baselines[name], "dice_mean", -1.0),
        )
        baselines = [Method(name=n, kind="baseline", scores=self.baselines[n]) for n in order]
        return (*encoders, Method(name="ensemble", kind="ensemble", scores=ensemble), *baselines)


class Method(Model):
    """A row of the main table."""

    name: str
    kind: Kind
    scores: MethodScores | LeftOut


class MonthCounts(Model):
    """Months by outcome."""

    ok: int
    empty: dict[str, int]
    """By reason."""
    failed: int


def compare_methods(sweep: SweepResult) -> Comparison:
    """The comparison of all methods of a sweep."""
    encoders = {name: score_encoder(name, found) for name, found in sweep.by_encoder.items()}
    baselines = {name: score_baseline(found) for name, found in sweep.baselines.items()}
    return Comparison(
        encoders=encoders,
        baselines=baselines,
        ensemble=score_ensemble(sweep.ensemble),
        ensemble_reason=sweep.ensemble.reason,
        failed_trials=sweep.failed,
        **dict(rank_methods(sweep, encoders, baselines)),
    )


def late_summer_of(sweep: SweepResult, months: Sequence[SampleMonth]) -> dict[str, LateSummer]:
    """Encoder to the outlines of its clear late-summer images.

    Args:
        sweep: The sweep.
        months: The months of its samples, which know of snow.

    Returns:
        Empty where regions lie on both sides of the equator, where unseen pixels count as ground,
        so that every image passes for clear, and where blocks cut the outlines of an image.
    """
    config = sweep.config
    cut = config.sweep.folds.kind == "by_block"
    if cut or config.prepare.label.unseen == "background":
        return {}
    if (late := sweep.late_summer) is None:
        return {}
    snow: dict[tuple[str, date], float | None] = {
        (month.region, month.month): month.snow_outside for month in months
    }
    found = {
        name: measure_late_summer([trial.scorecard for trial in trials], late, snow)
        for name, trials in sweep.by_encoder.items()
    }
    return {name: summer for name, summer in found.items() if summer}


def rank_methods(
    sweep: SweepResult,
    encoders: Mapping[str, MethodScores],
    baselines: Mapping[str, MethodScores | LeftOut],
) -> Ranking:
    """Who wins, whom to take, and why.

    Folds without known ice decide nothing, and an encoder is ranked that finished all others.
    All encoders of the run count in Holm's correction, also those that failed.

    Args:
        sweep: The sweep.
        encoders: Scores by encoder.
        baselines: Scores by baseline.
    """
    names, folds = sweep.config.sweep.encoders, len(sweep.deciding)
    if not folds:
        return Ranking.nobody("No test fold holds known ice, so there is no ranking.")
    done = {name: len(encoders[name].dice) if name in encoders else 0 for name in names}
    ranked = {name: encoders[name] for name in names if done[name] == folds}
    partial = [
        f"{name} ({done[name]} of {folds} folds done)" for name in names if name not in ranked
    ]
    lost = f" Not ranked, since trials failed: {', '.join(partial)}." if partial else ""
    if not ranked:
        which = f"{count_folds(folds)} with known ice" if sweep.bare else count_folds(folds)
        return Ranking.nobody(f"No encoder finished all {which}, so there is no ranking.{lost}")
    ratio = part_ratio(sweep.deciding)
    verdict = judge({name: scores.dice for name, scores in ranked.items()}, ratio, len(names))
    unlearned = {
        name: explain_training(sweep.by_encoder[name], sweep.config.sweep.loss) for name in ranked
    }
    field = Contenders(
        encoders=ranked,
        rivals={
            name: scores
            for name, scores in baselines.items()
            if isinstance(scores, MethodScores) and sweep.baselines[name].is_rival
        },
        described=sweep.baselines,
        unlearned={name: why for name, why in unlearned.items() if why},
        folder=f"models/{sweep.models}" if sweep.models else "",
    )
    found = recommend(field, verdict, ratio)
    if sweep.config.sweep.choose_by == "worst_region":
        found = recommend_by_worst_region(field, found, sweep.config.place)
    return Ranking(
        winner=verdict.winner if verdict.winner == found.choice else None,
        choice=found.choice,
        verdict=f"{found.sentence}{lost}",
        evidence=found.evidence,
        pairs=verdict.pairs,
        against_baselines={name: weigh_baselines(name, field, ratio) for name in ranked},
    )


def part_ratio(splits: Sequence[Split], part: Literal["test", "validation"] = "test") -> float:
    """Units of a test or validation split over those of its training split, mean of folds."""
    return float(np.mean([len(getattr(split, part)) / len(split.train) for split in splits]))


def rank_encoders(encoders: Mapping[str, MethodScores]) -> tuple[str, ...]:
    """Encoders, the highest mean Dice first; those that lost a fold come last."""
    most = max((len(scores.dice) for scores in encoders.values()), default=0)

    def place(name: str) -> tuple[bool, float, str]:
        return len(encoders[name].dice) < most, -encoders[name].dice_mean, name

    return tuple(sorted(encoders, key=place))


def list_folds(found: Comparison, splits: Sequence[Split]) -> list[dict[str, Any]]:
    """A table's row per method and fold; a method without scores has one row with the reason."""
    units = {split.fold: list(split.test) for split in splits}
    rows: list[dict[str, Any]] = []
    methods = [Method(name=n, kind="encoder", scores=s) for n, s in found.encoders.items()]
    methods += [Method(name=n, kind="baseline", scores=s) for n, s in found.baselines.items()]
    if found.ensemble:
        methods.append(Method(name="ensemble", kind="ensemble", scores=found.ensemble))
    for method in methods:
        base = {"method": method.name, "kind": method.kind, "status": "done", "reason": ""}
        if isinstance(method.scores, LeftOut):
            rows.append(base | {"status": "left out", "reason": method.scores.reason})
            continue
        for fold in method.scores.folds:
            rows.append(base | fold.row() | {"test_units": units[fold.fold]})
    for failed in found.failed_trials:
        base = {"method": failed.encoder, "kind": "encoder", "status": "failed"}
        rows.append(base | {"fold": failed.fold, "reason": failed.reason})
    return rows


def list_epochs(sweep: SweepResult) -> list[dict[str, Any]]:
    """A table's row per encoder, fold and epoch, which people count from 1: the learning curves."""
    return [
        {"encoder": trial.encoder, "fold": trial.fold}
        | epoch.model_dump()
        | {"epoch": epoch.epoch + 1}
        | {"chosen": int(epoch.epoch == trial.best_epoch)}
        for trial in sweep.trials
        for epoch in trial.epochs
    ]


def count_months(months: Sequence[SampleMonth]) -> MonthCounts:
    """Months of a set of samples by outcome."""
    reasons = Counter(
        (month.reason or "no reason given").partition(":")[0]
        for month in months
        if month.status == "empty"
    )
    return MonthCounts(
        ok=sum(month.status == "ok" for month in months),
        empty=dict(sorted(reasons.items())),
        failed=sum(month.status == "failed" for month in months),
    )
