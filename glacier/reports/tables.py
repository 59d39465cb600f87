"""Tables as CSV that a spreadsheet opens and does not run."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

FORMULA = ("=", "+", "-", "@")
"""A cell whose first sign is one of these would be run by a spreadsheet."""

BLANK = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and signs that show nothing, beside the white space and controls of Unicode."""

NUMBERS = re.compile(r"(?:(?:^| )[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)+")
"""A number or several of them, which stay as programs read them."""


def encode_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """CSV of rows with their columns in order of first appearance; UTF-8, lines end in LF."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writerow({name: encode_cell(name) for name in columns})
    writer.writerows({name: encode_cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue().encode()


def encode_cell(value: object) -> object:
    """A value as a CSV cell: lists joined, on one line, and no text that a spreadsheet would run.

    Source:
        OWASP, CSV Injection: the signs, also full-width and behind white space, and the apostrophe
        that makes a cell a text.
    """
    if isinstance(value, list | tuple):
        value = " ".join(str(part) for part in value)
    if not isinstance(value, str) or NUMBERS.fullmatch(value):
        return value
    line = " ".join(value.splitlines())
    return f"'{line}" if first_sign(line) in FORMULA else line


def first_sign(text: str) -> str:
    """The first sign of a text that shows, as its plain form; empty where none does."""
    for sign in text:
        if unicodedata.category(sign)[0] not in "ZCM" and sign not in BLANK:
            return unicodedata.normalize("NFKC", sign)[0]
    return ""
