"""What a job would do, stage by stage, and what would be refused of it.

Nothing is fetched, nothing is written, no Ray started.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from glacier import store
from glacier.archive.dry_run import RegionDryRun, describe_ingest, dry_run_region
from glacier.archive.records import read_records
from glacier.checks import find_refusals
from glacier.config import Config
from glacier.errors import ConfigError, GlacierError
from glacier.progress import say
from glacier.samples.dataset import samples_folder, set_address
from glacier.samples.month import extra_bands
from glacier.sources.factory import open_source
from glacier.sources.source import Source
from glacier.training.saved import is_swept
from glacier.windows import window_starts

MODEL_MB = 100.0
"""Of a U-Net over resnet34 or resnet50, its 24 to 33 million weights of 4 bytes each."""

PRETRAINED = "huggingface.co (weights of encoders that are not in its cache)"

CHECKPOINT_MODELS = 3
"""Weights that a running trial keeps: the best, the last, and two moments of each for Adam."""


@dataclass(frozen=True)
class RunPlan:
    """What is known of a run without doing any of it."""

    config: Config
    source: Source
    regions: list[RegionDryRun]

    @property
    def image_bytes(self) -> int:
        """A pixel of a month image: image and further bands as float32, label and class."""
        bands = len(self.config.prepare.image) + len(extra_bands(self.config.prepare))
        return 4 * bands + 2

    def windows(self, region: RegionDryRun) -> int:
        """Samples of a month of a region."""
        settings = self.config.prepare
        if settings.layout == "resize":
            return 1
        size, stride = settings.size_px, settings.stride_px or settings.size_px // 2
        starts = (window_starts(max(side, size), size, stride) for side in region.grid.shape)
        return math.prod(len(found) for found in starts)

    def pixels(self, region: RegionDryRun) -> int:
        """Pixels of a month image of a region."""
        settings = self.config.prepare
        return settings.size_px**2 if settings.layout == "resize" else math.prod(region.grid.shape)

    @property
    def archive_gb(self) -> float:
        """New months of the archive, before compression."""
        return sum(region.archive_mb for region in self.regions) / 1e3

    @property
    def samples_gb(self) -> float:
        """Samples, before compression."""
        windows = sum(region.usable * self.windows(region) for region in self.regions)
        return windows * self.config.prepare.size_px**2 * self.image_bytes / 1e9

    @property
    def images_gb(self) -> float:
        """Month images of all regions, which trials of a node share in memory."""
        pixels = sum(region.usable * self.pixels(region) for region in self.regions)
        return pixels * self.image_bytes / 1e9

    @property
    def trials(self) -> int:
        """Models that are trained."""
        return len(self.config.sweep.encoders) * self.config.sweep.folds.count

    @property
    def sweep_gb(self) -> float:
        """Models, checkpoints and stored predictions of all trials."""
        encoders = len(self.config.sweep.encoders)
        predicted = encoders * sum(region.usable * self.pixels(region) for region in self.regions)
        return (1 + CHECKPOINT_MODELS) * self.trials * MODEL_MB / 1e3 + predicted / 1e9


Stage = Callable[[RunPlan], Iterator[str]]
"""Says what one stage of a run would do."""


def dry_run(config: Config, job: str = "pipeline") -> int:
    """Say what a job would do with a configuration, and what would be refused.

    Args:
        config: The run.
        job: ``ingest``, ``prepare``, ``sweep``, ``report``, ``pipeline``, ``study`` or ``claims``.

    Returns:
        0.

    Raises:
        ConfigError: The job would be refused; with every reason.
    """
    refusals = find_refusals(config, job)
    runs = {"": config}
    if job in ("study", "claims") and config.variants:
        runs = {name: config.variant(name) for name in config.variants}
    said: set[str] = set()
    for name, run in runs.items():
        if name:
            tell(f"variant {name}")
        try:
            plan = plan_run(run)
        except GlacierError as error:
            refusals += [] if any(str(error) in known for known in refusals) else [str(error)]
            continue
        lines = [line for stage in STAGES[job] for line in stage(plan)]
        for line in lines:  # variants mostly share their archive
            if line not in said:
                tell(line)
        said.update(lines)
    if refusals:
        tell(f"this would be refused for {len(refusals)} reason(s)")
        raise ConfigError("\n".join(refusals))
    tell("nothing was fetched; the same command without --dry-run does it")
    return 0


def tell(line: str) -> None:
    """Say a line of a dry run."""
    say(f"dry run: {line}")


def plan_run(config: Config) -> RunPlan:
    """What is known of a run.

    Raises:
        GlacierError: The source cannot be used, or a region has no grid.
    """
    source = open_source(config)
    regions = [dry_run_region(config, region, source) for region in config.regions]
    return RunPlan(config, source, regions)


def plan_ingest(plan: RunPlan) -> Iterator[str]:
    """What would be fetched."""
    for line in describe_ingest(plan.regions, plan.source):
        yield f"ingest: {line}"


def plan_prepare(plan: RunPlan) -> Iterator[str]:
    """Which samples would be made."""
    if is_prepared(plan.config):
        yield "prepare: complete"
        return
    settings, months = plan.config.prepare, sum(region.usable for region in plan.regions)
    samples = sum(region.usable * plan.windows(region) for region in plan.regions)
    yield (
        f"prepare: up to {samples} samples of {settings.size_px} x {settings.size_px} px in "
        f"{len(settings.image)} band(s) from {months} months, labels by {settings.label.kind}; up "
        f"to {show_gb(plan.samples_gb)}"
    )


def plan_sweep(plan: RunPlan) -> Iterator[str]:
    """What would be trained."""
    if is_swept(plan.config):
        yield "sweep: complete"
        return
    sweep = plan.config.sweep
    yield (
        f"sweep: {plan.trials} trials ({', '.join(sweep.encoders)}; {sweep.folds.count} folds "
        f"{sweep.folds.kind}) of up to {sweep.epochs} epochs; {sweep.cpus_per_trial} core(s) and "
        f"{sweep.gpus_per_trial:g} GPU a trial"
    )
    yield (
        f"sweep: models, checkpoints and predictions of about {show_gb(plan.sweep_gb)}; the month "
        f"images take up to {show_gb(plan.images_gb)} of shared memory on each node"
        f"{compare_memory(plan.images_gb)}"
    )


def plan_report(plan: RunPlan) -> Iterator[str]:
    """Where the report would lie."""
    place = store.join(store.absolute(plan.config.results), plan.config.name)
    yield f"report: in {place}"


def plan_network(fetches: bool = False, trains: bool = False) -> Stage:
    """Which addresses would be asked: those of the configuration, never one that a file holds.

    Args:
        fetches: Whether months are fetched from the source.
        trains: Whether encoders are.
    """

    def tell_addresses(plan: RunPlan) -> Iterator[str]:
        config, label = plan.config, plan.config.prepare.label
        pending = fetches and any(region.pending for region in plan.regions)
        asked = plan.source.addresses() if pending else []
        places = (config.storage, config.results, label.outlines, label.debris)
        asked += [place for place in places if place and "://" in place]
        if trains and config.sweep.encoder_weights == "imagenet" and not is_swept(config):
            asked.append(PRETRAINED)
        said = ", ".join(dict.fromkeys(asked))
        yield f"network: {said} would be asked, and no other" if said else "network: not asked"

    return tell_addresses


def plan_disk(plan: RunPlan) -> Iterator[str]:
    """The disk that all stages would take, against what is free."""
    need = plan.archive_gb
    need += 0.0 if is_prepared(plan.config) else plan.samples_gb
    need += 0.0 if is_swept(plan.config) else plan.sweep_gb
    storage = store.absolute(plan.config.storage)
    if "://" in storage:
        yield f"storage: up to {show_gb(need)} in {storage}"
        return
    there = Path(storage)
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free / 1e9
    short = "; this may not be enough" if need > free else ""
    yield f"storage: up to {show_gb(need)} in {storage}, where {show_gb(free)} are free{short}"


EVERYTHING = plan_network(fetches=True, trains=True)
STAGES: dict[str, tuple[Stage, ...]] = {
    "ingest": (plan_ingest, plan_network(fetches=True), plan_disk),
    "prepare": (plan_prepare, plan_network(), plan_disk),
    "sweep": (plan_sweep, plan_network(trains=True), plan_disk),
    "report": (plan_report, plan_network()),
    "pipeline": (plan_ingest, plan_prepare, plan_sweep, plan_report, EVERYTHING, plan_disk),
    "study": (plan_ingest, plan_prepare, plan_sweep, EVERYTHING, plan_disk),
    "claims": (plan_ingest, plan_prepare, plan_sweep, EVERYTHING, plan_disk),
}
"""Verb to what is said of it."""


def is_prepared(config: Config) -> bool:
    """Whether a run's samples are there."""
    try:
        return store.exists(set_address(samples_folder(config, read_records(config))))
    except GlacierError:  # the archive, or a file that the labels need, is not there
        return False


def show_gb(size_gb: float) -> str:
    """A size in the unit that suits it."""
    return f"{size_gb:.1f} GB" if size_gb >= 1 else f"{1e3 * size_gb:.0f} MB"


def compare_memory(need_gb: float) -> str:
    """What to say of a need of memory on this machine; nothing where it cannot be known."""
    try:
        there_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (ValueError, OSError, AttributeError):
        return ""
    short = "; a third of it is as much as Ray shares" if need_gb > there_gb / 3 else ""
    return f" (this machine has {show_gb(there_gb)}{short})"
