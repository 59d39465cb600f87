"""Scenes -> composite: the one path that local scene files and STAC items share.

Every scene is read onto the region's grid by itself, masked by its own quality bits, and only then
do scenes meet in the median; a clear observation is never hidden by a cloudy one of the same day.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any

import odc.stac
import pystac
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.loader import RioDriver, RioReader
from odc.loader.types import RasterSource
from rasterio.errors import RasterioError

from glacier.composite import Composite, Empty, Scene, composite_scenes
from glacier.config import Ingest
from glacier.errors import GlacierError, RasterError, SourceError
from glacier.geo.raster import Grid, check_size, safe_open

COLLECTION = "landsat-c2-l2"

BAND_OF_ASSET = {
    "blue": "SR_B2",
    "green": "SR_B3",
    "red": "SR_B4",
    "nir08": "SR_B5",
    "swir16": "SR_B6",
    "swir22": "SR_B7",
    "lwir11": "ST_B10",
}
"""Asset names of STAC items to the archive's bands.

Source: common names of the STAC extension ``eo``, as USGS and Planetary Computer use them.
"""

QA_PIXEL, QA_RADSAT = "qa_pixel", "qa_radsat"

NUMBERS = {"data_type": "uint16", "nodata": 0}
ASSETS = {"*": NUMBERS, QA_PIXEL: NUMBERS | {"nodata": 1}}
"""Said here, since items may say nothing: without it bands come as floats, and where a scene ends
the quality band would read 0, which means clear."""

Load = Callable[[], Scene]
"""Reads one scene onto the region's grid."""

FAULTS = (GlacierError, RasterioError, OSError, ValueError)
"""What reading a scene that is damaged, cut short or gone is known to raise."""


def compose_scenes(loads: Sequence[tuple[str, Load]], settings: Ingest) -> Composite | Empty:
    """Composite of the scenes that can be read.

    A scene that cannot be read leaves fewer observations, not no month: its name and the reason
    are kept. A scene whose frame ends before the region takes no part.

    Args:
        loads: Name and reader of each scene of a month.
        settings: Cloud profile, and whether saturated observations count.

    Raises:
        SourceError: None of the scenes can be read.
    """
    scenes, skipped = [], []
    for name, load in loads:
        try:
            scene = load()
        except FAULTS as error:
            skipped.append(f"{name}: {type(error).__name__}: {first_line(error)}")
            continue
        if any(band.any() for band in scene.bands.values()):
            scenes.append(scene)
    if skipped and not scenes:
        raise SourceError(f"none of {len(loads)} scenes can be read: {'; '.join(skipped)}")
    result = composite_scenes(
        scenes, settings.cloud_profile, mask_saturated=settings.mask_saturated
    )
    if isinstance(result, Composite):
        return dataclasses.replace(result, skipped=tuple(skipped))
    return result


def first_line(error: BaseException) -> str:
    """The first line of a message, which is where libraries say what is wrong."""
    return hide_signature((str(error).strip().splitlines() or ["no message"])[0])[:300]


def load_scene(item: pystac.Item, grid: Grid) -> Scene:
    """Read one item onto a grid.

    Args:
        item: Assets under their STAC names; those that it lacks are left out, the thermal band
            of scenes without one above all.
        grid: The region's grid.

    Raises:
        SourceError: It has no quality band, or no band of reflectance.
        RasterError: A file cannot be read, or is no plain GeoTIFF.
    """
    bands = [name for name in BAND_OF_ASSET if name in item.assets]
    if QA_PIXEL not in item.assets or not bands:
        raise SourceError(
            f"{item.id} has assets {sorted(item.assets)}; wanted {QA_PIXEL} and bands"
        )
    quality = [QA_PIXEL, *([QA_RADSAT] if QA_RADSAT in item.assets else [])]
    loaded = odc.stac.load(
        [item],
        bands=[*bands, *quality],
        geobox=GeoBox(grid.shape, Affine(*grid.transform[:6]), grid.crs),
        groupby="id",
        resampling={"*": choose_resampling(item, grid), QA_PIXEL: "nearest", QA_RADSAT: "nearest"},
        stac_cfg={item.collection_id or "*": {"assets": ASSETS}},
        fail_on_error=True,
        driver=GuardedDriver(),
    )
    pixels = {name: loaded[name].to_numpy()[0] for name in (*bands, *quality)}
    assert item.datetime is not None  # every item of the catalogue has one
    return Scene(
        item.id,
        item.datetime.astimezone(UTC),
        {BAND_OF_ASSET[name]: pixels[name] for name in bands},
        pixels[QA_PIXEL],
        float(item.properties["view:sun_elevation"]),
        pixels.get(QA_RADSAT),
    )


class GuardedReader(RioReader):
    """Reads a GeoTIFF of a sane size, and nothing else.

    A file is what its bytes say: one that is called ``.TIF`` could make GDAL open others, here or
    anywhere on the network.
    """

    def __init__(self, source: RasterSource, context: Any) -> None:
        """Read this file."""
        super().__init__(source, context)
        self.address = source.uri

    def read(self, *args: Any, **kwargs: Any) -> Any:
        """Check the file, then read it as odc does; GDAL keeps what the check has read of it.

        Raises:
            RasterError: The file is missing, damaged, too large or no GeoTIFF.
        """
        name = re.split("[?#]", self.address)[0].rpartition("/")[2]
        try:
            if "://" not in self.address:
                with safe_open(self.address):
                    return super().read(*args, **kwargs)
            with rasterio.open(self.address, driver="GTiff", sharing=False) as source:
                check_size(source)
            return super().read(*args, **kwargs)
        except RasterioError as error:
            # Without its cause, which holds the address with its signature.
            raise RasterError(f"{name}: {hide_signature(str(error))}") from None


class GuardedDriver(RioDriver):
    """Makes odc read through :class:`GuardedReader`."""

    def open(self, src: RasterSource, ctx: Any) -> RioReader:
        """The reader of a file."""
        return GuardedReader(src, ctx)


def hide_signature(text: str) -> str:
    """Text without what follows the ``?`` of web addresses, where secrets stand."""
    return re.sub(r"(https?://[^\s?'\"]*)\?[^\s'\"]*", r"\1?...", text)


def choose_resampling(item: pystac.Item, grid: Grid) -> str:
    """How bands come onto a grid: copied where pixels can coincide, else averaged.

    In the scene's own zone and pixel size ``nearest`` copies digital numbers as they are. Coarser
    grids take the mean of the pixels below, another zone interpolates between four. The quality
    bits are always copied, since there is nothing between two of them.
    """
    code = item.properties.get("proj:code") or f"EPSG:{item.properties.get('proj:epsg')}"
    first = next(iter(item.assets.values()))
    steps = first.extra_fields.get("proj:transform") or item.properties.get("proj:transform")
    step_m = abs(steps[0]) if steps else 30.0
    if grid.pixel_m > 1.5 * step_m:
        return "average"
    same = code == grid.crs and abs(grid.pixel_m - step_m) < 1e-6
    return "nearest" if same else "bilinear"
