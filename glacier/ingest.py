"""Region and months -> the archive: one composite a month, or the reason why there is none.

A month is complete when its record ``<YYYY-MM>.json`` is there, written last, with the sha256
of the image. A rerun does only what is missing, damaged or failed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import ray

from glacier import store
from glacier.cluster import connect, count_cpus
from glacier.composite import Composite, Empty
from glacier.config import Config, Region, digest
from glacier.errors import GlacierError, StoreError
from glacier.labels import label_truth
from glacier.landsat import months_between
from glacier.progress import Progress, say
from glacier.raster import Grid, encode_cog
from glacier.sources.source import Source, open_source
from glacier.vectors import encode_outlines

FORMAT = 1
"""Counts up when the archive's bytes change for the same configuration."""

Status = Literal["ok", "empty", "failed"]


@dataclass(frozen=True)
class MonthRecord:
    """What became of one month of one region."""

    region: str
    month: str
    """YYYY-MM."""
    status: Status
    reason: str = ""
    """Why it is empty, or the error class and message of a failure."""
    sha256: str = ""
    """Checksum of the image; empty where there is none."""
    truth_sha256: str = ""
    """Checksum of the class map; empty where the source knows none."""
    scene_ids: tuple[str, ...] = ()
    n_obs: tuple[int, float, int] = (0, 0.0, 0)
    """Fewest, median and most clear looks of a pixel."""
    valid_share: float = 0.0
    """Share of pixels with a clear look, 0..1."""
    sun_elevation_deg: float | None = None
    source: str = ""
    cloud_profile: str = ""
    seconds: float = 0.0
    """Time that the month took."""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> MonthRecord:
        """The record that :func:`dataclasses.asdict` was made of, back from JSON."""
        scenes, looks = tuple(values["scene_ids"]), tuple(values["n_obs"])
        return cls(**(values | {"scene_ids": scenes, "n_obs": looks}))


def archive_folder(config: Config, region: Region, source: Source) -> str:
    """Address of a region's archive; it changes with all that changes a month's bytes."""
    key = digest(
        {
            "format": FORMAT,
            "region": region.model_dump(mode="json"),
            "source": config.ingest.source,
            "identity": source.identity(region),
            "cloud_profile": config.ingest.cloud_profile,
            "min_valid_share": config.ingest.min_valid_share,
        }
    )
    return store.join(store.absolute(config.storage), "archive", f"{region.name}-{key[:8]}")


def month_names(config: Config, region: Region, source: Source) -> list[date]:
    """Months that a run works on: the span, or those of it that the source holds."""
    span = months_between(*config.months.dates())
    held = source.months(region)
    return span if held is None else [month for month in span if month in set(held)]


def run_ingest(config: Config) -> int:
    """Fill the archive of every region; returns how many months failed.

    Raises:
        ConfigError: The source cannot be used.
    """
    source = open_source(config)
    units = []
    for region in config.regions:
        folder = archive_folder(config, region, source)
        units += [(region, month, folder) for month in month_names(config, region, source)]
    records = {(folder, month): complete_record(folder, month) for _, month, folder in units}
    pending = [unit for unit in units if not records[unit[2], unit[1]]]
    if pending:
        with connect(config.cluster), Progress("ingest", len(pending)) as progress:
            for folder, month, record in ingest_months(config, pending):
                records[folder, month] = record
                progress.advance(f"{record.region} {record.month} {record.status} {record.reason}")
    return conclude(units, records)


def ingest_months(
    config: Config, pending: list[tuple[Region, date, str]]
) -> Iterator[tuple[str, date, MonthRecord]]:
    """Run the months as Ray tasks, a bounded number at a time, and yield them as they end."""
    task = ray.remote(num_cpus=1, max_retries=3)(ingest_month)
    waiting = list(reversed(pending))
    running: dict[Any, tuple[str, date]] = {}
    while waiting or running:
        while waiting and len(running) < 2 * count_cpus():
            region, month, folder = waiting.pop()
            running[task.remote(config, region, month, folder)] = (folder, month)
        (ready,), _ = ray.wait(list(running), num_returns=1)
        folder, month = running.pop(ready)
        yield folder, month, MonthRecord.from_dict(ray.get(ready))


def ingest_month(config: Config, region: Region, month: date, folder: str) -> dict[str, Any]:
    """Make one month: image first, its record last.

    Returns:
        The record as plain values. An expected error becomes a record with status failed.
    """
    began = time.monotonic()
    name = f"{month:%Y-%m}"
    facts: dict[str, Any] = {"source": config.ingest.source}
    try:
        source = open_source(config)
        result = source.fetch_month(region, month)
        if isinstance(result, Composite) and result.valid_share() < config.ingest.min_valid_share:
            share, least = result.valid_share(), config.ingest.min_valid_share
            result = Empty(f"valid_share: {share:.3f} is below {least:.3f}")
        if isinstance(result, Empty):
            facts |= {"status": "empty", "reason": result.reason}
        else:
            facts |= write_month(result, source.grid(region), store.join(folder, name))
            facts |= {"status": "ok", "cloud_profile": config.ingest.cloud_profile}
    except GlacierError as error:
        facts |= {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
    seconds = round(time.monotonic() - began, 3)
    record = asdict(MonthRecord(region=region.name, month=name, seconds=seconds, **facts))
    store.write_json(store.join(folder, f"{name}.json"), record)
    return record


def write_month(composite: Composite, grid: Grid, stem: str) -> dict[str, Any]:
    """Write the image, and class map and outline where the truth is known.

    Returns:
        Fields of the month's record.
    """
    facts: dict[str, Any] = {}
    if composite.truth is not None:
        truth = encode_cog({"surface": composite.truth}, grid, {})
        facts["truth_sha256"] = store.write_bytes(f"{stem}.truth.tif", truth)
        glacier = label_truth(composite.truth) == 1
        outlines = encode_outlines(glacier, grid, {"month": stem.rpartition("/")[2]})
        store.write_bytes(f"{stem}.truth.gpkg", outlines)
    tags = {"scenes": " ".join(composite.scene_ids)}
    image = encode_cog({**composite.bands, "n_obs": composite.n_obs}, grid, tags)
    looks = composite.n_obs
    return facts | {
        "sha256": store.write_bytes(f"{stem}.tif", image),
        "scene_ids": tuple(composite.scene_ids),
        "n_obs": (int(looks.min()), float(np.median(looks)), int(looks.max())),
        "valid_share": round(composite.valid_share(), 6),
        "sun_elevation_deg": composite.sun_elevation_deg,
    }


def complete_record(folder: str, month: date) -> MonthRecord | None:
    """The record of a month that needs no more work, or None.

    A failed month is tried again; so is one whose image is missing or damaged.
    """
    stem = store.join(folder, f"{month:%Y-%m}")
    if not store.exists(f"{stem}.json"):
        return None
    record = MonthRecord.from_dict(store.read_json(f"{stem}.json"))
    if record.status == "failed":
        return None
    try:
        if record.sha256:
            store.read_bytes(f"{stem}.tif", record.sha256)
        if record.truth_sha256:
            store.read_bytes(f"{stem}.truth.tif", record.truth_sha256)
    except StoreError as error:
        say(f"ingest: {error}; made again")
        return None
    return record


def conclude(
    units: list[tuple[Region, date, str]], records: dict[tuple[str, date], MonthRecord | None]
) -> int:
    """Write each archive's manifest, say what came of the months, return the failures."""
    by_folder: dict[str, list[dict[str, Any]]] = {}
    outcome: Counter[str] = Counter()
    for _, month, folder in units:
        record = records[folder, month]
        assert record is not None
        by_folder.setdefault(folder, []).append(asdict(record))
        outcome[record.status] += 1
        if record.status != "ok":
            outcome[f"  {record.status}: {record.reason.partition(':')[0]}"] += 1
    for folder, rows in by_folder.items():
        store.write_json(store.join(folder, "manifest.json"), rows)
        say(f"ingest: archive in {folder}")
    say("ingest: " + "; ".join(f"{what.strip()} {n}" for what, n in sorted(outcome.items())))
    return outcome["failed"]


def read_records(config: Config) -> dict[str, list[MonthRecord]]:
    """Archive folder to the records of this run's months, in order.

    Raises:
        StoreError: Months of the run are not in the archive yet.
    """
    source = open_source(config)
    found: dict[str, list[MonthRecord]] = {}
    for region in config.regions:
        folder = archive_folder(config, region, source)
        found[folder] = []
        for month in month_names(config, region, source):
            address = store.join(folder, f"{month:%Y-%m}.json")
            if not store.exists(address):
                raise StoreError(
                    f"region {region.name}, month {month:%Y-%m} is not in the archive {folder}; "
                    "run jobs.ingest with this configuration first"
                )
            found[folder].append(MonthRecord.from_dict(store.read_json(address)))
    return found
