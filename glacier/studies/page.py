"""A study as a page in Markdown: a row for every variant, and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from pydantic import JsonValue

from glacier.markdown import escape, write_table
from glacier.progress import duration
from glacier.published import INTRODUCTION, PUBLISHED
from glacier.reports.terms import TERMS
from glacier.studies.by_place import conclude_places
from glacier.studies.place_tables import write_places
from glacier.studies.rows import Column, VariantRow
from glacier.studies.seeds import write_seeds
from glacier.studies.sentences import describe_difference
from glacier.studies.summary import Losses, StudySummary
from glacier.studies.worst_region import conclude_regions, write_regions

COLUMNS = ("variant", "what differs", "method", "test Dice", "difference")
"""Columns of the page's first table, few enough for a narrow screen."""

MORE = ("variant", "method", "Dice of all test pixels", "IoU of all", "validation Dice", "training")
"""Columns of its second one."""


def write_page(summary: StudySummary, alt: str) -> str:
    """The page in Markdown.

    Args:
        summary: The study.
        alt: Its picture in words.
    """
    trained_s = sum(row.train_s or 0 for row in summary.rows)
    names = [variant.name for variant in summary.variants]
    reports = ", ".join(f"[{name}]({name}/report.html)" for name in names)
    lines = [
        f"# Study {summary.name}{' (synthetic data)' if summary.is_synthetic else ''}",
        "",
        *write_verdicts(summary),
        "",
        *write_labels(summary.labels),
        "",
        f"{escape(summary.setup)} Variants differ as said.",
        "",
        *write_scores(summary),
        "",
        *write_places(summary.places),
        *write_regions(summary.regions, summary.reference),
        *write_seeds(summary.seeds, summary.reference, summary.compared_on),
        f"![{escape(alt)}](variants.png)",
        "",
        explain_measures(summary),
        "",
        *write_more(summary),
        "",
        *write_notes(summary),
        "",
        *write_losses(summary),
        f"Reports of the variants: {reports}.",
        "",
        f"Configuration {summary.config_sha256[:12]}; all numbers, of all baselines too, in "
        f"`variants.csv` and `study.json`; all training, added up, took {duration(trained_s)}.",
    ]
    return "\n".join(lines) + "\n"


def write_verdicts(summary: StudySummary) -> list[str]:
    """What the study found, first of all: which settings help, or the verdict of every variant."""
    if said := conclude_places(summary.places):
        return [escape(said)]
    if summary.regions:
        return [conclude_regions(summary.regions, summary.reference)]
    if summary.column == "val":
        return [conclude_settings(summary.rows, summary.reference)]
    verdicts = [f"- **{variant.name}**: {escape(variant.verdict)}" for variant in summary.variants]
    return [*(f"- {escape(sentence)}" for sentence in summary.leakage), *verdicts]


def conclude_settings(rows: Sequence[VariantRow], reference: str) -> str:
    """Which variants are shown to raise or to lower the validation Dice, in a sentence."""
    kinds: dict[str, list[str]] = {"raises": [], "lowers": [], "is not shown to change": []}
    for row in rows:
        if row.kind == "encoder" and (found := row.val):
            way = "raises" if found.difference > 0 else "lowers"
            name = f"{row.variant} ({found.difference:+.3f})"
            kinds[way if found.sure else "is not shown to change"].append(name)
    parts = [f"{way} it: {', '.join(names)}" for way, names in kinds.items() if names]
    if not parts:
        return f"No variant can be compared with {reference} on validation splits."
    return f"Validation Dice against {reference}. What {'; what '.join(parts)}."


def write_labels(labels: Mapping[str, str]) -> list[str]:
    """What the variants are scored against, which is said apart where it differs."""
    if len(set(labels.values())) == 1:
        return [escape(next(iter(labels.values())))]
    return [
        "**The variants have different labels, so a difference of their scores is also one of "
        "what they are scored against:**",
        "",
        *(f"- {name}: {escape(sentence)}" for name, sentence in labels.items()),
    ]


def write_scores(summary: StudySummary) -> list[str]:
    """A row for every encoder of every variant, for their mean, and for the best baseline."""
    variants = summary.variants_by_name
    return write_table(
        COLUMNS,
        (
            format_row(row, variants[row.variant].changes, summary.column)
            for row in list_shown(summary)
        ),
    )


def write_more(summary: StudySummary) -> list[str]:
    """The same rows with scores over all pixels, validation and what training took."""
    return write_table(MORE, map(format_more, list_shown(summary)))


def list_shown(summary: StudySummary) -> list[VariantRow]:
    """The rows of the page: of the baselines only the best of each variant."""
    rivals = {name: variant.rival for name, variant in summary.variants_by_name.items()}
    return [
        row for row in summary.rows if row.kind != "baseline" or row.method == rivals[row.variant]
    ]


def format_row(
    row: VariantRow, changes: Mapping[str, JsonValue], column: Column
) -> tuple[str, ...]:
    """A row of the page's first table."""
    found = row.difference(column)
    return (
        row.variant,
        f"{len(changes)} settings, below" if len(changes) > 1 else describe_changes(changes),
        escape(row.title),
        f"{row.dice_mean:.3f} ± {row.dice_sd:.3f}" if row.folds else "no known ice",
        describe_difference(found),
    )


def format_more(row: VariantRow) -> tuple[str, ...]:
    """A row of the page's second table."""
    span = "" if row.dice_low is None else f"{row.dice_low:.3f} to {row.dice_high:.3f}, "
    trained = "" if row.train_s is None else duration(row.train_s)
    return (
        row.variant,
        escape(row.title),
        f"{row.dice_all_test_pixels:.3f} ({span}{row.units} units)",
        f"{row.iou_all_test_pixels:.3f}",
        "" if row.val_dice_mean is None else f"{row.val_dice_mean:.3f}",
        trained if row.epochs_run is None else f"{trained}, {row.epochs_run:g} epochs",
    )


def describe_changes(changes: Mapping[str, JsonValue]) -> str:
    """What a variant changes, in a line of Markdown."""
    return escape(", ".join(f"{name} = {value}" for name, value in changes.items())) or "nothing"


def explain_measures(summary: StudySummary) -> str:
    """What the columns mean, and what was compared."""
    compared = (
        "All variants have the same folds, so the difference is of the validation Dice of the "
        "chosen epochs, paired over the folds (corrected test, 95 % interval; p among all "
        "variants by Holm's correction): settings are chosen on validation splits only. The test "
        "scores are shown and were not used."
        if summary.compared_on == "validation"
        else "The difference is of test Dice: paired over the folds where both variants test the "
        "same units (corrected paired test, 95 % interval; p among all variants by Holm's "
        "correction), else plain, of the Dice over all test pixels, with an interval from those "
        "of both scores."
    )
    averaged = any(row.kind == "ensemble" for row in summary.rows)
    ensemble = "their ensemble, which averages their probabilities, and " if averaged else ""
    return (
        f"Reference: {summary.reference}. {compared} Dice: {TERMS['Dice']}. IoU: {TERMS['IoU']}. "
        f"p: {TERMS['p']}. Test Dice is the mean over the folds with known ice and its standard "
        "deviation; behind the Dice of all test pixels stands its 95 % bootstrap interval over so "
        "many test units (blocks, years, glaciers or months), too narrow below about ten of them "
        "and where they show the same ground. Beside the encoders "
        f"{'stand' if averaged else 'stands'} {ensemble}the best of the simple methods of each "
        "variant."
    )


def write_notes(summary: StudySummary) -> list[str]:
    """How every encoder differs, what failed, and what variants of many changes do otherwise."""
    lines = [f"- {escape(sentence)}" for sentence in summary.sentences]
    lost = summary.failed_variants.items()
    lines += [f"- {name}: failed, {escape(reason)}." for name, reason in lost]
    for variant in summary.variants:
        if len(variant.differences) > 1:
            lines += ["", f"What {variant.name} does otherwise than {summary.reference}:", ""]
            lines += [f"- {escape(sentence)}" for sentence in variant.differences]
    return lines


def write_losses(summary: StudySummary) -> list[str]:
    """The page's part on the published experiment's numbers; empty where no variant repeats it."""
    if all(variant.protocol != "notebook" for variant in summary.variants):
        return []
    encoders = {losses.encoder for losses in summary.losses}
    published = [
        Losses(variant="as published", encoder=name, **asdict(numbers))
        for name, numbers in PUBLISHED.items()
        if name in encoders
    ]
    return [
        "## The published experiment's three numbers",
        "",
        f"The published experiment is {INTRODUCTION}. It gave Dice losses on the split that chose "
        "the checkpoint, which under the published protocol is the test fold itself.",
        "",
        "| variant | encoder | lowest of all epochs and folds | mean of last epochs | last epoch, "
        "fold by fold |",
        "|---|---|---|---|---|",
        *map(format_losses, [*published, *summary.losses]),
        "",
    ]


def format_losses(losses: Losses) -> str:
    """A row of the table of the three numbers."""
    last = ", ".join(map(format_loss, losses.last))
    return (
        f"| {losses.variant} | {escape(losses.encoder)} | {format_loss(losses.lowest)} | "
        f"{format_loss(losses.last_mean)} | {last} |"
    )


def format_loss(loss: float | None) -> str:
    """A loss to the four digits that were published; empty where there is none."""
    return "" if loss is None else f"{loss:.4f}"
