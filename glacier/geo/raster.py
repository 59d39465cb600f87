"""Rasters in and out: grids, named bands, cloud-optimised GeoTIFF.

Besides the sources, only this folder imports rasterio.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.coords import BoundingBox
from rasterio.enums import Resampling
from rasterio.features import rasterize, shapes
from rasterio.io import DatasetReader, MemoryFile
from rasterio.warp import transform
from rasterio.windows import Window

from glacier.errors import ConfigError, RasterError
from glacier.geo.declared import read_as_landsat
from glacier.geo.grid_files import find_grid_file
from glacier.geo.raster_files import safe_open
from glacier.geo.scale import check_scale, utm_zone
from glacier.landsat import NODATA, band_scale
from glacier.settings.regions import Region
from glacier.wording import shorten_list

WGS84 = "EPSG:4326"
"""Longitude and latitude, degrees."""

LANDSAT_EDGE_M = 15.0
"""Landsat pixel edges lie at multiples of 30 m plus this.

Source: geotransforms of USGS Collection 2 products, such as 236685, 6789615 for path 68 row 18.
"""

MIN_PIXEL_M, MAX_PIXEL_M = 0.01, 100_000.0
"""Side of a pixel of any image that there may be."""

MAX_SIDE_PX = 20_000
"""Longest side of a region's grid, pixels: 600 km of 30 m, more than a UTM zone holds."""

SHOWN = 8
"""Bands that a message names; it counts the others."""

EDGE_POINTS = 200
"""Points along an edge of a region's polygon: straight in degrees, it bends in the projection."""

COG_TILE_PX = 256
"""Side of a tile of the archive's files, pixels."""

COG_LAYOUT: dict[str, Any] = {
    "driver": "GTiff", "tiled": True, "blockxsize": COG_TILE_PX, "blockysize": COG_TILE_PX,
    "interleave": "band", "compress": "zstd", "zstd_level": 1, "copy_src_overviews": True,
}  # fmt: skip
"""A cloud-optimised GeoTIFF whose bands lie in tiles of their own, so that a reader of four of
eight bands decodes four. GDAL's COG driver writes that from 3.11 on; this way to write it (all
directories first, then overviews, then pixels) is older than the driver. Without a predictor a
noisy scene is a sixth larger and read in 60 % of the time.
"""


@dataclass(frozen=True)
class Grid:
    """Pixels on the ground, north up."""

    crs: str
    """Coordinate system, such as ``EPSG:32608``; its unit is the metre."""
    left_m: float
    """West edge of the first column."""
    top_m: float
    """North edge of the first row."""
    pixel_m: float
    """Side of a pixel."""
    height: int
    """Rows."""
    width: int
    """Columns."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def bounds(self) -> BoundingBox:
        """Left, bottom, right and top edge, metres."""
        right_m = self.left_m + self.pixel_m * self.width
        bottom_m = self.top_m - self.pixel_m * self.height
        return BoundingBox(self.left_m, bottom_m, right_m, self.top_m)

    @property
    def transform(self) -> rasterio.Affine:
        """Affine map from (column, row) to (x, y) in metres."""
        return rasterio.Affine(self.pixel_m, 0, self.left_m, 0, -self.pixel_m, self.top_m)

    @property
    def pixel_km2(self) -> float:
        """Ground area of a pixel."""
        return self.pixel_m**2 / 1e6

    def as_dict(self) -> dict[str, Any]:
        """The grid as plain values, for JSON."""
        return asdict(self)


def grid_of_region(region: Region) -> Grid:
    """Smallest grid that covers the region's polygon, in the UTM zone of its middle.

    Pixel edges lie where Landsat's own scenes have them, so that nothing is moved by half a
    pixel; where the region reaches into the next zone, scenes of that zone are resampled.

    Raises:
        ConfigError: The region has no polygon, or it is wider than a UTM zone or larger than
            a grid can hold.
    """
    if region.polygon is None:
        raise ConfigError(f"region {region.name} has no polygon, so it has no grid of its own")
    corners = region.corners()
    lons, _ = zip(*corners, strict=True)
    if max(lons) - min(lons) > 6:
        raise ConfigError(
            f"region {region.name} spans {max(lons) - min(lons):.1f} degrees of longitude; a UTM "
            "zone holds 6: split it"
        )
    crs = utm_zone((min(lons) + max(lons)) / 2)
    ring = np.array([*corners, corners[0]])
    along = np.linspace(0, 1, EDGE_POINTS, endpoint=False)[:, None]
    edges = np.concatenate([a + (b - a) * along for a, b in pairwise(ring)])
    projected = np.array(transform(WGS84, crs, *edges.T)).T
    step, edge = region.pixel_m, LANDSAT_EDGE_M

    def snap(value: float, rounding: Any) -> float:
        return float(rounding((value - edge) / step) * step + edge)

    left, bottom = (snap(v, math.floor) for v in projected.min(axis=0))
    right, top = (snap(v, math.ceil) for v in projected.max(axis=0))
    height, width = round((top - bottom) / step), round((right - left) / step)
    if max(height, width) > MAX_SIDE_PX:
        raise ConfigError(
            f"region {region.name} would be {height} x {width} px of {step:g} m; at most "
            f"{MAX_SIDE_PX} a side: split it, or raise its pixel_m"
        )
    return Grid(crs, left, top, step, height, width)


def grid_of(source: DatasetReader) -> Grid:
    """Grid of an open raster.

    Raises:
        RasterError: It is rotated, its pixels are not square, or its unit is not the metre, or not
            one on the ground.
    """
    t, crs = source.transform, source.crs
    metres = crs is not None and crs.is_projected and crs.linear_units_factor[1] == 1
    if not metres or t.b or t.d or t.a <= 0 or not math.isclose(t.a, -t.e):
        raise RasterError(
            f"{source.name}: CRS {crs}, transform {tuple(t)[:6]}; wanted square, north-up pixels "
            "in a projected CRS in metres (gdalwarp -t_srs EPSG:326NN -tr 30 30)"
        )
    if not MIN_PIXEL_M <= t.a <= MAX_PIXEL_M:
        raise RasterError(
            f"{source.name}: pixels of {t.a:g} m; wanted {MIN_PIXEL_M:g} to {MAX_PIXEL_M:g}"
        )
    if grids := find_grid_file(crs.to_wkt()):
        raise RasterError(
            f"{source.name}: its CRS would read the file {grids}; name the CRS by its code "
            "(gdal_edit.py -a_srs EPSG:326NN)"
        )
    name = f"EPSG:{crs.to_epsg()}" if crs.to_epsg() else crs.to_wkt()
    grid = Grid(name, t.c, t.f, t.a, source.height, source.width)
    check_scale(name, (t.c + grid.bounds.right) / 2, (t.f + grid.bounds.bottom) / 2, source.name)
    return grid


def read_named(
    path: str | Path, wanted: Collection[str] | None = None
) -> tuple[dict[str, NDArray[Any]], Grid]:
    """Bands of a raster by the names that its descriptions give.

    Args:
        path: The raster.
        wanted: Names of the bands to read, those that are there; None: all.

    Returns:
        Band name to (H, W) array in the file's dtype, 0 where the file hides it by a number, a
        mask or alpha, uint16 Landsat numbers of bands that declare another scale; and the grid.

    Raises:
        RasterError: The file cannot be read, its bands have no distinct names, or what it
            declares cannot be honoured.
    """
    with safe_open(path) as source:
        return read_bands(source, wanted), grid_of(source)


def read_bands(
    source: DatasetReader, wanted: Collection[str] | None = None
) -> dict[str, NDArray[Any]]:
    """Bands of an open raster, see :func:`read_named`.

    Raises:
        RasterError: Its bands have no distinct names, or what it declares cannot be honoured.
    """
    places = place_bands(source)
    return read_placed(source, {n: at for n, at in places.items() if wanted is None or n in wanted})


def place_bands(source: DatasetReader) -> dict[str, int]:
    """Band names of an open raster and their positions, from 1.

    Raises:
        RasterError: Its bands have no distinct names.
    """
    names = source.descriptions
    if None in names or len(set(names)) != len(names):
        there = shorten_list([str(name) for name in names], SHOWN)
        raise RasterError(
            f"{source.name}: band descriptions are {there}; every band needs its own Landsat name "
            "such as SR_B4 (gdal_edit.py, or a band map in the configuration)"
        )
    return {name: at for at, name in enumerate(names, 1)}


def read_placed(
    source: DatasetReader, places: Mapping[str, int], window: Window | None = None
) -> dict[str, NDArray[Any]]:
    """Bands of an open raster by position, as :func:`read_named` gives them.

    Args:
        source: The raster.
        places: Landsat band name to position, from 1.
        window: The part to read; None: all of it.

    Raises:
        RasterError: What the raster declares cannot be honoured.
    """
    stored = source.read(list(places.values()), window=window) if places else ()
    read = zip(places.items(), stored, strict=True)
    return {name: read_as_landsat(source, at, name, raw, window) for (name, at), raw in read}


def encode_cog(bands: dict[str, NDArray[Any]], grid: Grid, tags: dict[str, str]) -> bytes:
    """A cloud-optimised GeoTIFF with named bands, as bytes.

    Args:
        bands: Band name to (H, W) array, all of one dtype; 0 is no data. ``SR_*`` and ``ST_*``
            bands carry Landsat's scale and offset.
        grid: Where the pixels lie.
        tags: Metadata of the file.

    Raises:
        RasterError: A band's shape differs from the grid's.
    """
    for name, band in bands.items():
        if band.shape != grid.shape:
            raise RasterError(f"band {name} has shape {band.shape}, its grid {grid.shape}")
    data = np.stack(list(bands.values()))
    profile = {
        "driver": "GTiff", "height": grid.height, "width": grid.width, "count": len(bands),
        "dtype": data.dtype, "crs": grid.crs, "transform": grid.transform, "nodata": NODATA,
        "interleave": "band",
    }  # fmt: skip
    with MemoryFile() as plain, MemoryFile() as cog:
        with plain.open(**profile) as out:
            out.write(data)
            out.descriptions = tuple(bands)
            out.update_tags(**tags)
            measured = [name.startswith(("SR_", "ST_")) for name in bands]
            pairs = [
                band_scale(n) if m else (1.0, 0.0) for n, m in zip(bands, measured, strict=True)
            ]
            out.scales, out.offsets = [p[0] for p in pairs], [p[1] for p in pairs]
            out.build_overviews(overview_factors(*grid.shape), Resampling.nearest)
        with plain.open() as source:
            rasterio.shutil.copy(source, cog.name, **COG_LAYOUT)
        return bytes(cog.read())


def overview_factors(height: int, width: int) -> list[int]:
    """Reductions of a raster's overviews, each half the one before, down to a single tile."""
    factors: list[int] = []
    while max(height, width) / 2 ** len(factors) > COG_TILE_PX:
        factors.append(2 ** (len(factors) + 1))
    return factors


def burn(geometries: Iterable[Any], grid: Grid) -> NDArray[np.uint8]:
    """Pixels whose centre lies in any of the geometries.

    Args:
        geometries: Polygons in the grid's CRS (shapely or GeoJSON-like).
        grid: Where the pixels lie.

    Returns:
        (H, W) uint8, 1 inside and 0 outside.
    """
    burnt = [(geometry, 1) for geometry in geometries]
    if not burnt:
        return np.zeros(grid.shape, np.uint8)
    return np.asarray(
        rasterize(burnt, out_shape=grid.shape, transform=grid.transform, fill=0, dtype="uint8")
    )


def trace(mask: NDArray[np.bool_], grid: Grid) -> Sequence[dict[str, Any]]:
    """Outlines of the True pixels, along their edges (4-connected).

    Args:
        mask: (H, W) bool.
        grid: Where the pixels lie.

    Returns:
        GeoJSON-like polygons in the grid's CRS, holes included. Burning them gives the mask.
    """
    image = mask.astype(np.uint8)
    return [g for g, _ in shapes(image, mask=mask, connectivity=4, transform=grid.transform)]
