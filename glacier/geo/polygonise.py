"""Pixels -> polygons, by strips of rows, so that memory holds a strip and the polygons alone.

What lies whole within a strip is a polygon at once. What goes on in the next strip waits for it,
and its parts are united when none of them goes on. All of it is counted in whole pixels, so that
the polygons are exactly those of the whole image, corner for corner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.features import rasterize, shapes
from scipy.ndimage import label
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from shapely.geometry import shape

from glacier.geo.raster import Grid


@dataclass(frozen=True)
class Strip:
    """Some rows of a raster, over its whole width."""

    mask: NDArray[np.bool_]
    """(H, W) bool, what is traced."""
    values: NDArray[np.uint8]
    """(H, W) uint8, summed over the pixels of each polygon."""


@dataclass(frozen=True)
class Patch:
    """True pixels that hang together by their sides."""

    polygon: shapely.Polygon
    """Its outline along the edges of pixels, holes included; normalised: always the same bytes."""
    pixels: int
    """Number of its pixels."""
    total: int
    """Sum of the values of its pixels."""


@dataclass(frozen=True)
class Piece:
    """What the rows so far hold of a patch."""

    parts: Sequence[shapely.Polygon]
    """Polygons that lie side by side, corners in pixels (column, row)."""
    pixels: int
    total: int


@dataclass(frozen=True)
class Seam:
    """Lower edge of the rows so far."""

    pieces: Sequence[Piece]
    """Those that touch it, and may go on."""
    owners: NDArray[np.integer]
    """(W,) place in ``pieces`` of what lies there; -1 where nothing does."""


def polygonise(strips: Iterable[Strip], grid: Grid) -> Iterator[Patch]:
    """Patches of True pixels, each as soon as the rows show that it is whole.

    Which patches there are does not depend on how the rows are cut into strips; their order does.

    Args:
        strips: From north to south, of any heights: all rows of the grid.
        grid: Where the pixels lie.

    Returns:
        Patches with polygons in the grid's CRS, those of :func:`glacier.geo.raster.trace`.
    """
    seam, row = Seam((), np.full(grid.width, -1)), 0
    for strip in strips:
        if not len(strip.mask):
            continue
        labels, pieces = trace_strip(strip, row)
        joined, places = join_pieces(seam, pieces, labels[0])
        seam, whole = part_pieces(joined, places, labels[-1])
        yield from (close_piece(piece, grid) for piece in whole)
        row += len(strip.mask)
    yield from (close_piece(piece, grid) for piece in seam.pieces)


def sum_within(
    polygons: Sequence[shapely.Polygon], strips: Iterable[Strip], grid: Grid
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """True pixels whose centre lies in each of some polygons, which do not overlap.

    Args:
        polygons: N polygons in the grid's CRS.
        strips: From north to south: all rows of the grid.
        grid: Where the pixels lie.

    Returns:
        (N,) numbers of pixels, and (N,) sums of their values.
    """
    pixels, totals, row = np.zeros(len(polygons), np.int64), np.zeros(len(polygons), np.int64), 0
    lowest, highest = shapely.bounds(polygons).T[[1, 3]] if len(polygons) else np.zeros((2, 0))
    for strip in strips:
        top_m = grid.top_m - row * grid.pixel_m
        row += len(strip.mask)
        there = np.flatnonzero((highest > grid.top_m - row * grid.pixel_m) & (lowest < top_m))
        if not len(there):
            continue
        place = rasterize(
            ((polygons[k], k + 1) for k in there.tolist()), strip.mask.shape, dtype="int32",
            transform=replace(grid, top_m=top_m).transform,
        )[strip.mask]  # fmt: skip
        values = strip.values[strip.mask]
        pixels += np.bincount(place, minlength=len(polygons) + 1)[1:]
        totals += np.bincount(place, values, len(polygons) + 1)[1:].astype(np.int64)
    return pixels, totals


def trace_strip(strip: Strip, row: int) -> tuple[NDArray[np.int32], list[Piece]]:
    """What a strip holds of patches.

    Args:
        strip: The strip.
        row: Of its first row, in the whole raster.

    Returns:
        (H, W) place of each pixel's piece, -1 where there is none; and the pieces.
    """
    labels, count = label(strip.mask)
    labels = np.asarray(labels, np.int32) - 1
    of_true = labels[strip.mask]
    pixels = np.bincount(of_true, minlength=count)
    totals = np.bincount(of_true, weights=strip.values[strip.mask], minlength=count)
    traced = shapes(labels, strip.mask, connectivity=4, transform=Affine.translation(0, row))
    polygons = {int(place): shape(polygon) for polygon, place in traced}
    return labels, [
        Piece((polygons[k],), int(pixels[k]), int(totals[k])) for k in range(count)
    ]  # fmt: skip


def join_pieces(
    seam: Seam, pieces: Sequence[Piece], top: NDArray[np.integer]
) -> tuple[list[Piece], NDArray[np.integer]]:
    """Pieces of two neighbouring strips, those that touch at the seam as one.

    Args:
        seam: Of the rows above.
        pieces: Of the rows below.
        top: (W,) place in ``pieces`` along their first row; -1 where there is none.

    Returns:
        The joined pieces, and in which of them each of ``pieces`` went.
    """
    before, count = len(seam.pieces), len(seam.pieces) + len(pieces)
    touch = (seam.owners >= 0) & (top >= 0)
    pairs = np.unique(np.stack([seam.owners[touch], before + top[touch]]), axis=1)
    links = coo_array((np.ones(pairs.shape[1]), (pairs[0], pairs[1])), shape=(count, count))
    groups, group_of = connected_components(links, directed=False)
    members: list[list[Piece]] = [[] for _ in range(groups)]
    for piece, group in zip((*seam.pieces, *pieces), group_of.tolist(), strict=True):
        members[group].append(piece)
    return [join(group) for group in members], group_of[before:]


def join(pieces: Sequence[Piece]) -> Piece:
    """Pieces of the same patch as one."""
    if len(pieces) == 1:
        return pieces[0]
    parts = tuple(part for piece in pieces for part in piece.parts)
    return Piece(parts, sum(p.pixels for p in pieces), sum(p.total for p in pieces))


def part_pieces(
    joined: Sequence[Piece], places: NDArray[np.integer], bottom: NDArray[np.integer]
) -> tuple[Seam, list[Piece]]:
    """Pieces that touch the lower edge of the rows so far, and those that are whole.

    Args:
        joined: All pieces.
        places: In which of them each piece of the last strip went.
        bottom: (W,) piece of the last strip along its last row; -1 where there is none.
    """
    there = bottom >= 0
    going_on, owners = np.unique(places[bottom[there]], return_inverse=True)
    seam = Seam([joined[k] for k in going_on], np.full(len(bottom), -1))
    seam.owners[there] = owners
    open_places = set(going_on.tolist())
    return seam, [piece for k, piece in enumerate(joined) if k not in open_places]


def close_piece(piece: Piece, grid: Grid) -> Patch:
    """A piece that is whole, on the ground."""
    polygon = piece.parts[0]
    if len(piece.parts) > 1:
        polygon = drop_straight_corners(shapely.union_all(np.array(piece.parts, dtype=object)))
    side_m, left_m, top_m = grid.pixel_m, grid.left_m, grid.top_m
    placed = shapely.transform(
        polygon, lambda corners: (left_m, top_m) + corners * (side_m, -side_m)
    )
    return Patch(placed.normalize(), piece.pixels, piece.total)


def drop_straight_corners(polygon: shapely.Polygon) -> shapely.Polygon:
    """A polygon without corners at which its outline goes straight on; they have to be exact."""
    rings = (polygon.exterior, *polygon.interiors)
    outer, *inner = (turning_corners(shapely.get_coordinates(ring)[:-1]) for ring in rings)
    return shapely.Polygon(outer, inner)


def turning_corners(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corners (N, 2) of a ring at which it turns."""
    x, y = (corners - np.roll(corners, 1, axis=0)).T
    next_x, next_y = (np.roll(corners, -1, axis=0) - corners).T
    return np.asarray(corners[x * next_y != y * next_x])
