"""Settings of the series: maps -> outlines, area by year, change, and a page."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from glacier.settings.model import ADDRESS, RUNTIME_ONLY, TEXT, Model
from glacier.settings.paths import PathText


class Series(Model):
    """Maps -> outlines, area and change."""

    months: tuple[Annotated[int, Field(ge=1, le=12)], ...] | None = None
    """Calendar months, 1..12, one of which may stand for a year; None: late summer, August and
    September in the north, February and March in the south."""
    min_seen: float = Field(0.8, ge=0, le=1)
    """Least share of a region that a month must show to stand for its year."""
    max_snow: float = Field(0.05, ge=0, le=1)
    """Share of the ground around the ice from which snow is too much for it."""
    min_area_km2: float = Field(0.01, ge=0, le=1e6)
    """Smaller glaciers are no outline."""
    smooth: bool = False
    """Smooth the steps of the pixels of outlines; their area stays."""
    inventory: Annotated[PathText | None, ADDRESS] = None
    """Vector file of an inventory at whose divides outlines are cut, and whose ids they take."""
    inventory_layer: str | None = None
    """Layer of it; None: the only one that names glaciers."""
    centre_lines: Annotated[PathText | None, ADDRESS] = None
    """Vector file of centre lines, one a glacier, each from its upper end downwards, along which
    the position of the front is measured."""
    centre_lines_layer: str | None = None
    """Layer of it; None: the only one that holds lines."""
    front_gap_m: float = Field(100.0, ge=0, le=1e5)
    """Ground along a centre line up to this length is no end of the glacier, metres: a moraine, or
    a wrong pixel."""
    dem: Annotated[PathText | None, ADDRESS] = None
    """GeoTIFF of surface heights, metres, in any CRS, by which the altitude of the snow line is
    found."""
    analyst: Annotated[str, TEXT] = "glacier"
    """Who answers for the outlines, as they carry it."""
    max_failed: Annotated[int, RUNTIME_ONLY] = Field(0, ge=0)
    """Months that may fail before the job's exit code says so."""

    @property
    def named_files(self) -> dict[str, str]:
        """Name of each field that names a file, to that file."""
        fields = {"inventory": self.inventory, "centre_lines": self.centre_lines, "dem": self.dem}
        return {name: place for name, place in fields.items() if place is not None}

    @model_validator(mode="after")
    def check_months(self) -> Self:
        """Refuse a season without months, and a layer of no file."""
        if self.months is not None and len(set(self.months)) != max(1, len(self.months)):
            raise ValueError(f"months {self.months}: wanted one or more, none twice")
        for file in ("inventory", "centre_lines"):
            if getattr(self, f"{file}_layer") is not None and getattr(self, file) is None:
                raise ValueError(f"{file}_layer is of {file}: give both, or neither")
        return self
