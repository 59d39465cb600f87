"""Synthetic glaciers on synthetic mountains: where ice lies, and in what order it goes.

Mass balance is summed down the drainage tree; where the sum is used up lies a terminus. Between
the extents of warmer and warmer climates every pixel has its turn to become free, so that a later
year's glacier always lies within an earlier one's and the outline of any day is exact.
"""

from __future__ import annotations

import cv2
import numpy as np

from glacier.sources.synthetic.terrain import (
    Field,
    Index,
    Mask,
    Relief,
    Tree,
    Values,
    sum_downstream,
)

MELT_PER_M, GAIN_PER_M = 0.011, 0.005
"""Gradients of mass balance below and above the equilibrium line, metres of water a year per m.

Source: maritime glaciers in Cuffey & Paterson 2010, The Physics of Glaciers, 4th ed., ch. 4.
"""

TONGUE_WIDTH = 1.6
"""Ice of a tongue lies on so much more ground than the cells that carry it, and melts there too.

Fitted: in the first year the median glacier then has 0.54 of its area above the equilibrium line;
glaciers in balance have 0.5 to 0.7 (Cuffey & Paterson 2010, ch. 4).
"""

MOST_GAIN_M = 2.0
"""Largest gain of mass, metres of water a year."""

RISES_M = (0.0, 30.0, 65.0, 110.0, 170.0, 250.0)
"""Rises of the equilibrium line between the extents that retreat is drawn from, metres."""

TERMINUS_SHARE = (0.12, 0.28)
"""Where the main terminus stood in the first year, as a share of the way up the main valley."""

MIN_ICE_M = 9.0
"""Thinner ice is no glacier."""

MIN_GLACIER_KM2 = 0.05
"""Smaller bodies of the first year are left out, and crumbs that a shrinking glacier sheds."""

VANISH_STEPS = 257
"""Points of the table from lost area to passed warming."""


def climb_levels(tree: Tree, surface_m: Values, fall_m: float) -> Values:
    """Level of the ice that backs up from the trunk over the ground beside it.

    Args:
        tree: Drainage of N cells.
        surface_m: (N,) elevation of each cell's own ice, or ground, metres.
        fall_m: How much the ice falls from one cell to the next away from the trunk.
    """
    level = surface_m.copy()
    for cells in tree.levels[1:]:
        level[cells] = np.maximum(level[cells], level[tree.parent[cells]] - fall_m)
    return level


def ice_flux(relief: Relief, equilibrium_m: float) -> Values:
    """Ice that passes each cell in a steady climate, cubic metres of water a year."""
    above_m = relief.bed_m.ravel().astype(np.float64) + 60 - equilibrium_m  # 60 m of ice
    gradient = np.where(above_m > 0, GAIN_PER_M, TONGUE_WIDTH * MELT_PER_M)
    gain_m = np.minimum(gradient * above_m, MOST_GAIN_M)
    return sum_downstream(relief.tree, gain_m * relief.cell_m**2)


def main_valley(relief: Relief) -> Index:
    """Cells of the largest river, from its outlet to its spring."""
    parent, drained = relief.tree.parent, relief.drained_km2
    largest = np.full(parent.size, -1)
    order = np.argsort(drained, kind="stable")
    largest[parent[order]] = order  # the last one written is the largest tributary
    outlets = relief.tree.levels[0]
    path = [int(outlets[np.argmax(drained[outlets])])]
    while largest[path[-1]] >= 0 and len(path) < parent.size:
        following = int(largest[path[-1]])
        if following == path[-1]:  # an outlet is its own parent
            inflow = np.flatnonzero((parent == following) & (np.arange(parent.size) != following))
            if not inflow.size:
                break
            following = int(inflow[np.argmax(drained[inflow])])
        path.append(following)
    return np.asarray(path, np.int64)


def find_equilibrium(relief: Relief, below: Index) -> float:
    """Lowest equilibrium line, metres, for which no ice reaches cells of the main valley."""
    low, high = float(relief.bed_m.min()), float(relief.bed_m.max())
    for _ in range(9):
        middle = (low + high) / 2
        if ice_flux(relief, middle)[below].max() > 0:
            low = middle
        else:
            high = middle
    return high


def thickness_of_flux(relief: Relief, flux: Values) -> Values:
    """Thickness of ice in the middle of a valley from what it carries, metres.

    Source:
        Flow of ice by deformation carries q ~ thickness**5 slope**3 over each metre of width
        (Cuffey & Paterson 2010, ch. 8); with widths that grow with the flux, thickness goes
        about as flux**0.2 slope**-0.5.
    """
    parent, z = relief.tree.parent, relief.bed_m.ravel().astype(np.float64)
    slope = np.maximum(z - z[parent], 0) / relief.cell_m
    slope = cv2.blur(slope.reshape(relief.bed_m.shape), (3, 3)).ravel()
    return np.asarray(3.1 * flux**0.22 * (slope + 0.04) ** -0.5 * (flux > 0))


def ice_thickness(relief: Relief, equilibrium_m: float) -> Field:
    """Ice over each coarse cell in a steady climate: (h, w) float32 metres, negative beside it."""
    own = thickness_of_flux(relief, ice_flux(relief, equilibrium_m))
    z = relief.bed_m.ravel().astype(np.float64)
    level = climb_levels(relief.tree, z + own, 0.10 * relief.cell_m)
    level = np.where(level > z, level, z - 15)
    thickness = (level - z).reshape(relief.bed_m.shape).astype(np.float32)
    sigma = max(130 / relief.cell_m, 0.6)
    return np.asarray(cv2.GaussianBlur(thickness, (0, 0), sigma))


def drop_small(mask: Mask, least_px: float) -> Mask:
    """The 8-connected parts of a mask that have at least so many pixels; always the largest."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return mask
    sizes = stats[:, cv2.CC_STAT_AREA].copy()
    sizes[0] = 0
    return np.asarray((sizes >= min(least_px, sizes.max()))[parts] & mask)


def signed_distance(mask: Mask, pixel_m: float) -> Field:
    """Distance to a mask's edge: (H, W) float32 metres, above 0 within, below 0 beyond."""
    inside, outside = (
        cv2.distanceTransform(side.astype(np.uint8), cv2.DIST_L2, 5) for side in (mask, ~mask)
    )
    return np.asarray((np.minimum(inside, 1e5) - np.minimum(outside, 1e5)) * pixel_m, np.float32)


def vanishing_times(masks: list[Mask], times: tuple[float, ...], pixel_m: float) -> Field:
    """When each pixel loses its ice, from nested extents at growing times.

    Between two extents the margin moves evenly along the ground (both distances are linear in
    time), so that a tongue retreats and does not just go.

    Args:
        masks: (H, W) bool extents, each within the one before.
        times: Their times.
        pixel_m: Side of a pixel.

    Returns:
        (H, W) float32 times; what survives the last extent goes from its edge inwards.
    """
    vanish = np.full(masks[0].shape, -1, np.float32)
    distance = signed_distance(masks[0], pixel_m)
    for now, then, start, end in zip(masks, masks[1:], times, times[1:], strict=False):
        following = signed_distance(then, pixel_m)
        gone = now & ~then
        share = distance[gone] / np.maximum(distance[gone] - following[gone], 1e-3)
        vanish[gone] = start + share * (end - start)
        distance = following
    vanish[masks[-1]] = times[-1] + distance[masks[-1]] / 500
    return vanish


def rank_vanishing(ice: Mask, time: Field) -> tuple[Field, Field]:
    """The order in which pixels lose their ice.

    Returns:
        ``vanish_share`` and ``vanish_time`` of :class:`Land`.
    """
    share = np.full(ice.shape, -1, np.float32)
    order = np.argsort(time[ice], kind="stable")
    ranks = np.empty(order.size, np.float32)
    ranks[order] = np.arange(order.size, dtype=np.float32) / max(order.size, 1)
    share[ice] = ranks
    steps = np.linspace(0, max(order.size - 1, 0), VANISH_STEPS).astype(int)
    table = time[ice][order[steps]] if order.size else np.zeros(VANISH_STEPS)
    return share, np.asarray(table, np.float32)
