"""Region and months -> the archive: one composite a month, or the reason why there is none.

A rerun does only what is missing, damaged or failed; ``records`` says when a month is complete, and
``contents`` how that is seen without opening it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain

import cv2

from glacier import store
from glacier.archive.calendar import write_calendar
from glacier.archive.contents import ArchiveState, Records, look_at_archives, read_outcomes
from glacier.archive.manifest import Row, describe_written, update_manifest
from glacier.archive.records import (
    ArchiveMonth,
    MonthRecord,
    count_attempts,
    find_unsettled,
    group_months,
    list_archives,
    write_month,
)
from glacier.archive.workers import make_months, open_pool
from glacier.cluster import connect
from glacier.composite import Empty
from glacier.config import Config
from glacier.errors import ConfigError, GlacierError, Occupied, SourceError
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
    states = look_at_archives(list_archives(config, source), owned=False)
    missing = [target for state in states for target in state.missing]
    if not missing:
        left = [state.archive.folder for state in states if state.was_left]
        remove_dead(config, *left, store.results_folder(config))
        return conclude(config, states)
    with hold(config, *{target.folder for target in missing}):
        for _ in fill_archives(config, source, missing):
            pass
        return conclude(config, states)


def fill_archives(
    config: Config, source: Source, missing: Sequence[ArchiveMonth]
) -> Iterator[tuple[ArchiveMonth, MonthRecord]]:
    """Make the months that are missing, in folders that this run holds.

    Args:
        config: The run.
        source: Of its scenes.
        missing: Months that were not complete when it was looked.

    Yields:
        Each of them and what became of it.
    """
    states = look_at_archives(group_months(missing), owned=True)  # another run may have made some
    for state in states:
        targets = {target.name: target for target in state.archive.list_targets()}
        yield from ((targets[record.month], record) for record in state.records)
        if not state.missing and state.rows:
            update_manifest(state.archive.folder, state.rows)
    if pending := [target for state in states for target in state.missing]:
        known = {state.archive.folder: list(state.rows) for state in states if state.missing}
        yield from ingest_pending(config, source, pending, known)


def ingest_pending(
    config: Config, source: Source, pending: list[ArchiveMonth], known: dict[str, list[Row]]
) -> Iterator[tuple[ArchiveMonth, MonthRecord]]:
    """Make the missing months; an archive that has all of its own is noted in its manifest.

    Args:
        config: The run.
        source: Of its scenes.
        pending: The months.
        known: Address of each of their archives to what is to be noted beside them.

    Yields:
        Each month and what became of it.
    """
    remove_leftovers(store.join(store.absolute(config.storage), "catalogue"), SHARED_S)
    for region in {target.region.name: target.region for target in pending}.values():
        source.survey(region)
    left = Counter(target.folder for target in pending)
    made: dict[str, list[MonthRecord]] = {}
    joined = connect(config.cluster, storage=config.storage)
    with joined, Progress("ingest", len(pending)) as progress:
        for target, record in ingest_months(config, pending):
            if record.status == "ok" and record.reason:  # in a log, too, and at once
                say(f"ingest: {record.region} {record.month} {record.reason}")
            progress.advance(f"{record.region} {record.month} {record.status} {record.reason}")
            noted = replace(record, reason="") if record.status == "ok" else record
            made.setdefault(target.folder, []).append(noted)
            left[target.folder] -= 1
            if not left[target.folder]:
                rows = describe_written(target.folder, made.pop(target.folder))
                update_manifest(target.folder, [*known.pop(target.folder), *rows])
            yield target, record


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
        source=config.ingest.source_of(target.region.name),
        cloud_profile=config.ingest.cloud_profile,
        config_sha256=target.key,
        unsettled=config.ingest.settings_of(target.region.name).grows
        and not is_settled(target.month),
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


def conclude(config: Config, states: Sequence[ArchiveState]) -> int:
    """Note what is new in manifests and calendar, and say what came of the months.

    Args:
        config: The run.
        states: What its archives held when it began.

    Returns:
        How many months failed past the allowed number.
    """
    for state in states:
        note_months(config, state)
    if any(state.missing for state in states):
        found = read_outcomes(config)
    else:
        least = config.ingest.min_valid_share
        found = {state.archive.folder: state.judge(least) for state in states}
    archives = {folder: records for folder, records in found.items() if records}
    if not archives:
        say("ingest: the source holds none of the months")
        return 0
    say_where(list(archives))
    write_calendar(config, archives)
    failed = say_outcome(archives)
    return max(0, failed - config.ingest.max_failed)


def note_months(config: Config, state: ArchiveState) -> None:
    """Note months that are complete in the manifest of their archive, unless they are there.

    Where another run works, it notes them at its end: nobody waits for that.
    """
    if state.rows:
        at_once = config.model_copy(update={"when_locked": "leave"})
        with suppress(Occupied), hold(at_once, state.archive.folder):
            update_manifest(state.archive.folder, state.rows)


def say_where(folders: list[str]) -> None:
    """Say where the archives of the regions lie."""
    if len(folders) == 1:
        say(f"ingest: archive in {folders[0]}")
    else:
        say(f"ingest: {len(folders)} archives in {folders[-1].rpartition('/')[0]}")


def say_outcome(archives: Mapping[str, Records]) -> int:
    """Say how many months have which outcome, and the commonest reasons with an example.

    Returns:
        How many failed.
    """
    outcome, why = Counter[str](), Counter[tuple[str, str]]()
    examples: dict[tuple[str, str], MonthRecord] = {}
    for record in chain.from_iterable(archives.values()):
        outcome[record.status] += 1
        if record.status != "ok":
            why[record.status, record.kind] += 1
            examples.setdefault((record.status, record.kind), record)
    counts = ", ".join(f"{outcome[status]} {status}" for status in ("ok", "empty", "failed"))
    say(f"ingest: {outcome.total()} months: {counts}")
    for (status, kind), count in why.most_common(MAX_REASONS):
        first = examples[status, kind]
        example = f"; {first.region} {first.month}: {first.why}" if first.why != kind else ""
        say(f"ingest: {count:5} {status}: {kind}{example}")
    return outcome["failed"]
