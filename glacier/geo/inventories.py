"""Rows of glacier inventories: which are ice, which are cut out of it, which are neither."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from glacier.errors import VectorError
from glacier.wording import shorten_list

Theme = Literal["glacier", "debris"]
"""What polygons are wanted for: the glacier, or the debris on it."""

SHOWN = 5
"""Values that a message names; it counts the others."""

LINE_TYPES: dict[Theme, dict[str, str]] = {
    "glacier": {"glac_bound": "ice", "intrnl_rock": "hole"},
    "debris": {"debris_cov": "ice"},
}
"""Values of ``line_type`` that count. All others, lakes, basins, snow lines and centre lines among
them, are drawn beside or upon the glacier and change nothing of it.

Source: GLIMS, Description of fields of downloaded data; NSIDC, Information for GLIMS data
providers.
"""

NO_OUTLINES = {
    ("glac_stat", "gone"): "glaciers that are gone",
    ("status", "2"): "nominal glaciers, circles of the right area",
    ("form", "3"): "seasonal snowfields",
}
"""Cells (column, value) of rows that are no glacier's outline, and what they are.

``glac_stat`` is GLIMS's, ``Status`` and ``Form`` are those of the Randolph Glacier Inventory.

Source: GLIMS data dictionary; RGI Consortium 2017, Randolph Glacier Inventory 6.0, technical
report.
"""

KEYS = {"glac_stat": "line_type", "status": "rgiid", "form": "rgiid"}
"""Column by which a file shows that it is of the inventory whose column it is."""


@dataclass(frozen=True)
class Rows:
    """What the rows of a vector file are."""

    roles: NDArray[np.str_]
    """(R,) ``ice``, ``hole`` (cut out of the ice), or nothing: left out."""
    reasons: NDArray[np.str_]
    """(R,) the cell by which a row is a hole or left out, in words; empty for ice."""
    dates: str
    """What there is to say of glaciers drawn for several dates; empty where there are none."""


def sort_rows(columns: dict[str, Any], count: int, theme: Theme, where: str) -> Rows:
    """What every row of a table is, by its inventory's own columns; ice where none speaks.

    Args:
        columns: Values (R,) by column.
        count: Number of rows R.
        theme: What the polygons are wanted for.
        where: The file, for messages.

    Raises:
        VectorError: By its columns no row is what is wanted.
    """
    cells = {name.lower(): [as_word(v) for v in values] for name, values in columns.items()}
    roles = np.full(count, "ice", "<U4")
    reasons = np.full(count, "", object)
    if "line_type" in cells:
        kinds = LINE_TYPES[theme]
        for k, word in enumerate(cells["line_type"]):
            roles[k] = kinds.get(word, "") if word else "ice"
            if roles[k] != "ice":
                reasons[k] = f"line_type {word}"
        check_any(roles, cells["line_type"], kinds, where)
    for (column, value), what in NO_OUTLINES.items():
        if column in cells and KEYS[column] in cells:
            rows = np.array([word == value for word in cells[column]], bool)
            roles[rows], reasons[rows] = "", what
    return Rows(roles, reasons.astype(str), describe_dates(cells, roles == "ice"))


def describe_dates(cells: dict[str, list[str]], kept: NDArray[np.bool_]) -> str:
    """How many glaciers have outlines of several dates, by GLIMS's ``glac_id`` and ``src_date``.

    Args:
        cells: Values (R,) by column, as words.
        kept: (R,) bool, rows that are ice.
    """
    if not {"glac_id", "src_date"} <= set(cells):
        return ""
    days: dict[str, set[str]] = {}
    for glacier, day, ice in zip(cells["glac_id"], cells["src_date"], kept, strict=True):
        if ice and glacier and day:
            days.setdefault(glacier, set()).add(day[:10])
    several = [dates for dates in days.values() if len(dates) > 1]
    if not several:
        return ""
    united = sorted(set().union(*several))
    return (
        f"{len(several)} of {len(days)} glaciers have outlines of several dates (src_date "
        f"{united[0]} to {united[-1]}), which are united, so that the largest counts; keep the "
        "rows of one date for the ice of that date"
    )


def check_any(
    roles: NDArray[np.str_], words: Iterable[str], kinds: dict[str, str], where: str
) -> None:
    """Refuse a table none of whose rows is wanted.

    Raises:
        VectorError: With the values that there are.
    """
    if len(roles) and not (roles == "ice").any():
        wanted = next(word for word, role in kinds.items() if role == "ice")
        raise VectorError(
            f"{where}: no row has line_type {wanted}; there are "
            f"{shorten_list(sorted(set(words)), SHOWN)}. Give the file of the wanted polygons, or "
            "remove the column"
        )


def as_word(value: Any) -> str:
    """A cell in small letters; whole numbers without a point, nothing as an empty text."""
    return as_id(value).lower()


def as_id(value: Any) -> str:
    """A cell as an id: whole numbers without a point, nothing as an empty text.

    Letters with marks can be written as one character or as two; here they are always one.
    """
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return unicodedata.normalize("NFC", str(value)).strip()
