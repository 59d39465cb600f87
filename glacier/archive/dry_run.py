"""What an ingest would fetch, and roughly how large it is; nothing is fetched, no Ray started."""

from __future__ import annotations

import math
from dataclasses import dataclass

from glacier.archive.records import ArchiveMonth, complete_record, list_region_months
from glacier.config import Config, Region
from glacier.geo.raster import Grid
from glacier.landsat import BANDS
from glacier.progress import say
from glacier.sources.factory import open_source
from glacier.sources.night import predict_night
from glacier.sources.source import Source

MAX_SHOWN = 10
"""Regions that are listed one by one."""

BAND_BYTES = 2 * (len(BANDS) + 1)
"""Of a pixel in the archive, before compression: all bands and ``n_obs``, uint16."""


@dataclass(frozen=True)
class RegionDryRun:
    """What a run would do for one region."""

    name: str
    grid: Grid
    complete: int
    """Months that need no more work."""
    dark: int
    """Months that will be empty for want of sun."""
    pending: int
    """Months that would be asked for."""

    @property
    def archive_mb(self) -> float:
        """Size of the pending months before compression, megabytes."""
        return self.pending * math.prod(self.grid.shape) * BAND_BYTES / 1e6


def dry_run_ingest(config: Config) -> int:
    """Say what :func:`ingest.run_ingest` would do with this configuration; returns 0.

    Raises:
        ConfigError: The source cannot be used, or a region has no grid.
    """
    source = open_source(config)
    rows = [dry_run_region(config, region, source) for region in config.regions]
    for row in rows[:MAX_SHOWN]:
        say(f"dry run: {describe(row)}")
    if len(rows) > MAX_SHOWN:
        say(f"dry run: and {len(rows) - MAX_SHOWN} more regions")
    complete, dark, pending = (
        sum(row.complete for row in rows), sum(row.dark for row in rows),
        sum(row.pending for row in rows),
    )  # fmt: skip
    say(
        f"dry run: {len(rows)} regions, {complete + dark + pending} months: {complete} complete, "
        f"{dark} without sun, {pending} to fetch"
    )
    size_mb, requests = (
        sum(r.archive_mb for r in rows),
        source.describe_requests(len(rows), pending),
    )
    say(f"dry run: up to {size_mb:.0f} MB of archive; {requests}")
    say("dry run: nothing was fetched; the same command without --dry-run does it")
    return 0


def dry_run_region(config: Config, region: Region, source: Source) -> RegionDryRun:
    """What a run would do for a region, found out without a network.

    Raises:
        ConfigError: The region has no grid.
    """
    grid, months = source.grid(region), list_region_months(config, region, source)
    missing = [target for target in months if complete_record(target) is None]
    dark = sum(is_dark(target, grid, source) for target in missing)
    return RegionDryRun(region.name, grid, len(months) - len(missing), dark, len(missing) - dark)


def is_dark(target: ArchiveMonth, grid: Grid, source: Source) -> bool:
    """Whether a month is known to be empty for want of sun."""
    return source.settings.predicts_night and predict_night(grid, target.month) is not None


def describe(row: RegionDryRun) -> str:
    """A region's dry run in a line."""
    grid = row.grid
    return (
        f"{row.name}: {grid.height} x {grid.width} px of {grid.pixel_m:g} m in {grid.crs}; "
        f"{row.complete} complete, {row.dark} without sun, {row.pending} to fetch, up to "
        f"{row.archive_mb:.0f} MB"
    )
