"""Rows of an Arrow table as values, each made when it is asked for: many fit into little memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

import pyarrow as pa
import pyarrow.compute as pc

T = TypeVar("T")

pa.set_memory_pool(pa.system_memory_pool())
"""Arrow's own pool keeps what was freed, which makes the peak of a driver a third larger."""

REPEATED = pa.dictionary(pa.int32(), pa.string())
"""Kind of a column of text that many rows share."""

AT_ONCE = 512
"""Rows that are in memory as plain values while a table is gone through."""


def give_back() -> None:
    """Give memory that was freed back to the system, which else counts as this process's own."""
    pa.default_memory_pool().release_unused()


class TableRows(Sequence[T], Generic[T]):
    """A sequence that equals a tuple of the same values, and takes the memory of its columns.

    A value that is asked for twice is made twice: two are equal, not the same.
    """

    def __init__(self, table: pa.Table, make: Callable[[dict[str, Any]], T]) -> None:
        """Stand for the rows of a table.

        Args:
            table: A row a value.
            make: What makes the value of a row's columns by name. It goes to workers with the
                rows, so it is a function of a module, or a ``functools.partial`` of one.
        """
        self.table, self.make = table, make

    def __len__(self) -> int:
        """Number of rows."""
        return int(self.table.num_rows)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> TableRows[T]: ...
    def __getitem__(self, index: int | slice) -> T | TableRows[T]:
        """One value, or those of a slice, which are not made yet."""
        places = range(len(self))[index]
        if isinstance(places, range):
            return TableRows(self.table.take(pa.array(places, pa.int64())), self.make)
        (row,) = self.table.slice(places, 1).to_pylist()
        return self.make(row)

    def __iter__(self) -> Iterator[T]:
        """The values in order, a few at a time."""
        return map(self.make, self.rows(*self.table.column_names))

    def __eq__(self, other: object) -> bool:
        """Whether another sequence holds equal values in the same order."""
        if not isinstance(other, Sequence) or len(self) != len(other):
            return False
        if isinstance(other, TableRows) and self.table.equals(other.table):
            return self.make == other.make or all(a == b for a, b in zip(self, other, strict=True))
        return all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """The first few values."""
        first = ", ".join(map(repr, self[:3]))
        return f"TableRows({first}{', ...' if len(self) > 3 else ''}; {len(self)} rows)"

    def rows(self, *columns: str) -> Iterator[dict[str, Any]]:
        """Some columns of the rows as plain values by name, a few rows at a time."""
        chosen = self.table.select(columns)
        for start in range(0, len(self), AT_ONCE):
            yield from chosen.slice(start, AT_ONCE).to_pylist()

    def tally(self, column: str) -> Counter[Any]:
        """How many rows have which value of a column, the first that appears first."""
        found = pc.value_counts(self.table[column]).to_pylist()
        return Counter({each["values"]: each["counts"] for each in found})

    def where(self, column: str, value: object, kept: Sequence[str] | None = None) -> TableRows[T]:
        """The rows that have a value in a column.

        Args:
            column: Its name.
            value: The value.
            kept: Columns that are kept, where values are not to be made; None: all.
        """
        chosen = self.table if kept is None else self.table.select(list(kept))
        return TableRows(chosen.filter(pc.equal(self.table[column], value)), self.make)
