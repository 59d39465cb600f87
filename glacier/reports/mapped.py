"""What a page of maps shows of a region: its months, its years and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from glacier.geo.raster import Grid
from glacier.plots.calendar import name_reason
from glacier.plots.layers import LayerPicture

Status = Literal["ok", "snowy", "cloudy", "empty", "failed"]
"""Of a month: its area counts, new snow or cloud hides the glacier, nothing was seen, an error."""

Ring = Sequence[Sequence[float]]
"""Corners (x, y) of an outline, metres in the coordinate system of the region's grid."""


@dataclass(frozen=True)
class Area:
    """Glacier area with its interval."""

    km2: float
    low_km2: float
    high_km2: float


@dataclass(frozen=True)
class MapDate:
    """One month of a region."""

    month: date
    """Its first day."""
    status: Status
    reason: str = ""
    """Why it is no ``ok`` month: a code, ``code: details`` or a sentence."""
    layers: Mapping[str, LayerPicture] = field(default_factory=dict)
    """Name of ``plots.layers.LAYERS`` to its picture; none of a month that is a gap."""
    outline: Sequence[Sequence[Ring]] = ()
    """Polygons as GeoJSON's MultiPolygon has them: each an outer ring, then its holes."""
    area: Area | None = None
    seen_share: float | None = None
    """Share of the pixels that were seen, 0..1; None: unknown."""

    @property
    def name(self) -> str:
        """``July 2016``."""
        return f"{self.month:%B %Y}"

    @property
    def why(self) -> str:
        """The reason in words; nothing where none was given."""
        code, colon, details = self.reason.partition(":")
        return f"{name_reason(code)}{colon}{details}"


@dataclass(frozen=True)
class MapYear:
    """One year of a region."""

    year: int
    months: tuple[date, ...] = ()
    """First days of the months that its area comes from."""
    area: Area | None = None
    """None: a gap."""
    reason: str = ""
    """Why it is a gap."""


@dataclass(frozen=True)
class ChangeClass:
    """Ground of a picture of change by what became of it."""

    words: str
    colour: str
    """``#rrggbb``; empty: it is clear, and hatched as what was not seen."""
    km2: float


@dataclass(frozen=True)
class ChangePicture:
    """What became of the ground between two years."""

    years: tuple[int, int]
    picture: LayerPicture
    classes: tuple[ChangeClass, ...]


@dataclass(frozen=True)
class FrontSeries:
    """Where a glacier ended, year by year."""

    line: str
    """Name of its centre line."""
    positions_m: Mapping[int, float]
    """Year to the front, metres from the line's upper end; years in which it is known."""


@dataclass(frozen=True)
class MappedRegion:
    """All that a page of maps shows."""

    place: str
    """The region as people call it."""
    summary: str
    """What changed, in one plain sentence."""
    grid: Grid
    """Pixels of the maps; pictures and outlines fill its frame."""
    dates: tuple[MapDate, ...]
    """At least one month."""
    years: tuple[MapYear, ...] = ()
    change: ChangePicture | None = None
    """None for fewer than two years."""
    fronts: tuple[FrontSeries, ...] = ()
    level_percent: int = 90
    """Of all intervals."""
    notes: tuple[str, ...] = ()
    """What a reader should know of the numbers."""
    credits: tuple[str, ...] = ()
    """Whose the images, the outlines and the models are, and under which licence."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Files beside the page: path from there to what is in it."""
    is_synthetic: bool = False
