"""Glaciers of a vector file -> regions: a frame around each outline.

Every source works on frames, so the frame is all that is kept of an outline; what is ice within
it is for the labels to say.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import geopandas
import numpy as np
import shapely

from glacier.config import Region, RegionFile, digest
from glacier.errors import ConfigError, VectorError
from glacier.flags import nearest
from glacier.geo.raster import WGS84, grid_of_region, utm_zone
from glacier.geo.vectors import read_shapes
from glacier.store import absolute
from glacier.wording import shorten_list

RGI_COLUMNS = ("rgi_id", "rgiid")
"""Names of the id column, in lower case.

Source: attribute tables of the Randolph Glacier Inventory, versions 7.0 and 6.0.
"""

DECIMALS = 6
"""Of corners in degrees: 0.1 m, so that no last digit of a projection decides a hash."""

MAX_NAME_LENGTH = 64
SHOWN = 5
"""Ids that a message names; it counts the others."""


def read_regions(wanted: RegionFile) -> list[Region]:
    """The glaciers of a vector file as regions, sorted by name.

    Rows of one id are one glacier. Its frame is the rectangle around its outline along the axes
    of its UTM zone, widened by ``buffer_m`` on every side.

    Raises:
        ConfigError: The file cannot be read, lacks the column or an id, or a glacier has no
            usable outline or is too large.
    """
    try:
        table = read_shapes(absolute(wanted.file))
    except VectorError as error:
        raise ConfigError(str(error)) from error
    outlines = pick_outlines(table, wanted)
    names = name_glaciers(outlines.index.unique())
    regions = [
        Region(name=names[key], polygon=corners, pixel_m=wanted.pixel_m)
        for key, corners in frame_glaciers(outlines, wanted.buffer_m)
    ]
    for region in regions:
        grid_of_region(region)  # refuses what is too large
    return sorted(regions, key=lambda region: region.name)


def pick_outlines(table: Any, wanted: RegionFile) -> Any:
    """The wanted rows' shapes in degrees: a GeoSeries with the glaciers' ids as its index.

    Raises:
        ConfigError: The column or an id is not there, or a shape is no polygon on Earth.
    """
    column = find_column(list(table.columns.drop(table.geometry.name)), wanted)
    ids = table[column].map(as_id)
    if wanted.ids is not None:
        chosen = [str(key) for key in wanted.ids]
        check_ids(chosen, set(ids), f"{wanted.file}, column {column}")
        table, ids = table[ids.isin(chosen)], ids[ids.isin(chosen)]
    elif not ids.all():
        raise ConfigError(
            f"{wanted.file}: column {column} is empty in {(ids == '').sum()} of {len(ids)} rows; "
            "say which glaciers are wanted in ids, or take another column"
        )
    if ids.empty:
        raise ConfigError(f"{wanted.file} holds no glacier")
    shapes = geopandas.GeoSeries(table.geometry.values, index=ids.values, crs=table.crs)
    bad = [key for key, shape in shapes.items() if not is_outline(shape)]
    if bad:
        raise ConfigError(
            f"{wanted.file}: no polygon for {shorten_list(bad, SHOWN)}; repair or leave it out"
        )
    shapes = shapes.to_crs(WGS84)
    check_places(shapes, wanted.file)
    return shapes


def find_column(columns: list[str], wanted: RegionFile) -> str:
    """The column that names the glaciers.

    Raises:
        ConfigError: It is not there; the message lists those that are.
    """
    there = f"its columns are {', '.join(columns)}"
    if wanted.column in columns:
        return wanted.column
    if wanted.column is not None:
        near = nearest(wanted.column, columns) if len(columns) > 12 else ""
        raise ConfigError(f"{wanted.file} has no column {wanted.column!r}{near}; {there}")
    found = [name for name in columns if name.lower() in RGI_COLUMNS]
    if not found:
        raise ConfigError(f"{wanted.file} has no column rgi_id or RGIId: name one; {there}")
    return found[0]


def as_id(value: Any) -> str:
    """A cell as an id: whole numbers without a point, nothing as an empty text."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def check_ids(chosen: list[str], known: set[str], where: str) -> None:
    """Refuse ids that the file does not hold.

    Raises:
        ConfigError: With the nearest id that it does hold.
    """
    if missing := [key for key in chosen if key not in known]:
        near = nearest(missing[0], sorted(known - {""}))
        raise ConfigError(f"{where}: no glacier {shorten_list(missing, SHOWN)}{near}")


def is_outline(shape: Any) -> bool:
    """Whether a shape is a polygon with an area; that it may cross itself moves no frame."""
    return shape is not None and "Polygon" in shape.geom_type and not shape.is_empty


def check_places(shapes: Any, file: str) -> None:
    """Refuse shapes that do not lie where UTM zones are.

    Raises:
        ConfigError: Naming the first glaciers and their bounds.
    """
    bounds = shapes.bounds
    good = np.isfinite(bounds).all(axis=1) & (bounds.miny >= -80) & (bounds.maxy <= 84)
    good &= (bounds.minx >= -180) & (bounds.maxx <= 180)
    if not good.all():
        raise ConfigError(
            f"{file}: {shorten_list(list(shapes.index[~good]), SHOWN)} spans "
            f"{[float(v) for v in bounds[~good].iloc[0]]} (west, south, east, north in degrees); "
            "wanted within the UTM zones, -180..180 and -80..84: is the CRS right?"
        )


def frame_glaciers(shapes: Any, buffer_m: float) -> Iterator[tuple[str, Any]]:
    """Each glacier's id and the corners of its frame: four (longitude, latitude) in degrees.

    Args:
        shapes: Outlines in degrees, by id.
        buffer_m: Margin on every side.
    """
    sides = shapes.bounds.groupby(level=0).agg({"minx": "min", "maxx": "max"})
    across = sides.index[sides.maxx - sides.minx > 180]  # both ends of the map
    if len(across):
        shapes = shapes.copy()
        rows = shapes.index.isin(across)
        shapes[rows] = shapely.transform(shapes[rows].values, run_on)
        sides = shapes.bounds.groupby(level=0).agg({"minx": "min", "maxx": "max"})
    zones = ((sides.minx + sides.maxx) / 2).map(utm_zone)
    for zone, members in zones.groupby(zones):
        inside = shapes[shapes.index.isin(members.index)].to_crs(zone).bounds.groupby(level=0)
        low, high = inside[["minx", "miny"]].min() - buffer_m, inside[["maxx", "maxy"]].max()
        west, south = low.to_numpy().T
        east, north = (high + buffer_m).to_numpy().T
        x, y = np.stack([west, east, east, west]).T, np.stack([south, south, north, north]).T
        corners = geopandas.GeoSeries.from_xy(x.ravel(), y.ravel(), crs=zone).to_crs(WGS84)
        degrees = np.stack([corners.x, corners.y], axis=1).round(DECIMALS).reshape(-1, 4, 2)
        yield from zip(low.index, map(as_corners, degrees), strict=True)


def run_on(points: Any) -> Any:
    """(N, 2) longitudes and latitudes, the longitudes 0..360 instead of -180..180."""
    lons, lats = points.T
    return np.stack([np.where(lons < 0, lons + 360, lons), lats], axis=1)


def as_corners(degrees: Any) -> tuple[tuple[float, float], ...]:
    """(4, 2) array as plain tuples."""
    return tuple((float(lon), float(lat)) for lon, lat in degrees)


def name_glaciers(ids: Iterable[str]) -> dict[str, str]:
    """A folder-safe name for each id, the same in every run and different for each."""
    ids = list(ids)
    plain = {key: make_safe(key) for key in ids}
    count = Counter(plain.values())
    return {
        key: name if name and len(name) <= MAX_NAME_LENGTH and count[name] == 1
        else f"{name[: MAX_NAME_LENGTH - 9] or 'glacier'}-{digest(key)[:8]}"
        for key, name in plain.items()
    }  # fmt: skip


def make_safe(text: str) -> str:
    """Lower-case ASCII letters, digits and single dashes, such as ``rgi60-01-00709``."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
