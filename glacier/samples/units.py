"""What folds keep whole: a month image, a year, a region, or a block of ground."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from itertools import pairwise

from glacier.samples.sample_set import month_key
from glacier.settings.folds import FoldKind

Rectangle = tuple[int, int, int, int]
"""First row, end row, first column, end column; ends are exclusive; pixels."""


def block_rectangles(shape: tuple[int, int], blocks: tuple[int, int]) -> dict[str, Rectangle]:
    """Grid of ground blocks over an image, in row-major order.

    Args:
        shape: Image height x width, pixels.
        blocks: Rows and columns of the grid.

    Returns:
        ``r<row>c<column>`` to rectangle; the rectangles part the image.
    """
    rows, cols = (
        [round(k * length / parts) for k in range(parts + 1)]
        for length, parts in zip(shape, blocks, strict=True)
    )
    return {
        f"r{i}c{j}": (top, bottom, left, right)
        for i, (top, bottom) in enumerate(pairwise(rows))
        for j, (left, right) in enumerate(pairwise(cols))
    }


def glaciological_year(month: date) -> int:
    """Year that a month of the southern hemisphere belongs to, so that no summer is cut in two.

    It ends with March, and has the number of the calendar year in which it ends.

    Source:
        Cogley et al. 2011, Glossary of Glacier Mass Balance, "hydrological year": it begins on
        1 April in the southern hemisphere.
    """
    return month.year + (month.month >= 4)


def unit_rectangles(
    kind: FoldKind,
    region: str,
    month: date,
    shape: tuple[int, int],
    blocks: tuple[int, int],
    southern: Collection[str] = (),
) -> dict[str, Rectangle]:
    """Units that an image holds, and the pixels of each.

    Args:
        kind: What the folds keep whole.
        region: Region of the image.
        month: Month of the image.
        shape: Image height x width, pixels.
        blocks: Grid of ground blocks, rows and columns.
        southern: Regions south of the equator.
    """
    whole = (0, shape[0], 0, shape[1])
    if kind == "by_block":
        return {f"{region}/{name}": box for name, box in block_rectangles(shape, blocks).items()}
    if kind == "by_year":
        year = glaciological_year(month) if region in southern else month.year
        return {str(year): whole}
    return {region if kind == "by_region" else month_key(region, month): whole}


def block_index(unit: str) -> tuple[int, int]:
    """Row and column of a block unit's name, ``<region>/r<row>c<column>``."""
    row, _, col = unit.rpartition("/r")[2].partition("c")
    return int(row), int(col)
