"""Glacier outlines in and out of vector files."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import geopandas
import numpy as np
import pyogrio
import pyproj
import shapely
from numpy.typing import NDArray
from shapely.geometry import shape

from glacier.errors import VectorError
from glacier.geo.inventories import sort_rows
from glacier.geo.polygons import are_finite, mend, swap_axes, take_area
from glacier.geo.raster import Grid, burn, trace
from glacier.geo.vector_files import has_journal, list_files
from glacier.geo.vector_layers import VectorFile, name_crs, read_tables
from glacier.wording import join_words, shorten_list

SHOWN = 5
"""Reasons that a sentence gives; it counts the others."""


FAR_FRAMES = 100
"""Shapes so many frames long are cut before they are projected."""

FRAME_STEPS = 100
"""Corners along a side of what far shapes are cut to: straight in degrees, it bends in metres."""


@dataclass(frozen=True)
class Layer:
    """The polygons of a layer of a vector file, as they lie in it."""

    name: str
    crs: pyproj.CRS
    shapes: NDArray[np.object_]
    """(P,) polygons, single or several, perhaps invalid."""
    holes: NDArray[np.bool_]
    """(P,) which of them are cut out of the others."""
    rows: int
    """Rows of the layer, those without polygons too."""
    notes: tuple[str, ...]
    """What was left out or is cut out, in sentences."""


@dataclass(frozen=True)
class Outlines:
    """All polygons that a vector file holds."""

    file: VectorFile
    layers: tuple[Layer, ...]
    notes: tuple[str, ...] = ()
    """What there is to say of the file as a whole."""


@dataclass(frozen=True)
class OutlineMask:
    """Outlines as pixels."""

    mask: NDArray[np.uint8]
    """(H, W) uint8, 1 inside and 0 outside."""
    notes: tuple[str, ...]
    """What was chosen, left out, cut out or mended, in sentences."""


def read_outlines(file: VectorFile) -> Outlines:
    """All polygons of a vector file, in memory, for any number of grids.

    Raises:
        VectorError: The file cannot be read, holds no shapes, or has no CRS.
    """
    layers = tuple(sort_layer(name, table, file) for name, table in read_tables(file).items())
    notes: tuple[str, ...] = ()
    if has_journal(list_files(file.address)):
        notes = (f"{file.name}: read with the changes in its journal; it is open elsewhere",)
    return Outlines(file, layers, notes)


def sort_layer(name: str, table: Any, file: VectorFile) -> Layer:
    """The polygons of a table; rows without area, and those that are no glacier, are counted.

    Raises:
        VectorError: By the inventory's own column no row is wanted.
    """
    columns = {str(c): table[c] for c in table.columns if c != table.geometry.name}
    rows = sort_rows(columns, len(table), file.theme, f"outlines {file.address}")
    found = list(table.geometry.values)
    areas = np.array([*map(take_area, found), None], dtype=object)[:-1]
    reasons = [
        reason if not role else "" if area is not None else kind_of(given)
        for role, reason, area, given in zip(
            rows.roles, rows.reasons, areas, found, strict=True
        )
    ]  # fmt: skip
    for k in np.flatnonzero(~are_finite(areas)):
        reasons[k] = reasons[k] or "a corner that is no number"
    kept = np.array([not reason for reason in reasons], bool)
    holes = rows.roles == "hole"
    notes = (
        *count_rows(rows.reasons[kept & holes], len(table), "cut out of the ice", file),
        *count_rows(np.array(reasons)[~kept], len(table), "left out", file),
        *([f"{file.name}: {rows.dates}"] if rows.dates else []),
    )
    return Layer(name, table.crs, areas[kept], holes[kept], len(table), notes)


def kind_of(shape: Any) -> str:
    """Why a row has no polygon."""
    if shape is None or shape.is_empty:
        return "no shape that can be read"
    return str(shape.geom_type)


def count_rows(reasons: Any, total: int, what: str, file: VectorFile) -> Iterator[str]:
    """A sentence on how many rows something befell, and why; none where it befell none."""
    if len(reasons):
        counts = [f"{count} {why}" for why, count in sorted(Counter(reasons.tolist()).items())]
        each = shorten_list(counts, SHOWN)
        yield f"{file.name}: {len(reasons)} of {total} rows {what} ({each})"


def burn_outlines(outlines: Outlines, grid: Grid) -> OutlineMask:
    """Pixels whose centre lies on a glacier.

    Raises:
        VectorError: No polygon touches the grid, or those of several layers do.
    """
    file, layers = outlines.file, outlines.layers
    burnt = {layer.name: (layer, *burn_layer(layer, grid)) for layer in layers}
    there = [name for name, (_, mask, _) in burnt.items() if mask.any()]
    if not there:
        raise VectorError(explain_absence(outlines, grid))
    if len(there) > 1:
        raise VectorError(
            f"outlines {file.address}: layers {join_words(there)} have polygons on the region's "
            f"grid; say which is meant in {file.setting}layer"
        )
    layer, mask, mended = burnt[there[0]]
    notes = [*outlines.notes, *layer.notes]
    if len(layers) > 1:
        notes.append(
            f"{file.name}: layer {layer.name} was read, the only one of {len(layers)} with "
            "polygons on the region's grid"
        )
    if mended:
        notes.append(
            f"{file.name}: polygons on the region's grid that were invalid (a ring over itself, or "
            f"parts over each other) and mended: {mended}; ground covered twice counts as covered"
        )
    return OutlineMask(mask, tuple(notes))


def burn_layer(layer: Layer, grid: Grid) -> tuple[NDArray[np.uint8], int]:
    """A layer as pixels, (H, W) uint8, and how many of its polygons there had to be mended.

    Raises:
        VectorError: Its CRS cannot be turned into the grid's.
    """
    shapes, rows = place_shapes(layer.shapes, layer.crs, grid)
    holes = layer.holes[rows]
    ice, rock = shapes[~holes], shapes[holes]
    mask = burn([s for s in ice if not s.is_empty], grid)
    if len(rock):
        mask &= 1 - burn([s for s in rock if not s.is_empty], grid)
    return mask, int((~shapely.is_valid(layer.shapes[rows])).sum())


def place_shapes(
    shapes: NDArray[np.object_], crs: pyproj.CRS, grid: Grid
) -> tuple[NDArray[np.object_], NDArray[np.intp]]:
    """Those of some polygons that lie near a grid, in its CRS and valid.

    Args:
        shapes: (N,) polygons with finite corners, perhaps invalid.
        crs: Theirs.
        grid: The grid.

    Returns:
        The polygons, some perhaps empty, and their places in ``shapes``.

    Raises:
        VectorError: The CRS cannot be turned into the grid's.
    """
    frames = find_frames(grid, crs)
    near = find_near(shapes, frames)
    given = shapes[near]
    projected = project(given, crs, grid)
    far = find_far(given, frames) | ~are_finite(projected)
    if far.any():
        projected[far] = project(cut_to(given[far], frames), crs, grid)
    kept = are_finite(projected)
    return mend(projected[kept]), np.flatnonzero(near)[kept]


def find_near(
    shapes: NDArray[np.object_], frames: list[tuple[float, float, float, float]]
) -> NDArray[np.bool_]:
    """Which shapes reach into one of some frames by their bounds: (N,) bool."""
    bounds = shapely.bounds(shapes)
    near = np.zeros(len(bounds), bool)
    for west, south, east, north in frames:
        near |= (bounds[:, 0] <= east) & (bounds[:, 2] >= west) & (
            (bounds[:, 1] <= north) & (bounds[:, 3] >= south)
        )  # fmt: skip
    return near


def project(shapes: NDArray[np.object_], crs: pyproj.CRS, grid: Grid) -> NDArray[np.object_]:
    """Shapes of a CRS in that of a grid."""
    found = geopandas.GeoSeries(shapes, crs=crs).to_crs(grid.crs)
    return np.asarray(found.to_numpy(dtype=object), dtype=object)


def find_far(
    shapes: NDArray[np.object_], frames: list[tuple[float, float, float, float]]
) -> NDArray[np.bool_]:
    """Which shapes reach far beyond a frame, perhaps to where the grid's CRS has no numbers.

    A projection may answer with wrong ones there instead of none.
    """
    bounds = shapely.bounds(shapes)
    west, south, east, north = frames[0] if frames else (0.0, 0.0, 0.0, 0.0)
    reach = np.maximum(bounds[:, 2] - bounds[:, 0], bounds[:, 3] - bounds[:, 1])
    return np.asarray(reach > FAR_FRAMES * max(east - west, north - south))


def cut_to(
    shapes: NDArray[np.object_], frames: list[tuple[float, float, float, float]]
) -> NDArray[np.object_]:
    """What of shapes lies in frames around a grid, with corners close enough to bend with them."""
    ground = shapely.union_all([shapely.box(*frame) for frame in frames])
    west, south, east, north = frames[0]
    step = max(east - west, north - south) / FRAME_STEPS
    cut = shapely.intersection(mend(shapes), ground)
    return np.asarray(shapely.segmentize(cut, step), dtype=object)


def find_frames(grid: Grid, crs: pyproj.CRS) -> list[tuple[float, float, float, float]]:
    """West, south, east and north of a grid in another CRS, somewhat wide; all that mean it.

    In degrees there are several, since longitudes may run from -180 or from 0.

    Raises:
        VectorError: There is no way from one CRS to the other.
    """
    try:
        there = pyproj.Transformer.from_crs(grid.crs, crs, always_xy=True)
        left, bottom, right, top = grid.bounds
        west, south, east, north = there.transform_bounds(left, bottom, right, top, 21)
    except pyproj.exceptions.ProjError as error:
        raise VectorError(f"no way from the grid's CRS to {name_crs(crs)}: {error}") from error
    if not np.isfinite([west, south, east, north]).all():
        return []  # so far away that the CRS has no numbers for it
    turns = (-360, 0, 360) if crs.is_geographic else (0,)
    if crs.is_geographic and east < west:
        east += 360
    wide, high = (east - west) / 20, (north - south) / 20
    return [
        (west + turn - wide, south - high, east + turn + wide, north + high) for turn in turns
    ]  # fmt: skip


def explain_absence(outlines: Outlines, grid: Grid) -> str:
    """Why no polygon of a file lies on a grid, as far as it can be told."""
    file = outlines.file
    for layer in outlines.layers:
        swapped = Layer(layer.name, layer.crs, swap_axes(layer.shapes), layer.holes, layer.rows, ())
        if len(layer.shapes) and burn_layer(swapped, grid)[0].any():
            return (
                f"outlines {file.address}: its polygons lie on the region's grid only with their "
                "axes swapped (latitude before longitude, or northing before easting); write x "
                "before y (ogr2ogr -sql with ST_SwapCoordinates, or QGIS: swap x and y coordinates)"
            )
    rows = sum(layer.rows for layer in outlines.layers)
    notes = "".join(f"; {note}" for layer in outlines.layers for note in layer.notes)
    return (
        f"outlines {file.address}: none of its {rows} features lies on the region's grid; "
        f"is it the file of this region, and its CRS right?{notes}"
    )


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
