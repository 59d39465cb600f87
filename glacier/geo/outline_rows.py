"""A row of the table of outlines: a polygon, what RGI 7 would say of it, and what we say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import shapely

NOT_ASSIGNED = 9
"""Of ``surge_type`` and ``term_type``.

Source: RGI 7.0 user guide, glacier product, additional information on attributes.
"""


@dataclass(frozen=True)
class OutlineRow:
    """The outline of a glacier at a date. Names up to ``glac_name`` are those of RGI 7.

    Source: RGI 7.0 user guide, glacier product, full list of attributes.
    """

    geometry: shapely.Polygon
    """In longitude and latitude (EPSG:4326), valid, two-dimensional."""
    rgi_id: str | None
    """Of the inventory at whose divides it was cut, not of this outline: several may carry it."""
    o1region: str | None
    """First-order region, such as ``01``."""
    glims_id: str | None
    anlys_id: int | None
    """Of the inventory's outline."""
    src_date: date
    """Median date of the scenes."""
    src_date_min: date
    src_date_max: date
    cenlon: float
    """Of a point within the outline, degrees."""
    cenlat: float
    utm_zone: int
    """Number of the zone of that point."""
    area_km2: float
    """On the ellipsoid."""
    primeclass: int | None
    """WGMS primary classification; the guide has no code for "not assigned", so it is empty."""
    conn_lvl: int | None
    """Connection to the ice sheet of Greenland: 0, none; empty in Greenland and where unknown."""
    surge_type: int
    term_type: int
    glac_name: str | None
    year: int
    month: int
    region: str
    """Ours, as the configuration names it."""
    probability: float
    """Mean over the pixels of ice within, 0..1."""
    uncertainty_km2: float
    """Half a pixel along the whole outline, divides and holes included."""
    snow: bool | None
    """Whether new snow may hide the outline; None: not known."""
    debris_share: float | None
    """Share of the outlines of the date under debris, 0..1; None: not known."""
    scene_ids: str
    """Names of the scenes, a blank between them."""
    model: str
    """sha256 of the model's weights."""
    analyst: str
    """Who or what drew it."""
