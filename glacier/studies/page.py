"""A study as a page in Markdown: a row for every variant, and sentences."""

from __future__ import annotations

from collections.abc import Sequence

from glacier.evaluation.comparison import METHOD_NAMES
from glacier.evaluation.metrics import Facts
from glacier.progress import duration
from glacier.published import PUBLISHED
from glacier.studies.sentences import describe_interval
from glacier.studies.variants import difference_of

COLUMNS = ("variant", "what differs", "method", "test Dice", "all test pixels", "over units",
           "test IoU", "validation Dice", "difference", "training", "epochs")  # fmt: skip
"""Columns of the page's table."""


def write_losses(summary: Facts) -> list[str]:
    """The page's part on the published experiment's numbers; empty where no variant repeats it."""
    if all(variant["protocol"] != "notebook" for variant in summary["variants"]):
        return []
    published = [
        {"variant": "as published", "encoder": name, **row}
        for name, row in PUBLISHED.items()
        if any(found["encoder"] == name for found in summary["losses"])
    ]
    return [
        "## The published experiment's three numbers",
        "",
        "Dice losses on the part that chose the checkpoint, which under the published protocol is "
        "the test fold itself.",
        "",
        "| variant | encoder | lowest of all epochs and folds | mean of last epochs | last epoch, "
        "fold by fold |",
        "|---|---|---|---|---|",
        *(
            f"| {row['variant']} | {row['encoder']} | {format_loss(row['lowest'])} | "
            f"{format_loss(row['last_mean'])} | {', '.join(map(format_loss, row['last']))} |"
            for row in published + summary["losses"]
        ),
        "",
    ]


def write_labels(labels: dict[str, str]) -> list[str]:
    """What the variants are scored against, which is said apart where it differs."""
    if len(set(labels.values())) == 1:
        return [next(iter(labels.values()))]
    return [
        "**The variants have different labels, so a difference of their scores is also one of what "
        "they are scored against:**",
        "",
        *(f"- {name}: {sentence}" for name, sentence in labels.items()),
    ]


def format_loss(loss: float | None) -> str:
    """A loss to the four digits that were published; empty where there is none."""
    return "" if loss is None else f"{loss:.4f}"


def write_page(summary: Facts, alt: str) -> str:
    """The page in Markdown."""
    column = "val" if summary["compared_on"] == "validation" else "test"
    variants = {variant["name"]: variant for variant in summary["variants"]}
    shown = [
        row
        for row in summary["rows"]
        if row["kind"] == "encoder" or row["method"] == variants[row["variant"]]["rival"]
    ]
    lines = [f"# Study {summary['name']}", "", *write_verdicts(summary, column), ""]
    lines += [
        *write_labels(summary["labels"]),
        "",
        f"{summary['setup']} Variants differ as said.",
        "",
    ]
    lines += ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += [format_row(row, variants[row["variant"]]["changes"], column) for row in shown]
    lines += ["", f"![{alt}](variants.png)", "", explain_measures(summary), ""]
    lines += [f"- {sentence}" for sentence in summary["sentences"]]
    lines += [f"- {name}: failed, {reason}." for name, reason in summary["failed_variants"].items()]
    for variant in summary["variants"]:
        if len(variant["differences"]) > 1:
            lines += ["", f"What {variant['name']} does otherwise than {summary['reference']}:", ""]
            lines += [f"- {sentence}" for sentence in variant["differences"]]
    trained_s = sum(row["train_s"] or 0 for row in summary["rows"])
    reports = ", ".join(f"[{a['name']}]({a['name']}/report.html)" for a in summary["variants"])
    lines += ["", *write_losses(summary), f"Reports of the variants: {reports}.", ""]
    lines.append(
        f"Configuration {summary['config_sha256'][:12]}; all numbers, of all baselines too, in "
        f"`variants.csv` and `study.json`; all training, added up, took {duration(trained_s)}."
    )
    return "\n".join(lines) + "\n"


def write_verdicts(summary: Facts, column: str) -> list[str]:
    """What the study found, first of all: which settings help, or the verdict of every variant."""
    if column == "val":
        return [conclude_settings(summary["rows"], summary["reference"])]
    verdicts = [f"- **{variant['name']}**: {variant['verdict']}" for variant in summary["variants"]]
    return [*(f"- {sentence}" for sentence in summary["leakage"]), *verdicts]


def conclude_settings(rows: Sequence[Facts], reference: str) -> str:
    """Which variants are shown to raise or to lower the validation Dice, in a sentence."""
    kinds: dict[str, list[str]] = {"raises": [], "lowers": [], "is not shown to change": []}
    for row in rows:
        found = difference_of(row, "val")
        if row["kind"] == "encoder" and found:
            way = "raises" if found.difference > 0 else "lowers"
            name = f"{row['variant']} ({found.difference:+.3f})"
            kinds[way if found.sure else "is not shown to change"].append(name)
    parts = [f"{way} it: {', '.join(names)}" for way, names in kinds.items() if names]
    return (
        f"Validation Dice against {reference}. What {'; what '.join(parts)}."
        if parts
        else (f"No variant can be compared with {reference} on validation parts.")
    )


def describe_changes(changes: Facts) -> str:
    """What a variant changes, in a line."""
    return ", ".join(f"{name} = {value}" for name, value in changes.items()) or "nothing"


def format_row(row: Facts, changes: Facts, column: str) -> str:
    """A row of the page's table."""
    found = difference_of(row, column)
    span = "" if row["dice_low"] is None else f"{row['dice_low']:.3f} to {row['dice_high']:.3f}"
    validation = "" if row["val_dice_mean"] is None else f"{row['val_dice_mean']:.3f}"
    cells = (
        row["variant"],
        f"{len(changes)} settings, below" if len(changes) > 1 else describe_changes(changes),
        METHOD_NAMES.get(row["method"], str(row["method"])),
        f"{row['dice_mean']:.3f} ± {row['dice_sd']:.3f}",
        f"{row['dice_all_test_pixels']:.3f}",
        f"{span} ({row['units']})",
        f"{row['iou_all_test_pixels']:.3f}",
        validation,
        f"{found.difference:+.3f} ({describe_interval(found)})" if found else "",
        "" if row["train_s"] is None else duration(row["train_s"]),
        "" if row["epochs_run"] is None else f"{row['epochs_run']:g}",
    )
    return "| " + " | ".join(cells) + " |"


def explain_measures(summary: Facts) -> str:
    """What the columns mean, and what was compared."""
    compared = (
        "All variants have the same folds, so the difference is of the validation Dice of the chosen "
        "epochs, paired over the folds (corrected test, 95 % interval; p among all variants by Holm's "
        "correction): settings are chosen on validation parts only. The test scores are shown and "
        "were not used."
        if summary["compared_on"] == "validation"
        else "The difference is of test Dice: paired over the folds where both variants test the same "
        "units (corrected paired test, 95 % interval; p among all variants by Holm's correction), "
        "else plain, of the Dice over all test pixels, with an interval from those of both scores."
    )
    return (
        f"Reference: {summary['reference']}. {compared} Test Dice is the mean over the folds and "
        "its standard deviation; `over units` is a 95 % bootstrap interval of the Dice of all "
        "test pixels over so many test units (blocks, years, glaciers or months), too narrow below "
        "about ten of them and where they show the same ground. Beside the encoders stands the "
        "best of the simple methods of each variant."
    )
