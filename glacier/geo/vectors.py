"""Glacier outlines in and out of vector files."""

from __future__ import annotations

import io
from typing import Any

import geopandas
import numpy as np
import pyogrio
from numpy.typing import NDArray
from shapely.geometry import shape

from glacier.errors import VectorError
from glacier.geo.raster import Grid, burn, trace
from glacier.store import local_copy


def rasterise_outlines(address: str, grid: Grid) -> NDArray[np.uint8]:
    """Pixels whose centre lies in any polygon of a vector file.

    Args:
        address: GeoPackage, GeoJSON, Shapefile or the like, with a CRS.
        grid: Where the pixels lie.

    Returns:
        (H, W) uint8, 1 inside and 0 outside.

    Raises:
        VectorError: The file cannot be read, has no CRS, or no polygon touches the grid.
    """
    frame = read_shapes(address)
    geometry = frame.to_crs(grid.crs).geometry
    polygons = [g for g in geometry if g is not None and g.geom_type in ("Polygon", "MultiPolygon")]
    mask = burn(polygons, grid)
    if not mask.any():
        raise VectorError(
            f"outlines {address}: none of its {len(frame)} features lies on the region's grid; "
            "is it the file of this region, and its CRS right?"
        )
    return mask


def read_shapes(address: str) -> Any:
    """All rows of a vector file, as a GeoDataFrame.

    Raises:
        VectorError: The file cannot be read, holds no shapes, or has no CRS.
    """
    with local_copy(address) as path:
        if not path.is_file():
            raise VectorError(f"outlines {address}: no such file; check the path")
        try:
            frame = geopandas.read_file(path)
        except Exception as error:  # pyogrio and GDAL raise many kinds
            raise VectorError(f"outlines {address} cannot be read: {error}") from error
    if not isinstance(frame, geopandas.GeoDataFrame):
        raise VectorError(f"outlines {address}: a table without shapes; give a file of polygons")
    if frame.crs is None:
        raise VectorError(f"outlines {address}: no CRS; assign one (ogr2ogr -a_srs EPSG:4326)")
    return frame


def encode_outlines(mask: NDArray[np.bool_], grid: Grid, columns: dict[str, Any]) -> bytes:
    """A GeoPackage of the outline of a mask, as bytes.

    Args:
        mask: (H, W) bool, True on the glacier.
        grid: Where the pixels lie.
        columns: What every polygon carries, such as its month.

    Returns:
        A GeoPackage in the grid's CRS with ``area_km2`` per polygon; burning it gives the mask.
    """
    polygons = [shape(polygon) for polygon in trace(mask, grid)]
    frame = geopandas.GeoDataFrame(
        {"area_km2": [p.area / 1e6 for p in polygons]}
        | {k: [v] * len(polygons) for k, v in columns.items()},
        geometry=polygons,
        crs=grid.crs,
    )
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2000-01-01T00:00:00Z"})  # same bytes
    buffer = io.BytesIO()  # in memory: a full disk is met by the store alone, which can say so
    frame.to_file(buffer, driver="GPKG", layer="outlines")
    return buffer.getvalue()
