"""Divides of an inventory: outlines cut where two of its glaciers meet, and their ids.

Ground that no glacier of the inventory holds, such as that of an advance, goes to the nearest of
those that the same outline holds ground of. Everything is computed on a grid of a millimetre, so
that parts that are cut apart fit together again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from glacier.errors import VectorError
from glacier.geo.inventories import as_id, sort_rows
from glacier.geo.polygons import are_finite, take_area
from glacier.geo.raster import Grid
from glacier.geo.vector_layers import VectorFile, read_tables
from glacier.geo.vectors import place_shapes
from glacier.wording import join_words

SNAP_M = 1e-3
"""Distance between the places where a corner of a cut outline may lie."""

TOUCH_M = 3 * SNAP_M
"""Parts so near each other touch."""

SLIVER_M2 = 1.0
"""Parts smaller than this are rounding, and stay with the part that they touch."""

ID_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "rgi_id": ("rgi_id", "rgiid"),
    "glims_id": ("glims_id", "glimsid", "glac_id"),
    "anlys_id": ("anlys_id",),
    "glac_name": ("glac_name", "name"),
}
"""What is taken over, and names of its column in lower case.

Source: attribute tables of the Randolph Glacier Inventory, versions 7.0 and 6.0; GLIMS data
dictionary.
"""


@dataclass(frozen=True)
class GlacierIds:
    """What an inventory calls a glacier; None where it does not say."""

    rgi_id: str | None = None
    glims_id: str | None = None
    anlys_id: int | None = None
    glac_name: str | None = None


@dataclass(frozen=True)
class Divides:
    """The glaciers of an inventory that lie on a grid."""

    shapes: NDArray[np.object_]
    """(K,) valid polygons in the grid's CRS, none over another."""
    ids: tuple[GlacierIds, ...]


@dataclass(frozen=True)
class Part:
    """What of an outline belongs to one glacier of an inventory."""

    polygon: shapely.Polygon
    ids: GlacierIds


def read_divides(file: VectorFile, grid: Grid) -> Divides:
    """The glaciers of an inventory that lie on a grid.

    Raises:
        VectorError: The file cannot be read, no layer or several name glaciers, or none is there.
    """
    table, columns = pick_inventory(read_tables(file), file)
    rows = sort_rows(columns, len(table), "glacier", f"inventory {file.address}")
    areas = np.array([*map(take_area, table.geometry.values), None], dtype=object)[:-1]
    areas[rows.roles != "ice"] = None
    there = np.array([area is not None for area in areas], bool) & are_finite(areas)
    shapes, places = place_shapes(areas[there], table.crs, grid)
    near = shapely.intersects(shapes, shapely.box(*grid.bounds))
    if not near.any():
        raise VectorError(
            f"inventory {file.address}: none of its {len(table)} rows lies on the region's grid; "
            "is it the file of this region, and its CRS right?"
        )
    ids = read_ids(columns, np.flatnonzero(there)[places[near]])
    return Divides(disjoin(shapes[near]), ids)


def pick_inventory(
    tables: Mapping[str, Any], file: VectorFile
) -> tuple[Any, dict[str, pd.Series[Any]]]:
    """The one layer that names glaciers, and its columns.

    Raises:
        VectorError: There is none, or there are several.
    """
    known = {*ID_COLUMNS["rgi_id"], *ID_COLUMNS["glims_id"]}
    columns = {
        layer: {str(c): table[c] for c in table.columns if c != table.geometry.name}
        for layer, table in tables.items()
    }
    named = [layer for layer, found in columns.items() if known & {c.lower() for c in found}]
    if len(named) != 1:
        found = join_words(named) if named else "none"
        raise VectorError(
            f"inventory {file.address}: of its layers ({join_words(list(tables))}) one should have "
            f"ids of glaciers (rgi_id, RGIId, glims_id, GLIMSId or glac_id), and {found} have; "
            f"give an inventory, or name the layer in {file.setting}layer"
        )
    return tables[named[0]], columns[named[0]]


def read_ids(
    columns: Mapping[str, pd.Series[Any]], rows: NDArray[np.intp]
) -> tuple[GlacierIds, ...]:
    """What an inventory calls the glaciers of some rows."""
    lower = {name.lower(): values for name, values in columns.items()}

    def read(field: str) -> list[str | None]:
        column = next((lower[name] for name in ID_COLUMNS[field] if name in lower), None)
        if column is None:
            return [None] * len(rows)
        return [as_id(value) or None for value in column.iloc[rows]]

    analyses = [int(key) if key and key.isdecimal() else None for key in read("anlys_id")]
    texts = zip(read("rgi_id"), read("glims_id"), analyses, read("glac_name"), strict=True)
    return tuple(GlacierIds(*each) for each in texts)


def disjoin(shapes: NDArray[np.object_]) -> NDArray[np.object_]:
    """Polygons (K,), from each of which is cut what an earlier one holds."""
    cut = shapes.copy()
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    for k in np.unique(second[first < second]):
        others = shapes[first[(second == k) & (first < k)]]
        over = shapely.intersection(shapes[k], others, grid_size=SNAP_M)
        for other in others[shapely.area(over) > SLIVER_M2]:
            cut[k] = keep_area(shapely.difference(cut[k], other, grid_size=SNAP_M))
    return cut


def cut_at_divides(
    polygon: shapely.Polygon, divides: Divides, pixel_m: float, min_area_m2: float = 0.0
) -> list[Part]:
    """An outline as the parts that belong to the glaciers of an inventory.

    Args:
        polygon: The outline, valid, in the CRS of the divides.
        divides: The inventory.
        pixel_m: Side of a pixel: how finely ground is told to be near one glacier or another.
        min_area_m2: Parts smaller than this are no glaciers of their own, and stay with the part
            along which they lie longest.

    Returns:
        Parts that together are the outline, each one polygon; the outline itself, without ids,
        where it holds no ground of any glacier.
    """
    shares = share_ground(polygon, divides)
    if len(shares) <= 1:
        ids = divides.ids[next(iter(shares))] if shares else GlacierIds()
        return [Part(polygon, ids)]
    ground = {place: [share] for place, share in shares.items()}
    for place, piece in share_rest(polygon, shares, pixel_m):
        ground[place].append(piece)
    parts = [
        Part(each, divides.ids[place])
        for place, pieces in ground.items()
        for each in list_polygons(shapely.union_all(pieces, grid_size=SNAP_M))
    ]
    return merge_small(parts, max(min_area_m2, SLIVER_M2))


def share_ground(polygon: shapely.Polygon, divides: Divides) -> dict[int, shapely.Geometry]:
    """What of an outline glaciers of an inventory hold, by their places in it."""
    shapely.prepare(polygon)
    places = np.flatnonzero(shapely.intersects(polygon, divides.shapes))
    found = shapely.intersection(polygon, divides.shapes[places], grid_size=SNAP_M)
    shares = zip(places.tolist(), map(keep_area, found), strict=True)
    return {place: share for place, share in shares if share.area > SLIVER_M2}


def share_rest(
    polygon: shapely.Polygon, shares: Mapping[int, shapely.Geometry], pixel_m: float
) -> Iterator[tuple[int, shapely.Geometry]]:
    """What of an outline no glacier holds, in pieces, each with the place of the one it goes to.

    A piece that touches one glacier is that one's; what touches several is cut where they are
    equally near.
    """
    places, held = list(shares), np.array(list(shares.values()), dtype=object)
    rest = shapely.difference(polygon, shapely.union_all(held, grid_size=SNAP_M), grid_size=SNAP_M)
    for piece in list_polygons(rest):
        away = shapely.distance(piece, held)
        near = np.flatnonzero(away <= TOUCH_M)
        if len(near) < 2:
            yield places[int(away.argmin())], piece
            continue
        for k, cut in split_by_nearest(piece, held[near], pixel_m):
            yield places[int(near[k])], cut


def split_by_nearest(
    piece: shapely.Polygon, neighbours: NDArray[np.object_], step: float
) -> Iterator[tuple[int, shapely.Geometry]]:
    """A polygon cut between the neighbours that it touches.

    Args:
        piece: The polygon.
        neighbours: (K,) polygons that it touches, two or more.
        step: Distance between the points of its outline of which the nearest is looked for.

    Returns:
        Place of a neighbour and what of the polygon is nearest to where that one touches it.
    """
    corners = shapely.get_coordinates(shapely.segmentize(piece, step))
    points = shapely.points(np.unique(corners, axis=0))
    found = shapely.STRtree(points).query(neighbours, predicate="dwithin", distance=TOUCH_M)
    alone = np.bincount(found[1], minlength=len(points)) == 1  # not where two neighbours meet
    owner_of = np.zeros(len(points), np.intp)
    owner_of[found[1]] = found[0]
    owners = owner_of[alone]
    if len(np.unique(owners)) < 2:
        yield (int(owners[0]) if len(owners) else 0), piece
        return
    sites = shapely.multipoints(points[alone])
    cells = shapely.get_parts(shapely.voronoi_polygons(sites, extend_to=piece, ordered=True))
    left = piece
    for k in np.unique(owners)[1:]:
        zone = shapely.coverage_union_all(cells[owners == k])
        yield int(k), keep_area(shapely.intersection(left, zone, grid_size=SNAP_M))
        left = keep_area(shapely.difference(left, zone, grid_size=SNAP_M))
    yield int(owners.min()), left  # the first has the rest, so that no ground is lost


def keep_area(shape: shapely.Geometry) -> shapely.Geometry:
    """What of a shape holds area: a polygon, several, or an empty one."""
    return take_area(shape) or shapely.Polygon()


def list_polygons(shape: shapely.Geometry) -> list[shapely.Polygon]:
    """The polygons of any shape that are not empty."""
    return [part for part in shapely.get_parts(keep_area(shape)) if not part.is_empty]


def merge_small(parts: Sequence[Part], min_area_m2: float) -> list[Part]:
    """Parts, the small ones joined to those along which they lie longest."""
    merged = sorted(parts, key=lambda part: -part.polygon.area)
    while len(merged) > 1 and merged[-1].polygon.area < min_area_m2:
        small = merged.pop()
        outlines = shapely.boundary([part.polygon for part in merged])
        shared = shapely.intersection(small.polygon.boundary, outlines, grid_size=SNAP_M)
        k = int(shapely.length(shared).argmax())
        joined = shapely.union_all([small.polygon, merged[k].polygon], grid_size=SNAP_M)
        if joined.geom_type != "Polygon":  # at a corner at most: it is on its own
            return [*merge_small(merged, min_area_m2), small]
        merged[k] = replace(merged[k], polygon=joined)
        merged.sort(key=lambda part: -part.polygon.area)
    return merged
