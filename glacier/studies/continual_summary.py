"""What the benchmark of strategies found: ``continual.json``, and all that its page says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

import numpy as np
from pydantic import ConfigDict, Field

from glacier import seals
from glacier.continual.strategies import CEILING, FLOOR, STRATEGIES
from glacier.continual.trial import StreamKey, StreamOutcome, StreamPlan
from glacier.continual.tuning import StreamResults
from glacier.evaluation.streams import MethodRow, Runs, judge_replay, rank_methods, recommend
from glacier.reports.sharing import share_text
from glacier.settings.identity import digest
from glacier.settings.model import Model

SCHEMA = 1
"""Counts up when the summary's content changes for the same trials."""

JUDGED = "replay"
"""The strategy of which it is asked whether it closes half of the gap."""

Matrix = tuple[tuple[float, ...], ...]


class StreamStamp(seals.Manifest):
    """What a summary was made from; read alone, it may be of any version."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    format: int = Field(0, alias="schema")
    """Version of the content."""
    trials_sha256: str = ""
    """Of the outcomes of all trials."""


class StrategyRow(Model):
    """One strategy with its budget: what it keeps, and what it costs."""

    strategy: str
    budget_percent: float | None
    scores: MethodRow
    rate: float
    """Learning rate that validation chose."""
    strength: float
    """Weight of its own term, likewise."""
    train_s: float
    """Mean seconds of training of a stream."""
    kept_mb: float
    """Mean of what is kept of earlier tasks at the end, megabytes."""
    budget_mb: float | None
    """What it may keep; None where it takes no budget."""
    parameters: int
    knows_task: bool
    matrix: Matrix
    """(T, T) mean IoU after so many tasks (row), in the task learned at that place (column)."""


class LostRow(Model):
    """A trial that failed."""

    trial: str
    reason: str


class ContinualSummary(StreamStamp):
    """The benchmark: ``continual.json``."""

    model_config = ConfigDict(extra="forbid")

    name: str
    is_synthetic: bool
    verdict: str
    """Which strategy to take, or that no difference was found."""
    replay: str
    """Whether replay closes half of the gap, else what does."""
    forgets: str
    """How much naive fine-tuning forgets."""
    setup: str
    tasks: tuple[str, ...]
    orders: tuple[tuple[str, ...], ...]
    """Tasks in every order that was learned."""
    rows: tuple[StrategyRow, ...]
    lost: tuple[LostRow, ...]


def name_method(strategy: str, budget_percent: float | None) -> str:
    """As tables and sentences name a strategy with its budget."""
    title = STRATEGIES[strategy].title
    return title if budget_percent is None else f"{title}, {budget_percent:g} %"


def group_outcomes(results: StreamResults) -> dict[tuple[str, float | None], list[StreamOutcome]]:
    """Strategy and budget to its trials."""
    found: dict[tuple[str, float | None], list[StreamOutcome]] = {}
    for outcome in results.outcomes:
        found.setdefault(outcome.key.method, []).append(outcome)
    return found


def hash_trials(results: StreamResults) -> str:
    """What tells these results from others."""
    return digest([each.model_dump(mode="json") for each in results.outcomes])


def list_runs(results: StreamResults) -> dict[str, Runs]:
    """Method to what came of its trials, by order and seed."""
    return {
        name_method(*method): {(o.key.order, o.key.seed): o.test for o in outcomes}
        for method, outcomes in group_outcomes(results).items()
    }


def summarise_stream(plan: StreamPlan, results: StreamResults) -> ContinualSummary:
    """Everything that the page says.

    Args:
        plan: The benchmark.
        results: What its trials came to.
    """
    config, settings = plan.config, plan.config.continual
    runs, ratio = list_runs(results), part_ratio(plan)
    floor, ceiling = name_method(FLOOR, None), name_method(CEILING, None)
    ranked = rank_methods(runs, floor, ceiling, ratio, len(plan.methods) - 1)
    replay = name_method(JUDGED, settings.tuning_budget)
    names = [task.name for task in plan.tasks]
    return ContinualSummary(
        format=SCHEMA,
        trials_sha256=hash_trials(results),
        name=config.name,
        is_synthetic=config.ingest.chosen.knows_truth,
        verdict=recommend(runs, ranked, floor, ceiling, ratio),
        replay=judge_replay(ranked, replay, floor, ceiling),
        forgets=tell_forgetting(ranked, floor),
        setup=explain_setup(plan),
        tasks=tuple(names),
        orders=tuple(tuple(names[at] for at in order) for order in plan.orders),
        rows=tuple(list_rows(plan, results, {row.method: row for row in ranked})),
        lost=tuple(
            LostRow(trial=each.key.name, reason=share_text(each.reason, config))
            for each in results.lost
        ),
    )


def part_ratio(plan: StreamPlan) -> float:
    """Units of a test part over those of its training part, mean of the folds in use."""
    used = [plan.splits[k] for k in range(min(plan.config.continual.seeds, len(plan.splits)))]
    return mean(len(split.test) / len(split.train) for split in used)


def list_rows(
    plan: StreamPlan, results: StreamResults, ranked: Mapping[str, MethodRow]
) -> list[StrategyRow]:
    """A row for every method that finished a trial."""
    chosen = {key.strategy: key for key in results.chosen}
    return [
        describe_method(plan, outcomes, chosen[method[0]], ranked[name_method(*method)])
        for method, outcomes in group_outcomes(results).items()
    ]


def describe_method(
    plan: StreamPlan, outcomes: Sequence[StreamOutcome], chosen: StreamKey, scores: MethodRow
) -> StrategyRow:
    """The row of one method."""
    strategy, budget = outcomes[0].key.method
    matrix = np.mean([outcome.test.rows[1:] for outcome in outcomes], axis=0)
    return StrategyRow(
        strategy=strategy,
        budget_percent=budget,
        scores=scores,
        rate=chosen.rate,
        strength=chosen.strength,
        train_s=mean(outcome.train_s for outcome in outcomes),
        kept_mb=mean(outcome.kept_bytes for outcome in outcomes) / 1e6,
        budget_mb=None
        if budget is None
        else mean(plan.budget_bytes(budget, o.train_chips) for o in outcomes) / 1e6,
        parameters=outcomes[0].parameters,
        knows_task=STRATEGIES[strategy].knows_task,
        matrix=tuple(tuple(map(float, row)) for row in matrix),
    )


def tell_forgetting(rows: Sequence[MethodRow], floor: str) -> str:
    """How much the floor forgets, in a sentence."""
    for row in rows:
        if row.method == floor:
            return (
                f"{floor.capitalize()} forgets {row.forgetting.mean:.3f} of IoU: so much lower "
                "is an earlier task in the end than at its best, on average."
            )
    return f"No trial of {floor} ended."


def explain_setup(plan: StreamPlan) -> str:
    """What was learned and how, in a sentence or two."""
    config, samples, settings = plan.config, plan.samples, plan.config.continual
    places = ", ".join(map(config.place, samples.regions))
    return (
        f"{len(samples.usable)} months of {places}, cut into chips of {samples.size_px} x "
        f"{samples.size_px} px; bands {', '.join(samples.bands)}. {len(plan.tasks)} tasks "
        f"(stream: {settings.stream}) in {settings.orders} order(s), {settings.seeds} seed(s), "
        f"each with a test fold of its own ({len(plan.splits)} folds of ground blocks); "
        f"{settings.steps_per_task} batches of {settings.batch_size} a task. Scaled by the "
        "statistics of the first task."
    )


def encode_rows(summary: ContinualSummary) -> list[dict[str, object]]:
    """``strategies.csv``: a row for every strategy with its budget."""
    return [
        {
            "strategy": row.strategy,
            "budget_percent": row.budget_percent,
            "runs": row.scores.runs,
            **{
                f"{field}_{part}": getattr(getattr(row.scores, field), part)
                for field in ("average", "worst", "learned", "forgetting", "backward", "forward")
                for part in ("mean", "sd")
            },
            "gap_closed": row.scores.gap_closed,
            **{
                f"against_naive_{part}": getattr(row.scores.against_floor, part, None)
                for part in ("difference", "low", "high", "p", "p_holm")
            },
            "train_s": row.train_s,
            "kept_mb": row.kept_mb,
            "budget_mb": row.budget_mb,
            "parameters": row.parameters,
            "knows_task": int(row.knows_task),
            "rate": row.rate,
            "strength": row.strength,
        }
        for row in summary.rows
    ]


def encode_trials(results: StreamResults) -> list[dict[str, object]]:
    """``trials.csv``: a row for every compared trial, the scores of each task, what was lost."""
    rows: list[dict[str, object]] = []
    for outcome in results.outcomes:
        row: dict[str, object] = outcome.key.model_dump()
        row |= {"tasks": list(outcome.test.tasks), "status": "done", "reason": ""}
        row |= outcome.test.measure().model_dump()
        row |= {"train_s": outcome.train_s, "kept_mb": outcome.kept_bytes / 1e6}
        row |= {f"iou_after_{k}": list(ious) for k, ious in enumerate(outcome.test.rows)}
        rows.append(row | outcome.notes)
    lost = [
        each.key.model_dump() | {"status": "failed", "reason": each.reason} for each in results.lost
    ]
    return rows + lost
