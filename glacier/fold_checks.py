"""The images that a run can have at most, and whether they can be parted into folds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import NamedTuple

from glacier.archive.records import list_span
from glacier.config import Config
from glacier.errors import ConfigError
from glacier.geo.frames import find_overlaps, is_southern
from glacier.geo.raster import Grid
from glacier.samples.folds import Split, make_splits
from glacier.samples.units import block_rectangles
from glacier.settings.prepare import WINDOW_STEP_PX
from glacier.sources.night import is_dark
from glacier.sources.source import Source
from glacier.wording import shorten_list


class Inputs(NamedTuple):
    """What a run can have at most."""

    grids: dict[str, Grid]
    """Region to the grid of its months."""
    images: list[tuple[str, date]]
    """(region, month) of every image that there may be."""


def list_inputs(config: Config, source: Source) -> Inputs:
    """The grids of a run, and the images that its months may become; night is left out.

    Raises:
        GlacierError: A region has no grid, or its files cannot be used.
    """
    grids = {region.name: source.grid(region) for region in config.regions}
    images = []
    for region in config.regions:
        grid, months = grids[region.name], list_span(config, region, source)
        if not months and (held := source.months(region)):
            there = shorten_list([f"{month:%Y-%m}" for month in sorted(held)], 3)
            raise ConfigError(
                f"months = {config.months.first}..{config.months.last}: of region {region.name} "
                f"the source holds {there} alone; set months.first and months.last so that they "
                "span it"
            )
        images += [(region.name, month) for month in months if not is_dark(source, grid, month)]
    return Inputs(grids, images)


def refuse_folds(config: Config, inputs: Inputs) -> Iterator[str]:
    """Why the folds could not be made, if every month had an image."""
    kind = config.sweep.folds.kind
    if not inputs.images:
        yield (
            f"months = {config.months.first}..{config.months.last}: none can have an image, for "
            "want of sun or of files; give others"
        )
        return
    apart = config.ingest.synthetic_regions
    grids = {name: grid for name, grid in inputs.grids.items() if name not in apart}
    images = [image for image in inputs.images if image[0] not in apart]
    overlaps = find_overlaps(grids) if kind in ("by_block", "by_region") else []
    southern = [name for name, grid in grids.items() if is_southern(grid)]
    folds, blocks = config.sweep.parts, config.prepare.blocks
    try:
        splits, _ = make_splits(images, folds, blocks, config.seed, overlaps, southern)
    except ConfigError as error:
        yield str(error)
        return
    alone = [str(split.fold) for split in splits if len(split.train) < 2]
    if kind == "by_region" and config.sweep.fairness.kind != "none" and alone:
        yield (
            f"sweep.fairness.kind = {config.sweep.fairness.kind}: fold {', '.join(alone)} trains "
            "on a single region, which there is nothing to weigh against; add regions, lower "
            "sweep.folds.validation_share, or take none"
        )
    if kind == "by_block":
        yield from refuse_windows(config, grids, splits)


def refuse_windows(config: Config, grids: Mapping[str, Grid], splits: list[Split]) -> Iterator[str]:
    """Why a fold of blocks has no place for a training window in any region."""
    size, blocks = config.prepare.size_px, config.prepare.blocks

    def has_place(split: Split, side: int) -> bool:
        return any(fits_window(name, grid, blocks, split, side) for name, grid in grids.items())

    if lacking := [split.fold for split in splits if not has_place(split, size)]:
        fitting = [
            side
            for side in range(WINDOW_STEP_PX, size, WINDOW_STEP_PX)
            if all(has_place(split, side) for split in splits)
        ]
        remedy = f"lower it to {fitting[-1]}" if fitting else "lower pixel_m of the regions"
        yield (
            f"prepare.size_px = {size}: no window of {size} px lies wholly in the training ground "
            f"of fold {', '.join(map(str, lacking))}; {remedy}, or use fewer blocks "
            f"(prepare.blocks = {blocks[0]}, {blocks[1]})"
        )


def fits_window(region: str, grid: Grid, blocks: tuple[int, int], split: Split, size: int) -> bool:
    """Whether a window lies somewhere in a region's training blocks.

    If one does, one that begins at the edges of blocks does: others can be moved up and left.
    Beyond the lower and right edge of a frame smaller than a window nothing is in the way.
    """
    boxes = block_rectangles(grid.shape, blocks)
    train = set(split.train)
    taken = [box for name, box in boxes.items() if f"{region}/{name}" not in train]
    tops = {top for top, *_ in boxes.values() if top + size <= max(grid.height, size)}
    lefts = {box[2] for box in boxes.values() if box[2] + size <= max(grid.width, size)}
    return any(
        not any(
            top < row + size and row < bottom and left < col + size and col < right
            for top, bottom, left, right in taken
        )
        for row in tops
        for col in lefts
    )
