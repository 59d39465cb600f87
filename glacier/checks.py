"""What can be known of a run before its first byte: everything that would be refused later.

Nothing is fetched and nothing is written, neither Ray nor torch is imported.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

from glacier import store
from glacier.archive.dry_run import BAND_BYTES, RegionDryRun
from glacier.archive.records import list_span
from glacier.config import Config, explain_few_variants
from glacier.continual.trial import explain_no_stream
from glacier.errors import ConfigError, GlacierError, StoreError, WeightsError
from glacier.geo.frames import find_overlaps, is_southern
from glacier.geo.raster import Grid
from glacier.geo.raster_files import MAX_BYTES
from glacier.input_checks import refuse_bands, refuse_outlines
from glacier.machine import (
    Room,
    check_address,
    check_local_room,
    choose_temp_folder,
    explain_missing_extra,
    explain_unwritable,
    find_address,
)
from glacier.mapping.added_months import explain_fixed_archive
from glacier.mapping.images import find_images, name_files
from glacier.plans import RunPlan, plan_run, show_gb
from glacier.registry.ledger import Ledger
from glacier.samples.folds import Split, block_rectangles, make_splits
from glacier.samples.label_files import list_masks
from glacier.serving.tokens import read_access
from glacier.settings.prepare import WINDOW_STEP_PX
from glacier.settings.sweep import Sweep
from glacier.settings.weights import PACKAGES, WORDS
from glacier.sources.factory import open_source
from glacier.sources.night import is_dark
from glacier.sources.source import Source
from glacier.training.encoders import check_encoder
from glacier.training.packages import find_packaged
from glacier.training.saved import SweepPlaces
from glacier.wording import shorten_list


class Inputs(NamedTuple):
    """What a run can have at most."""

    grids: dict[str, Grid]
    """Region to the grid of its months."""
    images: list[tuple[str, date]]
    """(region, month) of every image that there may be."""


USES_MODELS = ("predict", "series", "latest", "monitor")
"""Verbs that work with the models of a run, or of another, and train none."""


def refuse_run(config: Config, job: str) -> None:
    """Refuse a run that cannot come to an end.

    Args:
        config: The run.
        job: The verb.

    Raises:
        ConfigError: With a line for every reason.
    """
    if reasons := find_refusals(config, job):
        raise ConfigError("\n".join(reasons))


def find_refusals(config: Config, job: str) -> list[str]:
    """Every reason why a job cannot do what it is asked for, a sentence each."""
    reasons = dict.fromkeys(refuse_places(config))
    if reason := explain_missing_extra(job):
        reasons[reason] = None
    if job == "serve":
        reasons |= dict.fromkeys(refuse_service(config))
    if job in ("report", "explain", "export", "serve"):
        return list(reasons)
    if job == "latest" and (reason := explain_fixed_archive(config)):
        reasons[reason] = None
    trains = job not in (*USES_MODELS, "ingest", "prepare")
    reasons |= dict.fromkeys(refuse_machine(config, trains))
    if job == "continual" and (reason := explain_no_stream(config)):
        reasons[reason] = None
    if job == "study" and (reason := explain_few_variants(config)):
        reasons[reason] = None
    runs = {"": config}
    if job in ("study", "claims") and config.variants:
        runs = {f"variants.{name}: ": config.variant(name) for name in config.variants}
    for prefix, run in runs.items():
        if trains and prefix:
            reasons |= dict.fromkeys(prefix + reason for reason in refuse_room(run))
        reasons |= dict.fromkeys(prefix + reason for reason in refuse_work(run, job))
    return list(reasons)


def refuse_places(config: Config) -> Iterator[str]:
    """Why outputs could not be written."""
    for name, place in (("storage", config.storage), ("results", config.results)):
        address = store.absolute(place)
        if "://" in address:
            if reason := store.explain_unusable(address):
                yield f"{name} = {place!r}: {reason}"
        elif reason := explain_unwritable(Path(address)):
            yield f"{name} = {place!r}: {reason}; choose a folder that you may write to"


def refuse_service(config: Config) -> Iterator[str]:
    """Why nothing could be served."""
    try:
        read_access(config.serve)
    except ConfigError as error:
        yield str(error)
    if config.serve.on == "ray":
        yield from refuse_machine(config, trains=False)


def refuse_machine(config: Config, trains: bool) -> Iterator[str]:
    """Why there could be no Ray, or none that has room for a trial."""
    try:
        if find_address(config.cluster) == "local":
            choose_temp_folder()
        else:
            check_address(config.cluster)
    except ConfigError as error:
        yield str(error)
    if trains:
        yield from refuse_room(config)


def refuse_room(config: Config) -> Iterator[str]:
    """Why a private Ray would have no room for a trial."""
    try:
        check_local_room(Room.of(config), config.cluster)
    except ConfigError as error:
        yield str(error)


def refuse_work(config: Config, job: str) -> Iterator[str]:
    """Why the stages of a run could not do their work."""
    yield from refuse_files(config, job)
    yield from refuse_masks(config)
    if job == "predict":
        yield from refuse_images(config)
    if config.predict.sweep is not None:
        yield from refuse_borrowed(config.predict.sweep, job)
    if config.predict.registry is not None:
        yield from refuse_registry(config, config.predict.registry, job)
    for encoder in config.sweep.encoders:
        try:
            check_encoder(encoder)
        except ConfigError as error:
            yield str(error)
    if job in ("pipeline", "sweep", "study", "claims"):
        yield from refuse_packages(config.sweep)
    try:
        source = open_source(config)
        inputs = list_inputs(config, source)
    except GlacierError as error:
        yield str(error)
        return
    yield from refuse_bands(config, source)
    yield from refuse_outlines(config, inputs.grids)
    yield from refuse_sizes(config, inputs.grids)
    if not config.predict.borrows or job not in (*USES_MODELS, "ingest"):
        yield from refuse_folds(config, inputs)
    yield from refuse_space(config, job, inputs, source)


def refuse_files(config: Config, job: str) -> Iterator[str]:
    """Why files that the configuration names, and a job needs, cannot be read."""
    label = config.prepare.label
    named: dict[str, str | None] = {
        **{f"prepare.label.{field}": file for field, file in label.list_files()},
    }
    named |= {f"sweep.{field}": file for field, file in config.sweep.weights_files.items()}
    for field, file in config.ingest.chosen.files.items():
        named[f"ingest.{config.ingest.source}.{field}"] = file
    if job in ("series", "latest", "pipeline"):
        named |= {f"series.{field}": file for field, file in config.series.named_files.items()}
    for name, place in named.items():
        if place is None or "://" in (address := store.absolute(place)):
            continue
        if not os.path.exists(address):
            yield f"{name} = {place!r}: there is no such file; correct the path"
        elif not os.access(address, os.R_OK):
            yield f"{name} = {place!r}: you may not read it; change its permissions"
        elif name.startswith("sweep.encoder_weights") and not os.path.isfile(address):
            yield f"{name} = {place!r} is no file: wanted {', '.join(WORDS)} or a file of weights"


def refuse_packages(sweep: Sweep) -> Iterator[str]:
    """Why weights of a package could not be read."""
    for encoder in sweep.encoders:
        if (source := sweep.weights_of(encoder)) in PACKAGES:
            try:
                find_packaged(encoder, source)
            except WeightsError as error:
                yield str(error)


def refuse_masks(config: Config) -> Iterator[str]:
    """Why masks could label no month of their region."""
    there = {name.split(".")[1] for name, _ in list_masks(config)}
    regions = [region.name for region in config.regions]
    for region, path in config.prepare.label.masks.items():
        if region in regions and region not in there:
            yield (
                f"prepare.label.masks.{region} = {path!r}: there is no such file for any month of "
                "the run; correct the path"
            )


def refuse_images(config: Config) -> Iterator[str]:
    """Why images of one's own could not be mapped."""
    if config.predict.images is not None:
        try:
            name_files(find_images(config.predict.images))
        except ConfigError as error:
            yield str(error)


def refuse_borrowed(sweep: str, job: str) -> Iterator[str]:
    """Why the models of another run could not map the months of this one."""
    said = f"predict.sweep = {sweep!r}: "
    if job == "pipeline":
        yield f"{said}pipeline trains models of its own; run ingest, predict and series instead"
    address = SweepPlaces("", store.absolute(sweep), "", "").result
    if "://" not in address and not os.path.exists(address):
        yield f"{said}no finished sweep is there; give a folder <storage>/sweeps/<name>-<hash>"


def refuse_registry(config: Config, name: str, job: str) -> Iterator[str]:
    """Why what a registry lets serve could not map the months of a run."""
    said = f"predict.registry = {name!r}: "
    if job == "pipeline":
        yield f"{said}pipeline trains models of its own; run ingest, predict and series instead"
    try:
        Ledger(store.absolute(config.storage), name).read()
    except (ConfigError, StoreError) as error:
        yield f"{said}{error}"


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


def refuse_sizes(config: Config, grids: Mapping[str, Grid]) -> Iterator[str]:
    """Why months that could be made could not be read again, or not be parted into blocks."""
    for name, grid in grids.items():
        size = math.prod(grid.shape) * BAND_BYTES
        if size > MAX_BYTES:
            yield (
                f"region {name} is {grid.height} x {grid.width} px of {grid.pixel_m:g} m: a month "
                f"would decode to {size / 1e9:.1f} GB, more than the {MAX_BYTES / 1e9:.1f} GB that "
                "are opened; split it, or raise its pixel_m"
            )
        rows, cols = config.prepare.blocks
        if config.sweep.folds.kind == "by_block" and (grid.height < rows or grid.width < cols):
            yield (
                f"prepare.blocks = {rows}, {cols}: region {name} is {grid.height} x {grid.width} "
                "px, too few for so many blocks; lower them, or take other folds"
            )


def refuse_space(config: Config, job: str, inputs: Inputs, source: Source) -> Iterator[str]:
    """Why the disk would be full before a run is at its end.

    What is there already takes a look at many files, so it is looked for where room is scarce.
    """
    storage = store.absolute(config.storage)
    if "://" in storage:
        return
    free = store.measure_free(storage) / 1e9
    months = Counter(name for name, _ in inputs.images)
    regions = [RegionDryRun(name, grid, 0, 0, months[name]) for name, grid in inputs.grids.items()]
    if RunPlan(config, source, regions).most_gb <= free:
        return
    parts = plan_run(config).least_gb
    if (need := parts.get(job, sum(parts.values()))) > free:
        yield (
            f"storage = {config.storage!r}: at least {show_gb(need)} are needed, and "
            f"{show_gb(free)} are free there; make room, give a folder on a larger disk, or take "
            "fewer months or regions"
        )


def refuse_folds(config: Config, inputs: Inputs) -> Iterator[str]:
    """Why the folds could not be made, if every month had an image."""
    kind = config.sweep.folds.kind
    if not inputs.images:
        yield (
            f"months = {config.months.first}..{config.months.last}: none can have an image, for "
            "want of sun or of files; give others"
        )
        return
    overlaps = find_overlaps(inputs.grids) if kind in ("by_block", "by_region") else []
    southern = [name for name, grid in inputs.grids.items() if is_southern(grid)]
    folds, blocks = config.sweep.parts, config.prepare.blocks
    try:
        splits, _ = make_splits(inputs.images, folds, blocks, config.seed, overlaps, southern)
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
        yield from refuse_windows(config, inputs.grids, splits)


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
