"""Region and months -> the archive: one composite a month, or the reason why there is none.

A rerun does only what is missing, damaged or failed; ``archive`` says when a month is complete.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from typing import Any

import ray

from glacier import store
from glacier.archive.records import (
    MonthRecord,
    archive_folder,
    archive_key,
    complete_record,
    count_attempts,
    draw_archive,
    month_names,
    write_month,
)
from glacier.archive.workers import open_crew
from glacier.cluster import connect
from glacier.composite import Composite, Empty
from glacier.config import Config, Region
from glacier.errors import ConfigError, GlacierError
from glacier.landsat import is_settled
from glacier.progress import Progress, say
from glacier.sources.factory import open_source
from glacier.sources.limiter import RequestLimit

MAX_REASONS = 8
"""Kinds of reasons that the end of a run names."""

CATALOGUES = ("earthengine", "stac")
"""Sources that grow as scenes are taken and processed."""


def run_ingest(config: Config) -> int:
    """Fill the archive of every region; returns how many months failed past the allowed number.

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
        for region in {unit[0].name: unit[0] for unit in pending}.values():
            source.survey(region)
        with connect(config.cluster), Progress("ingest", len(pending)) as progress:
            for folder, month, record in ingest_months(config, pending):
                records[folder, month] = record
                progress.advance(f"{record.region} {record.month} {record.status} {record.reason}")
    return conclude(config, units, records)


def ingest_months(
    config: Config, pending: list[tuple[Region, date, str]]
) -> Iterator[tuple[str, date, MonthRecord]]:
    """Run the months on workers, a bounded number at a time, and yield them as they end.

    Raises:
        ConfigError: No month can be had with this configuration.
    """
    waiting = list(reversed(pending))
    running: dict[Any, tuple[str, date]] = {}
    with open_crew(config, ingest_month) as crew:
        while waiting or running:
            while waiting and len(running) < crew.room():
                region, month, folder = waiting.pop()
                running[crew.start(region, month, folder)] = (folder, month)
            (ready,), _ = ray.wait(list(running), num_returns=1)
            folder, month = running.pop(ready)
            yield folder, month, MonthRecord.from_dict(crew.finish(ready))


def ingest_month(
    config: Config,
    region: Region,
    month: date,
    folder: str,
    limiter: RequestLimit | None = None,
) -> dict[str, Any]:
    """Make one month: image first, its record last.

    Returns:
        The record as plain values. An expected error becomes a record with status failed.

    Raises:
        ConfigError: The fault is the configuration's, so that every other month has it too.
    """
    began = time.monotonic()
    name = f"{month:%Y-%m}"
    facts: dict[str, Any] = {
        "source": config.ingest.source,
        "cloud_profile": config.ingest.cloud_profile,
        "unsettled": config.ingest.source in CATALOGUES and not is_settled(month),
        "attempts": count_attempts(folder, name),
    }
    try:
        source = open_source(config, limiter)
        facts["config_sha256"] = archive_key(config, region, source)
        result = source.fetch_month(region, month)
        facts["repeats"] = result.repeats
        if isinstance(result, Composite) and result.valid_share() < config.ingest.min_valid_share:
            share, least = result.valid_share(), config.ingest.min_valid_share
            result = Empty(f"valid_share: {share:.3f} is below {least:.3f}")
        if isinstance(result, Empty):
            facts |= {"status": "empty", "reason": result.reason}
        else:
            facts |= write_month(result, source.grid(region), store.join(folder, name))
            facts |= {"status": "ok"}
    except ConfigError:
        raise
    except GlacierError as error:
        facts["repeats"] = getattr(error, "repeats", 0)
        facts |= {"status": "failed", "error": type(error).__name__, "reason": str(error)}
    seconds = round(time.monotonic() - began, 3)
    record = asdict(MonthRecord(region=region.name, month=name, seconds=seconds, **facts))
    store.write_json(store.join(folder, f"{name}.json"), record)
    return record


def conclude(
    config: Config,
    units: list[tuple[Region, date, str]],
    records: dict[tuple[str, date], MonthRecord | None],
) -> int:
    """Write manifests and calendar, say what came of the months; returns failures as above."""
    if not units:
        say("ingest: the source holds none of the months")
        return 0
    by_folder: dict[str, list[MonthRecord]] = {}
    for _, month, folder in units:
        record = records[folder, month]
        assert record is not None
        by_folder.setdefault(folder, []).append(record)
    changed = False
    for folder, rows in by_folder.items():
        changed |= write_manifest(folder, rows)
        store.remove_leftovers(folder)
    done = [record for rows in by_folder.values() for record in rows]
    if len(by_folder) == 1:
        say(f"ingest: archive in {folder}")
    else:
        say(f"ingest: {len(by_folder)} archives in {folder.rpartition('/')[0]}")
    calendar = store.join(store.absolute(config.results), config.name, "calendar.png")
    if changed or not store.exists(calendar):
        write_calendar(calendar, done)
    say_outcome(done)
    failed = sum(record.status == "failed" for record in done)
    return max(0, failed - config.ingest.max_failed)


def write_manifest(folder: str, rows: list[MonthRecord]) -> bool:
    """Write the records of an archive's months; returns whether they differ from what was there."""
    address = store.join(folder, "manifest.json")
    values = [asdict(row) for row in rows]
    if store.exists(address) and store.read_json(address) == json.loads(json.dumps(values)):
        return False
    store.write_json(address, values)
    return True


def write_calendar(address: str, records: list[MonthRecord]) -> None:
    """Draw the months' calendar, where there are enough for one."""
    if (picture := draw_archive(records)) is not None:
        store.write_bytes(address, picture.png)
        say(f"ingest: calendar in {address}")


def say_outcome(records: list[MonthRecord]) -> None:
    """Say how many months have which outcome, and the commonest reasons with an example."""
    outcome = Counter(record.status for record in records)
    counts = ", ".join(f"{outcome[status]} {status}" for status in ("ok", "empty", "failed"))
    say(f"ingest: {len(records)} months: {counts}")
    why = Counter((record.status, record.kind) for record in records if record.status != "ok")
    for (status, kind), count in why.most_common(MAX_REASONS):
        first = next(r for r in records if (r.status, r.kind) == (status, kind))
        example = f"; {first.region} {first.month}: {first.why}" if status == "failed" else ""
        say(f"ingest: {count:5} {status}: {kind}{example}")
