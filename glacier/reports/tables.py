"""Tables as CSV that a spreadsheet opens and does not run."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins with one of these would be run by a spreadsheet."""


def encode_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """CSV of rows with their columns in order of first appearance; UTF-8, lines end in LF."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: encode_cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue().encode()


def encode_cell(value: object) -> object:
    """A value as a CSV cell: lists joined, and no text that a spreadsheet would run."""
    if isinstance(value, list | tuple):
        value = " ".join(str(part) for part in value)
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value
