"""The benchmark of strategies as a page in Markdown."""

from __future__ import annotations

from glacier.continual.strategies import STRATEGIES
from glacier.evaluation.streams import Against, Spread
from glacier.markdown import escape, write_table
from glacier.progress import duration
from glacier.studies.continual_summary import ContinualSummary, StrategyRow

COLUMNS = (
    "strategy", "mean IoU at the end", "above naive", "gap closed", "forgetting", "worst task",
)  # fmt: skip
MORE = (
    "strategy", "IoU once learned", "backward", "forward", "kept, MB", "budget, MB", "training",
    "learning rate", "strength",
)  # fmt: skip


def write_stream_page(summary: ContinualSummary, alt: str) -> str:
    """The page in Markdown.

    Args:
        summary: The benchmark.
        alt: Its picture in words.
    """
    lines = [
        f"# Learning without forgetting: {summary.name}"
        f"{' (synthetic data)' if summary.is_synthetic else ''}",
        "",
        f"- {escape(summary.verdict)}",
        f"- {escape(summary.replay)}",
        f"- {escape(summary.forgets)}",
        "",
        escape(summary.setup),
        "",
        *write_table(COLUMNS, [format_row(row) for row in summary.rows]),
        "",
        f"![{escape(alt)}](matrices.png)",
        "",
        "Rows: after so many tasks; columns: the tasks by the place at which they were learned; "
        "numbers: IoU x 100, mean of all orders and seeds.",
        "",
        *write_table(MORE, [format_more(row) for row in summary.rows]),
        "",
        explain_measures(summary),
        "",
        *(f"- {escape(each.trial)} failed: {escape(each.reason)}" for each in summary.lost),
        "",
        "Orders of the tasks: "
        + "; ".join(escape(", ".join(order)) for order in summary.orders)
        + ". All numbers: `strategies.csv`, `trials.csv` (with every matrix) and `continual.json`.",
    ]
    return "\n".join(lines) + "\n"


def name_row(row: StrategyRow) -> str:
    """A strategy with its budget; a star where it is told the task."""
    return escape(row.scores.method) + (" \\*" if row.knows_task else "")


def format_row(row: StrategyRow) -> tuple[str, ...]:
    """What a strategy keeps."""
    scores = row.scores
    return (
        name_row(row),
        show(scores.average),
        show_against(scores.against_floor),
        "" if scores.gap_closed is None else f"{scores.gap_closed:.0%}",
        show(scores.forgetting),
        show(scores.worst),
    )


def format_more(row: StrategyRow) -> tuple[str, ...]:
    """What else is known of it, and what it costs."""
    has_strength = len(STRATEGIES[row.strategy].strengths) > 1
    return (
        name_row(row),
        show(row.scores.learned),
        show(row.scores.backward),
        show(row.scores.forward),
        f"{row.kept_mb:.2f}",
        "" if row.budget_mb is None else f"{row.budget_mb:.2f}",
        duration(row.train_s),
        f"{row.rate:g}",
        f"{row.strength:g}" if has_strength else "",
    )


def show(value: Spread) -> str:
    """Mean and standard deviation."""
    return f"{value.mean:.3f} ± {value.sd:.3f}"


def show_against(found: Against | None) -> str:
    """A difference with its interval and what is left of it among all methods."""
    if found is None:
        return ""
    if found.low is None or found.p_holm is None:
        return f"{found.difference:+.3f} (no interval)"
    return (
        f"{found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f}, p = {found.p_holm:.2g})"
    )


def explain_measures(summary: ContinualSummary) -> str:
    """What the columns mean, and how they were compared."""
    told = (
        " Strategies with a star are told at the test, too, which task an image is of; others are "
        "not."
        if any(row.knows_task for row in summary.rows)
        else ""
    )
    return (
        "IoU: share of the pixels called or labelled glacier that are both. Mean IoU at the end: "
        "over all tasks, once the last is learned. Gap closed: of that between naive fine-tuning, "
        "which does nothing, and joint training, which keeps all. Forgetting: the best IoU an "
        "earlier task ever had less that in the end. Backward: in the end less once learned. "
        "Forward: just before a task is learned less that of a model that has learned nothing. "
        "Above naive: paired over the same orders and seeds, 95 % interval with the variance of "
        "Nadeau and Bengio, p by Holm's correction for all strategies; ± is the standard deviation "
        "over orders and seeds. Learning rate and strength were chosen by the validation parts in "
        "the first order and seed; test parts chose nothing." + told
    )
