"""Region and months -> the archive: one composite a month, or the reason why there is none.

A rerun does only what is missing, damaged or failed; ``records`` says when a month is complete.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import cv2

from glacier import seals, store
from glacier.archive.calendar import write_calendar
from glacier.archive.records import (
    ArchiveMonth,
    MonthRecord,
    count_attempts,
    find_unsettled,
    list_months,
    look_at_month,
    write_month,
)
from glacier.archive.workers import make_months, open_pool
from glacier.cluster import connect
from glacier.composite import Empty
from glacier.config import Config
from glacier.errors import ConfigError, DamagedError, GlacierError, Occupied, SourceError
from glacier.landsat import is_settled
from glacier.locks import SHARED_S, hold, remove_dead, remove_leftovers
from glacier.progress import Progress, say
from glacier.sources.factory import open_source
from glacier.sources.limiter import RequestLimit
from glacier.sources.source import Source

MAX_REASONS = 8
"""Kinds of reasons that the end of a run names."""


def run_ingest(config: Config) -> int:
    """Fill the archive of every region; returns how many months failed past the allowed number.

    Raises:
        ConfigError: The source cannot be used.
    """
    source = open_source(config)
    targets = list_months(config, source)
    records = find_complete(targets, owned=False)
    missing = [target for target in targets if not records[target]]
    if not missing:
        remove_dead(config, *{target.folder for target in targets}, store.results_folder(config))
        return conclude(config, records)
    with hold(config, *{target.folder for target in missing}):
        fill_archive(config, source, missing, records)
        return conclude(config, records)


def fill_archive(
    config: Config,
    source: Source,
    missing: list[ArchiveMonth],
    records: dict[ArchiveMonth, MonthRecord | None],
) -> None:
    """Make the months that are missing, in folders that this run holds.

    Args:
        config: The run.
        source: Of its scenes.
        missing: Months that were not complete when it was looked.
        records: Where what becomes of them is put.
    """
    records |= find_complete(missing, owned=True)  # another run may have made them meanwhile
    pending = [target for target in missing if not records[target]]
    if pending:
        ingest_pending(config, source, pending, records)


def ingest_pending(
    config: Config,
    source: Source,
    pending: list[ArchiveMonth],
    records: dict[ArchiveMonth, MonthRecord | None],
) -> None:
    """Make the missing months, and put what becomes of them among the records."""
    remove_leftovers(store.join(store.absolute(config.storage), "catalogue"), SHARED_S)
    for region in {target.region.name: target.region for target in pending}.values():
        source.survey(region)
    with (
        connect(config.cluster, storage=config.storage),
        Progress("ingest", len(pending)) as progress,
    ):
        for target, record in ingest_months(config, pending):
            records[target] = record
            if record.status == "ok" and record.reason:  # in a log, too, and at once
                say(f"ingest: {record.region} {record.month} {record.reason}")
            progress.advance(f"{record.region} {record.month} {record.status} {record.reason}")


def find_complete(
    targets: list[ArchiveMonth], owned: bool
) -> dict[ArchiveMonth, MonthRecord | None]:
    """The record of each month that needs no more work.

    Args:
        targets: The months.
        owned: This run alone works in their folders, so damaged files are said and set aside.
    """
    records: dict[ArchiveMonth, MonthRecord | None] = {}
    looking = Progress("ingest: looking at what is there", len(targets), is_brief=True)
    with looking as progress, ThreadPoolExecutor() as pool:
        for target, state in zip(targets, pool.map(look_at_month, targets), strict=True):
            records[target] = state.record
            for error in state.damage if owned else ():
                seals.set_aside(error)
            progress.advance(f"{target.region.name} {target.name}")
    return records


def ingest_months(
    config: Config, pending: list[ArchiveMonth]
) -> Iterator[tuple[ArchiveMonth, MonthRecord]]:
    """Run the months on workers, a bounded number at a time, and yield them as they end.

    Raises:
        ConfigError: No month can be had with this configuration.
    """
    with open_pool(config, ingest_month) as pool:
        yield from make_months(pool, pending)


def ingest_month(
    config: Config, target: ArchiveMonth, limiter: RequestLimit | None = None
) -> MonthRecord:
    """Make one month: image first, its record last.

    Returns:
        Its record. An expected error becomes a record with status failed, unless the month was only
        asked for new scenes: then it stays as it is, and the error is the record's reason here.

    Raises:
        ConfigError: The fault is the configuration's, so that every other month has it too.
    """
    cv2.setNumThreads(1)  # a task has one core
    began = time.monotonic()
    record = begin_record(config, target)
    try:
        record = fetch_month(config, target, record, limiter)
    except ConfigError:
        raise
    except GlacierError as error:
        if (earlier := find_unsettled(target)) is not None:
            return replace(earlier, reason=f"as it was; asked for new scenes: {error}")
        repeats = error.repeats if isinstance(error, SourceError) else 0
        record = replace(record, error=type(error).__name__, reason=str(error), repeats=repeats)
    record = replace(record, seconds=round(time.monotonic() - began, 3))
    target.write_record(record)
    return record


def begin_record(config: Config, target: ArchiveMonth) -> MonthRecord:
    """What is known of a month before it is asked for: failed, unless it comes to something."""
    return MonthRecord(
        region=target.region.name,
        month=target.name,
        status="failed",
        source=config.ingest.source,
        cloud_profile=config.ingest.cloud_profile,
        config_sha256=target.key,
        unsettled=config.ingest.chosen.grows and not is_settled(target.month),
        attempts=count_attempts(target),
    )


def fetch_month(
    config: Config, target: ArchiveMonth, record: MonthRecord, limiter: RequestLimit | None
) -> MonthRecord:
    """Ask the source for a month and keep what it gives; returns the record with the outcome.

    Raises:
        GlacierError: The month cannot be had or not be kept.
    """
    source = open_source(config, limiter)
    result = source.fetch_month(target.region, target.month)
    record = replace(record, repeats=result.repeats)
    if isinstance(result, Empty):
        return replace(record, status="empty", reason=result.reason)
    return write_month(result, source.grid(target.region), target, record)


def conclude(config: Config, records: dict[ArchiveMonth, MonthRecord | None]) -> int:
    """Write manifests and calendar, say what came of the months; returns failures as above."""
    by_folder: dict[str, list[MonthRecord]] = {}
    for target, record in records.items():
        assert record is not None
        judged = record.judge(config.ingest.min_valid_share)
        by_folder.setdefault(target.folder, []).append(judged)
    if not by_folder:
        say("ingest: the source holds none of the months")
        return 0
    for folder, rows in by_folder.items():
        write_manifest(config, folder, rows)
    done = [record for rows in by_folder.values() for record in rows]
    say_where(list(by_folder))
    write_calendar(config, done)
    say_outcome(done)
    failed = sum(record.status == "failed" for record in done)
    return max(0, failed - config.ingest.max_failed)


def say_where(folders: list[str]) -> None:
    """Say where the archives of the regions lie."""
    if len(folders) == 1:
        say(f"ingest: archive in {folders[0]}")
    else:
        say(f"ingest: {len(folders)} archives in {folders[-1].rpartition('/')[0]}")


def write_manifest(config: Config, folder: str, rows: list[MonthRecord]) -> None:
    """Write the records of an archive's months, unless they are there already.

    Where another run works, it writes its own at its end: nobody waits for that.
    """
    address = store.join(folder, "manifest.json")
    value = {"months": [row.as_dict() for row in rows]}
    if is_written(address, value, owned=False):
        return
    at_once = config.model_copy(update={"when_locked": "leave"})
    with suppress(Occupied), hold(at_once, folder):
        if not is_written(address, value, owned=True):
            seals.write_json(address, value)


def is_written(address: str, value: dict[str, Any], owned: bool) -> bool:
    """Whether a sealed JSON file holds a value.

    Args:
        address: Of the file.
        value: What it has to hold.
        owned: This run alone works in its folder, so a damaged one is said and set aside.
    """
    try:
        return store.exists(address) and bool(
            seals.read_json(address) == json.loads(json.dumps(value))
        )
    except DamagedError as error:
        if owned:
            seals.set_aside(error)
        return False


def say_outcome(records: list[MonthRecord]) -> None:
    """Say how many months have which outcome, and the commonest reasons with an example."""
    outcome = Counter(record.status for record in records)
    counts = ", ".join(f"{outcome[status]} {status}" for status in ("ok", "empty", "failed"))
    say(f"ingest: {len(records)} months: {counts}")
    why = Counter((record.status, record.kind) for record in records if record.status != "ok")
    for (status, kind), count in why.most_common(MAX_REASONS):
        first = next(r for r in records if (r.status, r.kind) == (status, kind))
        example = f"; {first.region} {first.month}: {first.why}" if first.why != kind else ""
        say(f"ingest: {count:5} {status}: {kind}{example}")
