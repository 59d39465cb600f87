"""The archive as a calendar, years by months: how much was seen, or why nothing was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from glacier.plots.figures import (
    INK,
    MUTED,
    Picture,
    encode_figure,
    new_figure,
)

SHARES = ("#d4e5f3", "#9cc5e2", "#5b9fcd", "#2873b0", "#0b3c73")
"""Colours of a month by its share of seen pixels, in fifths; darker is more, also in grey."""

REASONS = {
    "solar_zenith": ("S", "sun too low", "////"),
    "no_scene": ("N", "no scene", ""),
    "all_masked": ("M", "no clear pixel", "...."),
    "off_scene": ("O", "no scene over the region", "oo"),
    "no_data": ("D", "only fill", "++"),
    "valid_share": ("V", "too little seen", "\\\\\\\\"),
}
"""Letter, words and hatching of the reasons why a month is empty."""

OTHER_REASON = ("E", "empty", "xxxx")

EMPTY_FACE, EMPTY_HATCH, FAILED_FACE = "#f1f3f5", "#b4bdc6", "#D55E00"

MAX_PANELS = 4
"""Regions that a calendar shows; its text counts all."""


@dataclass(frozen=True)
class Square:
    """One month of one region, as a calendar shows it."""

    month: date
    status: str
    """``ok``, ``empty`` or ``failed``."""
    why: str = ""
    """Why it is empty, or the class of the error."""
    share: float = 0.0
    """Share of pixels seen, 0..1."""


def draw_calendar(regions: Mapping[str, Sequence[Square]]) -> Picture:
    """Years by months, a panel per region: how much was seen, or why nothing was.

    Args:
        regions: Name to its months; the first few are drawn, the text counts all.
    """
    shown = {name: regions[name] for name in list(regions)[:MAX_PANELS]}
    years = [count_years(squares) for squares in shown.values()]
    figure = new_figure(5.6, 1.1 + sum(0.42 + 0.26 * count for count in years))
    panels = figure.subplots(len(shown), squeeze=False, height_ratios=years)[:, 0]
    for axes, (name, squares) in zip(panels, shown.items(), strict=True):
        draw_months(axes, name, squares)
    if left_out := len(regions) - len(shown):
        figure.supxlabel(
            f"not drawn: {left_out} more region{'s' * (left_out > 1)}",
            x=0.98,
            ha="right",
            fontsize=9.5,
            color=INK,
        )
    marks, words = explain_squares([s for squares in shown.values() for s in squares])
    figure.legend(
        marks, words, loc="outside lower left", ncols=len(marks) // len(SHARES), frameon=False,
        fontsize=9.5, labelcolor=INK, handlelength=1.7, handleheight=1.1, columnspacing=1.6,
    )  # fmt: skip
    return encode_figure(figure, describe_calendar(regions))


def explain_squares(squares: Sequence[Square]) -> tuple[list[Patch], list[str]]:
    """Marks and words of a calendar's legend: the shares first, then what occurs, in columns."""
    marks = [Patch(facecolor=colour) for colour in SHARES]
    words = [f"{20 * k}–{20 * k + 20} % seen" for k in range(len(SHARES))]
    others = {mark_of(square): square for square in squares if square.status != "ok"}
    tally = Counter(mark_of(square) for square in squares if square.status != "ok")
    for (letter, text), count in sorted(tally.items(), key=lambda item: (-item[1], item[0])):
        marks.append(Patch(**style_square(others[letter, text])))
        words.append(f"{letter}  {text}: {count}")
    blank = -len(marks) % len(SHARES)  # so that the shares have a column to themselves
    return marks + [Patch(alpha=0)] * blank, words + [""] * blank


def count_years(squares: Sequence[Square]) -> int:
    """Calendar years from the first month to the last."""
    years = [square.month.year for square in squares]
    return max(years) - min(years) + 1


def draw_months(axes: Axes, name: str, squares: Sequence[Square]) -> None:
    """The panel of one region: a row a year, the first on top."""
    first = min(square.month.year for square in squares)
    rows = count_years(squares)
    for square in squares:
        x, y = square.month.month - 1, square.month.year - first
        axes.add_patch(Rectangle((x + 0.04, y + 0.06), 0.92, 0.88, **style_square(square)))
        if square.status != "ok":
            colour, weight = ("white", "bold") if square.status == "failed" else (INK, "normal")
            axes.text(
                x + 0.5, y + 0.53, mark_of(square)[0], color=colour, fontweight=weight,
                fontsize=9, ha="center", va="center",
            )  # fmt: skip
    axes.set_xlim(0, 12)
    axes.set_ylim(rows, 0)
    axes.set_xticks(np.arange(12) + 0.5, list("JFMAMJJASOND"))
    axes.set_yticks(np.arange(rows) + 0.5, [str(first + row) for row in range(rows)])
    axes.xaxis.tick_top()
    axes.tick_params(colors=MUTED, labelsize=9.5, length=0)
    axes.set_title(name, color=INK, fontsize=11, loc="left", fontweight="bold")
    for spine in axes.spines.values():
        spine.set_visible(False)


def mark_of(square: Square) -> tuple[str, str]:
    """Letter and words of a month without an image."""
    if square.status == "failed":
        return "×", f"failed ({square.why})"
    return REASONS.get(square.why, OTHER_REASON)[0], name_reason(square.why)


def name_reason(why: str) -> str:
    """In words why a month is empty; a reason that is not among them as it is written."""
    return REASONS[why][1] if why in REASONS else why.replace("_", " ")


def style_square(square: Square) -> dict[str, Any]:
    """Face, edge and hatching of a month; each outcome differs without its colour, too."""
    if square.status == "ok":
        step = min(int(square.share * len(SHARES)), len(SHARES) - 1)
        return {"facecolor": SHARES[step], "linewidth": 0}
    if square.status == "failed":
        return {"facecolor": FAILED_FACE, "linewidth": 0}
    hatch = REASONS.get(square.why, OTHER_REASON)[2]
    return {"facecolor": EMPTY_FACE, "edgecolor": EMPTY_HATCH, "linewidth": 0.6, "hatch": hatch}


def describe_calendar(regions: Mapping[str, Sequence[Square]]) -> str:
    """A calendar in words: counts, shares and reasons of each region that it shows."""
    sentences = []
    for name in list(regions)[:MAX_PANELS]:
        shares = [square.share for square in regions[name] if square.status == "ok"]
        words = [f"{len(regions[name])} months, {len(shares)} with an image"]
        if shares:
            low, middle, high = (100 * float(np.quantile(shares, q)) for q in (0, 0.5, 1))
            words[0] += f" ({low:.0f} to {high:.0f} % of the pixels seen, median {middle:.0f} %)"
        tally = Counter(mark_of(s)[1] for s in regions[name] if s.status != "ok")
        words += [f"{count} {text}" for text, count in tally.most_common()]
        sentences.append(f"{name}: {', '.join(words)}")
    rest = len(regions) - MAX_PANELS
    more = f". {rest} more regions are not shown" if rest > 0 else ""
    return f"Calendar of the archive, years by months. {'; '.join(sentences)}{more}."
