"""The benchmarks' summary as a page to read."""

from __future__ import annotations

from typing import Any


def render_page(summary: dict[str, Any]) -> str:
    """Markdown of ``summary.json``: a table, then how each row was measured."""
    machine = ", ".join(f"{key} {value}" for key, value in summary["machine"].items())
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench` from [summary.json](summary.json); one row: `make bench ROW=name`.",
        "A ratio above 1 is better than the baseline. Baseline and ours run in turn in one",
        "process, unless the row says otherwise; times are medians.",
        "",
        f"Machine: {machine}.",
        "",
        "| row | ours | baseline | unit | ratio | wanted | met |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [table_line(row) for row in summary["rows"]]
    for row in summary["rows"]:
        lines += ["", *describe_row(row)]
    return "\n".join(lines) + "\n"


def table_line(row: dict[str, Any]) -> str:
    """A row of the table."""
    wanted, met = "", ""
    if row["target"] is not None:
        wanted = f"{row['target']:.3g}"
        met = "yes" if row["ratio"] >= row["target"] else "**no**"
    numbers = f"{row['ours']:.3g} | {row['baseline']:.3g} | {row['unit']} | {row['ratio']:.2f}"
    return f"| {row['name']} | {numbers} | {wanted} | {met} |"


def describe_row(row: dict[str, Any]) -> list[str]:
    """A row's own section."""
    lines = [f"## {row['name']}", "", f"- Ours: {row['what']}.", f"- Baseline: {row['against']}."]
    if row["limit"]:
        lines.append(f"- What limits it: {row['limit']}.")
    lines += [f"- {key}: {value}" for key, value in row["facts"].items()]
    return [*lines, f"- Measured {row['measured']}, repeats: {row['repeats']}."]
