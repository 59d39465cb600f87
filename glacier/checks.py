"""What can be known of a run before its first byte: everything that would be refused later.

Nothing is fetched and nothing is written, neither Ray nor torch is imported.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from glacier import store
from glacier.archive.dry_run import BAND_BYTES, RegionDryRun
from glacier.config import Config, explain_few_variants
from glacier.continual.trial import explain_no_stream
from glacier.errors import ConfigError, GlacierError
from glacier.file_checks import (
    refuse_borrowed,
    refuse_files,
    refuse_images,
    refuse_masks,
    refuse_packages,
    refuse_registry,
    refuse_trackers,
)
from glacier.fold_checks import Inputs, list_inputs, refuse_folds
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
from glacier.plans import RunPlan, plan_run, show_gb
from glacier.serving.tokens import read_access
from glacier.sources.factory import open_source
from glacier.sources.source import Source
from glacier.training.encoders import check_encoder

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
    reasons |= dict.fromkeys(refuse_variants(config, job))
    runs = {"": config}
    if job in ("study", "claims") and config.variants:
        runs = {f"variants.{name}: ": run for name, run in config.runs().items()}
    for prefix, run in runs.items():
        if trains and prefix:
            reasons |= dict.fromkeys(prefix + reason for reason in refuse_room(run))
        reasons |= dict.fromkeys(prefix + reason for reason in refuse_work(run, job))
    return list(reasons)


def refuse_variants(config: Config, job: str) -> Iterator[str]:
    """Why variants are too few, or would be trained again in vain."""
    if job == "study" and (reason := explain_few_variants(config)):
        yield reason
    if job == "claims" and config.repeats:
        yield "repeats: only glacier study trains variants from other seeds; leave it out"


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
        yield from refuse_trackers(config)
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
    if job == "continual":
        del parts["sweep"]  # its networks are small, and none is kept
    if (need := parts.get(job, sum(parts.values()))) > free:
        yield (
            f"storage = {config.storage!r}: at least {show_gb(need)} are needed, and "
            f"{show_gb(free)} are free there; make room, give a folder on a larger disk, or take "
            "fewer months or regions"
        )
