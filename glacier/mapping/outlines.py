"""The map of a date -> outlines of its glaciers, with all that is to be said of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from glacier.geo.divides import Divides, GlacierIds, Part, cut_at_divides
from glacier.geo.ground import find_inner_point, measure, to_degrees, utm_number
from glacier.geo.map_strips import MapStrips, read_map_grid
from glacier.geo.outline_rows import NOT_ASSIGNED, OutlineRow
from glacier.geo.polygonise import Patch, Strip, polygonise, sum_within
from glacier.geo.polygons import fill_holes, find_covered
from glacier.geo.raster import Grid
from glacier.geo.smoothing import smooth
from glacier.landsat import find_acquired, month_interval
from glacier.map_codes import STEPS

MIN_AREA_KM2 = 0.01
"""Smallest glacier of an inventory.

Source: RGI 7.0 user guide; Paul et al. 2009, Recommendations for the compilation of glacier
inventory data from digital sources, Annals of Glaciology 50(53), 119-126.
"""

RGI_REGION = re.compile(r"RGI(?:2000-v[\d.]+-[A-Z]|\d\d)-(\d\d)[.-]")
"""First-order region in an id such as ``RGI2000-v7.0-G-01-00001`` or ``RGI60-15.03410``."""

GREENLAND = "05"
"""The first-order region where glaciers may hang together with an ice sheet."""


@dataclass(frozen=True)
class OutlineOptions:
    """How outlines are drawn."""

    min_area_km2: float = MIN_AREA_KM2
    """Smaller glaciers are left out; by the pixels of the map."""
    fill_holes_km2: float | None = None
    """Smaller holes are filled, and islands in them are gone; None: all holes are kept."""
    smooth: bool = False
    """Smooth the steps of the pixels; the area stays."""


AS_MAPPED = OutlineOptions()
"""Along the pixels, all holes kept."""


@dataclass(frozen=True)
class SourceDates:
    """When the scenes of a month were taken."""

    median: date
    first: date
    last: date


@dataclass(frozen=True)
class OutlineFacts:
    """What all outlines of a date have in common."""

    region: str
    month: date
    """Its first day."""
    scene_ids: Sequence[str]
    model: str
    """sha256 of the model's weights."""
    analyst: str
    """Who or what drew them."""
    snow: bool | None = None
    """Whether new snow may hide the outlines; None: not known."""
    debris_share: float | None = None
    """Share of the ice under debris, 0..1; None: not known."""
    o1region: str | None = None
    """First-order region of the inventory, of outlines without an id that tells."""


@dataclass(frozen=True)
class MapOutlines:
    """The outlines of a map."""

    rows: list[OutlineRow]
    """By the inventory's id, the largest first; those without an id at the end."""
    patches: list[Patch]
    """The same as pixels hang together, in the grid's CRS: neither smoothed nor cut."""


@dataclass(frozen=True)
class Drawn:
    """An outline on the grid."""

    part: Part
    probability: float
    """Mean over its pixels, 0..1."""


def outline_map(
    classes: str | Path,
    probability: str | Path,
    facts: OutlineFacts,
    options: OutlineOptions = AS_MAPPED,
    divides: Divides | None = None,
) -> MapOutlines:
    """Outlines of the glaciers of a map, read by strips.

    Args:
        classes: GeoTIFF of uint8: 0 no glacier, 1 glacier, 255 unseen.
        probability: GeoTIFF of uint8 on the same grid: 0 to 254 stand for 0 to 1, 255 for unseen.
        facts: What they have in common.
        options: How they are drawn.
        divides: Of an inventory, on the map's grid, see :func:`glacier.geo.divides.read_divides`;
            None: they are not cut and have no ids.

    Raises:
        RasterError: One of the files cannot be used.
    """
    grid = read_map_grid(classes, probability)
    return outline_strips(MapStrips(classes, probability), grid, facts, options, divides)


def outline_strips(
    strips: Sequence[Strip] | MapStrips,
    grid: Grid,
    facts: OutlineFacts,
    options: OutlineOptions = AS_MAPPED,
    divides: Divides | None = None,
) -> MapOutlines:
    """Outlines of the glaciers of a map that comes by strips, see :func:`outline_map`.

    Args:
        strips: True on the glacier, with probabilities as stored; they are gone through a second
            time where the outlines are cut.
        grid: Where the pixels lie.
        facts: What they have in common.
        options: How they are drawn.
        divides: Of an inventory.
    """
    dates = date_scenes(facts.scene_ids, facts.month)
    patches = keep_large(polygonise(strips, grid), options, grid)
    drawn = [
        Drawn(part, patch.total / (STEPS * patch.pixels))
        for patch in patches
        for part in cut(patch, divides, options, grid)
    ]
    if divides is not None:
        drawn = average_anew(drawn, strips, grid)
    rows = [row for each in drawn for row in describe(each, grid, facts, dates)]
    return MapOutlines(sorted(rows, key=order), patches)


def keep_large(patches: Iterable[Patch], options: OutlineOptions, grid: Grid) -> list[Patch]:
    """Patches of the least area or more, with small holes filled where that is asked for."""
    large = [p for p in patches if p.pixels * grid.pixel_km2 >= options.min_area_km2]
    if options.fill_holes_km2 is None or not large:
        return large
    polygons = fill_holes([patch.polygon for patch in large], options.fill_holes_km2 * 1e6)
    covered = find_covered(polygons)  # islands in what were holes
    filled = zip(large, polygons, covered, strict=True)
    return [replace(patch, polygon=polygon) for patch, polygon, gone in filled if not gone]


def cut(patch: Patch, divides: Divides | None, options: OutlineOptions, grid: Grid) -> list[Part]:
    """The outline of a patch, smooth where that is asked for, as parts by glacier."""
    polygon = smooth(patch.polygon, grid.pixel_m) if options.smooth else patch.polygon
    if divides is None:
        return [Part(polygon, GlacierIds())]
    return cut_at_divides(polygon, divides, grid.pixel_m, options.min_area_km2 * 1e6)


def average_anew(drawn: Sequence[Drawn], strips: Iterable[Strip], grid: Grid) -> list[Drawn]:
    """Outlines with the mean of their own pixels; one without any keeps the one that it has."""
    pixels, totals = sum_within([each.part.polygon for each in drawn], strips, grid)
    return [
        replace(each, probability=total / (STEPS * count)) if count else each
        for each, count, total in zip(drawn, pixels.tolist(), totals.tolist(), strict=True)
    ]


def describe(
    drawn: Drawn, grid: Grid, facts: OutlineFacts, dates: SourceDates
) -> Iterator[OutlineRow]:
    """What there is to say of an outline, in a row; in degrees it may be two polygons."""
    ids = drawn.part.ids
    found = RGI_REGION.match(ids.rgi_id or "")
    o1region = found[1] if found else facts.o1region
    for polygon in to_degrees(drawn.part.polygon, grid.crs):
        area_km2, length_km = measure(polygon)
        lon, lat = find_inner_point(polygon)
        yield OutlineRow(
            geometry=polygon,
            rgi_id=ids.rgi_id,
            o1region=o1region,
            glims_id=ids.glims_id,
            anlys_id=ids.anlys_id,
            src_date=dates.median,
            src_date_min=dates.first,
            src_date_max=dates.last,
            cenlon=lon,
            cenlat=lat,
            utm_zone=utm_number(lon),
            area_km2=area_km2,
            primeclass=None,
            conn_lvl=None if o1region in (None, GREENLAND) else 0,
            surge_type=NOT_ASSIGNED,
            term_type=NOT_ASSIGNED,
            glac_name=ids.glac_name,
            year=facts.month.year,
            month=facts.month.month,
            region=facts.region,
            probability=drawn.probability,
            uncertainty_km2=length_km * grid.pixel_m / 2e3,
            snow=facts.snow,
            debris_share=facts.debris_share,
            scene_ids=" ".join(facts.scene_ids),
            model=facts.model,
            analyst=facts.analyst,
        )


def order(row: OutlineRow) -> tuple[bool, str, float, float, float]:
    """Where a row stands: by id, the largest first, those without an id at the end."""
    return row.rgi_id is None, row.rgi_id or "", -row.area_km2, row.cenlon, row.cenlat


def date_scenes(scene_ids: Sequence[str], month: date) -> SourceDates:
    """When the scenes of a month were taken: the middle one of them, the first and the last.

    Where the id of a scene does not tell, it may have been any day: the middle of the month then,
    its first and its last day. Of an even number of scenes the earlier of the middle two counts, a
    day on which there was one.

    Args:
        scene_ids: Names of the scenes.
        month: Its first day.
    """
    days = [find_acquired(name) for name in scene_ids]
    known = sorted(day for day in days if day is not None)
    if not known or len(known) < len(days):
        last = month_interval(month)[1].date() - timedelta(days=1)
        return SourceDates(month.replace(day=15), month.replace(day=1), last)
    return SourceDates(known[(len(known) - 1) // 2], known[0], known[-1])
