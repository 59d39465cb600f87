"""The map of one month -> area, outlines, front, snow and pictures. No Ray in here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray

from glacier import store
from glacier.geo.centre_lines import CentreLine
from glacier.geo.divides import Divides
from glacier.geo.elevation import read_elevation
from glacier.geo.map_strips import MapStrips, read_class_strips
from glacier.geo.outline_rows import OutlineRow
from glacier.geo.raster import Grid, read_named
from glacier.geo.rings import Ring, list_rings
from glacier.landsat import BAND_OF, reflectance
from glacier.mapping.area import MapArea, StackedRows, measure_areas
from glacier.mapping.front import Front, find_front
from glacier.mapping.maps import CLASSES, PROBABILITY, MapRecord
from glacier.mapping.outlines import OutlineFacts, OutlineOptions, outline_map
from glacier.mapping.snow_line import find_snow_line, measure_snow_share, tell_snow
from glacier.plots.layers import LayerPicture, draw_layers
from glacier.settings.series import Series

SHOWN = ("red", "green", "blue", "nir", "swir1")
"""Colours of a month's pictures."""


@dataclass(frozen=True)
class ViewTask:
    """A month's map, and what is needed to look at it."""

    record: MapRecord
    folder: str
    """Address of the region's maps."""
    image: str
    """Address of the month in the archive."""
    snow_outside: float | None
    """Share of the ground outside the ice under snow, 0..1; None: unknown."""
    settings: Series
    divides: Divides | None = None
    lines: Sequence[CentreLine] = ()
    """Centre lines on the region's grid."""

    @property
    def month(self) -> date:
        """Its first day."""
        return date.fromisoformat(f"{self.record.name}-01")


@dataclass(frozen=True)
class GlacierSnow:
    """Snow on the glacier of a month."""

    share: float | None = None
    """Of the glacier that it covers, 0..1; None: not known, likewise below."""
    line_m: float | None = None
    """Altitude of the snow line, metres."""


@dataclass(frozen=True)
class MonthView:
    """What a month's map shows."""

    record: MapRecord
    snow_outside: float | None
    area: MapArea | None = None
    """None without a map, likewise below."""
    outlines: tuple[OutlineRow, ...] = ()
    rings: tuple[list[Ring], ...] = ()
    """Outlines to be drawn, in metres of the grid."""
    layers: dict[str, LayerPicture] = field(default_factory=dict)
    snow: GlacierSnow = GlacierSnow()
    fronts: Mapping[str, Front] = field(default_factory=dict)
    """Name of each centre line to where the glacier ends along it."""

    @property
    def month(self) -> date:
        """Its first day."""
        return date.fromisoformat(f"{self.record.name}-01")


def look_at_month(task: ViewTask) -> MonthView:
    """Measure, outline and draw the map of a month.

    Raises:
        DamagedError: A file differs from its checksum.
        RasterError: A file cannot be read.
    """
    record, grid = task.record, task.record.grid
    if grid is None:
        return MonthView(record, task.snow_outside)
    files = record.files
    names = [f"{record.name}{end}" for end in (CLASSES, PROBABILITY)]
    places = [(store.join(task.folder, name), files[name]) for name in names]
    with (
        store.local_copy(*places[0]) as classes,
        store.local_copy(*places[1]) as probability,
        store.local_copy(task.image, record.image_sha256) as image,
    ):
        options = OutlineOptions(task.settings.min_area_km2, smooth=task.settings.smooth)
        outlines = outline_map(classes, probability, state_facts(task), options, task.divides)
        kinds = np.concatenate([rows[0] for rows in read_class_strips([classes])])
        shades = np.concatenate([s.values for s in MapStrips(classes, probability)])
        bands, _ = read_named(image, {BAND_OF[name] for name in SHOWN})
    colours = {c: reflectance(bands[BAND_OF[c]]) for c in SHOWN if BAND_OF[c] in bands}
    (area,) = measure_areas([StackedRows(kinds[None])], (grid.pixel_m, grid.pixel_m)).own
    bridge_m = task.settings.front_gap_m
    return MonthView(
        record,
        task.snow_outside,
        area,
        tuple(outlines.rows),
        tuple(list_rings([patch.polygon for patch in outlines.patches], grid.pixel_m)),
        draw_layers(colours, shades),
        measure_snow(kinds, colours.get("nir"), grid, task.settings),
        {line.name: find_front(kinds, grid, line.corners, bridge_m) for line in task.lines},
    )


def measure_snow(
    classes: NDArray[np.uint8], nir: NDArray[np.float32] | None, grid: Grid, settings: Series
) -> GlacierSnow:
    """Snow on the glacier of a month, and its line where heights are given.

    Args:
        classes: (H, W) uint8 class map: 1 glacier, 0 not, 255 unseen.
        nir: (H, W) float32 reflectance in the near infrared; None: the image lacks the band.
        grid: Where the pixels lie.
        settings: Of the series.

    Raises:
        RasterError: The heights cannot be used.
    """
    if nir is None:
        return GlacierSnow()
    snow = tell_snow(classes, nir)
    share = measure_snow_share([(classes, snow)])
    if settings.dem is None:
        return GlacierSnow(share)
    heights = read_elevation(store.absolute(settings.dem), grid)
    return GlacierSnow(share, find_snow_line(classes, snow, heights))


def state_facts(task: ViewTask) -> OutlineFacts:
    """What all outlines of a month have in common."""
    snow = task.snow_outside
    return OutlineFacts(
        region=task.record.region,
        month=task.month,
        scene_ids=task.record.scene_ids,
        model=" ".join(used.sha256 for used in task.record.models),
        analyst=task.settings.analyst,
        snow=None if snow is None else snow >= task.settings.max_snow,
    )
