"""A study as a page in Markdown: a row for every arm, and sentences."""

from __future__ import annotations

from glacier.arms import describe_interval, difference_of
from glacier.comparison import PUBLISHED
from glacier.progress import duration
from glacier.scores import Facts

COLUMNS = ("arm", "what differs", "encoder", "test Dice", "over units", "test IoU",
           "validation Dice", "difference", "training", "epochs")  # fmt: skip
"""Columns of the page's table."""


def write_losses(summary: Facts) -> list[str]:
    """The page's part on the published experiment's numbers; empty where no arm repeats it."""
    if all(arm["protocol"] != "notebook" for arm in summary["arms"]):
        return []
    published = [
        {"arm": "as published", "encoder": name, **row}
        for name, row in PUBLISHED.items()
        if any(found["encoder"] == name for found in summary["losses"])
    ]
    return [
        "## The published experiment's three numbers",
        "",
        "Dice losses on the part that chose the checkpoint, which under the published protocol is "
        "the test fold itself.",
        "",
        "| arm | encoder | lowest of all epochs and folds | mean of last epochs | last epoch, "
        "fold by fold |",
        "|---|---|---|---|---|",
        *(
            f"| {row['arm']} | {row['encoder']} | {format_loss(row['lowest'])} | "
            f"{format_loss(row['last_mean'])} | {', '.join(map(format_loss, row['last']))} |"
            for row in published + summary["losses"]
        ),
        "",
    ]


def write_labels(labels: dict[str, str]) -> list[str]:
    """What the arms are scored against, which is said apart where it differs."""
    if len(set(labels.values())) == 1:
        return [next(iter(labels.values()))]
    return [
        "The arms have different labels, so a difference of their scores is also one of what they "
        "are scored against:",
        "",
        *(f"- {name}: {sentence}" for name, sentence in labels.items()),
    ]


def format_loss(loss: float | None) -> str:
    """A loss to the four digits that were published; empty where there is none."""
    return "" if loss is None else f"{loss:.4f}"


def write_page(summary: Facts, alt: str) -> str:
    """The page in Markdown."""
    column = "val" if summary["compared_on"] == "validation" else "test"
    changes = {arm["name"]: describe_changes(arm["changes"]) for arm in summary["arms"]}
    encoders = [row for row in summary["rows"] if row["kind"] == "encoder"]
    lines = [f"# Study {summary['name']}", "", f"{summary['setup']} Arms differ as said.", ""]
    lines += [part for sentence in summary["leakage"] for part in (sentence, "")]
    lines += ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += [format_row(row, changes[row["arm"]], column) for row in encoders]
    lines += ["", f"![{alt}](arms.png)", "", explain_measures(summary), ""]
    lines += [f"- {sentence}" for sentence in summary["sentences"]]
    lines += [f"- {name}: failed, {reason}." for name, reason in summary["failed_arms"].items()]
    for arm in summary["arms"]:
        if len(arm["differences"]) > 1:
            lines += ["", f"What {arm['name']} does otherwise than {summary['reference']}:", ""]
            lines += [f"- {sentence}" for sentence in arm["differences"]]
    trained_s = sum(arm["sweep_s"] for arm in summary["arms"])
    reports = ", ".join(f"[{a['name']}]({a['name']}/report.html)" for a in summary["arms"])
    lines += ["", *write_losses(summary), f"Reports of the arms: {reports}.", ""]
    lines += [
        *write_labels(summary["labels"]),
        "",
        f"Configuration {summary['config_sha256'][:12]}; all numbers, baselines too, in `arms.csv` "
        f"and `study.json`; the arms' sweeps took {duration(trained_s)}.",
    ]
    return "\n".join(lines) + "\n"


def describe_changes(changes: Facts) -> str:
    """What an arm changes, in a line."""
    return ", ".join(f"{name} = {value}" for name, value in changes.items()) or "nothing"


def format_row(row: Facts, changes: str, column: str) -> str:
    """A row of the page's table."""
    found = difference_of(row, column)
    span = "" if row["dice_low"] is None else f"{row['dice_low']:.3f} to {row['dice_high']:.3f}"
    validation = "" if row["val_dice_mean"] is None else f"{row['val_dice_mean']:.3f}"
    cells = (
        row["arm"],
        changes,
        row["method"],
        f"{row['dice_mean']:.3f} ± {row['dice_sd']:.3f}",
        f"{span} ({row['units']})",
        f"{row['iou_all_test_pixels']:.3f}",
        validation,
        f"{found.difference:+.3f} ({describe_interval(found)})" if found else "",
        duration(row["train_s"]),
        f"{row['epochs_run']:g}",
    )
    return "| " + " | ".join(cells) + " |"


def explain_measures(summary: Facts) -> str:
    """What the columns mean, and what was compared."""
    compared = (
        "All arms have the same folds, so the difference is of the validation Dice of the chosen "
        "epochs: settings are chosen on validation parts only. The test scores are shown and "
        "were not used."
        if summary["compared_on"] == "validation"
        else "The difference is of test Dice: paired over the folds where both arms test the same "
        "units (corrected paired test, 95 % interval), else plain, of the Dice over all test "
        "pixels, with an interval from those of both scores."
    )
    return (
        f"Reference: {summary['reference']}. {compared} Test Dice is the mean over the folds and "
        "its standard deviation; `over units` is a 95 % bootstrap interval of the Dice of all "
        "test pixels over so many independent units, too narrow below about ten of them."
    )
