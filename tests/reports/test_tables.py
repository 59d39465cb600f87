"""CSV that programs read and spreadsheets do not run."""

import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glacier.reports.tables import encode_cell, encode_csv

BLANKS = ("", " ", "\t", "\n", "\r", "\r\n", "\u00a0", "\u2003", "\u3000", "\u200b", "\ufeff",
          "\u2060", "\x00", "\u3164", "\u202e", " \t\u00a0\u200b ")  # fmt: skip


@pytest.mark.parametrize(
    "sign", ["=", "+", "-", "@", "＝", "＋", "－", "＠", "﹦", "﹢", "﹣", "﹫"]
)
@pytest.mark.parametrize("blank", BLANKS, ids=ascii)
def test_a_formula_is_a_text(blank: str, sign: str) -> None:
    cell = encode_cell(f"{blank}{sign}HYPERLINK(A1)")
    assert isinstance(cell, str)
    assert cell.startswith("'") and cell.endswith(f"{sign}HYPERLINK(A1)")
    assert "\n" not in cell and "\r" not in cell


@pytest.mark.parametrize(
    "value",
    [-0.5, -3, 0, 1e-7, True, None, "-0.5", "+3", "-1e-07", "-.5", "resnet34", "a = b", "a-b",
     "", "1 -2", "x@y", "2014-08"],
)  # fmt: skip
def test_numbers_and_words_stay(value: object) -> None:
    assert encode_cell(value) == value


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ([-1.5, 2], "-1.5 2"),
        (("a", "b"), "a b"),
        (("=a", "b"), "'=a b"),
        ("-inf", "'-inf"),
        ("-1+1", "'-1+1"),
        ("-1 +cmd", "'-1 +cmd"),
        ("-2\n", "'-2"),
        ("two\nlines", "two lines"),
    ],
)
def test_cells_in_closed_form(value: object, cell: str) -> None:
    assert encode_cell(value) == cell


def test_the_columns_are_cells_too_and_numbers_come_back() -> None:
    data = encode_csv([{"=name": "=1+1", "dice": -0.25}, {"dice": 0.5, "fold": 3}])
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert rows == [
        {"'=name": "'=1+1", "dice": "-0.25", "fold": ""},
        {"'=name": "", "dice": "0.5", "fold": "3"},
    ]


@given(st.text(max_size=8))
def test_no_text_begins_as_a_formula(text: str) -> None:
    cell = str(encode_cell(text))
    seen = "".join(c for c in cell if unicodedata.category(c)[0] not in "ZC")
    plain = unicodedata.normalize("NFKC", seen[:1])
    assert not plain.startswith(("=", "+", "-", "@")) or float(cell.split()[0]) is not None
