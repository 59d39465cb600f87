"""Scenes that come in tiles -> the archive's numbers: Sentinel-2 L2A, harmonised Landsat-Sentinel.

Both are surface reflectance in tiles of UTM zones, with a quality band of their own. A band of
finer pixels than that is averaged onto its pixels first, where all of them hold data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from glacier.composite import Scene
from glacier.errors import RasterError, SourceError
from glacier.geo.declared import declared_scale, find_hidden, same_scale
from glacier.geo.raster import Grid
from glacier.landsat import CloudProfile, digital_number
from glacier.settings.ingest import Ingest
from glacier.settings.stac import ProductName
from glacier.sources.resample import ALIGNED_PX, OwnPixels
from glacier.sources.scenes import (
    Overlap,
    SceneFiles,
    Unseen,
    describe_frame,
    lay_scene,
    name_of,
    open_pixels,
)

UNITS = 1e-4
"""Reflectance of one, of every band of these products."""

FIRST_OFFSET = 4.0
"""Processing baseline of Sentinel-2 from which numbers are 1000 higher: January 2022."""


@dataclass(frozen=True)
class TileProduct:
    """How a product lies in files, and what its quality band says."""

    bands: Mapping[str, str]
    """Name of an asset, as any of the catalogues has it, to the archive's band."""
    quality: tuple[str, ...]
    """Names of the asset with the quality band, uint8."""
    dtype: str
    """Type of the numbers of the other bands."""
    nodata: int
    fill: int
    """Of the quality band, where there is no data."""
    hidden: Mapping[CloudProfile, tuple[int, ...]]
    """Values of the quality band that hide a pixel, by cloud profile; bits where ``by_bit``."""
    by_bit: bool
    saturated: int | None
    """Value of the quality band of saturated pixels; None: it does not say."""

    @property
    def assets(self) -> tuple[str, ...]:
        """Names of all assets that are read."""
        return (*self.bands, *self.quality)

    def hides(self, quality: NDArray[np.uint8], profile: CloudProfile) -> NDArray[np.bool_]:
        """Where a quality band, (h, w), hides the ground: cloud, shadow, and no data."""
        wanted, fill = self.hidden[profile], quality == self.fill
        if self.by_bit:
            found = quality & np.uint8(sum(1 << bit for bit in wanted)) != 0
        else:
            found = np.isin(quality, wanted)
        return np.asarray(fill | found)


SCL_SHADOW, SCL_UNCLASSIFIED, SCL_MEDIUM, SCL_HIGH, SCL_CIRRUS = 3, 7, 8, 9, 10
"""Classes of Sentinel-2's scene classification that may hide the ground.

Source: ESA, Sentinel-2 Products Specification Document, level 2A scene classification.
"""

FMASK_CIRRUS, FMASK_CLOUD, FMASK_ADJACENT, FMASK_SHADOW = 0, 1, 2, 3
"""Bits of Fmask that may hide the ground; cirrus is reserved and was never set in version 2.0.

Source: NASA, Harmonized Landsat and Sentinel-2 Product User Guide 2.0, table of the quality layer.
"""

SCL_CLOUDS = (SCL_SHADOW, SCL_MEDIUM, SCL_HIGH)

SENTINEL_2 = TileProduct(
    # Two catalogues, two names of each; the narrow near infrared is Landsat 8's by wavelength.
    bands={
        "B02": "SR_B2", "B03": "SR_B3", "B04": "SR_B4", "B8A": "SR_B5", "B11": "SR_B6",
        "B12": "SR_B7", "blue": "SR_B2", "green": "SR_B3", "red": "SR_B4", "nir08": "SR_B5",
        "swir16": "SR_B6", "swir22": "SR_B7",
    },
    quality=("SCL", "scl"),
    dtype="uint16",
    nodata=0,
    fill=0,
    hidden={
        "strict": (*SCL_CLOUDS, SCL_UNCLASSIFIED, SCL_CIRRUS),
        "standard": (*SCL_CLOUDS, SCL_UNCLASSIFIED),
        "ice": SCL_CLOUDS,
        "notebook": SCL_CLOUDS,
    },
    by_bit=False,
    saturated=1,
)  # fmt: skip


def harmonised(bands: Mapping[str, str]) -> TileProduct:
    """A product of the harmonised Landsat-Sentinel data, version 2."""
    clouds = (FMASK_CLOUD, FMASK_SHADOW)
    return TileProduct(
        bands=bands,
        quality=("Fmask",),
        dtype="int16",
        nodata=-9999,
        fill=255,
        hidden={
            "strict": (*clouds, FMASK_ADJACENT, FMASK_CIRRUS),
            "standard": (*clouds, FMASK_ADJACENT),
            "ice": clouds,
            "notebook": clouds,
        },
        by_bit=True,
        saturated=None,
    )


TILE_PRODUCTS: Mapping[ProductName, TileProduct] = {
    "sentinel-2": SENTINEL_2,
    "hls-l30": harmonised({f"B0{k}": f"SR_B{k}" for k in range(2, 8)}),
    "hls-s30": harmonised(
        {"B02": "SR_B2", "B03": "SR_B3", "B04": "SR_B4", "B8A": "SR_B5", "B11": "SR_B6",
         "B12": "SR_B7"}
    ),
}  # fmt: skip
"""Products other than Landsat's own."""


def find_offset(properties: Mapping[str, Any], collection: str) -> tuple[float, str]:
    """Offset of the reflectance of a Sentinel-2 item, and why nobody can tell it; or an empty text.

    From processing baseline 04.00 on numbers are 1000 higher, of scenes of earlier years too where
    they were processed anew. Earth Search took that off most items of its first collection, and
    says so of some; it never did in its second, whose name has ``c1``.

    Args:
        properties: Of the item.
        collection: Name of the collection that it is of.

    Source:
        ESA, Sentinel-2 Products Specification Document, BOA_ADD_OFFSET; Element84/earth-search
        issues 66 and 71 (items that say the offset was not taken off, where it was).
    """
    try:
        baseline = float(properties["s2:processing_baseline"])
    except (KeyError, TypeError, ValueError):
        said = properties.get("s2:processing_baseline")
        return 0.0, f"says no processing baseline ({said!r}), so that nobody knows its offset"
    applied = properties.get("earthsearch:boa_offset_applied")
    if baseline < FIRST_OFFSET or applied is True:
        return 0.0, ""
    if applied is False and "c1" not in collection:
        return 0.0, (
            f"says that the offset of baseline {baseline:05.2f} is still in its numbers, which is "
            "wrong of many such items: set collection sentinel-2-c1-l2a, or another catalogue"
        )
    return -0.1, ""


def load_tile(
    scene: SceneFiles, product: TileProduct, grid: Grid, settings: Ingest
) -> Scene | Unseen:
    """Read one tile: masked on its quality band's pixels, then laid onto a grid.

    Args:
        scene: Assets under the names that its catalogue gives them; ``offset`` is that of its
            reflectance.
        product: What it is.
        grid: The region's grid.
        settings: Cloud profile, and whether saturated observations count.

    Returns:
        The bands in Landsat's numbers, 0 wherever the scene is not clear.

    Raises:
        SourceError: It has no quality band, or no band of reflectance.
        RasterError: A file cannot be read, is no plain GeoTIFF, or holds other numbers.
    """
    quality_at = next((name for name in product.quality if name in scene.addresses), None)
    bands = {name: band for name, band in product.bands.items() if name in scene.addresses}
    if quality_at is None or not bands:
        raise SourceError(
            f"{scene.name} has assets {sorted(scene.addresses)}; wanted {product.quality[0]} and "
            "bands"
        )
    with open_pixels(scene.addresses[quality_at]) as source:
        whole = OwnPixels.of(source)
        window = whole.window_over(grid)
        if window is None:
            return Unseen("beside", describe_frame(whole))
        check_type(source, "uint8")
        quality: NDArray[np.uint8] = source.read(1, window=window)
    layers = {}
    for name, band in bands.items():
        with open_pixels(scene.addresses[name]) as source:
            values = read_reflectance(source, product, scene.offset, whole, window)
            layers[band] = digital_number(values, band)
    if not any(layer.any() for layer in layers.values()):
        return Unseen("blank", describe_frame(whole))
    hidden = product.hides(quality, settings.cloud_profile)
    saturated = None if product.saturated is None else quality == product.saturated
    return lay_scene(scene, layers, hidden, saturated, Overlap(whole, window, grid), settings)


def read_reflectance(
    source: DatasetReader, product: TileProduct, offset: float, whole: OwnPixels, window: Window
) -> NDArray[np.float64]:
    """Reflectance of a band on the pixels of the quality band: (h, w), NaN without data.

    Args:
        source: The open band.
        product: What the scene is.
        offset: Of its reflectance.
        whole: Pixels of the quality band.
        window: Those that are wanted.

    Raises:
        RasterError: It holds other numbers, or lies otherwise than the quality band.
    """
    check_type(source, product.dtype)
    declared = declared_scale(source, 1)
    if declared is not None and not same_scale(declared, (UNITS, offset)):
        raise RasterError(
            f"{name_of(source.name)} declares scale {declared[0]:g} and offset {declared[1]:g}, "
            f"its scene {UNITS:g} and {offset:g}"
        )
    finer = find_ratio(OwnPixels.of(source), whole, source.name)
    own = Window(
        *(finer * n for n in (window.col_off, window.row_off, window.width, window.height))
    )
    numbers = source.read(1, window=own)
    unknown = numbers == product.nodata
    hidden = find_hidden(source, 1, numbers, own)
    if hidden is not None:
        unknown |= hidden
    values = numbers * UNITS + offset
    values[unknown] = np.nan
    height, width = window.height, window.width
    mean: NDArray[np.float64] = values.reshape(height, finer, width, finer).mean(axis=(1, 3))
    return mean


def check_type(source: DatasetReader, wanted: str) -> None:
    """Refuse numbers that somebody has changed.

    Raises:
        RasterError: They are of another type than the product's.
    """
    if source.dtypes[0] != wanted:
        raise RasterError(
            f"{name_of(source.name)} holds {source.dtypes[0]}, where the product holds {wanted}"
        )


def find_ratio(own: OwnPixels, whole: OwnPixels, name: str) -> int:
    """How many pixels of a band lie along one of the quality band.

    Raises:
        RasterError: They do not share their edges.
    """
    ratio: int = round(whole.transform.a / own.transform.a)
    fits = ratio >= 1 and own.crs == whole.crs
    fits = fits and (own.height, own.width) == (ratio * whole.height, ratio * whole.width)
    t, other = own.transform, whole.transform
    drift = (t.c - other.c, t.f - other.f, ratio * t.a - other.a, ratio * t.e - other.e)
    if not fits or max(map(abs, drift)) > ALIGNED_PX * t.a:
        raise RasterError(
            f"{name_of(name)} lies on {own.describe()}, the scene's quality band on "
            f"{whole.describe()}"
        )
    return ratio
