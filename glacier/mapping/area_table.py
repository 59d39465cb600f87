"""``area.csv``: a row for every month, and one for every year, gaps included; ``fronts.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

from pydantic import ValidationError

from glacier.archive.records import Status
from glacier.errors import SeriesError
from glacier.mapping.seasons import Gap
from glacier.mapping.uncertainty import Source
from glacier.settings.model import Model
from glacier.settings.values import Name


class AreaRow(Model):
    """A line of the table. An empty cell is what is not known; a gap is never 0 km2."""

    region: Name
    kind: Literal["month", "year"]
    """Year: the month that stands for it, measured on the pixels that all years saw."""
    year: int
    month: date | None = None
    """First day of the month; empty for a year that is a gap."""
    status: Status
    """Of the map."""
    gap: Gap = ""
    """Why there is no value; empty where there is one."""
    why: str = ""
    """The verdict in words: why a month is a gap, or why it stands for its year."""
    area_km2: float | None = None
    """Seen glacier; of a year, within the pixels that all years saw."""
    low_km2: float | None = None
    """Lower end of the interval that counts, at 90 %."""
    high_km2: float | None = None
    """Its upper end."""
    answer: Source | None = None
    """Which of the intervals below it is."""
    answer_why: str = ""
    """Why that one."""
    half_pixel_low_km2: float | None = None
    """With half a pixel less along the outline."""
    half_pixel_high_km2: float | None = None
    """With half a pixel more."""
    ensemble_low_km2: float | None = None
    """By how the models differ; empty for one model."""
    ensemble_high_km2: float | None = None
    tested_low_km2: float | None = None
    """By errors where the truth is known; empty without enough of them."""
    tested_high_km2: float | None = None
    seen_share: float | None = None
    """Share of the ground that counts, 0..1."""
    most_km2: float | None = None
    """Area where all of the other ground is glacier; ``area_km2`` is where none of it is."""
    outline_km: float | None = None
    """Length of the outline along sides of pixels."""
    snow_outside: float | None = None
    """Share of the ground outside the outlines under snow, 0..1."""
    snow_share: float | None = None
    """Share of the mapped glacier under snow, 0..1; empty where the image lacks near infrared."""
    snow_line_m: float | None = None
    """Altitude above which more than half of the glacier is under snow, metres as in the heights
    that were given; empty without them, and where there is no such line."""

    def columns(self) -> dict[str, Any]:
        """Cells by column; None for an empty one."""
        return self.model_dump(mode="json")


class FrontRow(Model):
    """A line of the table of fronts: where a glacier ends in a month, along its centre line."""

    region: Name
    line: str
    """The glacier's id or name in the file of centre lines, or the number of the line's row."""
    year: int
    month: date
    """First day of the month."""
    stands_for_year: bool
    """Whether the month is the one that stands for its year."""
    gap: Gap = ""
    """What of the month makes its front uncertain: snow, or cloud; empty where nothing does."""
    front_m: float | None = None
    """Where the glacier ends, metres along the line from its upper end: less as it retreats, more
    as it advances, and 0 where the line's upper end is not on glacier. Empty where not known."""
    why: str = ""
    """Why it is not known."""

    def columns(self) -> dict[str, Any]:
        """Cells by column; None for an empty one."""
        return self.model_dump(mode="json")


def read_area_rows(data: bytes) -> list[AreaRow]:
    """Rows of ``area.csv``, as :meth:`AreaRow.columns` and ``encode_csv`` write them.

    Raises:
        SeriesError: It is no such table.
    """
    try:
        return [read_row(cells) for cells in csv.DictReader(io.StringIO(data.decode()))]
    except (UnicodeDecodeError, csv.Error, ValidationError) as error:
        raise SeriesError(f"this is no area.csv: {error}; make the series again") from error


def read_row(cells: Mapping[str, str]) -> AreaRow:
    """A row of its cells."""
    return AreaRow.model_validate({name: cell for name, cell in cells.items() if cell != ""})
