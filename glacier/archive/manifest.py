"""The manifest of an archive: a table of what became of its months, so that none is opened again.

``manifest.parquet`` holds a row a month: its record, and name, sha256, size and version of each of
its files; ``manifest.json`` vouches for the table. The records beside the images stay what says
that a month is complete: they are written month by month and outlast a kill. The table repeats
them. A row counts only while all files of its month lie there in the state that it knows; without
that, or without a table, the records are read.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict

import pyarrow as pa
import pyarrow.parquet as pq

from glacier import seals, store
from glacier.archive.records import MonthRecord
from glacier.store import FileState
from glacier.table_rows import REPEATED

TABLE, SEAL = "manifest.parquet", "manifest.json"
"""Names of the table and of what vouches for it."""

SCHEMA = pa.schema(
    {
        "region": REPEATED,
        "month": pa.string(),
        "status": REPEATED,
        "reason": REPEATED,
        "error": REPEATED,
        "sha256": pa.string(),
        "truth_sha256": pa.string(),
        "outlines_sha256": pa.string(),
        "scene_ids": pa.list_(pa.string()),
        "platforms": pa.list_(pa.string()),
        "skipped": pa.list_(pa.string()),
        "n_obs": pa.struct({"fewest": pa.int64(), "median": pa.float64(), "most": pa.int64()}),
        "valid_share": pa.float64(),
        "saturated_share": pa.float64(),
        "sun_elevation_deg": pa.float64(),
        "source": REPEATED,
        "cloud_profile": REPEATED,
        "config_sha256": REPEATED,
        "unsettled": pa.bool_(),
        "attempts": pa.int64(),
        "repeats": pa.int64(),
        "seconds": pa.float64(),
        "files": pa.list_(
            pa.struct(
                {
                    "name": pa.string(),
                    "sha256": pa.string(),
                    "size": pa.int64(),
                    "version": pa.string(),
                }
            )
        ),
    }
)
"""Columns: those of ``MonthRecord``, and the month's files. ``version``: time of the last change in
nanoseconds, or the ETag of an object store; empty where nothing tells, and then the row never
counts. ``sha256`` is empty for the record, which is sealed."""

RECORD = tuple(name for name in SCHEMA.names if name != "files")
"""Columns of a month's record."""

OUTCOME = (
    "region", "month", "status", "reason", "error", "sha256", "truth_sha256", "valid_share",
    "unsettled",
)  # fmt: skip
"""Those of what became of a month, without what only maps and pages tell of it."""


class ArchiveManifest(seals.Manifest):
    """What vouches for the table: ``manifest.json``."""

    format: Literal[1] = 1
    months: int
    """Rows of the table."""


class FileRow(TypedDict):
    """A file of a month, as the table knows it."""

    name: str
    sha256: str
    size: int
    version: str


Row = dict[str, Any]
"""A month by the columns of ``SCHEMA``."""


def make_row(record: MonthRecord, files: Mapping[str, FileState]) -> Row:
    """A row of the table.

    Args:
        record: What became of the month.
        files: All files of the archive. A month with one that is not among them is looked at again.
    """
    gone = FileState(0, "")
    known: list[FileRow] = []
    for name, sha256 in {f"{record.month}.json": "", **record.files}.items():
        size, version = files.get(name, gone)
        known.append({"name": name, "sha256": sha256, "size": size, "version": version})
    fewest, median, most = record.n_obs
    n_obs = {"fewest": fewest, "median": median, "most": most}
    return record.as_dict() | {"n_obs": n_obs, "files": known}


def make_record(row: Row, min_valid_share: float = 0.0) -> MonthRecord:
    """The record of a row, as a run sees it that wants so much of a month.

    Columns that were not read are left unknown.
    """
    values = row | {name: tuple(row[name]) for name in LISTS if name in row}
    if "n_obs" in row:
        values["n_obs"] = tuple(row["n_obs"].values())
    values.pop("files", None)
    return MonthRecord(**values).judge(min_valid_share)


LISTS = ("scene_ids", "platforms", "skipped")


def encode_rows(rows: Sequence[Row]) -> pa.Table:
    """A table of some months."""
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


def read_manifest(folder: str, columns: Iterable[str], owned: bool) -> pa.Table | None:
    """The table of an archive, with some columns and the months' files; None without a whole one.

    Args:
        folder: Address of the archive.
        columns: Of ``SCHEMA``.
        owned: This run alone works there, so what is damaged is said and set aside.

    Raises:
        StoreError: The store cannot be reached.
    """
    found = seals.read_vouched(store.join(folder, SEAL), ArchiveManifest, TABLE, owned)
    if found is None:
        return None
    table = pq.read_table(pa.BufferReader(found[1]), columns=[*columns, "files"])
    return table.cast(pa.schema([SCHEMA.field(name) for name in table.column_names]))


def find_unchanged(table: pa.Table, files: Mapping[str, FileState]) -> pa.Array:
    """Which rows still count: (rows,) bool, true where all files lie there as the row knows them.

    Args:
        table: With the column ``files``.
        files: All files of the archive.
    """

    def is_same(known: FileRow) -> bool:
        state = FileState(known["size"], known["version"])
        return bool(state.version) and files.get(known["name"]) == state

    return pa.array([all(map(is_same, row)) for row in table["files"].to_pylist()], pa.bool_())


def update_manifest(folder: str, rows: Sequence[Row]) -> None:
    """Take months into the table of an archive in which this run alone works.

    Rows whose files have changed go, so that the table never outgrows what is there. Where nothing
    comes of that nothing is written.

    Raises:
        StoreError: The place cannot be read or written.
    """
    files = store.list_states(folder)
    before = read_manifest(folder, RECORD, owned=True) if TABLE in files else None
    known = SCHEMA.empty_table() if before is None else before
    kept = known.filter(find_unchanged(known, files)).to_pylist()
    months = {row["month"]: row for row in (*kept, *rows)}
    table = encode_rows([months[name] for name in sorted(months)])
    if before is not None and table.to_pylist() == before.to_pylist():
        return
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    value = ArchiveManifest(months=table.num_rows)
    seals.write_whole(store.join(folder, SEAL), value, {TABLE: buffer.getvalue()})


def describe_written(folder: str, records: Iterable[MonthRecord]) -> list[Row]:
    """Rows of months that have just been written to an archive."""
    files = store.list_states(folder)
    return [make_row(record, files) for record in records]
