"""Which months of a run are prepared: seen by one listing, and not by opening each of them.

All files of a month together have a state, one number that follows from name, size and time of
change (or ETag) of each. A complete set knows the states that its months had. A month whose state
is still the same needs no look; of any other, what vouches for its files is read, and they are
held against their checksums.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from glacier import seals, store
from glacier.archive.contents import Records
from glacier.archive.manifest import make_record
from glacier.config import Config
from glacier.errors import DamagedError, StoreError
from glacier.samples.month import MonthTask
from glacier.samples.rows import PreparedMonth
from glacier.samples.sample_set import (
    SampleSet,
    hold_months,
    make_row,
    read_set,
    set_address,
)
from glacier.settings.prepare import Prepare
from glacier.store import FileState
from glacier.table_rows import REPEATED

FILE = re.compile(r"(?:quicklooks/([^/]+)/|([a-z0-9][^/]*)_)(\d{4}-\d\d)[._][^/]*")
"""Name of a file of a month below the samples: a picture, or its rows and what vouches for them."""

PLACE = pa.field("place", pa.int64())
"""Column: which month of the run a row is, counted from 0."""

AT_ONCE = 1024
"""Months that are looked at before the next are chosen."""


@dataclass(frozen=True)
class RunMonths:
    """The months of a run in order: what became of each in the archive."""

    config: Config
    folder: str
    """Address of the samples."""
    archives: Mapping[str, Records]
    """By the address of their archive."""

    @property
    def starts(self) -> list[int]:
        """Place of the first month of each archive, and the number of all."""
        return list(accumulate(map(len, self.archives.values()), initial=0))

    def choose(self, chosen: NDArray[np.bool_]) -> pa.Table:
        """Columns of the records of some months, with ``archive`` and ``place``.

        Args:
            chosen: (months,) bool.
        """
        tables = []
        for (archive, records), start in zip(self.archives.items(), self.starts, strict=False):
            mine = np.flatnonzero(chosen[start : start + len(records)])
            table = records.table.take(pa.array(mine, pa.int64()))
            table = table.append_column("archive", pa.array([archive] * len(mine)).cast(REPEATED))
            tables.append(table.append_column(PLACE, pa.array(mine + start, pa.int64())))
        return pa.concat_tables(tables).unify_dictionaries()

    def find_places(self) -> dict[str, tuple[int, dict[str, int]]]:
        """Region to the place of its first month, and month to its place after that."""
        orders: dict[tuple[str, ...], dict[str, int]] = {}  # most regions have the same months
        found = {}
        for records, start in zip(self.archives.values(), self.starts, strict=False):
            if records:
                names = tuple(records.table["month"].to_pylist())
                order = orders.setdefault(names, {name: k for k, name in enumerate(names)})
                found[records.table["region"][0].as_py()] = (start, order)
        return found


@dataclass(frozen=True)
class MonthStates:
    """The files of all months of a run as they lie there."""

    values: NDArray[np.uint64]
    """(months,) uint64; 0 where a month has no file."""
    has_pictures: bool

    @classmethod
    def read(cls, months: RunMonths) -> MonthStates:
        """Those of a run; quick looks count where they are wanted.

        Raises:
            StoreError: The store cannot be reached.
        """
        places, looks = months.find_places(), months.config.prepare.quick_looks
        starts = [f"{name}_" for name in places]
        starts += [f"quicklooks/{name}/" for name in places] if looks else []
        values, has_pictures = np.zeros(months.starts[-1], np.uint64), False
        for name, state in store.walk_states(months.folder, starts):
            match = FILE.fullmatch(name)
            if match is None or (match[1] and not looks):
                continue
            start, order = places.get(match[1] or match[2], (0, {}))
            if (place := order.get(match[3])) is not None:
                values[start + place] ^= mark_file(name, state)
                has_pictures |= match[1] is not None
        return cls(values, has_pictures)


def mark_file(name: str, state: FileState) -> np.uint64:
    """A number for a file in a state; where nothing tells the state, it is another every time."""
    version = state.version.encode() or os.urandom(8)
    text = b"%b\0%d\0%b" % (name.encode(), state.size, version)
    return np.uint64(int.from_bytes(blake2b(text, digest_size=8).digest(), "little"))


@dataclass(frozen=True)
class Prepared:
    """What is prepared of a run."""

    months: pa.Table
    """What became of each, the columns ``MONTHS``, with ``place``."""
    pending: NDArray[np.bool_]
    """(months,) bool: those that need work."""
    described: SampleSet | None
    """The set as it is described, if it is."""


def find_prepared(months: RunMonths, owned: bool) -> Prepared:
    """What is prepared of a run.

    A month needs work, too, where no month has quick looks though they are wanted.

    Args:
        months: Of the run.
        owned: This run alone works in their folder, so damaged files are said and set aside.

    Raises:
        StoreError: A store cannot be reached.
    """
    described = find_described(months.folder, owned)
    states = MonthStates.read(months)
    done = keep_unchanged(described, states)
    known = np.zeros(len(states.values), bool)
    known[done["place"].to_numpy()] = True
    rows = list(look_at_months(months, ~known & (states.values != 0), states, owned))
    if rows:
        looked = pa.Table.from_pylist(rows, done.schema)
        done = pa.concat_tables([done, looked]).unify_dictionaries()
    if months.config.prepare.quick_looks and not states.has_pictures:
        done = done.filter(pc.not_equal(done["status"], "ok"))
    pending = np.ones(len(states.values), bool)
    pending[done["place"].to_numpy()] = False
    return Prepared(done, pending, described)


def find_described(folder: str, owned: bool) -> SampleSet | None:
    """The set as it is described in a folder; None where it is not, or not whole.

    Raises:
        StoreError: The store cannot be reached.
    """
    try:
        return read_set(folder)
    except DamagedError as error:
        if owned:
            seals.set_aside(error)
    except StoreError:
        if store.exists(set_address(folder)):
            raise
    return None


def keep_unchanged(described: SampleSet | None, states: MonthStates) -> pa.Table:
    """Months of a set that have not failed and whose files are as it knows them, with places."""
    months = hold_months(described.months if described else ()).table
    if len(months) != len(states.values):
        months = months.slice(0, 0)
    now = states.values[: len(months)]
    same = pa.array((months["state"].to_numpy() == now) & (now != 0))
    kept = pc.and_(same, pc.not_equal(months["status"], "failed"))
    months = months.append_column(PLACE, pa.array(np.arange(len(months)), pa.int64()))
    return months if pc.all(kept).as_py() else months.filter(kept)


def look_at_months(
    months: RunMonths, chosen: NDArray[np.bool_], states: MonthStates, owned: bool
) -> Iterator[dict[str, Any]]:
    """Rows of those of some months that are there whole, by what vouches for their files.

    Raises:
        StoreError: A store cannot be reached.
    """

    def look(row: dict[str, Any]) -> dict[str, Any] | None:
        """The row of one month; None where it needs work."""
        task = make_task(row, months.folder, months.config.prepare)
        found = seals.read_whole(task.address, PreparedMonth, owned)
        if found is None or found.month.status == "failed":
            return None
        place = row["place"]
        return make_row(found.month, int(states.values[place])) | {"place": place}

    table = months.choose(chosen)
    with ThreadPoolExecutor(store.READERS) as pool:
        for start in range(0, table.num_rows, AT_ONCE):
            rows = table.slice(start, AT_ONCE).to_pylist()
            yield from (row for row in pool.map(look, rows) if row is not None)


def make_task(
    row: dict[str, Any], folder: str, settings: Prepare, min_valid_share: float = 0.0
) -> MonthTask:
    """What a worker needs to make the samples of a month.

    Args:
        row: Of :meth:`RunMonths.choose`.
        folder: Where the samples go.
        settings: Of the run.
        min_valid_share: What the run wants of a month.
    """
    record = {name: value for name, value in row.items() if name not in ("archive", "place")}
    return MonthTask(make_record(record, min_valid_share), row["archive"], folder, settings)
