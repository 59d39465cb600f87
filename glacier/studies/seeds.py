"""Variants from several training seeds: what is luck of the training, and what is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from glacier.evaluation.verdict import spread
from glacier.markdown import escape, write_table
from glacier.settings.model import Model
from glacier.studies.differences import Difference, correct_column, pair_scores
from glacier.studies.sentences import describe_difference
from glacier.studies.variants import Score, SplitName, Variant

COLUMNS = ("variant", "encoder", "seeds", "Dice", "difference over seeds", "over folds")
"""Columns of the page's table."""

Repeats = Mapping[str, Mapping[int, Variant]]
"""Name of a variant to training seed to what was found, the run's own seed included."""

SeedScores = Mapping[int, Mapping[int, float]]
"""Training seed to fold to Dice."""


class SeedRow(Model):
    """One encoder of one variant from several training seeds."""

    variant: str
    encoder: str
    seeds: int
    dice_mean: float
    """Over folds and seeds."""
    dice_sd: float
    """Between the seeds, of the mean over the folds: the luck of training."""
    over_seeds: Difference | None = None
    """Mean Dice less the reference's, paired over the seeds on the same folds; None of the
    reference itself and where nothing can be compared, likewise the next."""
    over_folds: Difference | None = None
    """The same, paired over the folds, of means over the seeds: what other ground would show."""


def list_seed_rows(repeats: Repeats, reference: str, split: SplitName) -> list[SeedRow]:
    """A row per repeated variant and encoder.

    Args:
        repeats: What was found by variant and seed.
        reference: Name of the variant that all are compared with.
        split: The part whose Dice is compared.
    """
    rows = [
        row
        for name, found in repeats.items()
        for encoder in list_encoders(found)
        if (row := make_seed_row(name, encoder, repeats, reference, split))
    ]
    return correct_column(correct_column(rows, "over_seeds"), "over_folds")


def list_encoders(found: Mapping[int, Variant]) -> list[str]:
    """Encoders that were trained from two seeds or more."""
    trained = [encoder for variant in found.values() for encoder in variant.trials]
    return [name for name in dict.fromkeys(trained) if trained.count(name) > 1]


def make_seed_row(
    name: str, encoder: str, repeats: Repeats, reference: str, split: SplitName
) -> SeedRow | None:
    """What an encoder scores over the seeds; None where a seed lacks a fold that others have."""
    score = Variant.test_dice if split == "test" else Variant.validation_dice
    own = collect(repeats[name], encoder, score)
    if not is_whole(own):
        return None
    mean, sd = spread([float(np.mean(list(folds.values()))) for folds in own.values()])
    row = SeedRow(variant=name, encoder=encoder, seeds=len(own), dice_mean=mean, dice_sd=sd)
    theirs = collect(repeats.get(reference, {}), encoder, score)
    both = sorted(own.keys() & theirs.keys())
    first, second = ({seed: scores[seed] for seed in both} for scores in (own, theirs))
    if name == reference or len(both) < 2 or not is_whole(first, second):
        return row
    if not all(repeats[name][s].shares(repeats[reference][s], "test") for s in both):
        return row
    ratio = repeats[name][both[0]].ratio(split)
    a, b = stack(first), stack(second)
    over = {
        "over_seeds": pair_scores(list(a.mean(axis=1)), list(b.mean(axis=1)), ratio=0),
        "over_folds": pair_scores(list(a.mean(axis=0)), list(b.mean(axis=0)), ratio),
    }
    return row.model_copy(update=over)


def collect(found: Mapping[int, Variant], encoder: str, score: Score) -> SeedScores:
    """Scores of an encoder by seed and fold, of the seeds that have any."""
    scores = {seed: score(variant, encoder) for seed, variant in found.items()}
    return {seed: folds for seed, folds in scores.items() if folds}


def is_whole(*scores: SeedScores) -> bool:
    """Whether there are scores, and all seeds have them of the same folds."""
    folds = [list(by_fold) for found in scores for by_fold in found.values()]
    return bool(folds) and all(each == folds[0] for each in folds)


def stack(scores: SeedScores) -> np.ndarray:
    """(seeds, folds) float64 Dice."""
    return np.array([list(folds.values()) for folds in scores.values()], float)


def explain_seeds(row: SeedRow, reference: str) -> str:
    """Whether a gain is luck of the training, and whether other ground would show it."""
    who = f"{row.variant}, {row.encoder}, {row.seeds} seeds"
    if row.over_seeds is None or row.over_folds is None:
        return f"{who}: mean Dice {row.dice_mean:.3f}, sd between seeds {row.dice_sd:.3f}."
    found = row.over_seeds
    where = "above" if found.difference > 0 else "below"
    luck = "more than luck of the training" if found.sure else "within the luck of the training"
    ground = (
        "and shown for other folds, too" if row.over_folds.sure else "and not shown for other folds"
    )
    return f"{who}: {abs(found.difference):.3f} {where} {reference}, {luck} {ground}."


def write_seeds(rows: Sequence[SeedRow], reference: str, split: SplitName) -> list[str]:
    """The page's part on the luck of training; empty where nothing was repeated."""
    if not rows:
        return []
    return [
        "## Other training seeds",
        "",
        *(f"- {escape(explain_seeds(row, reference))}" for row in rows),
        "",
        *write_table(COLUMNS, map(format_row, rows)),
        "",
        f"Mean {split} Dice of the folds, and its standard deviation between the seeds, each of "
        "which draws other first weights and another order of samples. The difference to "
        f"{reference} is paired over the seeds on the same folds, which says whether it is luck of "
        "the training, and over the folds with the seeds' mean, which says whether other ground "
        "would show it (corrected paired test; 95 % intervals).",
        "",
    ]


def format_row(row: SeedRow) -> tuple[str, ...]:
    """A row of the table."""
    told = map(describe_difference, (row.over_seeds, row.over_folds))
    dice = f"{row.dice_mean:.3f} ± {row.dice_sd:.3f}"
    return (row.variant, escape(row.encoder), str(row.seeds), dice, *told)
