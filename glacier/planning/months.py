"""Some months of a run, made aside: composites and samples, and how long one of each takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from glacier import store
from glacier.archive.ingest import ingest_month
from glacier.archive.records import ArchiveMonth, MonthRecord, list_months
from glacier.config import Config
from glacier.errors import ConfigError
from glacier.samples.month import MonthTask, prepare_month
from glacier.samples.month_images import MonthImage, read_images
from glacier.samples.prepare import describe_set, order_months
from glacier.samples.prepared import PLACE
from glacier.samples.sample_set import MONTHS, SampleMonth, SampleSet, make_row
from glacier.sources.factory import open_source
from glacier.sources.night import is_dark


@dataclass(frozen=True)
class MadeMonths:
    """Months that were made."""

    first_at: float
    """When the first composite was there, seconds since 1970."""
    pixels: int
    """Of a composite."""
    ingest_s: float
    prepare_s: float
    files: tuple[str, ...]
    """Addresses of the composites."""
    samples: SampleSet
    images: list[MonthImage]


def make_months(config: Config, count: int, tries: int, of_year: Sequence[int]) -> MadeMonths:
    """Make months of a run's first region.

    Args:
        config: The run, whose storage is another than that of the run.
        count: How many; fewer where the run has fewer.
        tries: Months that are tried at most.
        of_year: Months of the year, the likeliest to be seen first.

    Raises:
        ConfigError: None of those that were tried has an image.
        GlacierError: The source cannot be used.
    """
    source, region = open_source(config), config.regions[0]
    grid, due = source.grid(region), list_months(config, source)
    due = [each for each in due if each.region == region and not is_dark(source, grid, each.month)]
    due.sort(key=lambda each: (rank(each, of_year), each.month))
    made, seconds, first_at = list[tuple[ArchiveMonth, MonthRecord]](), list[float](), 0.0
    for target in due[:tries]:
        began = time.monotonic()
        record = ingest_month(config, target)
        seconds.append(time.monotonic() - began)
        first_at = first_at or time.time()
        if record.status == "ok":
            made.append((target, record))
        if len(made) == count:
            break
    prepared, prepare_s = prepare_made(config, made)
    samples, images = prepared
    return MadeMonths(
        first_at, grid.height * grid.width, settled(seconds), prepare_s,
        tuple(store.join(target.folder, f"{record.month}.tif") for target, record in made),
        samples, images,
    )  # fmt: skip


def rank(target: ArchiveMonth, of_year: Sequence[int]) -> int:
    """Place of a month by how likely it is to be seen."""
    month = target.month.month
    return of_year.index(month) if month in of_year else len(of_year)


def settled(seconds: Sequence[float]) -> float:
    """What one of several takes: without the first, which pays for all first times."""
    return statistics.mean(seconds[1:] or seconds)


def prepare_made(
    config: Config, made: Sequence[tuple[ArchiveMonth, MonthRecord]]
) -> tuple[tuple[SampleSet, list[MonthImage]], float]:
    """Samples of composites, and seconds of one of them.

    Raises:
        ConfigError: None of them can be made samples of.
    """
    import pyarrow as pa

    folder = store.join(store.absolute(config.storage), "samples", "measured")
    months, seconds = list[SampleMonth](), list[float]()
    for target, record in made:
        began = time.monotonic()
        months.append(prepare_month(MonthTask(record, target.folder, folder, config.prepare)))
        seconds.append(time.monotonic() - began)
    usable = [month for month in months if month.status == "ok"]
    if not usable:
        reason = next((month.reason for month in months), "no month can be seen")
        raise ConfigError(f"plan: none of the months that were tried can be used: {reason}")
    rows = [make_row(month) | {"place": place} for place, month in enumerate(usable)]
    table = pa.Table.from_pylist(rows, MONTHS.append(PLACE))
    samples = describe_set(config, order_months(table))
    return (samples, read_images(folder, samples)), settled(seconds)
