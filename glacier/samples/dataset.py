"""Samples in Parquet: one row a window of a month image, readable with plain pyarrow.

A part file holds the rows of one region and month. ``summary.json``, written last, describes
them and says that the set is complete.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from glacier import store
from glacier.archive.records import MonthRecord
from glacier.config import Config, digest
from glacier.errors import StoreError

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
"""``row_px``, ``col_px``: upper-left pixel in the archive grid (0 for a resized sample).
``block``: ground blocks that the window touches, joined by ``+``. ``status``: ok, empty or
failed. ``image``: little-endian float32 (B, H, W), reflectance, NaN where unseen (0 for labels
with unseen = background). ``label``: uint8 (H, W). ``extra``: float32 (E, H, W), reflectance of
the bands that only baselines read, NaN where unseen or not in the archive. ``surface``: uint8
(H, W), codes of ``labels.Surface``, shaded or not, 0 where no class is known; null where none is
in the month."""

FORMAT = 5
"""Counts up when the samples' bytes change for the same configuration."""


FACTS = b"glacier"
"""Key of the part's own summary in the Parquet schema metadata."""


@dataclass(frozen=True)
class MonthImage:
    """One month of one region, put together from its windows."""

    region: str
    month: date
    image: NDArray[np.float32]
    """(B, H, W) float32 reflectance, NaN where unseen."""
    label: NDArray[np.uint8]
    """(H, W) uint8: 1 glacier, 0 not, 255 unknown."""
    extra: NDArray[np.float32] | None = None
    """(E, H, W) float32 reflectance of the bands that only baselines read, NaN where unseen."""
    surface: NDArray[np.uint8] | None = None
    """(H, W) uint8 codes of ``labels.Surface``, shaded or not, 0 unknown; None: no class is known.
    For scores by class alone: no method sees it."""

    @property
    def key(self) -> str:
        """``<region>/<YYYY-MM>``."""
        return f"{self.region}/{self.month:%Y-%m}"


def samples_folder(config: Config, archives: dict[str, list[MonthRecord]]) -> str:
    """Address of a run's samples; it changes with all that changes their bytes."""
    label = config.prepare.label
    key = digest(
        {
            "format": FORMAT,
            "settings": config.prepare.model_dump(
                mode="json", exclude={"max_failed": True, "label": {"outlines", "debris"}}
            ),
            "polygons": [
                path and store.checksum(store.read_bytes(store.absolute(path)))
                for path in (label.outlines, label.debris)
            ],
            "inputs": [
                (r.region, r.month, r.status, r.sha256, r.truth_sha256)
                for records in archives.values()
                for r in records
            ],
        }
    )
    return store.join(store.absolute(config.storage), "samples", f"{config.name}-{key[:8]}")


def encode_part(rows: list[dict[str, Any]], facts: dict[str, Any]) -> bytes:
    """Parquet bytes of the rows of one region and month.

    Args:
        rows: Values by column; a column left out is null.
        facts: Kept in the file's metadata: what the set's summary needs of this part.
    """
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    table = table.replace_schema_metadata({FACTS: json.dumps(facts, sort_keys=True).encode()})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def part_address(folder: str, region: str, month: date) -> str:
    """Where the rows of a region and month lie."""
    return store.join(folder, f"{region}_{month:%Y-%m}.parquet")


def read_facts(address: str) -> dict[str, Any]:
    """What :func:`encode_part` was told about a part."""
    schema = pq.read_schema(io.BytesIO(store.read_bytes(address)))
    return dict(json.loads(schema.metadata[FACTS]))


def read_summary(folder: str) -> dict[str, Any]:
    """The description of a complete set of samples.

    Raises:
        StoreError: The set is not complete.
    """
    address = store.join(folder, "summary.json")
    if not store.exists(address):
        raise StoreError(
            f"there are no complete samples in {folder}; run jobs.prepare with this "
            "configuration first"
        )
    return dict(store.read_json(address))


def month_of(part: dict[str, Any]) -> date:
    """First day of the month that a part of the summary describes."""
    return date.fromisoformat(part["month"])


def read_images(folder: str, summary: dict[str, Any]) -> list[MonthImage]:
    """All usable month images of a set, in the order of the summary.

    Args:
        folder: Where the samples lie.
        summary: Their description.

    Raises:
        StoreError: A part is missing or differs from its checksum.
    """
    return [
        read_image(folder, summary, part) for part in summary["parts"] if part["status"] == "ok"
    ]


def read_image(folder: str, summary: dict[str, Any], part: dict[str, Any]) -> MonthImage:
    """The month image of one part of a set, which must be ok.

    Raises:
        StoreError: The part is missing or differs from its checksum.
    """
    address = part_address(folder, part["region"], month_of(part))
    rows = pq.read_table(io.BytesIO(store.read_bytes(address, part["sha256"]))).to_pylist()
    height, width = summary["regions"][part["region"]]["shape"]
    bands, extras = len(summary["bands"]), len(summary["extra_bands"])
    return assemble(rows, bands, summary["size_px"], (height, width), extras)


def pixel_sides(summary: dict[str, Any], region: str) -> tuple[float, float]:
    """Height and width of a sample's pixel on the ground, metres; resizing makes them differ."""
    facts = summary["regions"][region]
    grid, (height, width) = facts["grid"], facts["shape"]
    side = grid["pixel_m"]
    return side * grid["height"] / height, side * grid["width"] / width


def assemble(
    rows: Iterable[dict[str, Any]],
    bands: int,
    size: int,
    shape: tuple[int, int],
    extras: int = 0,
) -> MonthImage:
    """Put the windows of one month back where they were cut.

    Args:
        rows: Rows of the part, all ok.
        bands: Number of bands B.
        size: Side of a window, pixels.
        shape: Height x width of the month image, pixels.
        extras: Number of bands E that only baselines read.
    """
    image = np.full((bands, *shape), np.nan, np.float32)
    extra = np.full((extras, *shape), np.nan, np.float32)
    label = np.full(shape, 255, np.uint8)
    surface = np.zeros(shape, np.uint8)
    for row in rows:
        place = np.s_[row["row_px"] : row["row_px"] + size, row["col_px"] : row["col_px"] + size]
        image[(slice(None), *place)] = np.frombuffer(row["image"], "<f4").reshape(bands, size, size)
        if extras:
            layers = np.frombuffer(row["extra"], "<f4").reshape(extras, size, size)
            extra[(slice(None), *place)] = layers
        label[place] = np.frombuffer(row["label"], np.uint8).reshape(size, size)
        if row["surface"] is not None:
            surface[place] = np.frombuffer(row["surface"], np.uint8).reshape(size, size)
        region, month = row["region"], row["month"]
    return MonthImage(region, month, image, label, extra, surface if surface.any() else None)
