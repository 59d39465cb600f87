"""The map of one month -> its area, its outlines and its pictures. No Ray in here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np

from glacier import store
from glacier.geo.divides import Divides
from glacier.geo.map_strips import MapStrips, read_class_strips
from glacier.geo.outline_rows import OutlineRow
from glacier.geo.polygonise import polygonise
from glacier.geo.raster import read_named
from glacier.geo.rings import Ring, list_rings
from glacier.landsat import BAND_OF, reflectance
from glacier.mapping.area import MapArea, StackedRows, measure_areas
from glacier.mapping.maps import CLASSES, PROBABILITY, MapRecord
from glacier.mapping.outlines import OutlineFacts, OutlineOptions, keep_large, outline_map
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

    @property
    def month(self) -> date:
        """Its first day."""
        return date.fromisoformat(f"{self.record.name}-01")


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
        strips = (StackedRows(rows) for rows in read_class_strips([classes]))
        (area,) = measure_areas(strips, (grid.pixel_m, grid.pixel_m)).own
        options = OutlineOptions(task.settings.min_area_km2, smooth=task.settings.smooth)
        facts = state_facts(task)
        outlines = outline_map(classes, probability, facts, options, task.divides)
        patches = keep_large(polygonise(MapStrips(classes, probability), grid), options, grid)
        bands, _ = read_named(image, {BAND_OF[name] for name in SHOWN})
        shades = np.concatenate([s.values for s in MapStrips(classes, probability)])
        colours = {c: reflectance(bands[BAND_OF[c]]) for c in SHOWN if BAND_OF[c] in bands}
        return MonthView(
            record,
            task.snow_outside,
            area,
            tuple(outlines),
            tuple(list_rings([patch.polygon for patch in patches], grid.pixel_m)),
            draw_layers(colours, shades),
        )


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
