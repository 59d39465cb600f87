"""What an ingest would fetch, where, and roughly how large it is; nothing is fetched."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from glacier.archive.contents import look_at_archive
from glacier.archive.records import find_archive
from glacier.config import Config
from glacier.geo.raster import Grid
from glacier.landsat import BANDS
from glacier.settings.regions import Region
from glacier.sources.night import find_centre, is_dark
from glacier.sources.source import Source
from glacier.wording import name_coordinates

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
    images: int = 0
    """Complete months that have an image."""

    @property
    def usable(self) -> int:
        """Months that may have an image once all are complete."""
        return self.images + self.pending

    @property
    def archive_mb(self) -> float:
        """Size of the pending months before compression, megabytes."""
        return self.pending * math.prod(self.grid.shape) * BAND_BYTES / 1e6


def describe_ingest(rows: Sequence[RegionDryRun], source: Source) -> Iterator[str]:
    """What an ingest would do, line by line."""
    yield from describe_regions(rows, describe)
    complete, dark, pending = (
        sum(row.complete for row in rows), sum(row.dark for row in rows),
        sum(row.pending for row in rows),
    )  # fmt: skip
    yield (
        f"{len(rows)} regions, {complete + dark + pending} months: {complete} complete, "
        f"{dark} without sun, {pending} to fetch"
    )
    size_mb, requests = (
        sum(r.archive_mb for r in rows),
        source.describe_requests(len(rows), pending),
    )
    yield f"up to {size_mb:.0f} MB of archive; {requests}"


def dry_run_region(config: Config, region: Region, source: Source) -> RegionDryRun:
    """What a run would do for a region, found out without a network.

    Raises:
        ConfigError: The region has no grid.
    """
    grid = source.grid(region)
    state = look_at_archive(find_archive(config, region, source))
    images = sum(record.status == "ok" for record in state.records)
    dark = sum(is_dark(source, grid, target.month) for target in state.missing)
    pending = len(state.missing) - dark
    return RegionDryRun(region.name, grid, len(state.records), dark, pending, images)


def describe(row: RegionDryRun) -> str:
    """A region's dry run in a line."""
    return (
        f"{describe_frame(row)}; {row.complete} complete, {row.dark} without sun, {row.pending} to "
        f"fetch, up to {row.archive_mb:.0f} MB"
    )


def describe_frame(row: RegionDryRun) -> str:
    """Where a region lies, and how large it is."""
    grid = row.grid
    return (
        f"{row.name}: {name_coordinates(*find_centre(grid))}, "
        f"{math.prod(grid.shape) * grid.pixel_km2:.4g} km2, "
        f"{grid.height} x {grid.width} px of {grid.pixel_m:g} m in {grid.crs}"
    )


def describe_regions(
    rows: Sequence[RegionDryRun], describe: Callable[[RegionDryRun], str]
) -> Iterator[str]:
    """The first regions of a run, a line each, and how many more there are."""
    yield from map(describe, rows[:MAX_SHOWN])
    if len(rows) > MAX_SHOWN:
        yield f"and {len(rows) - MAX_SHOWN} more regions"
