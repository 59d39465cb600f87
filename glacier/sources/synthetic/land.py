"""The synthetic land of a region: bed, ice and its retreat, lakes, debris. Made once and kept."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import cv2
import numpy as np

from glacier.sources.synthetic.ice import (
    MIN_GLACIER_KM2,
    MIN_ICE_M,
    RISES_M,
    TERMINUS_SHARE,
    VANISH_STEPS,
    drop_small,
    find_equilibrium,
    ice_thickness,
    main_valley,
    rank_vanishing,
    vanishing_times,
)
from glacier.sources.synthetic.terrain import (
    Field,
    Mask,
    Relief,
    Tree,
    build_relief,
    enlarge,
    fractal_noise,
    sum_downstream,
)

COARSE_CELLS = 24_000
"""Rivers and ice are routed on about this many cells, which bounds the time at any size."""

DUG_SLOPE = 0.06
"""Valley floors up to this steep are dug out below the lake's level near a terminus."""

FIRST_YEAR = 1984.0
"""Year of the largest extent: the first of Landsat's 30 m record."""

LOSS_PER_YEAR = (0.004, 0.0075)
"""Share of the first year's area that is lost a year of late; each region draws its own.

Source: mountain ranges lose 0.2-1 % of their glacier area a year (IPCC AR5 WG1, section 4.3.3).
"""

FASTER_SINCE, SLOW_SHARE = 2012.0, 0.4
"""Before this year glaciers lose so much of the later rate.

Source: glaciers away from the ice sheets thinned about twice as fast in 2019 as in 2000 (Hugonnet
et al. 2021, Nature 592).
"""


@dataclass(frozen=True, eq=False, kw_only=True)
class Glaciers:
    """Ice, its retreat and its lakes. Fields are (H, W) float32 unless said."""

    ice_m: Field
    """Thickness of the ice in the first year, metres; 0 where there was none."""
    thinning_m: Field
    """Thickness lost while the equilibrium line rises by ``RISES_M[-1]``, metres."""
    vanish_share: Field
    """Share of the first year's ice area that is free before this pixel is; -1: never ice."""
    vanish_time: Field
    """(VANISH_STEPS,) share of that rise that has passed when 0..100 % of the area is free."""
    lake: Mask
    """(H, W) bool, ground that is water once no ice lies on it."""
    lake_level_m: Field
    """Elevation of that water, metres; 0 elsewhere."""
    streaks: Field
    """Unit-variance noise drawn out along the flow of the ice."""
    equilibrium_m: float
    """Elevation of the equilibrium line in the first year, metres."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Land(Glaciers):
    """What does not change from month to month."""

    pixel_m: float
    """Side of a pixel, metres."""
    bed_m: Field
    """Elevation of the ground, also under ice and water, metres."""
    debris: Field
    """Tendency to debris cover: above 0 where the ice carries it."""
    patches: Field
    """Unit-variance noise of drifts of snow and edges of woods."""
    grain: Field
    """Unit-variance noise near the pixel's size: blocks, crevasses, crowns of trees."""
    valley_m: float
    """Lowest ground, metres."""
    loss_per_year: float
    """Share of the first year's area that is lost a year."""


def upstream_of(tree: Tree, cell: int) -> Mask:
    """(N,) bool, cells whose water passes a cell, itself included."""
    marked = np.zeros(tree.parent.size, bool)
    marked[cell] = True
    for cells in tree.levels[1:]:
        marked[cells] |= marked[tree.parent[cells]]
    return marked


def flood_termini(
    relief: Relief, ice_m: Field, rng: np.random.Generator, count: int
) -> tuple[Field, Field]:
    """Levels of the lakes behind the moraines before the largest termini.

    A moraine a few hundred metres before the ice dams the valley; ground upstream of it that
    lies below its crest is water, or ice.

    Args:
        relief: The ground.
        ice_m: (h, w) float32 ice of about 2018, metres.
        rng: Generator.
        count: Number of lakes.

    Returns:
        Depth and level of the water, (h, w) float32 metres; depth -9 where there is no lake.
    """
    tree, z = relief.tree, relief.bed_m.ravel().astype(np.float64)
    iced = ice_m.ravel() > MIN_ICE_M
    snouts = np.flatnonzero(iced & ~iced[tree.parent])
    feeding = sum_downstream(tree, iced.astype(np.float64))[snouts]
    snouts = snouts[np.argsort(-feeding, kind="stable")][:count]
    shape = relief.bed_m.shape
    rows, columns = np.indices(shape)
    depth, level = np.full(shape, -25.0), np.zeros(shape)
    for snout in snouts:
        row, column = divmod(int(snout), shape[1])
        away_m = np.hypot(rows - row, columns - column) * relief.cell_m
        dam = int(snout)
        for _ in range(round(2500 / relief.cell_m)):
            dam = int(tree.parent[dam])
        crest = z[snout] + rng.uniform(15, 30)
        arc = (rng.uniform(1000, 2000) - away_m) / 25
        here = np.minimum(crest + DUG_SLOPE * away_m - relief.bed_m, arc)
        here[~upstream_of(tree, dam).reshape(shape)] = -25
        level[here > depth] = crest
        depth = np.maximum(depth, np.clip(here, -25, 25))
    depth = cv2.GaussianBlur(depth.astype(np.float32), (0, 0), 1.2)
    return depth, cv2.dilate(level.astype(np.float32), np.ones((5, 5)))


def draw_streaks(surface_m: Field, cell_m: float, rng: np.random.Generator) -> Field:
    """Noise drawn out downhill, as moraines and foliation are by the flow of the ice.

    Each cell takes the mean of white noise along the line up the slope from it (line integral
    convolution, Cabral & Leedom 1993).

    Args:
        surface_m: (h, w) float32 elevation of the ice, metres.
        cell_m: Side of a cell.
        rng: Generator.

    Returns:
        (h, w) float32, unit variance.
    """
    smooth = cv2.GaussianBlur(surface_m, (0, 0), max(350 / cell_m, 1))
    down, right = np.gradient(smooth)
    steep = np.maximum(np.hypot(down, right), 1e-3)
    up = np.dstack([right / steep, down / steep]).astype(np.float32)
    noise = cv2.GaussianBlur(rng.standard_normal(smooth.shape, dtype=np.float32), (0, 0), 0.9)
    rows, columns = np.indices(smooth.shape, dtype=np.float32)
    total = np.zeros_like(smooth)
    for _ in range(round(min(3000 / cell_m, max(smooth.shape)))):
        total += cv2.remap(noise, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        step = cv2.remap(up, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        columns, rows = columns + step[..., 0], rows + step[..., 1]
    return np.asarray((total - total.mean()) / max(float(total.std()), 1e-6), np.float32)


def cover_debris(
    ice_m: Field, surface_m: Field, equilibrium_m: float, pixel_m: float, streaks: Field
) -> Field:
    """Tendency to debris cover: moraines along the flow, a mantle on the lowest tongue.

    Args:
        ice_m: (H, W) float32 thickness, metres.
        surface_m: (H, W) float32 elevation of the ice, metres.
        equilibrium_m: Equilibrium line, metres; debris melts out below it.
        pixel_m: Side of a pixel.
        streaks: (H, W) float32 noise along the flow, unit variance.

    Returns:
        (H, W) float32, above 0 where the ice is covered.
    """
    factor = max(1, round(100 / pixel_m))
    small = cv2.resize(ice_m, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    width = 2 * max(1, round(700 / (pixel_m * factor))) + 1
    middle = cv2.blur(cv2.dilate(small, np.ones((width, width), np.uint8)), (width, width))
    across = ice_m / np.maximum(enlarge(middle, ice_m.shape), 20)  # 0 at the side, 1 in the middle
    ice = ice_m > 0
    lowest = float(np.quantile(surface_m[ice], 0.01)) if ice.any() else 0.0
    down = np.clip((equilibrium_m - surface_m) / max(equilibrium_m - lowest, 1), -1, 1.2)
    side = 0.4 * np.exp(-((across / 0.22) ** 2))
    mantle = 2.0 * np.clip(down - 0.75, 0, 1)
    tendency = 0.55 * down + side + mantle + 0.33 * streaks - 0.78
    covered = np.where(down > 0.12, tendency, np.minimum(tendency, -0.2))
    return np.asarray(covered, np.float32)


def coarse_shape(height: int, width: int, pixel_m: float) -> tuple[int, int, float]:
    """Rows, columns and cell side of the grid on which rivers and ice are routed."""
    factor = max(1.0, (height * width / COARSE_CELLS) ** 0.5)
    rows, columns = max(round(height / factor), 8), max(round(width / factor), 8)
    return rows, columns, pixel_m * (height * width / (rows * columns)) ** 0.5


def shape_glaciers(
    relief: Relief, shape: tuple[int, int], pixel_m: float, rng: np.random.Generator
) -> Glaciers:
    """Ice, its thinning and its lakes on the fine grid."""
    valley = main_valley(relief)
    below = valley[: max(int(rng.uniform(*TERMINUS_SHARE) * len(valley)), 1)]
    line = find_equilibrium(relief, below)
    states = [ice_thickness(relief, line + rise) for rise in RISES_M]
    rough = fractal_noise(shape, rng, 900 / pixel_m, 0.62)
    fine = [enlarge(state, shape) for state in states]
    edge = np.float32(7) * rough * np.clip(fine[0] / 40, 0.2, 1) + np.float32(MIN_ICE_M)
    least_px = MIN_GLACIER_KM2 * 1e6 / pixel_m**2
    masks = [drop_small(fine[0] > edge, least_px)]
    for state in fine[1:]:
        masks.append(drop_small(masks[-1] & (state > edge), least_px))
    ice = np.where(masks[0], fine[0], 0)
    times = tuple(rise / RISES_M[-1] for rise in RISES_M)
    share, time = rank_vanishing(masks[0], vanishing_times(masks, times, pixel_m))
    lakes = 1 + round(max(shape) * pixel_m / 12_000)
    depth, level = (enlarge(f, shape) for f in flood_termini(relief, states[1], rng, lakes))
    return Glaciers(
        ice_m=ice, thinning_m=np.where(masks[0], np.maximum(fine[0] - fine[-1], 2), 0),
        vanish_share=share, vanish_time=time, lake=depth - 3 * rough > 0,
        lake_level_m=level, equilibrium_m=line,
        streaks=enlarge(draw_streaks(relief.bed_m + states[0], relief.cell_m, rng), shape),
    )  # fmt: skip


@lru_cache(maxsize=3)
def build_land(height: int, width: int, pixel_m: float, key: int) -> Land:
    """The mountains and glaciers of a region; the last few are kept.

    Args:
        height: Rows.
        width: Columns.
        pixel_m: Side of a pixel, metres.
        key: Seed; each gives another range.
    """
    rng, shape = np.random.default_rng(key), (height, width)
    rows, columns, cell_m = coarse_shape(height, width, pixel_m)
    relief = build_relief((rows, columns), cell_m, rng)
    glaciers = shape_glaciers(relief, shape, pixel_m, rng)
    bed = enlarge(cv2.GaussianBlur(relief.bed_m, (0, 0), 2.2), shape)
    rough = np.clip(np.hypot(*np.gradient(bed, pixel_m)) / 0.6, 0.02, 1).astype(np.float32)
    bed = bed + 48 * rough * fractal_noise(shape, rng, 900 / pixel_m, 0.55)
    lake = glaciers.lake & (rough < 0.4)
    opened = cv2.morphologyEx(lake.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    lake = drop_small(opened > 0, 4)
    dug = np.where(lake, np.maximum(bed - glaciers.lake_level_m + 20, 0), 0)
    bed = bed - dug
    ice = glaciers.ice_m
    ice += np.where(ice > 0, dug, 0)  # the ice keeps its surface
    patches = fractal_noise(shape, rng, 1200 / pixel_m, 0.72)
    debris = cover_debris(ice, bed + ice, glaciers.equilibrium_m, pixel_m, glaciers.streaks)
    grain = fractal_noise(shape, rng, 60 / pixel_m, 0.8)
    land = Land(
        **vars(glaciers) | {"lake": lake}, pixel_m=pixel_m, bed_m=bed, debris=debris,
        patches=patches, grain=grain, valley_m=float(bed.min()),
        loss_per_year=float(rng.uniform(*LOSS_PER_YEAR)),
    )  # fmt: skip
    for field in fields(land):  # the cache hands one object to all callers
        if isinstance(value := getattr(land, field.name), np.ndarray):
            value.setflags(write=False)
    return land


def lost_share(land: Land, year: float) -> float:
    """Share of the first year's ice area that is gone, 0..0.97.

    Args:
        land: The region.
        year: Date as a decimal year.
    """
    slow = SLOW_SHARE * (min(year, FASTER_SINCE) - FIRST_YEAR)
    return float(np.clip(land.loss_per_year * (slow + max(year - FASTER_SINCE, 0)), 0, 0.97))


def glacier_at(land: Land, year: float) -> Mask:
    """(H, W) bool, glacier on a date given as a decimal year."""
    return np.asarray(land.vanish_share >= lost_share(land, year))


def surface_at(land: Land, year: float) -> Field:
    """(H, W) float32 elevation of ground, ice or lake on a date, metres."""
    passed = np.interp(lost_share(land, year), np.linspace(0, 1, VANISH_STEPS), land.vanish_time)
    ice = glacier_at(land, year)
    left = np.maximum(land.ice_m - np.float32(min(passed, 1)) * land.thinning_m, MIN_ICE_M)
    ground = np.where(land.lake, land.lake_level_m, land.bed_m)
    return np.where(ice, land.bed_m + left, ground)
