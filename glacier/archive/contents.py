"""What archives hold of a run: months that need no more work, and those that are missing.

Two requests and a listing an archive, whatever the number of its months: see ``manifest``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc

from glacier import seals, store
from glacier.archive.manifest import (
    OUTCOME,
    RECORD,
    SCHEMA,
    TABLE,
    Row,
    encode_rows,
    find_unchanged,
    make_record,
    make_row,
    read_manifest,
)
from glacier.archive.records import (
    Archive,
    ArchiveMonth,
    MonthRecord,
    group_months,
    list_archives,
    look_at_month,
)
from glacier.config import Config
from glacier.errors import StoreError
from glacier.locks import LOCK
from glacier.progress import Progress
from glacier.sources.factory import open_source
from glacier.store import FileState
from glacier.table_rows import TableRows, give_back

TOGETHER = 64
"""Archives whose records lie in one table."""

Records = TableRows[MonthRecord]
"""What became of the months of an archive, a row each."""


@dataclass(frozen=True)
class ArchiveState:
    """What an archive holds of a run."""

    archive: Archive
    records: Records
    """Of the months that need no more work, in order."""
    missing: tuple[ArchiveMonth, ...]
    """The others."""
    rows: tuple[Row, ...]
    """Months that need no more work and are not in the manifest, or not as they lie there now."""
    was_left: bool
    """A lock lies there, whose owner may be dead."""

    def judge(self, min_valid_share: float) -> Records:
        """The records as a run sees them that wants so much of a month."""
        make = partial(make_record, min_valid_share=min_valid_share)
        return TableRows(self.records.table, make)


def look_at_archives(
    archives: Sequence[Archive], owned: bool, columns: Sequence[str] = OUTCOME
) -> list[ArchiveState]:
    """What each archive holds of the months of a run.

    Args:
        archives: With the months that are wanted of each.
        owned: This run alone works in their folders, so damaged files are said and set aside.
        columns: Of the records, ``OUTCOME`` or more.

    Raises:
        StoreError: A store cannot be reached.
    """
    look, states = partial(look_at_archive, owned=owned, columns=columns), list[ArchiveState]()
    looking = Progress("ingest: looking at what is there", len(archives), is_brief=True)
    with looking as progress, ThreadPoolExecutor(store.READERS) as pool:
        for start in range(0, len(archives), TOGETHER):
            found = []
            for state in pool.map(look, archives[start : start + TOGETHER]):
                found.append(state)
                progress.advance(state.archive.region.name)
            records = join_tables([state.records for state in found])
            states += map(with_records, found, records)
    give_back()
    return states


def with_records(state: ArchiveState, records: Records) -> ArchiveState:
    """A state whose records lie elsewhere."""
    return replace(state, records=records)


def look_at_archive(
    archive: Archive, owned: bool = False, columns: Sequence[str] = OUTCOME
) -> ArchiveState:
    """What one archive holds of the months of a run; arguments as above.

    A month of the manifest whose files lie there as it knows them is not opened. Any other is
    looked at by its record and the checksums of its files.

    Raises:
        StoreError: The store cannot be reached.
    """
    files = store.list_states(archive.folder)
    table = read_rows(archive.folder, files, columns, owned)
    again = pc.or_(pc.equal(table["status"], "failed"), table["unsettled"])
    done = table.filter(pc.invert(again))
    known = set(done["month"].to_pylist())
    rows, missing = [], []
    for target in archive.list_targets():
        if target.name in known:
            continue
        state = look_at_month(target) if f"{target.name}.json" in files else None
        for error in state.damage if state and owned else ():
            seals.set_aside(error)
        if state is None or state.record is None:
            missing.append(target)
        else:
            rows.append(make_row(state.record, files))
    records = choose_months(add_rows(done, rows), archive.names)
    left = any(name.startswith(LOCK) for name in files)
    return ArchiveState(archive, records, tuple(missing), tuple(rows), left)


def read_rows(
    folder: str, files: Mapping[str, FileState], columns: Iterable[str], owned: bool = False
) -> pa.Table:
    """Rows of an archive's manifest that still count; none where there is no manifest."""
    table = read_manifest(folder, columns, owned) if TABLE in files else None
    if table is None:
        return pa.schema([SCHEMA.field(name) for name in columns]).empty_table()
    return table.filter(find_unchanged(table, files)).drop_columns("files")


def add_rows(table: pa.Table, rows: Sequence[Row]) -> pa.Table:
    """A table with further months, of which only its own columns are kept."""
    if not rows:
        return table
    further = encode_rows(rows).select(table.column_names)
    return pa.concat_tables([table, further]).unify_dictionaries()


def choose_months(table: pa.Table, names: Sequence[str], min_valid_share: float = 0.0) -> Records:
    """Records of those months that a table has, in the order of their names."""
    make = partial(make_record, min_valid_share=min_valid_share)
    there = table["month"].to_pylist()
    if there == list(names):
        return TableRows(table, make)
    place = {name: k for k, name in enumerate(there)}
    order = pa.array([place[name] for name in names if name in place], pa.int64())
    return TableRows(table.take(order), make)


def read_records(config: Config) -> dict[str, Records]:
    """Archive folder to the records of this run's months, in order.

    Raises:
        StoreError: Months of the run are not in the archive yet.
    """
    return read_archives(config, RECORD)


def read_outcomes(config: Config) -> dict[str, Records]:
    """The same with the columns ``OUTCOME`` alone: half the memory, for what needs no more.

    Raises:
        StoreError: Months of the run are not in the archive yet.
    """
    return read_archives(config, OUTCOME)


def read_archives(config: Config, columns: Sequence[str]) -> dict[str, Records]:
    """Some columns of the records of a run's months by archive folder, several at a time.

    Raises:
        StoreError: Months of the run are not in the archive yet.
    """
    archives, least = list_archives(config, open_source(config)), config.ingest.min_valid_share
    read = partial(read_archive, columns=columns, min_valid_share=least)
    found: list[Records] = []
    with ThreadPoolExecutor(store.READERS) as pool:
        for start in range(0, len(archives), TOGETHER):
            found += join_tables(list(pool.map(read, archives[start : start + TOGETHER])))
    give_back()
    return {archive.folder: records for archive, records in zip(archives, found, strict=True)}


def join_tables(found: Sequence[Records]) -> list[Records]:
    """Records of archives as parts of one table: a small one takes more than its content."""
    if not found:
        return []
    whole = pa.concat_tables([records.table for records in found]).unify_dictionaries()
    whole = whole.combine_chunks()
    ends = accumulate(map(len, found))
    return [
        TableRows(whole.slice(end - len(records), len(records)), records.make)
        for end, records in zip(ends, found, strict=True)
    ]


def read_archive(archive: Archive, columns: Sequence[str], min_valid_share: float) -> Records:
    """Some columns of the records of a run's months, from the manifest as far as it counts.

    Raises:
        DamagedError: A record is damaged.
        StoreError: A month is not in the archive yet.
    """
    files = store.list_states(archive.folder)
    table = read_rows(archive.folder, files, columns)
    known, rows = set(table["month"].to_pylist()), []
    for target in archive.list_targets():
        if target.name in known:
            continue
        if f"{target.name}.json" not in files:
            raise StoreError(
                f"region {archive.region.name}, month {target.name} is not in the archive "
                f"{archive.folder}; run `glacier ingest` with this configuration first"
            )
        rows.append(make_row(target.read_record(), files))
    return choose_months(add_rows(table, rows), archive.names, min_valid_share)


def find_complete(
    targets: Iterable[ArchiveMonth], owned: bool
) -> dict[ArchiveMonth, MonthRecord | None]:
    """The record of each month that needs no more work.

    Args:
        targets: The months.
        owned: This run alone works in their folders, so damaged files are said and set aside.
    """
    archives = group_months(targets)
    found: dict[ArchiveMonth, MonthRecord | None] = {}
    for archive, state in zip(archives, look_at_archives(archives, owned, RECORD), strict=True):
        records = {record.month: record for record in state.records}
        found |= {target: records.get(target.name) for target in archive.list_targets()}
    return found
