"""The picture of a study: every fold of every variant as a dot, its mean as a bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from glacier.plots.figures import (
    INK,
    Picture,
    encode_figure,
    new_figure,
    spread_heights,
    style_axes,
    style_of,
)

Rows = Mapping[str, Mapping[str, Sequence[float]]]
"""Variant to method to its score per fold."""


def draw_variants(panels: Mapping[str, Rows]) -> Picture:
    """Panels side by side that share their rows, one for each score that was measured.

    Args:
        panels: Name of the score, such as ``test Dice``, to its values 0..1, variants from the top.
    """
    variants = list(next(iter(panels.values())))
    methods = list(
        dict.fromkeys(m for rows in panels.values() for row in rows.values() for m in row)
    )
    height = 0.9 + len(variants) * (0.25 + 0.22 * len(methods)) + 0.3 * (len(methods) > 1)
    figure = new_figure(2.0 + 3.4 * len(panels), max(height, 2.2))
    for axes, (name, rows) in zip(
        figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels.items(), strict=True
    ):
        style_axes(axes, name, "")
        axes.grid(visible=False, axis="y")
        for place, variant in enumerate(variants):
            draw_row(axes, place, rows.get(variant, {}), methods)
        axes.set_yticks(range(len(variants)), variants, color=INK, fontsize=11)
        axes.set_ylim(len(variants) - 0.45, -0.55)
    if len(methods) > 1:
        handles, labels = figure.axes[0].get_legend_handles_labels()
        shown = dict(zip(labels, handles, strict=True))
        figure.legend(shown.values(), shown.keys(), loc="outside lower left", frameon=False,
                      fontsize=9.5, labelcolor=INK, ncols=3)  # fmt: skip
    return encode_figure(figure, describe_panels(panels))


def draw_row(
    axes: Axes, place: int, row: Mapping[str, Sequence[float]], methods: Sequence[str]
) -> None:
    """Dots and mean of each method of a variant, each method in its own lane, colour and mark."""
    lane = 0.8 / len(methods)
    for k, method in enumerate(methods):
        values = row.get(method, ())
        if not values:
            continue
        centre = place + (k - (len(methods) - 1) / 2) * lane
        style, mean = style_of(method), float(np.mean(values))
        ends = [centre - lane * 0.4, centre + lane * 0.4]
        axes.plot([mean] * 2, ends, color=style.colour, linewidth=3)
        axes.scatter(
            values, centre + spread_heights(len(values)) * lane, s=36, color=style.colour,
            marker=style.marker, edgecolors="white", linewidths=0.8, zorder=3, label=method,
        )  # fmt: skip


def describe_panels(panels: Mapping[str, Rows]) -> str:
    """The picture in words."""
    return " ".join(
        f"{name} of {variant}, {method}: mean {np.mean(values):.3f}, folds from {min(values):.3f} "
        f"to {max(values):.3f}."
        for name, rows in panels.items()
        for variant, row in rows.items()
        for method, values in row.items()
        if values
    )
