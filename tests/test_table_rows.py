"""Rows of a table stand for a tuple of values, and make one only when it is asked for."""

import pickle
from functools import partial
from typing import Any

import pyarrow as pa
import pytest

from glacier.table_rows import AT_ONCE, TableRows


def make_pair(row: dict[str, Any], add: int = 0) -> tuple[str, int]:
    return row["name"], row["number"] + add


def rows_of(count: int, add: int = 0) -> TableRows[tuple[str, int]]:
    table = pa.table({"name": [f"n{k % 3}" for k in range(count)], "number": list(range(count))})
    return TableRows(table, partial(make_pair, add=add))


@pytest.mark.parametrize("count", [0, 1, AT_ONCE, AT_ONCE + 1])
def test_they_are_the_tuple_of_their_values(count: int) -> None:
    rows, values = rows_of(count), tuple((f"n{k % 3}", k) for k in range(count))
    assert tuple(rows) == values and len(rows) == count and bool(rows) == bool(count)
    assert rows == values and rows == list(values) and rows == rows_of(count)
    assert [rows[k] for k in range(-count, count)] == [*values, *values]


def test_a_slice_is_again_rows() -> None:
    rows, values = rows_of(9), [(f"n{k % 3}", k) for k in range(9)]
    for part in (slice(2, 5), slice(None, None, -1), slice(-3, None), slice(7, 2)):
        assert rows[part] == values[part]


def test_no_value_is_beyond_the_last() -> None:
    with pytest.raises(IndexError):
        rows_of(3)[3]
    with pytest.raises(IndexError):
        rows_of(3)[-4]


def test_other_values_are_not_equal() -> None:
    assert rows_of(4) != rows_of(4, add=1) and rows_of(4) != rows_of(5) and rows_of(2) != "ab"


def test_they_go_to_workers_and_keep_what_has_a_value() -> None:
    rows = rows_of(6, add=2)
    again = pickle.loads(pickle.dumps(rows))
    assert again == rows
    assert again.where("name", "n1") == [("n1", 3), ("n1", 6)]
    assert list(again.where("name", "n2", ("number",)).rows("number")) == [
        {"number": 2}, {"number": 5},
    ]  # fmt: skip
    assert repr(rows_of(5)) == "TableRows(('n0', 0), ('n1', 1), ('n2', 2), ...; 5 rows)"


def test_values_of_a_column_are_counted_in_their_order() -> None:
    assert list(rows_of(7).tally("name").items()) == [("n0", 3), ("n1", 2), ("n2", 2)]
    assert list(rows_of(2).rows("number")) == [{"number": 0}, {"number": 1}]
