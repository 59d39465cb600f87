"""What an ingest would fetch, and roughly how large it is; nothing is fetched, no Ray started."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from glacier.archive.records import archive_folder, complete_record, month_names
from glacier.config import Config
from glacier.geo.raster import Grid
from glacier.landsat import BANDS
from glacier.progress import say
from glacier.sources.factory import open_source
from glacier.sources.night import predict_night

SHOWN = 10
"""Regions that are listed one by one."""

BAND_BYTES = 2 * (len(BANDS) + 1)
"""Of a pixel in the archive, before compression: all bands and ``n_obs``, uint16."""

SCENES_A_MONTH = 4
"""Scenes of a region in a month, roughly: two passes of a satellite, each seen by two paths."""

FILES_A_SCENE = len(BANDS) + 2
"""Bands, QA_PIXEL and QA_RADSAT."""


@dataclass(frozen=True)
class RegionPlan:
    """What a run would do for one region."""

    name: str
    grid: Grid
    months: Counter[str]
    """Number of months that are ``complete``, ``dark`` (empty for want of sun) or ``pending``."""

    def archive_mb(self) -> float:
        """Size of the pending months before compression, megabytes."""
        pixels = self.grid.height * self.grid.width
        return self.months["pending"] * pixels * BAND_BYTES / 1e6


def run_plan(config: Config) -> int:
    """Say what :func:`ingest.run_ingest` would do with this configuration; returns 0.

    Raises:
        ConfigError: The source cannot be used, or a region has no grid.
    """
    plans = plan_regions(config)
    for plan in plans[:SHOWN]:
        say(f"plan: {describe(plan)}")
    if len(plans) > SHOWN:
        say(f"plan: and {len(plans) - SHOWN} more regions")
    total = sum((plan.months for plan in plans), Counter[str]())
    size = sum(plan.archive_mb() for plan in plans)
    say(
        f"plan: {len(plans)} regions, {total.total()} months: {total['complete']} complete, "
        f"{total['dark']} without sun, {total['pending']} to fetch"
    )
    say(f"plan: up to {size:.0f} MB of archive; {count_requests(config, total['pending'])}")
    say("plan: nothing was fetched; the same command without --dry-run does it")
    return 0


def plan_regions(config: Config) -> list[RegionPlan]:
    """What a run would do, region by region, found out without a network.

    Raises:
        ConfigError: The source cannot be used, or a region has no grid.
    """
    source = open_source(config)
    plans = []
    for region in config.regions:
        folder, grid = archive_folder(config, region, source), source.grid(region)
        known = region.polygon is not None and config.ingest.source != "folder"  # it looks first
        months: Counter[str] = Counter()
        for month in month_names(config, region, source):
            if complete_record(folder, month):
                months["complete"] += 1
            else:
                dark = known and predict_night(grid, month) is not None
                months["dark" if dark else "pending"] += 1
        plans.append(RegionPlan(region.name, grid, months))
    return plans


def describe(plan: RegionPlan) -> str:
    """A region's plan in a line."""
    grid, months = plan.grid, plan.months
    return (
        f"{plan.name}: {grid.height} x {grid.width} px of {grid.pixel_m:g} m in {grid.crs}; "
        f"{months['complete']} complete, {months['dark']} without sun, {months['pending']} to "
        f"fetch, up to {plan.archive_mb():.0f} MB"
    )


def count_requests(config: Config, pending: int) -> str:
    """Roughly how often the source would be asked for pending months, in words."""
    if config.ingest.source == "earthengine":
        return f"up to {2 * pending} requests, a list of scenes and their pixels a month"
    if config.ingest.source == "stac":
        files = pending * SCENES_A_MONTH * FILES_A_SCENE
        return (
            f"{len(config.regions)} searches and windows of about {files} files "
            f"({SCENES_A_MONTH} scenes a month, {FILES_A_SCENE} files each)"
        )
    return "no request over the network"
