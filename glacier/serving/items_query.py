"""What may be asked of the outlines: a box, dates, a page of them, and values of their fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from glacier.geo.outline_rows import OutlineRow
from glacier.geo.outline_search import Box

LIMIT, MAX_LIMIT = 100, 1000
"""Outlines on a page where nothing is said, and at most; more than that is read as that."""

FIELDS: Mapping[str, type] = {"region": str, "rgi_id": str, "year": int, "month": int}
"""Fields of an outline that it may be asked for by."""

MOST = 999_999_999
"""Largest whole number that is read."""

FAR = 1000
"""Largest number of a box, degrees: some programs ask for more ground than there is."""

TIME = (
    "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    "(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))?"
)
"""A day or a time as the description of the interface has it."""

DIGITS = re.compile(r"[0-9]{1,9}")

PARAMETERS: Sequence[Mapping[str, Any]] = (
    {
        "name": "bbox", "in": "query", "required": False, "style": "form", "explode": False,
        "description": "West, south, east, north in degrees, or with heights, which do not count; "
        "a box over the date line has its west east of its east.",
        "schema": {"oneOf": [
            {"type": "array", "minItems": count, "maxItems": count,
             "items": {"type": "number", "minimum": -FAR, "maximum": FAR}}
            for count in (4, 6)
        ]},
    },
    {
        "name": "datetime", "in": "query", "required": False, "style": "form", "explode": False,
        "description": "A day or a time (RFC 3339), or an interval of two, of which one may be "
        "open: `2020-08-01/..`. Outlines count whose scenes were taken then.",
        "schema": {"type": "string", "pattern": f"^({TIME}|({TIME}|\\.\\.)?/({TIME}|\\.\\.)?)$"},
    },
    {
        "name": "limit", "in": "query", "required": False, "style": "form", "explode": False,
        "description": f"Outlines on a page; at most {MAX_LIMIT} come, however many are asked for.",
        "schema": {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT},
    },
    {
        "name": "offset", "in": "query", "required": False, "style": "form", "explode": False,
        "description": "Outlines that are passed over.",
        "schema": {"type": "integer", "minimum": 0, "maximum": MOST, "default": 0},
    },
    *(
        {
            "name": name, "in": "query", "required": False, "style": "form", "explode": False,
            "schema": {"type": "string"} if kind is str
            else {"type": "integer", "minimum": 0, "maximum": MOST},
        }
        for name, kind in FIELDS.items()
    ),
)  # fmt: skip
"""The parameters, as OpenAPI describes them.

Source: OGC API - Features - Part 1: Core 1.0.1, 7.15.
"""


@dataclass(frozen=True)
class ItemsQuery:
    """A question about the outlines."""

    box: Box | None = None
    days: tuple[date, date] | None = None
    """First and last; outlines count whose scenes were taken then, one of them at the least."""
    limit: int = LIMIT
    offset: int = 0
    fields: tuple[tuple[str, str | int], ...] = ()
    """Name and value of each field that is asked for."""

    def takes(self, row: OutlineRow) -> bool:
        """Whether an outline is of these days and has these values."""
        if self.days and not (
            row.src_date_min <= self.days[1] and row.src_date_max >= self.days[0]
        ):
            return False
        return all(getattr(row, name) == value for name, value in self.fields)


def read_query(given: Sequence[tuple[str, str]]) -> ItemsQuery:
    """A question of the parameters of an address.

    Raises:
        ValueError: A name is not known, is there twice, or its value cannot be one; the message
            says what is wanted.
    """
    values = read_parameters(given, READERS)
    fields = tuple((name, values.pop(name)) for name in FIELDS if name in values)
    return ItemsQuery(**values, fields=fields)


def read_parameters(
    given: Sequence[tuple[str, str]], readers: Mapping[str, tuple[str, Callable[[str], Any]]]
) -> dict[str, Any]:
    """Values of the parameters of an address.

    Args:
        given: Names and texts.
        readers: Name to the name of its value, and what reads that.

    Raises:
        ValueError: See :func:`read_query`.
    """
    values: dict[str, Any] = {}
    for name, text in given:
        if name not in readers:
            known = ", ".join(readers) or "none"
            raise ValueError(f"parameter {name!r:.60} is not known here; known: {known}")
        key, read = readers[name]
        if key in values:
            raise ValueError(f"parameter {name} is there twice; give it once")
        values[key] = read(text)
    return values


def read_box(text: str) -> Box:
    """``west,south,east,north``, or six numbers with the lowest and the highest place."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (4, 6) or not all(abs(number) <= FAR for number in numbers):  # nor NaN
        raise ValueError(f"bbox={text!r:.60}: wanted west,south,east,north in degrees")
    half = len(numbers) // 2
    (west, south), (east, north) = numbers[:2], numbers[half : half + 2]
    if south > north:
        raise ValueError(f"bbox={text!r:.60}: its south lies north of its north; swap them")
    return west, south, east, north


def read_days(text: str) -> tuple[date, date]:
    """The first and the last day of an instant or an interval."""
    ends = text.split("/")
    try:
        if len(ends) == 1:
            return read_day(text), read_day(text)
        first, last = ends
        days = (
            date.min if first in ("", "..") else read_day(first),
            date.max if last in ("", "..") else read_day(last),
        )
    except (ValueError, OverflowError) as error:  # as of the year 0
        raise ValueError(
            f"datetime={text!r:.60}: wanted 2020-08-01, 2020-08-01T00:00:00Z, or an interval of "
            "two with .. for an open end"
        ) from error
    if days[0] > days[1]:
        raise ValueError(f"datetime={text!r:.60}: it ends before it begins; swap its ends")
    return days


def read_day(text: str) -> date:
    """The day, UTC, of a day or a time."""
    if len(text) == 10:
        return date.fromisoformat(text)
    time = datetime.fromisoformat(text)
    if time.tzinfo is None or len(text) < 20:  # RFC 3339 wants a zone
        raise ValueError(text)
    return time.astimezone(UTC).date()


def read_count(name: str, least: int) -> Callable[[str], int]:
    """What reads a whole number from a least one on."""

    def read(text: str) -> int:
        if not DIGITS.fullmatch(text) or int(text) < least:
            raise ValueError(f"{name}={text!r:.60}: wanted a whole number from {least}")
        return int(text)

    return read


def read_limit(text: str) -> int:
    """How many outlines a page may have."""
    return min(MAX_LIMIT, read_count("limit", 1)(text))


READERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "bbox": ("box", read_box),
    "datetime": ("days", read_days),
    "limit": ("limit", read_limit),
    "offset": ("offset", read_count("offset", 0)),
    **{name: (name, str if kind is str else read_count(name, 0)) for name, kind in FIELDS.items()},
}
"""Name of each parameter to the name of its value, and what reads that."""
