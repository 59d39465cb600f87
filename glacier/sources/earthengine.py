"""Google Earth Engine: the month's composite made there, its pixels fetched onto the region's grid.

The definition is that of ``scenes`` and ``composite``, written for Earth Engine: scenes masked on
their own pixels, laid onto the grid, rows of a pass as one observation, the median of those, the
same rounding. Pixels of 30 m in the scene's own zone are read as they are. Where a coarser grid is
asked for, Earth Engine by itself reads its pyramids, which are means of bands and votes of quality
bits made before any mask: cloud would be mixed in. So each masked scene is reduced from its own
pixels (``reduceResolution``), which weighs them with mask and shared area.
"""

from __future__ import annotations

import dataclasses
import io
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Self

import ee
import numpy as np
from numpy.typing import NDArray

from glacier.composite import Composite, Empty
from glacier.config import Config
from glacier.errors import SourceError
from glacier.geo.raster import Grid
from glacier.landsat import OPTICAL, QA_MASK, THERMAL, month_interval
from glacier.satellites import LETTER, choose_satellites, own_bands, saturated_bits
from glacier.settings.earthengine import EarthEngine
from glacier.settings.ingest import Ingest
from glacier.settings.regions import Region
from glacier.sources.ee_session import ENDPOINTS, ReplyError, Requests, TooLargeError
from glacier.sources.limiter import Limiter, RequestLimit
from glacier.sources.night import predict_night
from glacier.sources.passes import Product, choose_versions, group_passes, read_product
from glacier.sources.resample import MIN_VALID_AREA
from glacier.sources.source import Source

MAX_REQUEST_BYTES = 48 * 1024**2
"""Largest answer of ``computePixels``: pixels x bands x (2 bytes and 1 of mask).

Source: the service's "Total request size (..) must be less than or equal to 50331648 bytes".
"""

COUNTS = ["n_obs", "saturated"]
GLARE = "glare"
"""Band of the share of what was seen that is saturated, 0..1."""

OWN_PIXEL_M = 30
"""Side of Landsat's pixels, metres."""

QUALITY = "QA_PIXEL"
Pixels = dict[str, NDArray[np.uint16]]


@dataclass(frozen=True)
class SceneRow:
    """What Earth Engine tells of a scene without reading a pixel of it."""

    acquired_ms: int
    scene_id: str
    sun_elevation_deg: float
    has_thermal: bool
    """Whether the thermal band is among its bands."""
    collection: str
    """Collection that holds it, such as ``LANDSAT/LC08/C02/T1_L2``."""
    crs: str
    """Coordinate system of its pixels, such as ``EPSG:32608``."""

    @property
    def acquired(self) -> datetime:
        """Time of observation, UTC."""
        return datetime.fromtimestamp(self.acquired_ms / 1000, UTC)

    @property
    def product(self) -> Product | None:
        """What tells it from others, by its name and collection."""
        found = read_product(self.scene_id)
        tier = self.collection.rpartition("/")[2].partition("_")[0]
        return None if found is None else dataclasses.replace(found, tier=tier)


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
        return {
            "platforms": sorted(set(self.ingest.platforms)),
            "tiers": sorted(set(self.ingest.tiers)),
            "mask_saturated": self.ingest.mask_saturated,
            "format": 2,
        }

    def describe_requests(self, regions: int, months: int) -> str:
        """Two for each month with sun and a scene."""
        return f"up to {2 * months} requests, a list of scenes and their pixels a month"

    def addresses(self) -> list[str]:
        """The service."""
        return [self.settings.url or ENDPOINTS[self.settings.endpoint]]

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
        scenes = select_scenes(self.ingest, grid, month)
        query = list_scenes(scenes)
        rows = choose_versions(
            (row.product, row) for row in requests.send(lambda: read_rows(query))
        )
        if not rows:
            return Empty("no_scene: Earth Engine holds no scene of this month")
        bands = [*OPTICAL, *([THERMAL] if any(row.has_thermal for row in rows) else [])]
        mask = QA_MASK[self.ingest.cloud_profile]
        hide = self.ingest.mask_saturated
        looks = [
            merge_rows([place_scene(row, bands, mask, hide, grid) for row in one], bands)
            for one in group_passes((row.product, row.acquired, row) for row in rows)
        ]
        pixels = fetch_pixels(requests, composite_looks(looks, bands), grid, [*bands, *COUNTS])
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


def select_scenes(ingest: Ingest, grid: Grid, month: date) -> ee.ImageCollection:
    """Scenes over a grid in a month, of its satellites and all tiers; half open, in UTC."""
    frame = ee.Geometry.Rectangle(list(grid.bounds), proj=grid.crs, geodesic=False)
    start, end = (instant.date().isoformat() for instant in month_interval(month))
    names = [
        f"LANDSAT/L{LETTER[satellite]}0{satellite}/C02/{tier}_L2"
        for satellite in choose_satellites(ingest.platforms, month)
        for tier in sorted(set(ingest.tiers))
    ]
    first, *others = (name_scenes(name, frame, start, end) for name in names)
    for other in others:
        first = first.merge(other)
    return first


def name_scenes(name: str, frame: ee.Geometry, start: str, end: str) -> ee.ImageCollection:
    """Scenes of a collection that know where they are from: merge() changes ``system:index``."""
    here = ee.ImageCollection(name).filterBounds(frame).filterDate(start, end)
    thermal = own_bands(read_satellite(name))[THERMAL]
    return here.map(
        lambda image: image.set(
            {
                "scene": image.get("system:index"),
                "collection": name,
                "thermal": image.bandNames().indexOf(thermal),
            }
        )
    )


def read_satellite(collection: str) -> int:
    """The satellite of a collection: 8 of ``LANDSAT/LC08/C02/T1_L2``."""
    return int(collection.split("/")[1][3])


def list_scenes(scenes: ee.ImageCollection) -> ee.ComputedObject:
    """Rows of ``SceneRow``'s facts, from properties alone."""

    def note(image: ee.Image) -> ee.Image:
        return image.set({"crs": image.select(QUALITY).projection().crs()})

    columns = ["system:time_start", "scene", "SUN_ELEVATION", "thermal", "collection", "crs"]
    rows = scenes.map(note).reduceColumns(ee.Reducer.toList(len(columns)), columns)
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
        rows = [
            SceneRow(int(t), str(name), float(sun), at >= 0, str(collection), str(crs))
            for t, name, sun, at, collection, crs in reply
        ]
    except (TypeError, ValueError) as error:
        raise ReplyError(f"the list of scenes came as {str(reply)[:200]}") from error
    return sorted(rows, key=lambda row: (row.acquired_ms, row.scene_id))


def place_scene(
    row: SceneRow, bands: list[str], qa_mask: int, mask_saturated: bool, grid: Grid
) -> ee.Image:
    """A scene on a grid: masked on its own pixels, then each pixel the mean of what is valid.

    Pixels smaller than 30 m are not means: there Earth Engine repeats the nearest own pixel.

    Args:
        row: The scene.
        bands: Bands of the composite; the thermal one is wholly masked where the scene lacks it.
        qa_mask: QA_PIXEL bits that hide a pixel.
        mask_saturated: Saturated observations are hidden, too.
        grid: The region's grid.

    Returns:
        The bands, masked where less than ``MIN_VALID_AREA`` of a pixel is valid, and ``GLARE``.
    """
    image = ee.Image(f"{row.collection}/{row.scene_id}")
    satellite = read_satellite(row.collection)
    glare = image.select("QA_RADSAT").bitwiseAnd(saturated_bits(satellite)).neq(0)
    good = image.select(QUALITY).bitwiseAnd(qa_mask).eq(0)
    if mask_saturated:
        good = good.And(glare.Not())
    there = [name for name in bands if name != THERMAL or row.has_thermal]
    own = own_bands(satellite)
    numbers = image.select([own[name] for name in there]).rename(there)
    numbers = numbers.updateMask(good).updateMask(numbers.neq(0))
    if len(there) < len(bands):  # of the scene's own pixels: a constant has others
        numbers = numbers.addBands(image.select(QUALITY).updateMask(0).rename(THERMAL))
    seen = numbers.unmask(0, False).reduce(ee.Reducer.max()).gt(0)
    clear = numbers.toFloat().addBands(glare.updateMask(seen).toFloat().rename(GLARE))
    if grid.pixel_m == OWN_PIXEL_M and grid.crs == row.crs:
        return clear
    # Own pixels that a pixel can touch, also where it lies across them.
    most = math.ceil(1.5 * grid.pixel_m / OWN_PIXEL_M + 2) ** 2
    mean = clear.reduceResolution(ee.Reducer.mean(), False, most)
    # The mean is of the valid part alone; how large that is, the mean of the mask tells.
    area = clear.mask().unmask(0, False).reduceResolution(ee.Reducer.mean(), False, most)
    whole = mean.select(bands).add(0.5).floor().addBands(mean.select(GLARE))
    return whole.updateMask(area.gte(MIN_VALID_AREA))


def merge_rows(rows: list[ee.Image], bands: list[str]) -> ee.Image:
    """Rows of a pass as one look: of each pixel and band the first row that has it."""
    if len(rows) == 1:
        return rows[0]
    first = ee.ImageCollection(rows).reduce(ee.Reducer.firstNonNull())
    return first.rename([*bands, GLARE])


def composite_looks(looks: list[ee.Image], bands: list[str]) -> ee.Image:
    """Median of the observations of each pixel and band, and their counts.

    Args:
        looks: What :func:`place_scene` and :func:`merge_rows` make, one a pass.
        bands: Bands that each of them has.

    Returns:
        uint16 bands, ``n_obs`` and ``saturated`` (observations with any band, and those of them
        that are saturated); 0 is no data.
    """

    def count(look: ee.Image) -> ee.Image:
        # Masked bands become 0 first: what a reducer makes of them need not be known.
        seen = look.select(bands).unmask(0, False).reduce(ee.Reducer.max()).gt(0)
        bright = look.select(GLARE).gte(MIN_VALID_AREA).unmask(0, False)
        return ee.Image.cat([seen, seen.And(bright)]).rename(COUNTS)

    # The mean of the middle two may end in .5; floor(x + 0.5) says which way that goes.
    median = ee.ImageCollection([look.select(bands) for look in looks]).median().add(0.5).floor()
    counts = ee.ImageCollection([count(look) for look in looks]).sum()
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
