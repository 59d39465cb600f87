"""Synthetic mountains: fractal noise, a drainage tree, and the bed that rivers and ice carve.

Valleys come from the steady state of stream-power erosion on the tree, so that every key gives
another range, at any size, without pits.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import breadth_first_order, dijkstra, minimum_spanning_tree

Field = NDArray[np.float32]
Mask = NDArray[np.bool_]
Index = NDArray[np.int64]
Values = NDArray[np.float64]

CONCAVITY = 0.45
"""Exponent of drainage area in the slope of a channel. Source: Whipple & Tucker 1999, JGR 104."""

STEEPNESS = 0.32
"""Slope of a channel that drains one square kilometre, in the belt of steep mountains."""

HILLSIDE_KM2 = 0.25
"""Below this drained area, hillsides are as steep as the channel that drains it."""

BASIN_SHARE = 0.032
"""Height of the high basin over the mountains' foot, as a share of the frame's longer side."""

MAX_SLOPE = 0.95
"""Steepest hillside, rise over run."""


@dataclass(frozen=True, eq=False)
class Tree:
    """Drainage: every cell but the outlets flows to one neighbour."""

    parent: Index
    """(N,) cell downstream; an outlet is its own parent."""
    levels: list[Index]
    """Cells by their number of steps from the outlet, outlets first."""


@dataclass(frozen=True, eq=False)
class Relief:
    """Ground without ice, on coarse cells."""

    cell_m: float
    """Side of a cell, metres."""
    bed_m: Field
    """(h, w) float32 elevation, metres."""
    tree: Tree
    """Drainage of the bed; cells count row by row."""
    drained_km2: Values
    """(h * w,) float64 area upstream, the cell included."""


def fractal_noise(
    shape: tuple[int, int], rng: np.random.Generator, largest_px: float, roughness: float
) -> Field:
    """Sum of octaves of smooth noise, zero mean and unit variance.

    Args:
        shape: Height and width, pixels.
        rng: Generator.
        largest_px: Size of the largest blobs, pixels.
        roughness: Factor of the amplitude from one octave to the next finer, 0..1.

    Returns:
        (H, W) float32.
    """
    height, width = shape
    total = np.zeros(shape, np.float32)
    size, amplitude = float(max(largest_px, 1)), 1.0
    while size >= 1:
        knots = rng.standard_normal(
            (int(height / size) + 5, int(width / size) + 5), dtype=np.float32
        )
        down, right = 1 + rng.random(2)  # keeps knots of all octaves from meeting at one pixel
        matrix = np.array([[1 / size, 0, right], [0, 1 / size, down]])
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        octave = cv2.warpAffine(knots, matrix, (width, height), flags=flags)
        total += np.float32(amplitude) * octave
        size, amplitude = size / 2, amplitude * roughness
    spread = float(total.std())
    return np.asarray((total - total.mean()) / (spread if spread > 0 else 1), np.float32)


def enlarge(values: Field, shape: tuple[int, int]) -> Field:
    """A coarse field on the fine grid, cubic."""
    return np.asarray(cv2.resize(values, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def link_cells(shape: tuple[int, int]) -> tuple[Index, Index, Values]:
    """All pairs of 8-connected cells: first, second, distance in cells."""
    cells = np.arange(shape[0] * shape[1]).reshape(shape)
    pairs = [
        (cells[:, :-1], cells[:, 1:], 1.0),
        (cells[:-1], cells[1:], 1.0),
        (cells[:-1, :-1], cells[1:, 1:], 2**0.5),
        (cells[:-1, 1:], cells[1:, :-1], 2**0.5),
    ]
    first = np.concatenate([a.ravel() for a, _, _ in pairs])
    second = np.concatenate([b.ravel() for _, b, _ in pairs])
    return first, second, np.concatenate([np.full(a.size, d) for a, _, d in pairs])


def sort_levels(parent: Index) -> list[Index]:
    """Cells grouped by their number of steps from the outlet, outlets first."""
    depth = (parent != np.arange(len(parent))).astype(np.int64)
    ahead = parent
    while (further := depth[ahead]).any():  # pointer doubling: log2(longest path) passes
        depth += further
        ahead = ahead[ahead]
    order = np.argsort(depth, kind="stable")
    edges = np.searchsorted(depth[order], np.arange(depth.max() + 2))
    return [order[a:b] for a, b in pairwise(edges)]


def make_tree(parent: NDArray[np.integer]) -> Tree:
    """A tree from SciPy's predecessors, which are negative at the roots."""
    count = len(parent)
    whole = np.where((parent < 0) | (parent >= count), np.arange(count), parent).astype(np.int64)
    return Tree(whole, sort_levels(whole))


def wander_downhill(ease: Field, outlets: Index) -> Tree:
    """Tree of the cheapest paths to the outlets over ground of uneven cost.

    Args:
        ease: (h, w) float32 cost of a cell, above 0.
        outlets: Cells where the water leaves.
    """
    first, second, distance = link_cells(ease.shape)
    cost = ease.ravel().astype(np.float64)
    weights = distance * (cost[first] + cost[second])
    graph = csr_matrix((weights, (first, second)), shape=(cost.size, cost.size))
    parent = dijkstra(
        graph, directed=False, indices=outlets, min_only=True, return_predecessors=True
    )[1]
    return make_tree(parent)


def flow_downhill(bed_m: Field, outlets: Index) -> Tree:
    """Tree by which water leaves a bed, over the lowest pass where it has pits.

    The minimum spanning tree of the higher elevation of each pair holds every lowest pass
    (priority flood); a small share of the lower elevation breaks ties for the steepest way.
    """
    first, second, _ = link_cells(bed_m.shape)
    z = bed_m.ravel().astype(np.float64)
    z = z - z.min() + 1.0
    weights = np.maximum(z[first], z[second]) + 1e-3 * np.minimum(z[first], z[second])
    root = z.size
    rows, columns = np.r_[first, np.full(len(outlets), root)], np.r_[second, outlets]
    data = np.r_[weights, np.full(len(outlets), 1e-6)]
    graph = coo_matrix((data, (rows, columns)), shape=(root + 1, root + 1)).tocsr()
    spanning = minimum_spanning_tree(graph)
    parent = breadth_first_order(spanning, root, directed=False, return_predecessors=True)[1]
    return make_tree(parent[:root])


def sum_downstream(tree: Tree, gains: Values) -> Values:
    """Sum of the gains upstream of each cell, itself included, never carried on below 0.

    Args:
        tree: Drainage of N cells.
        gains: (N,) float64, may be negative: melting ice.
    """
    total = gains.copy()
    for cells in reversed(tree.levels):
        total[cells] = np.maximum(total[cells], 0)
        if cells is not tree.levels[0]:
            np.add.at(total, tree.parent[cells], total[cells])
    return total


def climb_upstream(tree: Tree, rise_m: Values, base_m: Values) -> Values:
    """Elevations from the rise of each cell over the cell downstream of it.

    Args:
        tree: Drainage of N cells.
        rise_m: (N,) rise of each cell, metres; ignored at the outlets.
        base_m: (N,) elevation of the outlets, metres; ignored elsewhere.
    """
    z = base_m.copy()
    for cells in tree.levels[1:]:
        z[cells] = z[tree.parent[cells]] + rise_m[cells]
    return z


def limit_slope(bed_m: Field, cell_m: float, slope: float, passes: int = 40) -> Field:
    """Wear down cliffs until no cell stands steeper than a slope above its neighbours."""
    kernel = np.ones((3, 3), np.uint8)
    for _ in range(passes):
        bed_m = np.minimum(bed_m, cv2.erode(bed_m, kernel) + np.float32(slope * cell_m * 1.2))
    return bed_m


def carve_troughs(bed_m: Field, drained_km2: Field, cell_m: float) -> Field:
    """Give the larger valleys the flat floor and rounded sides that glaciers leave.

    Args:
        bed_m: (h, w) float32 elevation, metres.
        drained_km2: (h, w) float32 area upstream.
        cell_m: Side of a cell, metres.
    """
    outlines = (cv2.MORPH_CROSS, cv2.MORPH_RECT)
    kernels = [cv2.getStructuringElement(outline, (3, 3)) for outline in outlines]
    for least_km2, half_width_m in ((2, 120), (8, 260), (30, 450), (100, 650)):
        steps = round(half_width_m / cell_m)
        floor = np.where(drained_km2 >= least_km2, bed_m, np.float32(1e6))
        for step in range(steps):
            floor = cv2.erode(floor, kernels[step % 2])  # by turns, for rounder corners
        sides = max(steps, 1)
        for step in range(2 * sides):  # steps that grow evenly add up to a parabola
            rise = 0.9 * cell_m * (2 * step + 1) / (4 * sides)
            floor = np.minimum(floor, cv2.erode(floor, kernels[step % 2]) + np.float32(rise))
        bed_m = np.minimum(bed_m, floor)
    return bed_m


def choose_outlets(towards: Field, width_m: float) -> Index:
    """Cells on the low side of the frame where rivers leave, one for every dozen kilometres.

    Args:
        towards: (h, w) float32 distance from the low side.
        width_m: Longer side of the frame, metres.
    """
    cells = np.arange(towards.size).reshape(towards.shape)
    rim = np.concatenate([cells[0], cells[1:, -1], cells[-1, -2::-1], cells[-2:0:-1, 0]])
    wanted = max(1, round(width_m / 14_000))
    outlets: list[int] = []
    apart = len(rim) // (4 * wanted)
    for spot in np.argsort(towards.ravel()[rim], kind="stable"):
        gaps = [min(abs(spot - o), len(rim) - abs(spot - o)) for o in outlets]
        if all(gap > apart for gap in gaps):
            outlets.append(int(spot))
        if len(outlets) == wanted:
            break
    return np.asarray(rim[outlets], np.int64)


def build_relief(shape: tuple[int, int], cell_m: float, rng: np.random.Generator) -> Relief:
    """Mountains with valleys towards one side and a gentler high basin at the other.

    Args:
        shape: Height and width, cells.
        cell_m: Side of a cell, metres.
        rng: Generator.
    """
    height, width = shape
    along = (np.pi / 2 if height > width else 0.0) + rng.normal(0, 0.35) + np.pi * rng.integers(2)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    towards = np.cos(along) * columns + np.sin(along) * rows
    low, high = float(towards.min()), float(towards.max())
    outlets = choose_outlets(towards, max(shape) * cell_m)
    warp = fractal_noise(shape, rng, max(shape) / 3, 0.5)
    reach = (towards - low) / (high - low) + np.float32(0.07) * warp
    ease = np.exp(0.9 * fractal_noise(shape, rng, min(3500 / cell_m, max(shape) / 3), 0.75))
    tree = wander_downhill(ease, outlets)
    basin = 1 / (1 + np.exp(-(reach - 0.50) / 0.035))  # 0 in the mountains, 1 in the high basin
    peaks = fractal_noise(shape, rng, 3000 / cell_m, 0.6)
    steep = STEEPNESS * (0.85 - 0.35 * basin) * np.exp(0.28 * peaks)
    plateau = BASIN_SHARE * cell_m * max(shape) * basin
    bed = np.zeros(shape, np.float32)
    for _ in range(2):
        drained = sum_downstream(tree, np.full(height * width, cell_m**2 / 1e6))
        slope = steep.ravel() * (drained + HILLSIDE_KM2) ** -CONCAVITY
        rise = np.minimum(slope, MAX_SLOPE) * cell_m
        bed = climb_upstream(tree, rise, np.zeros(height * width)).reshape(shape) + plateau
        bed = limit_slope(bed.astype(np.float32), cell_m, MAX_SLOPE)
        bed = carve_troughs(bed, drained.reshape(shape).astype(np.float32), cell_m)
        tree = flow_downhill(bed, outlets)
    drained = sum_downstream(tree, np.full(height * width, cell_m**2 / 1e6))
    return Relief(cell_m, bed, tree, drained)
