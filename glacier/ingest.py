"""Region and months -> the archive: one composite a month, or the reason why there is none.

A rerun does only what is missing, damaged or failed; ``archive`` says when a month is complete.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from typing import Any

import ray

from glacier import store
from glacier.archive import (
    MonthRecord,
    archive_folder,
    complete_record,
    month_names,
    write_month,
)
from glacier.cluster import connect
from glacier.composite import Composite, Empty
from glacier.config import Config, Region
from glacier.crews import open_crew
from glacier.errors import ConfigError, GlacierError
from glacier.limiter import RequestLimit
from glacier.progress import Progress, say
from glacier.sources.source import open_source


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
        for region in {unit[0].name: unit[0] for unit in pending}.values():
            source.survey(region)
        with connect(config.cluster), Progress("ingest", len(pending)) as progress:
            for folder, month, record in ingest_months(config, pending):
                records[folder, month] = record
                progress.advance(f"{record.region} {record.month} {record.status} {record.reason}")
    return conclude(units, records)


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
    facts: dict[str, Any] = {"source": config.ingest.source}
    try:
        source = open_source(config, limiter)
        result = source.fetch_month(region, month)
        facts["attempts"] = result.attempts
        if isinstance(result, Composite) and result.valid_share() < config.ingest.min_valid_share:
            share, least = result.valid_share(), config.ingest.min_valid_share
            result = Empty(f"valid_share: {share:.3f} is below {least:.3f}")
        if isinstance(result, Empty):
            facts |= {"status": "empty", "reason": result.reason}
        else:
            facts |= write_month(result, source.grid(region), store.join(folder, name))
            facts |= {"status": "ok", "cloud_profile": config.ingest.cloud_profile}
    except ConfigError:
        raise
    except GlacierError as error:
        facts["attempts"] = getattr(error, "attempts", 1)
        facts |= {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
    seconds = round(time.monotonic() - began, 3)
    record = asdict(MonthRecord(region=region.name, month=name, seconds=seconds, **facts))
    store.write_json(store.join(folder, f"{name}.json"), record)
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
