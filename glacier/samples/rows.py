"""Samples in Parquet: one row a window of a month image, readable with plain pyarrow.

A file holds the rows of one region and month; another beside it says what became of the month, and
vouches for rows and pictures.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from glacier import seals, store
from glacier.samples.sample_set import SampleMonth

SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("region", pa.string(), nullable=False),
        pa.field("month", pa.date32(), nullable=False),
        pa.field("row_px", pa.int32()),
        pa.field("col_px", pa.int32()),
        pa.field("block", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("image", pa.binary()),
        pa.field("label", pa.binary()),
        pa.field("extra", pa.binary()),
        pa.field("surface", pa.binary()),
    ]
)
"""``row_px``, ``col_px``: upper-left pixel in the archive grid (0 for a resized sample). A
window that is larger than the month reaches over its lower and right edge, where all is unseen.
``block``: ground blocks that the window touches, joined by ``+``. ``status``: ok, empty or
failed. ``image``: little-endian uint16 (B, H, W), 0 where unseen; what the numbers mean stands as
``coding`` in the set's description. ``label``: uint8 (H, W). ``extra``: uint16 (E, H, W), Landsat
numbers of the bands that only baselines read, 0 where unseen or not in the archive. ``surface``:
uint8 (H, W), codes of ``labels.Surface``, shaded or not, 0 where no class is known; null where none
is in the month."""


class PreparedMonth(seals.Manifest):
    """A month whose rows are there: the file beside them, which vouches for them and pictures."""

    month: SampleMonth


def encode_rows(rows: list[dict[str, Any]]) -> bytes:
    """Parquet bytes of the rows of one region and month.

    Args:
        rows: Values by column; a column left out is null.
    """
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), buffer, compression="zstd")
    return buffer.getvalue()


def rows_name(region: str, month: date) -> str:
    """Name of the file with the rows of a region and month."""
    return f"{region}_{month:%Y-%m}.parquet"


def rows_address(folder: str, region: str, month: date) -> str:
    """Where the rows of a region and month lie."""
    return store.join(folder, rows_name(region, month))


def month_address(folder: str, region: str, month: date) -> str:
    """Where it lies what became of a region and month; written after the rows."""
    return store.join(folder, f"{region}_{month:%Y-%m}.json")


def write_rows(
    folder: str,
    rows: list[dict[str, Any]],
    month: SampleMonth,
    pictures: Mapping[str, str] | None = None,
) -> SampleMonth:
    """Write the rows of a month, then what vouches for them.

    Args:
        folder: Where the samples lie.
        rows: Values by column; a column left out is null.
        month: What became of the month, without the checksum of its rows.
        pictures: Name below the folder to sha256 of the pictures written before.

    Returns:
        The month with the checksum.
    """
    address = rows_address(folder, month.region, month.month)
    month = month.model_copy(update={"sha256": store.write_bytes(address, encode_rows(rows))})
    files = {rows_name(month.region, month.month): month.sha256, **(pictures or {})}
    done = PreparedMonth(month=month, files=files)
    seals.write_model(month_address(folder, month.region, month.month), done)
    return month
