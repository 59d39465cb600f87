"""``area.csv``: a row for every month, and one for every year, gaps included."""

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
    """Share of the glacier under snow, 0..1."""
    snow_line_m: float | None = None
    """Altitude of the snow line, metres."""
    front_m: float | None = None
    """Position of the front along the centre line, metres from its upper end."""

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
