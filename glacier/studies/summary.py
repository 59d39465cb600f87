"""What a study found: ``study.json``, and all that its page says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from pydantic import ConfigDict, JsonValue

from glacier.config import Config, variants_digest
from glacier.evaluation.caveats import explain_change, explain_labels
from glacier.evaluation.comparison import MonthCounts, count_months
from glacier.evaluation.results import FailedTrial
from glacier.reports.sharing import share_changes, share_text, shorten_address
from glacier.settings.model import Model
from glacier.studies.by_place import PlaceRow, list_place_rows
from glacier.studies.rows import SPLITS, Column, VariantRow, list_rows
from glacier.studies.seeds import Repeats, SeedRow, list_seed_rows
from glacier.studies.sentences import explain_leakage, explain_row
from glacier.studies.stamp import NOTHING_REPEATED, Stamp, list_repeats, list_sweeps
from glacier.studies.variants import (
    SplitName,
    Variant,
    find_setting,
    is_about_settings,
    is_synthetic,
)
from glacier.studies.worst_region import RegionRow, list_region_rows

SCHEMA = 11
"""Counts up when a study's content changes for the same sweeps."""


class Losses(Model):
    """The published experiment's three numbers of one encoder.

    Dice losses on the split that chose the checkpoint; None where none did.
    """

    variant: str
    encoder: str
    lowest: float | None
    """Of all epochs and folds."""
    last_mean: float | None
    """Mean of the folds' last epochs."""
    last: tuple[float | None, ...]
    """Those, fold by fold."""


class VariantSummary(Model):
    """One variant."""

    name: str
    changes: dict[str, JsonValue]
    differences: tuple[str, ...]
    """What each change means, in a sentence."""
    protocol: Literal["honest", "notebook"]
    months: MonthCounts
    failed_trials: tuple[FailedTrial, ...]
    verdict: str
    """Of the variant's own encoders."""
    rival: str | None
    """Its best baseline; None without."""


class StudySummary(Stamp):
    """A study: ``study.json``."""

    model_config = ConfigDict(extra="forbid")

    name: str
    reference: str
    """Name of the first variant."""
    setup: str
    is_synthetic: bool
    """The archive of a variant says nothing of the world."""
    compared_on: SplitName
    labels: dict[str, str]
    """What each variant is scored against, in a sentence."""
    variants: tuple[VariantSummary, ...]
    failed_variants: dict[str, str]
    """Name to reason."""
    rows: tuple[VariantRow, ...]
    regions: tuple[RegionRow, ...]
    """By the worst region; empty where no variant's training was told of regions."""
    places: tuple[PlaceRow, ...]
    """By place; empty where folds are not regions."""
    seeds: tuple[SeedRow, ...]
    """By training seed; empty where no variant is repeated."""
    losses: tuple[Losses, ...]
    sentences: tuple[str, ...]
    """How each encoder of each variant differs from the reference."""
    leakage: tuple[str, ...]
    """What folds of random months flatter."""

    @property
    def column(self) -> Column:
        """The score that the variants are compared by."""
        return "val" if self.compared_on == "validation" else "test"

    @property
    def variants_by_name(self) -> dict[str, VariantSummary]:
        """Its variants."""
        return {variant.name: variant for variant in self.variants}


def summarise(
    config: Config,
    variants: Sequence[Variant],
    lost: Mapping[str, str],
    repeats: Repeats = NOTHING_REPEATED,
) -> StudySummary:
    """Everything that the page says.

    Args:
        config: The study.
        variants: Those that have a sweep, the reference first.
        lost: Name to reason of the others.
        repeats: The variants that were trained from other seeds as well.
    """
    first = variants[0]
    missing = count_lost(config, first, lost)
    rows = list_rows(variants, missing)
    column: Column = "val" if is_about_settings(variants) else "test"
    encoders = [row for row in rows if row.kind == "encoder"]
    return StudySummary(
        format=SCHEMA,
        name=config.name,
        reference=first.name,
        setup=explain_setup(first),
        is_synthetic=any(is_synthetic(variant.config) for variant in variants),
        compared_on=SPLITS[column],
        labels={variant.name: explain_labels(variant.config.prepare.label) for variant in variants},
        variants=tuple(summarise_variant(variant, first) for variant in variants),
        failed_variants=share_reasons(lost, config),
        rows=tuple(rows),
        regions=tuple(list_region_rows(variants, missing)),
        places=tuple(list_place_rows(variants)),
        seeds=tuple(list_seed_rows(repeats, first.name, SPLITS[column])),
        losses=tuple(losses for variant in variants for losses in list_losses(variant)),
        sentences=tuple(explain_row(row, first.name, column) for row in encoders),
        leakage=tuple(explain_leakage(variants, rows)),
        sweeps=list_sweeps(variants),
        repeats=list_repeats(repeats),
        config_sha256=variants_digest(config),
    )


def count_lost(config: Config, reference: Variant, lost: Collection[str]) -> int:
    """Encoders of failed variants that were to be compared with the reference."""
    wanted = set(reference.settings.encoders)
    return sum(len(wanted.intersection(config.variant(name).sweep.encoders)) for name in lost)


def share_reasons(lost: Mapping[str, str], config: Config) -> dict[str, str]:
    """Name to reason of the variants that failed, without what is private in the messages."""
    return {name: share_text(why, config, config.variant(name)) for name, why in lost.items()}


def summarise_variant(variant: Variant, reference: Variant) -> VariantSummary:
    """What is said of a variant as a whole."""
    return VariantSummary(
        name=variant.name,
        changes=share_changes(variant.changes, variant.config),
        differences=tuple(explain_differences(variant, reference)),
        protocol=variant.settings.protocol,
        months=count_months(variant.samples.months),
        failed_trials=tuple(
            trial.model_copy(update={"reason": share_text(trial.reason, variant.config)})
            for trial in variant.sweep.failed
        ),
        verdict=variant.scores.verdict,
        rival=variant.rival,
    )


def explain_setup(variant: Variant) -> str:
    """What a variant was run on and how it trained, in a sentence or two."""
    samples, settings = variant.samples, variant.settings
    months = len(samples.usable)
    size = f"{samples.size_px} x {samples.size_px} px"
    shape = f"resized to {size}" if samples.layout == "resize" else f"cut into windows of {size}"
    sources = dict.fromkeys(shorten_address(settings.weights_of(e)) for e in settings.encoders)
    start = " or ".join("random weights" if s == "none" else f"weights from {s}" for s in sources)
    places = ", ".join(map(variant.config.place, samples.regions))
    return (
        f"{months} month{'' if months == 1 else 's'} of {places} (source: "
        f"{variant.config.ingest.source}), {shape}; bands {', '.join(samples.bands)}."
        f" At most {settings.epochs} epochs, batches of {settings.batch_size}, encoders from "
        f"{start}."
    )


def list_losses(variant: Variant) -> list[Losses]:
    """The published experiment's three numbers of every encoder of a variant."""
    return [
        Losses(
            variant=variant.name,
            encoder=name,
            lowest=scores.dice_loss_lowest,
            last_mean=scores.dice_loss_last_mean,
            last=tuple(fold.val_dice_loss_last for fold in scores.folds),
        )
        for name, scores in variant.scores.encoders.items()
    ]


def explain_differences(variant: Variant, reference: Variant) -> list[str]:
    """A sentence for every setting that a variant changes."""
    before = {name: find_setting(reference.config, name) for name in variant.changes}
    before, after = (share_changes(values, variant.config) for values in (before, variant.changes))
    return [explain_change(name, value, before[name]) for name, value in after.items()]
