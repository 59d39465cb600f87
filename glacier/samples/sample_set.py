"""What a set of samples is: its months, its regions, its statistics, and where it lies.

``summary.json``, written last, describes the set and says that it is complete. Its months are the
rows of a table beside it, so that a hundred thousand of them fit into little memory.
"""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Annotated, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BeforeValidator, Field, InstanceOf, TypeAdapter, ValidationError

from glacier import seals, store
from glacier.archive.records import MonthRecord, Status
from glacier.config import Config
from glacier.errors import DamagedError, StoreError
from glacier.geo.raster import Grid
from glacier.samples.coding import BandCoding
from glacier.samples.label_files import checksum_label
from glacier.settings.identity import digest, identity
from glacier.settings.labels import Label
from glacier.settings.model import ADDRESS, RUNTIME_ONLY, TEXT, Model
from glacier.settings.values import Name
from glacier.table_rows import REPEATED, TableRows, give_back

FORMAT = 10
"""Counts up when the samples' bytes change for the same configuration."""


def month_key(region: str, month: date) -> str:
    """How a month of a region is named: ``<region>/<YYYY-MM>``."""
    return f"{region}/{month:%Y-%m}"


class LabelPixels(Model):
    """Pixels of a month by what its label says."""

    glacier: int
    ground: int
    unknown: int


class BandSums(Model):
    """Sums over the seen pixels of a month, which add up to the statistics of a set."""

    pixels: int
    """Seen in every band."""
    sums: tuple[float, ...]
    """(B,) sum of each band."""
    squares: tuple[float, ...]
    """(B,) sum of the squares of each band."""


class SampleMonth(Model):
    """What became of one month of one region."""

    region: Name
    month: date
    """First day."""
    status: Status
    reason: str = ""
    """Why there are no samples."""
    rows: int = 0
    """Samples."""
    sha256: str = ""
    """Checksum of the file that holds them."""
    grid: Grid | None = None
    """Grid of the archive; None without samples."""
    shape: tuple[int, int] | None = None
    """Height x width of the month's image, pixels; another than the grid's where resized."""
    label_pixels: LabelPixels | None = None
    band_sums: BandSums | None = None
    snow_outside: float | None = None
    """Share of the seen ground outside the outlines under snow, 0..1; None where unknown."""
    clipped: float | None = None
    """Share of the labelled pixels that are as bright as the range goes, 0..1; None: unknown."""
    notes: tuple[str, ...] = ()
    """What was chosen, left out, cut out or mended in the outlines, in sentences."""
    platforms: tuple[str, ...] = ()
    """What took its scenes, such as ``landsat-8``; empty: nobody knows."""

    @property
    def key(self) -> str:
        """``<region>/<YYYY-MM>``."""
        return month_key(self.region, self.month)


MONTHS = pa.schema(
    {
        "region": REPEATED,
        "month": pa.date32(),
        "status": REPEATED,
        "reason": REPEATED,
        "rows": pa.int64(),
        "sha256": pa.string(),
        "grid": REPEATED,
        "height_px": pa.int32(),
        "width_px": pa.int32(),
        "label_pixels": pa.struct(dict.fromkeys(LabelPixels.model_fields, pa.int64())),
        "band_sums": pa.struct(
            {
                "pixels": pa.int64(),
                "sums": pa.list_(pa.float64()),
                "squares": pa.list_(pa.float64()),
            }
        ),
        "snow_outside": pa.float64(),
        "clipped": pa.float64(),
        "notes": REPEATED,
        "platforms": pa.list_(pa.string()),
        "state": pa.uint64(),
    }
)
"""Columns of ``_months.parquet``: the fields of ``SampleMonth``, ``grid`` and ``notes`` as JSON;
``state`` stands for the state of all files of the month, see ``prepared``; 0: not known."""

SampleMonths = TableRows[SampleMonth]
"""Months of a set, each made when it is asked for."""


def make_row(month: SampleMonth, state: int = 0) -> dict[str, Any]:
    """A month as a row of the table."""
    height, width = month.shape or (None, None)
    return dict(month) | {
        "grid": month.grid and json.dumps(month.grid.as_dict()),
        "height_px": height,
        "width_px": width,
        "label_pixels": month.label_pixels and month.label_pixels.model_dump(),
        "band_sums": month.band_sums and month.band_sums.model_dump(),
        "notes": json.dumps(month.notes),
        "state": state,
    }


def make_month(row: dict[str, Any]) -> SampleMonth:
    """The month of a row."""
    shape = None if row["height_px"] is None else (row["height_px"], row["width_px"])
    values = {name: row[name] for name in SampleMonth.model_fields if name in row}
    grid = row["grid"] and parse_grid(row["grid"])
    notes = row["notes"] and tuple(json.loads(row["notes"]))
    return SampleMonth(**values | {"grid": grid, "shape": shape, "notes": notes})


@lru_cache(maxsize=64)
def parse_grid(text: str) -> Grid:
    """A grid of its JSON."""
    return Grid(**json.loads(text))


def hold_months(months: Sequence[SampleMonth]) -> SampleMonths:
    """Months as rows of a table; those that are so already stay as they are."""
    if isinstance(months, TableRows):
        return months
    rows = [make_row(SampleMonth.model_validate(month)) for month in months]
    return TableRows(pa.Table.from_pylist(rows, MONTHS), make_month)


class Frame(Model):
    """Where the images of a region lie."""

    grid: Grid
    """Grid of the archive."""
    shape: tuple[int, int]
    """Height x width of an image, pixels; another than the grid's where resized."""

    @property
    def pixel_sides_m(self) -> tuple[float, float]:
        """Height and width of an image's pixel on the ground; resizing makes them differ."""
        height, width = self.shape
        side = self.grid.pixel_m
        return side * self.grid.height / height, side * self.grid.width / width


class SampleSet(seals.Manifest):
    """Description of a complete set of samples, ``summary.json``, which vouches for its months."""

    format: int = FORMAT
    bands: tuple[str, ...]
    """Bands B of an image, in order."""
    extra_bands: tuple[str, ...] = ()
    """Bands E that only baselines read."""
    size_px: int
    """Side of a window."""
    classes: Literal["truth", "polygons"] | None = None
    """Where classes of the surface are known from."""
    layout: Literal["resize", "chips"]
    resize: tuple[int, int] | None = None
    """Height x width that every image was resized to, pixels; None: native resolution."""
    blocks: tuple[int, int]
    """Rows and columns of the grid of ground blocks."""
    scale: Literal["reflectance", "own_maximum"] = "reflectance"
    range: tuple[float, float] = (0.0, 1.0)
    """Reflectance is clipped to this range."""
    coding: tuple[BandCoding, ...] = ()
    """(B,) what the numbers of each band mean."""
    fill: float | Literal["mean"] = "mean"
    """What an unseen pixel is for a network: the band's mean, or a number."""
    mean: tuple[float, ...] = ()
    """(B,) mean of each band over all seen pixels."""
    std: tuple[float, ...] = ()
    """(B,) standard deviation, likewise."""
    label: Label = Label()
    regions: dict[Name, Frame]
    months: Annotated[InstanceOf[SampleMonths], BeforeValidator(hold_months)] = Field(
        default=hold_months(()), exclude=True
    )
    """In the order of the run's regions; they stand in a table of their own."""

    @property
    def usable(self) -> SampleMonths:
        """Months that have samples."""
        return self.of_status("ok")

    def of_status(self, status: Status) -> SampleMonths:
        """Months that came to this."""
        return hold_months(self.months).where("status", status)

    @property
    def images(self) -> list[tuple[str, date]]:
        """Region and month of each month that has samples."""
        found = hold_months(self.months).where("status", "ok", ("region", "month"))
        return [(sys.intern(row["region"]), row["month"]) for row in found.rows("region", "month")]

    @property
    def failed(self) -> SampleMonths:
        """Months that failed, those that the archive lacks among them."""
        return self.of_status("failed")

    @property
    def notes(self) -> dict[str, int]:
        """What the months' notes say, and of how many regions; the commonest first."""
        rows = hold_months(self.months).rows("region", "notes")
        found = {(row["region"], row["notes"]) for row in rows}
        said = {(region, note) for region, notes in found for note in json.loads(notes)}
        return dict(Counter(sorted(note for _, note in said)).most_common())

    @property
    def sensors(self) -> tuple[str, ...]:
        """What took the images that have samples, in the order of their names."""
        return tuple(sorted({name for month in self.usable for name in month.platforms}))

    @property
    def shown_range(self) -> tuple[float, float]:
        """Values of an image that are shown as black and as white."""
        return (0.0, 1.0) if self.scale == "own_maximum" else self.range


def samples_folder(config: Config, archives: Mapping[str, Sequence[MonthRecord]]) -> str:
    """Address of a run's samples; it changes with all that changes their bytes."""
    key = digest(
        {
            "format": FORMAT,
            "settings": identity(config.prepare.effective(), (RUNTIME_ONLY, ADDRESS, TEXT)),
            "label_files": checksum_label(config),
            "inputs": [digest_inputs(records) for records in archives.values()],
        }
    )
    return store.join(store.absolute(config.storage), "samples", f"{config.name}-{key[:8]}")


def digest_inputs(records: Sequence[MonthRecord]) -> str:
    """Hash of what the samples of one archive are made of."""
    return digest([(r.region, r.month, r.status, r.sha256, r.truth_sha256) for r in records])


SUMMARY, TABLE = "summary.json", "_months.parquet"
"""Names of a set's description and of the table of its months. What reads a folder of Parquet files
as one table leaves names that begin like this out."""


def set_address(folder: str) -> str:
    """Where the description of a set lies; written last, it says that the set is complete."""
    return store.join(folder, SUMMARY)


def write_set(folder: str, samples: SampleSet) -> None:
    """Write the table of a set's months, then its description.

    Raises:
        StoreError: The place cannot be written to.
    """
    buffer = io.BytesIO()
    pq.write_table(hold_months(samples.months).table, buffer, compression="zstd")
    seals.write_whole(set_address(folder), samples, {TABLE: buffer.getvalue()})


def read_set(folder: str) -> SampleSet:
    """The description of a complete set of samples, with its months.

    Raises:
        DamagedError: The description or the table is damaged, or of another version.
        StoreError: The set is not complete.
    """
    if not store.exists(set_address(folder)):
        raise StoreError(
            f"there are no complete samples in {folder}; run `glacier prepare` with "
            "this configuration first"
        )
    samples, data = seals.open_vouched(set_address(folder), SampleSet, TABLE)
    try:
        months = decode_months(data)
    except (pa.ArrowException, ValueError) as error:
        why = f"no months of this version: {error!s:.200}"
        raise DamagedError.of(store.join(folder, TABLE), why) from error
    return samples.model_copy(update={"months": months})


def decode_months(data: bytes) -> SampleMonths:
    """The months of a table.

    Raises:
        ArrowException: It is no table of months.
        ValueError: It has other columns, or names what can be no region.
    """
    table = pq.read_table(pa.BufferReader(data))
    if table.column_names != MONTHS.names:
        raise ValueError(f"columns {', '.join(table.column_names)}")
    table = table.cast(MONTHS)
    give_back()
    for name in pc.unique(table["region"]).to_pylist():
        try:
            NAME.validate_python(name)
        except ValidationError as error:
            raise ValueError(f"region {name!r:.80}") from error
    return TableRows(table, make_month)


NAME: TypeAdapter[str] = TypeAdapter(Name)
