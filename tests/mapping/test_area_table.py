from datetime import date

import pytest

from glacier.errors import SeriesError
from glacier.mapping.area_table import AreaRow, read_area_rows
from glacier.reports.tables import encode_csv

ROWS = [
    AreaRow(
        region="mendenhall", kind="year", year=2019, month=date(2019, 9, 1), status="ok",
        why="2019-09 stands for 2019: it is clear, of 2", area_km2=41.25, low_km2=40.0,
        high_km2=42.125, answer="tested", answer_why="errors in 9 tested years",
        half_pixel_low_km2=40.5, half_pixel_high_km2=42.0, ensemble_low_km2=0.0,
        ensemble_high_km2=1 / 3, tested_low_km2=40.0, tested_high_km2=42.125, seen_share=0.1 + 0.2,
        most_km2=41.5, outline_km=12.5, snow_outside=0.0, snow_share=0.25, snow_line_m=1234.5,
    ),
    AreaRow(
        region="mendenhall", kind="year", year=2020, status="empty", gap="snowy",
        why='2020-08 is snowy (snow on 60% of the ground "outside", limit 5.0%)',
    ),
]  # fmt: skip


def test_what_is_written_is_read() -> None:
    data = encode_csv([row.columns() for row in ROWS])
    assert read_area_rows(data) == ROWS
    assert data.decode().splitlines()[0].split(",") == list(AreaRow.model_fields)


def test_a_gap_is_never_nothing_at_all() -> None:
    gap = encode_csv([ROWS[1].columns()]).decode().splitlines()[1]
    assert ",0," not in gap and read_area_rows(encode_csv([ROWS[1].columns()]))[0].area_km2 is None


def test_every_column_of_a_number_says_its_unit() -> None:
    ends = ("_km2", "_km", "_m", "share", "outside", "year")
    for name, field in AreaRow.model_fields.items():
        if "float" in str(field.annotation) or "int" in str(field.annotation):
            assert name.endswith(ends), name


@pytest.mark.parametrize(
    "data",
    [b"region,year\nx,2019\n", b"\xff\xfe", b"region,kind,year,status\na,b\n", b"a\n1,2,3\n"],
)
def test_other_tables_are_refused(data: bytes) -> None:
    with pytest.raises(SeriesError, match="this is no area"):
        read_area_rows(data)
