"""Scenes -> composite: the one path that local scene files and STAC items share.

Every scene is masked on its own pixels by its own quality bits, where they tell of one pixel, and
only then laid onto the region's grid (``resample``). Rows of one pass become one observation
(``passes``); then observations meet in the median, where a clear one is never hidden by a cloudy
one of the same day.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from glacier.composite import Composite, Empty, Scene, composite_scenes
from glacier.errors import GlacierError, RasterError, SourceError
from glacier.geo.declared import declared_scale, find_hidden, same_scale
from glacier.geo.raster import Grid
from glacier.geo.raster_files import check_size, safe_open
from glacier.landsat import (
    CLEAR,
    CLOUD,
    FILL,
    NODATA,
    SATURATED_OPTICAL,
    band_scale,
    is_clear,
    overpass_time,
    sun_position,
)
from glacier.satellites import saturated_bits
from glacier.settings.ingest import Ingest
from glacier.sources.passes import merge_scenes, read_product
from glacier.sources.resample import OwnPixels, place_layers
from glacier.wording import name_coordinates, shorten_list

BAND_OF_ASSET = {
    "blue": "SR_B2",
    "green": "SR_B3",
    "red": "SR_B4",
    "nir08": "SR_B5",
    "swir16": "SR_B6",
    "swir22": "SR_B7",
    "lwir": "ST_B10",  # of Landsat 4 to 7
    "lwir11": "ST_B10",
}
"""Asset names of STAC items to the archive's bands.

Source: common names of the STAC extension ``eo``, as USGS and Planetary Computer use them.
"""

QA_PIXEL, QA_RADSAT = "qa_pixel", "qa_radsat"

GLARE = "glare"
"""Layer of an observation: 1 where seen, 2 where a reflective band is saturated too, 0 unseen."""

MAX_SCENE_BYTES = 1 << 29
"""Largest file of a scene, decoded: a band of Landsat has 8,000 x 8,000 pixels of two bytes, a
quarter of this."""

MAX_NAMED = 3
"""Scenes that a reason names."""


@dataclass(frozen=True)
class SceneFiles:
    """Where a scene lies, and what is known of it without its pixels."""

    name: str
    """Its USGS name without processing date, or what the catalogue calls it."""
    addresses: Mapping[str, str]
    """Asset name to local path or web address."""
    day: date
    """Day of the observation, by UTC."""
    acquired: datetime | None = None
    """Time of observation, UTC; None: unknown, so that of a usual pass."""
    sun_elevation_deg: float | None = None
    """Height of the sun at the scene's centre, degrees; None: unknown, so by place and time."""
    offset: float = 0.0
    """Of the reflectance of a tile (``tiles``); Landsat's own is always the same."""


@dataclass(frozen=True)
class Unseen:
    """A scene that shows nothing of a region, whatever its clouds."""

    why: str
    """``beside`` the region, or ``blank`` over it: fill alone."""
    frame: str
    """Where the scene lies, in words."""


Load = Callable[[], Scene | Unseen]
"""Reads one scene onto the region's grid."""

FAULTS = (GlacierError, RasterioError, OSError, ValueError)
"""What reading a scene that is damaged, cut short or gone is known to raise."""


def compose_scenes(loads: Sequence[tuple[str, Load]], settings: Ingest) -> Composite | Empty:
    """Composite of the scenes that can be read.

    A scene that cannot be read leaves fewer observations, not no month: its name and the reason
    are kept. A scene whose frame ends before the region takes no part.

    Args:
        loads: Name and reader of each scene of a month; what they read is masked already.
        settings: Cloud profile.

    Raises:
        SourceError: None of the scenes can be read.
    """
    scenes: list[Scene] = []
    skipped, unseen = [], {}
    for name, load in loads:
        try:
            found = load()
        except FAULTS as error:
            skipped.append(f"{name}: {type(error).__name__}: {first_line(error)}")
            continue
        if isinstance(found, Unseen):
            unseen[name] = found
        else:
            scenes.append(found)
    if skipped and not scenes:
        few = f"{len(skipped)} of {len(loads)} scenes cannot be read, the others show no ground"
        how = few if unseen else f"none of {len(loads)} scenes can be read"
        raise SourceError(f"{how}: {'; '.join(skipped)}")
    if not scenes:
        return explain_unseen(unseen)
    result = composite_scenes(merge_scenes(scenes), settings.cloud_profile)
    if isinstance(result, Empty):
        return Empty(f"{result.reason}: not read: {'; '.join(skipped)}") if skipped else result
    ordered = sorted(scenes, key=lambda scene: (scene.acquired, scene.scene_id))
    return dataclasses.replace(
        result,
        scene_ids=[scene.scene_id for scene in ordered],
        sun_elevation_deg=float(np.mean([scene.sun_elevation_deg for scene in ordered])),
        skipped=tuple(skipped),
    )


def explain_unseen(unseen: Mapping[str, Unseen]) -> Empty:
    """Why scenes of a month show nothing of a region: they lie beside it, or are all fill."""
    blank = [name for name, scene in unseen.items() if scene.why == "blank"]
    if blank:
        names = shorten_list(blank, MAX_NAMED)
        return Empty(f"no_data: {names} reach over the region and hold only fill there")
    frames = [f"{name} {scene.frame}" for name, scene in unseen.items()]
    names = shorten_list(frames, MAX_NAMED)
    return Empty(f"off_scene: none of the month's scenes touches the region: {names}")


def first_line(error: BaseException) -> str:
    """The first line of a message, which is where libraries say what is wrong."""
    return hide_signature((str(error).strip().splitlines() or ["no message"])[0])[:300]


def load_scene(scene: SceneFiles, grid: Grid, settings: Ingest) -> Scene | Unseen:
    """Read one scene: masked on its own pixels, then laid onto a grid.

    Args:
        scene: Assets under their STAC names; those that it lacks are left out, the thermal band
            of scenes without one above all.
        grid: The region's grid.
        settings: Cloud profile, and whether saturated observations count.

    Returns:
        Bands that are 0 wherever the scene is not clear, with quality bits that say no more than
        that, and saturated where half of what was seen is.

    Raises:
        SourceError: It has no quality band, or no band of reflectance.
        RasterError: A file cannot be read, is no plain GeoTIFF, or holds other numbers.
    """
    bands = [name for name in BAND_OF_ASSET if name in scene.addresses]
    if QA_PIXEL not in scene.addresses or not bands:
        raise SourceError(
            f"{scene.name} has assets {sorted(scene.addresses)}; wanted {QA_PIXEL} and bands"
        )
    with open_pixels(scene.addresses[QA_PIXEL]) as source:
        whole = OwnPixels.of(source)
        window = whole.window_over(grid)
        if window is None:
            return Unseen("beside", describe_frame(whole))
        qa = read_numbers(source, QA_PIXEL, window, FILL)
    reader = Reader(scene.addresses, whole, window)
    radsat = reader.read(QA_RADSAT) if QA_RADSAT in scene.addresses else None
    layers = {BAND_OF_ASSET[name]: reader.read(name) for name in bands}
    if not any(layer.any() for layer in layers.values()):
        return Unseen("blank", describe_frame(whole))
    hidden = ~is_clear(qa, settings.cloud_profile) | (qa & FILL != 0)
    saturated = None
    if radsat is not None:
        product = read_product(scene.name)
        bits = np.uint16(saturated_bits(product.platform if product else None))
        saturated = radsat & bits != 0
    return lay_scene(scene, layers, hidden, saturated, Overlap(whole, window, grid), settings)


@dataclass(frozen=True)
class Overlap:
    """Where a scene and a region share ground."""

    whole: OwnPixels
    """Pixels of the whole scene."""
    window: Window
    """The part of them that was read."""
    grid: Grid
    """Of the region."""


def lay_scene(
    scene: SceneFiles,
    layers: dict[str, NDArray[np.uint16]],
    hidden: NDArray[np.bool_],
    saturated: NDArray[np.bool_] | None,
    overlap: Overlap,
    settings: Ingest,
) -> Scene:
    """Mask a scene on its own pixels and lay it onto a grid.

    Args:
        scene: Where it came from.
        layers: Band to (h, w) uint16 in the window; what is hidden becomes 0.
        hidden: (h, w), cloud, shadow and what holds no data.
        saturated: (h, w); None: nobody knows.
        overlap: Where they lie.
        settings: Whether saturated observations count.
    """
    if saturated is not None and settings.mask_saturated:
        hidden = hidden | saturated
    for layer in layers.values():
        layer[hidden] = NODATA
    if saturated is not None:
        seen = np.any([layer != NODATA for layer in layers.values()], axis=0)
        layers[GLARE] = (seen * (1 + saturated)).astype(np.uint16)
    placed = place_layers(layers, overlap.whole.cut(overlap.window), overlap.grid)
    return finish_scene(scene, placed, *time_scene(scene, overlap.whole))


def finish_scene(
    scene: SceneFiles, placed: dict[str, NDArray[np.uint16]], acquired: datetime, sun_deg: float
) -> Scene:
    """The scene of layers on the grid."""
    glare = placed.pop(GLARE, None)
    seen = np.any([layer != NODATA for layer in placed.values()], axis=0)
    qa = np.where(seen, np.uint16(CLEAR), np.uint16(FILL | CLOUD))  # every profile hides clouds
    radsat = None if glare is None else np.where(glare == 2, SATURATED_OPTICAL, 0)
    return Scene(
        scene.name, acquired, placed, qa, sun_deg,
        None if radsat is None else radsat.astype(np.uint16),
    )  # fmt: skip


def time_scene(scene: SceneFiles, own: OwnPixels) -> tuple[datetime, float]:
    """UTC time and sun elevation, degrees; of a usual pass where the scene does not say."""
    latitude, longitude = own.centre()
    acquired = scene.acquired
    if acquired is None:
        local = overpass_time(longitude, scene.day)
        acquired = datetime.combine(scene.day, local.time(), UTC)  # the name's day is by UTC
    sun_deg = scene.sun_elevation_deg
    if sun_deg is None:
        sun_deg = 90 - sun_position(latitude, longitude, acquired)[0]
    return acquired, sun_deg


def describe_frame(own: OwnPixels) -> str:
    """Where a scene lies, in words."""
    height_km = own.height * -own.transform.e / 1000
    width_km = own.width * own.transform.a / 1000
    return f"({height_km:.0f} x {width_km:.0f} km about {name_coordinates(*own.centre())})"


@dataclass(frozen=True)
class Reader:
    """Reads the window of a scene from each of its files."""

    addresses: Mapping[str, str]
    whole: OwnPixels
    window: Window

    def read(self, asset: str) -> NDArray[np.uint16]:
        """Numbers of an asset: (h, w) uint16, 0 where it holds no data.

        Raises:
            RasterError: The file cannot be read, or lies elsewhere than the quality band.
        """
        with open_pixels(self.addresses[asset]) as source:
            own = OwnPixels.of(source)
            if own != self.whole:
                raise RasterError(
                    f"{name_of(source.name)} lies on {own.describe()}, the scene's quality band on "
                    f"{self.whole.describe()}"
                )
            return read_numbers(source, asset, self.window, NODATA)


def read_numbers(
    source: DatasetReader, asset: str, window: Window, hidden_as: int
) -> NDArray[np.uint16]:
    """Numbers of an open file: (h, w) uint16, ``hidden_as`` where the file hides them.

    Raises:
        RasterError: They are not Landsat's own, by their type or a declared scale.
    """
    name, band = name_of(source.name), BAND_OF_ASSET.get(asset)
    if source.dtypes[0] != "uint16":
        raise RasterError(
            f"{name} holds {source.dtypes[0]}; Landsat Collection 2 Level 2 holds uint16, so "
            "somebody has changed these numbers: take the files as USGS delivers them, or read "
            "scaled ones as month files (ingest.folder.holds: months)"
        )
    scale = declared_scale(source, 1)
    if scale is not None and not (band and same_scale(scale, band_scale(band))):
        raise RasterError(
            f"{name} declares scale {scale[0]:g} and offset {scale[1]:g}, which are not Landsat's"
        )
    numbers: NDArray[np.uint16] = source.read(1, window=window)
    hidden = find_hidden(source, 1, numbers, window)
    if hidden is not None:
        numbers[hidden] = hidden_as
    return numbers


@contextmanager
def open_pixels(address: str) -> Iterator[DatasetReader]:
    """Open a GeoTIFF of a sane size, and nothing else.

    A file is what its bytes say: one that is called ``.TIF`` could make GDAL open others, here or
    anywhere on the network.

    Raises:
        RasterError: The file is missing, damaged, too large or no GeoTIFF.
    """
    try:
        if "://" not in address:
            with safe_open(address, MAX_SCENE_BYTES) as source:
                yield source
        else:
            with rasterio.open(address, driver="GTiff", sharing=False) as source:
                check_size(source, MAX_SCENE_BYTES)
                yield source
    except RasterioError as error:
        # Without its cause, which holds the address with its signature.
        raise RasterError(f"{name_of(address)}: {hide_signature(str(error))}") from None


def name_of(address: str) -> str:
    """The name of the file at an address, without what signs it."""
    return re.split("[?#]", address)[0].rpartition("/")[2]


def hide_signature(text: str) -> str:
    """Text without what follows the ``?`` of web addresses, where secrets stand."""
    return re.sub(r"(https?://[^\s?'\"]*)\?[^\s'\"]*", r"\1?...", text)
