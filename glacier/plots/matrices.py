"""The picture of a benchmark of strategies: a square of scores for each of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from glacier.plots.figures import INK, MUTED, Picture, encode_figure, new_figure

Matrix = NDArray[np.float64]
"""(T, T) scores 0..1: after so many tasks (row), in that task (column)."""

COLUMNS = 4
"""Squares beside each other."""
DARK = 0.55
"""Scores from which the ground is too dark for dark numbers."""
MOST_NUMBERS = 8
"""Tasks up to which every score is written out."""
COLOURS = 128


def draw_matrices(matrices: Mapping[str, Matrix], tasks: Sequence[str]) -> Picture:
    """A square for every strategy: the darker, the higher the score.

    Args:
        matrices: Strategy to the mean of its trials.
        tasks: Names by the place at which a task is learned, such as ``1st``.
    """
    columns = min(COLUMNS, len(matrices))
    rows = math.ceil(len(matrices) / columns)
    side = max(2.3, 0.42 * len(tasks) + 0.5)
    figure = new_figure(side * columns + 0.4, (side + 0.35) * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, matrix) in zip(grid, matrices.items(), strict=False):
        draw_matrix(axes, name, matrix, tasks)
    for axes in grid[len(matrices) :]:
        axes.set_axis_off()
    return encode_figure(figure, describe_matrices(matrices), COLOURS)


def draw_matrix(axes: Axes, name: str, matrix: Matrix, tasks: Sequence[str]) -> None:
    """One square, with its numbers where they fit."""
    axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1)
    axes.set_title(name, fontsize=9.5, color=INK)
    axes.set_xticks(range(len(tasks)), tasks, fontsize=8, color=MUTED)
    axes.set_yticks(range(len(tasks)), tasks, fontsize=8, color=MUTED)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    if len(tasks) > MOST_NUMBERS:
        return
    for (row, column), value in np.ndenumerate(matrix):
        axes.text(
            column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=8,
            color="white" if value > DARK else INK,
        )  # fmt: skip


def describe_matrices(matrices: Mapping[str, Matrix]) -> str:
    """The picture in words: of its squares the first two, and that which ends highest."""
    best = max(matrices, key=lambda name: float(matrices[name][-1].mean()))
    told = dict.fromkeys([*list(matrices)[:2], best])
    return f"{len(matrices)} squares of scores. " + " ".join(
        f"{name}: the first task's IoU is {matrices[name][0, 0]:.2f} once learned and "
        f"{matrices[name][-1, 0]:.2f} in the end, the last one's {matrices[name][-1, -1]:.2f}."
        for name in told
    )
