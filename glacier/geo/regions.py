"""Glaciers of a vector file -> regions: a frame around each outline.

Every source works on frames, so the frame is all that is kept of an outline; what is ice within
it is for the labels to say.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import geopandas
import numpy as np
import shapely

from glacier.errors import ConfigError, VectorError
from glacier.geo.inventories import as_id, sort_rows
from glacier.geo.polygons import take_area
from glacier.geo.raster import WGS84, grid_of_region
from glacier.geo.scale import utm_zone
from glacier.geo.vector_layers import VectorFile, read_tables
from glacier.progress import say
from glacier.settings.identity import digest
from glacier.settings.regions import Region, RegionFile
from glacier.store import absolute
from glacier.wording import join_words, name_coordinates, nearest, shorten_list

RGI_COLUMNS = ("rgi_id", "rgiid")
"""Names of the id column, in lower case.

Source: attribute tables of the Randolph Glacier Inventory, versions 7.0 and 6.0.
"""

DECIMALS = 6
"""Of corners in degrees: 0.1 m, so that no last digit of a projection decides a hash."""

FAR_KM = 20.0
"""Gap between outlines beyond which they are of different glaciers, whatever their name."""

KM_PER_DEGREE = 111.32
"""Of latitude, and of longitude at the equator."""

TITLE_COLUMNS = ("glac_name", "name")
"""Names of the columns with what people call a glacier, in lower case.

Source: RGI 7.0 User Guide, GLIMS data dictionary (glac_name); RGI 6.0 Technical Report (Name).
"""

MAX_NAME_LENGTH = 64
MAX_TITLE_LENGTH = 40
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
        table = read_glaciers(wanted)
    except VectorError as error:
        raise ConfigError(str(error)) from error
    outlines = pick_outlines(table, wanted)
    check_unity(outlines, table, wanted)
    names = name_glaciers(outlines.index.unique())
    titles = read_titles(table, wanted, names)
    regions = [
        Region(name=names[key], title=titles.get(key), polygon=corners, pixel_m=wanted.pixel_m)
        for key, corners in frame_glaciers(outlines, wanted.buffer_m)
    ]
    for region in regions:
        grid_of_region(region)  # refuses what is too large
    return sorted(regions, key=lambda region: region.name)


def read_glaciers(wanted: RegionFile) -> Any:
    """The rows of the file's layer that are ice; how many are not is said.

    Raises:
        ConfigError: Several layers have the column, or none has.
        VectorError: The file cannot be used.
    """
    file = VectorFile(absolute(wanted.file), wanted.layer, wanted.crs, setting="")
    tables = read_tables(file)
    layer, table = next(iter(tables.items()))
    if len(tables) > 1:
        named = [name for name, table in tables.items() if choose_column(table, wanted)]
        if len(named) != 1:
            raise ConfigError(
                f"{wanted.file} has layers {join_words(list(tables))}, of which "
                f"{len(named)} have the column that names the glaciers; say which in layer"
            )
        layer, table = named[0], tables[named[0]]
        say(f"regions: {file.name}: layer {layer} was read, the only one with the column")
    rows = sort_rows({str(c): table[c] for c in list_columns(table)}, len(table), "glacier", layer)
    ice = rows.roles == "ice"
    if not ice.all():
        why = Counter(rows.reasons[~ice].tolist()).most_common(SHOWN)
        each = ", ".join(f"{count} {reason}" for reason, count in why)
        say(f"regions: {file.name}: {(~ice).sum()} of {len(table)} rows are no ice ({each})")
    return table[ice]


def list_columns(table: Any) -> list[str]:
    """Columns of a table, but for the shapes."""
    return list(table.columns.drop(table.geometry.name))


def pick_outlines(table: Any, wanted: RegionFile) -> Any:
    """The wanted rows' shapes in degrees: a GeoSeries with the glaciers' ids as its index.

    Raises:
        ConfigError: The column or an id is not there, or a shape is no polygon on Earth.
    """
    column = find_column(list_columns(table), wanted)
    ids = table[column].map(as_id)
    if wanted.ids is not None:
        is_number = table[column].dtype.kind in "iuf"
        chosen = [as_number(as_id(key)) if is_number else as_id(key) for key in wanted.ids]
        check_ids(chosen, set(ids), f"{wanted.file}, column {column}")
        table, ids = table[ids.isin(chosen)], ids[ids.isin(chosen)]
    elif not ids.all():
        raise ConfigError(
            f"{wanted.file}: column {column} is empty in {(ids == '').sum()} of {len(ids)} rows; "
            "say which glaciers are wanted in ids, or take another column"
        )
    if ids.empty:
        raise ConfigError(
            f"{wanted.file} holds no glacier: no row of it is ice; give another file or layer"
        )
    areas = [take_area(shape) for shape in table.geometry.values]
    shapes = geopandas.GeoSeries(areas, index=ids.values, crs=table.crs)
    bad = [key for key, area in zip(ids, areas, strict=True) if area is None]
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
    found = choose_column(columns, wanted)
    if found is not None:
        return found
    there = f"its columns are {', '.join(columns)}"
    if wanted.column is not None:
        near = nearest(wanted.column, columns) if len(columns) > 12 else ""
        raise ConfigError(f"{wanted.file} has no column {wanted.column!r}{near}; {there}")
    raise ConfigError(f"{wanted.file} has no column rgi_id or RGIId: name one; {there}")


def choose_column(columns: Iterable[str], wanted: RegionFile) -> str | None:
    """The column asked for, or else the inventory's own; None where there is none."""
    if wanted.column is None:
        return next((name for name in columns if name.lower() in RGI_COLUMNS), None)
    name = as_id(wanted.column)
    return next((column for column in columns if as_id(column) == name), None)


def as_number(key: str) -> str:
    """An id of a column of numbers as :func:`as_id` writes it: ``00712`` is ``712``."""
    try:
        return as_id(float(key))
    except ValueError:
        return key


def check_ids(chosen: list[str], known: set[str], where: str) -> None:
    """Refuse ids that the file does not hold.

    Raises:
        ConfigError: With the nearest id that it does hold.
    """
    if missing := [key for key in chosen if key not in known]:
        near = nearest(missing[0], sorted(known - {""}))
        raise ConfigError(f"{where}: no glacier {shorten_list(missing, SHOWN)}{near}")


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
            "wanted within the UTM zones, -180..180 and -80..84: is the CRS right, and x before y?"
        )


def frame_glaciers(shapes: Any, buffer_m: float) -> Iterator[tuple[str, Any]]:
    """Each glacier's id and the corners of its frame: four (longitude, latitude) in degrees.

    Args:
        shapes: Outlines in degrees, by id.
        buffer_m: Margin on every side.
    """
    shapes = join_ends(shapes)
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


def join_ends(shapes: Any) -> Any:
    """The shapes, with longitudes 0..360 for glaciers that lie on both ends of the map."""
    sides = shapes.bounds.groupby(level=0).agg({"minx": "min", "maxx": "max"})
    across = sides.index[sides.maxx - sides.minx > 180]
    if len(across):
        shapes = shapes.copy()
        rows = shapes.index.isin(across)
        shapes[rows] = shapely.transform(shapes[rows].values, run_on)
    return shapes


def check_unity(shapes: Any, table: Any, wanted: RegionFile) -> None:
    """Refuse an id that several glaciers share: parts of one lie near each other.

    Args:
        shapes: Outlines in degrees, by id.
        table: The rows that they are from.
        wanted: How the glaciers are named.

    Raises:
        ConfigError: With where they lie, and a column that tells them apart.
    """
    column = find_column(list_columns(table), wanted)
    shapes = join_ends(shapes)
    if column.lower() not in RGI_COLUMNS:  # a shape of the inventory's own id is one glacier
        shapes = shapes.explode()
    shared = {
        key: places
        for key, parts in shapes.groupby(level=0)
        if len(parts) > 1 and len(places := find_places(parts.bounds.to_numpy())) > 1
    }
    if shared:
        each = [f"{key} ({join_words(places[:SHOWN])})" for key, places in shared.items()]
        raise ConfigError(
            f"{wanted.file}: {shorten_list(each, SHOWN)}: one name for places more than "
            f"{FAR_KM:g} km apart, so for several glaciers{suggest_column(table, column)}"
        )


def find_places(bounds: Any) -> list[str]:
    """Where boxes lie that are more than ``FAR_KM`` apart: the middle of each group of them.

    Args:
        bounds: (N, 4) west, south, east, north in degrees.
    """
    west, south, east, north = bounds.T
    high = FAR_KM / 2 / KM_PER_DEGREE
    wide = high / np.cos(np.radians(np.maximum(np.abs(south), np.abs(north))))
    boxes = shapely.box(west - wide, south - high, east + wide, north + high)
    middles = [group.centroid for group in shapely.get_parts(shapely.union_all(boxes))]
    return [name_coordinates(middle.y, middle.x) for middle in middles]


def suggest_column(table: Any, column: str) -> str:
    """What to do about a name in a column that several glaciers share."""
    rows_differ = not table[column].is_unique
    own = [name for name in list_columns(table) if rows_differ and table[name].is_unique]
    own.sort(key=lambda name: (name.lower() not in RGI_COLUMNS, table[name].dtype.kind == "f"))
    if own:
        return f"; name them by a column with a value for each, such as column: {own[0]}"
    return "; give each a name of its own in the file"


def run_on(points: Any) -> Any:
    """(N, 2) longitudes and latitudes, the longitudes 0..360 instead of -180..180."""
    lons, lats = points.T
    return np.stack([np.where(lons < 0, lons + 360, lons), lats], axis=1)


def as_corners(degrees: Any) -> tuple[tuple[float, float], ...]:
    """(4, 2) array as plain tuples."""
    return tuple((float(lon), float(lat)) for lon, lat in degrees)


def read_titles(table: Any, wanted: RegionFile, names: Mapping[str, str]) -> dict[str, str]:
    """What people call the glaciers, by id; what several are called has their name behind it."""
    columns = list_columns(table)
    own = find_column(columns, wanted)
    column = next((name for name in columns if name.lower() in TITLE_COLUMNS), own)
    if column.lower() in RGI_COLUMNS:  # a code is no name
        return {}
    words = [" ".join(as_id(cell).split())[:MAX_TITLE_LENGTH] for cell in table[column]]
    keys = zip(table[own].map(as_id), words, strict=True)
    titles = {key: word for key, word in keys if word and key in names}
    count = Counter(titles.values())
    return {
        key: word if count[word] == 1 else f"{word} ({names[key]})" for key, word in titles.items()
    }


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
