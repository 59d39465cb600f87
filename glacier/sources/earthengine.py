"""Google Earth Engine: the month's composite made there, its pixels fetched onto the region's grid.

The definition is that of ``composite.composite_scenes``, written for Earth Engine: the same
quality bits, the same median, the same rounding. Pixels of 30 m on Landsat's own edges are read as
they are; for coarser ones Earth Engine reads its pyramids, which are means of the bands.
"""

from __future__ import annotations

import dataclasses
import io
import math
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

import ee
import numpy as np
from numpy.typing import NDArray

from glacier.composite import Composite, Empty
from glacier.config import Config, EarthEngine, Ingest, Region
from glacier.errors import SourceError
from glacier.geo.raster import Grid
from glacier.landsat import OPTICAL, QA_MASK, SATURATED_OPTICAL, THERMAL, month_interval
from glacier.sources.ee_session import ReplyError, Requests, TooLargeError
from glacier.sources.limiter import Limiter, RequestLimit
from glacier.sources.night import predict_night
from glacier.sources.source import Source

MAX_REQUEST_BYTES = 48 * 1024**2
"""Largest answer of ``computePixels``: pixels x bands x (2 bytes and 1 of mask).

Source: the service's "Total request size (..) must be less than or equal to 50331648 bytes".
"""

COUNTS = ["n_obs", "saturated"]

Pixels = dict[str, NDArray[np.uint16]]


@dataclass(frozen=True)
class SceneRow:
    """What Earth Engine tells of a scene without reading a pixel of it."""

    acquired_ms: int
    scene_id: str
    sun_elevation_deg: float
    has_thermal: bool
    """Whether the thermal band is among its bands."""


class EarthEngineSource(Source):
    """Composites that Earth Engine makes."""

    settings: EarthEngine

    def __init__(self, ingest: Ingest, limiter: RequestLimit | None = None) -> None:
        """Make composites by these settings.

        Args:
            ingest: Cloud profile, platforms, and the account.
            limiter: Shared with other workers; None: this source's own.
        """
        super().__init__(ingest.earthengine)
        self.ingest = ingest
        self.limiter = limiter or Limiter(self.settings.in_flight, self.settings.deadline_s)

    @classmethod
    def from_config(cls, config: Config, limiter: RequestLimit | None = None) -> Self:
        """The source of ``ingest.earthengine``."""
        return cls(config.ingest, limiter)

    def identity(self, region: Region) -> dict[str, Any]:
        """What changes the pixels; not whose account asks, nor how fast."""
        platforms = sorted(set(self.ingest.platforms))
        return {"platforms": platforms, "mask_saturated": self.ingest.mask_saturated, "format": 1}

    def describe_requests(self, regions: int, months: int) -> str:
        """Two for each month with sun and a scene."""
        return f"up to {2 * months} requests, a list of scenes and their pixels a month"

    def fetch_month(self, region: Region, month: date) -> Composite | Empty:
        """The month's composite, or why there is none; without a request where the sun is low.

        Raises:
            ConfigError: Earth Engine does not admit us, so no month can be had.
            SourceError: This month could not be had.
        """
        grid = self.grid(region)
        if night := predict_night(grid, month):
            return night
        requests = Requests(self.settings, self.limiter)
        try:
            requests.connect()
            result = self.compose(requests, grid, month)
        except SourceError as error:
            error.repeats = requests.repeats
            raise
        return dataclasses.replace(result, repeats=requests.repeats)

    def compose(self, requests: Requests, grid: Grid, month: date) -> Composite | Empty:
        """List the scenes, then fetch their composite: two requests where all goes well.

        The list reads properties alone, which costs Earth Engine next to nothing, and spares the
        months without a scene the request that computes.
        """
        scenes = select_scenes(self.ingest.platforms, grid, month)
        query = list_scenes(scenes)
        rows = requests.send(lambda: read_rows(query))
        if not rows:
            return Empty("no_scene: Earth Engine holds no scene of this month")
        thermal = [row.has_thermal for row in rows]
        bands = [*OPTICAL, THERMAL] if any(thermal) else [*OPTICAL]
        if any(thermal) and not all(thermal):
            scenes = add_thermal(scenes)
        saturated_mask = SATURATED_OPTICAL if self.ingest.mask_saturated else 0
        image = composite_scenes(scenes, bands, QA_MASK[self.ingest.cloud_profile], saturated_mask)
        pixels = fetch_pixels(requests, image, grid, [*bands, *COUNTS])
        n_obs, saturated = (pixels.pop(name) for name in COUNTS)
        if not n_obs.any():
            return Empty("all_masked")
        return Composite(
            pixels,
            n_obs,
            [row.scene_id for row in rows],
            float(np.mean([row.sun_elevation_deg for row in rows])),
            saturated_share=float((saturated > 0).sum() / (n_obs > 0).sum()),
        )


def select_scenes(platforms: tuple[int, ...], grid: Grid, month: date) -> ee.ImageCollection:
    """Scenes over a grid in a month, of all platforms; the interval is half open, in UTC."""
    frame = ee.Geometry.Rectangle(list(grid.bounds), proj=grid.crs, geodesic=False)
    start, end = (instant.date().isoformat() for instant in month_interval(month))
    several = []
    for platform in sorted(set(platforms)):
        scenes = ee.ImageCollection(f"LANDSAT/LC0{platform}/C02/T1_L2")
        here = scenes.filterBounds(frame).filterDate(start, end)
        # merge() puts a number before each system:index, so the name is kept elsewhere.
        several.append(here.map(lambda image: image.set("scene", image.get("system:index"))))
    first, *others = several
    for other in others:
        first = first.merge(other)
    return first


def list_scenes(scenes: ee.ImageCollection) -> ee.ComputedObject:
    """Rows of time, name, sun elevation and place of the thermal band, from properties alone."""

    def note_thermal(image: ee.Image) -> ee.Image:
        return image.set("thermal", image.bandNames().indexOf(THERMAL))

    columns = ["system:time_start", "scene", "SUN_ELEVATION", "thermal"]
    rows = scenes.map(note_thermal).reduceColumns(ee.Reducer.toList(len(columns)), columns)
    return rows.get("list")


def read_rows(query: ee.ComputedObject) -> list[SceneRow]:
    """Send the query for the rows; oldest scene first.

    Raises:
        ReplyError: The answer is no list of rows.
    """
    try:
        reply = ee.data.computeValue(query)
    except KeyError as error:
        raise ReplyError(f"an answer without {error}") from error
    try:
        rows = [SceneRow(int(t), str(name), float(sun), at >= 0) for t, name, sun, at in reply]
    except (TypeError, ValueError) as error:
        raise ReplyError(f"the list of scenes came as {str(reply)[:200]}") from error
    return sorted(rows, key=lambda row: (row.acquired_ms, row.scene_id))


def add_thermal(scenes: ee.ImageCollection) -> ee.ImageCollection:
    """Give a thermal band without a pixel to the scenes that were processed without one.

    A scene that has the band keeps it: a second band of the same name is named otherwise.
    """
    absent = ee.Image.constant(0).toUint16().selfMask().rename(THERMAL)
    return scenes.map(lambda image: image.addBands(absent))


def composite_scenes(
    scenes: ee.ImageCollection, bands: list[str], qa_mask: int, radsat_mask: int
) -> ee.Image:
    """Median of the clear observations of each pixel and band, and their counts.

    Args:
        scenes: Scenes of one month.
        bands: Bands that each of them has.
        qa_mask: QA_PIXEL bits that hide a pixel.
        radsat_mask: QA_RADSAT bits that hide a pixel, 0 for none.

    Returns:
        uint16 bands, ``n_obs`` and ``saturated`` (observations with any band, and those of them
        that are saturated); 0 is no data.
    """

    def clear(image: ee.Image) -> ee.Image:
        numbers = image.select(bands)
        good = image.select("QA_PIXEL").bitwiseAnd(qa_mask).eq(0)
        if radsat_mask:
            good = good.And(image.select("QA_RADSAT").bitwiseAnd(radsat_mask).eq(0))
        return numbers.updateMask(good).updateMask(numbers.neq(0))

    def count(image: ee.Image) -> ee.Image:
        # Masked bands become 0 first: what a reducer makes of them need not be known.
        seen = clear(image).unmask(0, False).reduce(ee.Reducer.max()).gt(0)
        bright = image.select("QA_RADSAT").bitwiseAnd(SATURATED_OPTICAL).neq(0).unmask(0, False)
        return ee.Image.cat([seen, seen.And(bright)]).rename(COUNTS)

    # The mean of the middle two may end in .5; floor(x + 0.5) says which way that goes.
    median = scenes.map(clear).median().add(0.5).floor()
    counts = scenes.map(count).sum()
    return median.addBands(counts).toUint16().unmask(0, False)


def fetch_pixels(requests: Requests, image: ee.Image, grid: Grid, names: list[str]) -> Pixels:
    """All bands of an image on a grid, in as many parts as Earth Engine needs.

    Raises:
        SourceError: The pixels cannot be had, even one row at a time.
    """
    if math.prod(grid.shape) * len(names) * 3 <= MAX_REQUEST_BYTES:
        try:
            return requests.send(lambda: read_pixels(image, grid, names))
        except TooLargeError as error:
            if grid.height == 1:
                raise SourceError(str(error)) from error
    halves = [fetch_pixels(requests, image, half, names) for half in halve(grid)]
    return {name: np.concatenate([half[name] for half in halves]) for name in names}


def halve(grid: Grid) -> tuple[Grid, Grid]:
    """The upper and the lower half of a grid."""
    rows = math.ceil(grid.height / 2)
    lower_m = grid.top_m - rows * grid.pixel_m
    return (
        dataclasses.replace(grid, height=rows),
        dataclasses.replace(grid, height=grid.height - rows, top_m=lower_m),
    )


def read_pixels(image: ee.Image, grid: Grid, names: list[str]) -> Pixels:
    """Send one request for pixels.

    Raises:
        ReplyError: The answer is not the array that was asked for.
    """
    data = ee.data.computePixels(
        {
            "expression": image,
            "fileFormat": "NPY",
            "bandIds": names,
            "grid": {
                "dimensions": {"width": grid.width, "height": grid.height},
                "affineTransform": {
                    "scaleX": grid.pixel_m, "shearX": 0, "translateX": grid.left_m,
                    "shearY": 0, "scaleY": -grid.pixel_m, "translateY": grid.top_m,
                },
                "crsCode": grid.crs,
            },
        }
    )  # fmt: skip
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ReplyError(f"{len(data)} bytes of pixels that cannot be read: {error}") from error
    wanted = grid.shape, np.dtype([(name, "<u2") for name in names])
    if (array.shape, array.dtype) != wanted:
        raise ReplyError(f"pixels came as {array.shape} {array.dtype}, wanted {wanted}")
    return {name: np.ascontiguousarray(array[name]) for name in names}
