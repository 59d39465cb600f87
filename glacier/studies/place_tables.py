"""The part of a study's page that tells every method place by place: a table for each measure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from glacier.markdown import escape, write_table
from glacier.studies.by_place import PlaceRow, group_methods, mean_iou

MANY_IMAGES = 3
"""Images of a place from which its area is told image by image."""


def write_places(rows: Sequence[PlaceRow]) -> list[str]:
    """The page's part on places; empty where there is none."""
    if not rows:
        return []
    lines = ["## Place by place", ""]
    lines += ["IoU, the best method first and the worst place first:", "", *pivot_iou(rows), ""]
    for told, value in TABLES.items():
        table = pivot(rows, value)
        lines += [told, "", *table, ""] if table else []
    for place, table in pivot_areas(rows).items():
        told = (
            f"{place}: area called glacier less that of the label of the same image, in percent; "
            "in how many images the label's area lies in the 90 % interval that the errors in the "
            "other images make:"
        )
        lines += [escape(told), "", *table, ""]
    return lines


Value = Callable[[PlaceRow], float | None]
"""What a table shows of a method at a place; None where it has nothing to say."""

TABLES: dict[str, Value] = {
    "Recall of ice under debris (where no label says which, of glacier on which no bright ice or "
    "snow is to be seen in that image):": lambda row: row.debris_recall,
    "Mean distance of the outlines, metres:": lambda row: row.boundary_mean_m,
    "Error of the area without its sign, percent, mean over the images:": (
        lambda row: row.area_error_percent
    ),
    "Share of the ground that is called glacier where there is none, percent:": (
        lambda row: row.claimed_percent if row.iou is None else None
    ),
}
"""What is said above a table to what it shows."""


def pivot_iou(rows: Sequence[PlaceRow]) -> list[str]:
    """A row for every method, the best first; a column for every place with ice, worst first."""
    methods = sorted(group_methods(rows).values(), key=mean_iou, reverse=True)
    means: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row.iou is not None:
            means[row.place].append(row.iou)
    places = sorted(means, key=lambda place: np.mean(means[place]))
    return write_table(
        ("method", "variant", *map(escape, places), "mean"),
        [
            (
                *name_method(next(iter(method.values()))),
                *(format_iou(method.get(place)) for place in places),
                f"{mean_iou(method):.3f}",
            )
            for method in methods
        ],
    )


def format_iou(row: PlaceRow | None) -> str:
    """An IoU as a cell."""
    return "" if row is None or row.iou is None else f"{row.iou:.3f}"


def name_method(row: PlaceRow) -> tuple[str, str]:
    """A method and its variant as cells; a simple method is of none."""
    return escape(row.title), "" if row.kind == "baseline" else escape(row.variant)


def pivot(rows: Sequence[PlaceRow], value: Value) -> list[str]:
    """A row for every method, a column for every place where any has a value; or no line."""
    places = list(dict.fromkeys(row.place for row in rows if value(row) is not None))
    methods = sorted(group_methods(rows).values(), key=mean_iou, reverse=True)
    if not places:
        return []
    return write_table(
        ("method", "variant", *map(escape, places)),
        [
            (
                *name_method(next(iter(method.values()))),
                *(format_value(method.get(place), value) for place in places),
            )
            for method in methods
        ],
    )


def format_value(row: PlaceRow | None, value: Value) -> str:
    """A value of a table as a cell, to three digits that count; a whole number from 100 on."""
    found = None if row is None else value(row)
    return "" if found is None else f"{found:.0f}" if found >= 100 else f"{found:.3g}"


def pivot_areas(rows: Sequence[PlaceRow]) -> dict[str, list[str]]:
    """Place to a table of errors by image, of the places with ``MANY_IMAGES`` or more."""
    found: dict[str, list[str]] = {}
    for place in dict.fromkeys(row.place for row in rows if row.iou is not None):
        own = sorted(
            (row for row in rows if row.place == place),
            key=lambda row: (row.area_error_percent is None, row.area_error_percent),
        )
        months = sorted({month for row in own for month in row.area_percent})
        if len(months) >= MANY_IMAGES:
            cells = [
                (
                    *name_method(row),
                    *(format_error(row.area_percent.get(month)) for month in months),
                    "" if row.areas_held is None else f"{row.areas_held} of {row.images}",
                )
                for row in own
            ]
            found[place] = write_table(("method", "variant", *months, "interval holds"), cells)
    return found


def format_error(percent: float | None) -> str:
    """An error with its sign as a cell."""
    return "" if percent is None else f"{percent:+.1f}"
