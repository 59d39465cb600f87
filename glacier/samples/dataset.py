"""Samples in Parquet: one row a window of a month image, readable with plain pyarrow.

A file holds the rows of one region and month; another beside it says what became of the month, and
vouches for rows and pictures. ``summary.json``, written last, describes them all and says that the
set is complete.
"""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from glacier import seals, store
from glacier.archive.records import MonthRecord, Status
from glacier.config import Config
from glacier.errors import StoreError
from glacier.geo.raster import Grid
from glacier.geo.vector_files import checksum_files
from glacier.labels import IGNORE
from glacier.settings.identity import digest, identity
from glacier.settings.labels import Label
from glacier.settings.model import ADDRESS, RUNTIME_ONLY, TEXT, Model
from glacier.settings.values import Name

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
failed. ``image``: little-endian float32 (B, H, W), reflectance, NaN where unseen (0 for labels
with unseen = background). ``label``: uint8 (H, W). ``extra``: float32 (E, H, W), reflectance of
the bands that only baselines read, NaN where unseen or not in the archive. ``surface``: uint8
(H, W), codes of ``labels.Surface``, shaded or not, 0 where no class is known; null where none is
in the month."""

FORMAT = 8
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

    @property
    def key(self) -> str:
        """``<region>/<YYYY-MM>``."""
        return month_key(self.region, self.month)


class PreparedMonth(seals.Manifest):
    """A month whose rows are there: the file beside them, which vouches for them and pictures."""

    month: SampleMonth


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


class SampleSet(Model):
    """Description of a complete set of samples, ``summary.json``."""

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
    fill: float | Literal["mean"] = "mean"
    """What an unseen pixel is for a network: the band's mean, or a number."""
    mean: tuple[float, ...] = ()
    """(B,) mean of each band over all seen pixels."""
    std: tuple[float, ...] = ()
    """(B,) standard deviation, likewise."""
    label: Label = Label()
    regions: dict[Name, Frame]
    months: tuple[SampleMonth, ...]

    @property
    def usable(self) -> tuple[SampleMonth, ...]:
        """Months that have samples."""
        return tuple(month for month in self.months if month.status == "ok")

    @property
    def images_gb(self) -> float:
        """Size of all month images in memory, GB: float32 bands, label and class."""
        pixels = sum(math.prod(self.regions[month.region].shape) for month in self.usable)
        return pixels * (4 * (len(self.bands) + len(self.extra_bands)) + 2) / 1e9

    @property
    def failed(self) -> tuple[SampleMonth, ...]:
        """Months that failed, those that the archive lacks among them."""
        return tuple(month for month in self.months if month.status == "failed")

    @property
    def notes(self) -> dict[str, int]:
        """What the months' notes say, and of how many regions; the commonest first."""
        said = {(month.region, note) for month in self.months for note in month.notes}
        return dict(Counter(sorted(note for _, note in said)).most_common())

    @property
    def shown_range(self) -> tuple[float, float]:
        """Values of an image that are shown as black and as white."""
        return (0.0, 1.0) if self.scale == "own_maximum" else self.range


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
        return month_key(self.region, self.month)


def samples_folder(config: Config, archives: dict[str, list[MonthRecord]]) -> str:
    """Address of a run's samples; it changes with all that changes their bytes."""
    label = config.prepare.label
    key = digest(
        {
            "format": FORMAT,
            "settings": identity(config.prepare.effective(), (RUNTIME_ONLY, ADDRESS, TEXT)),
            "polygons": [
                path and checksum_files(store.absolute(path))
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


def find_rows(folder: str, samples: SampleSet) -> dict[str, str]:
    """Address to sha256 of the rows of all usable months."""
    return {
        rows_address(folder, month.region, month.month): month.sha256 for month in samples.usable
    }


def set_address(folder: str) -> str:
    """Where the description of a set lies; written last, it says that the set is complete."""
    return store.join(folder, "summary.json")


def read_set(folder: str) -> SampleSet:
    """The description of a complete set of samples.

    Raises:
        DamagedError: The description is damaged, or of another version.
        StoreError: The set is not complete.
    """
    if not store.exists(set_address(folder)):
        raise StoreError(
            f"there are no complete samples in {folder}; run `glacier prepare` with "
            "this configuration first"
        )
    return seals.read_model(set_address(folder), SampleSet)


def read_images(folder: str, samples: SampleSet) -> list[MonthImage]:
    """All usable month images of a set, in its order.

    Args:
        folder: Where the samples lie.
        samples: Their description.

    Raises:
        StoreError: A file is missing or differs from its checksum.
    """
    return [read_image(folder, samples, month) for month in samples.usable]


def read_image(folder: str, samples: SampleSet, month: SampleMonth) -> MonthImage:
    """The month image of one month of a set, which must be ok.

    Raises:
        StoreError: The file is missing or differs from its checksum.
    """
    address = rows_address(folder, month.region, month.month)
    rows = pq.read_table(io.BytesIO(store.read_bytes(address, month.sha256))).to_pylist()
    shape = samples.regions[month.region].shape
    return assemble(rows, len(samples.bands), samples.size_px, shape, len(samples.extra_bands))


def assemble(
    rows: Iterable[dict[str, Any]],
    bands: int,
    size: int,
    shape: tuple[int, int],
    extras: int = 0,
) -> MonthImage:
    """Put the windows of one month back where they were cut.

    Args:
        rows: Rows of the month, all ok.
        bands: Number of bands B.
        size: Side of a window, pixels.
        shape: Height x width of the month image, pixels.
        extras: Number of bands E that only baselines read.
    """
    image = np.full((bands, *shape), np.nan, np.float32)
    extra = np.full((extras, *shape), np.nan, np.float32)
    label = np.full(shape, IGNORE, np.uint8)
    surface = np.zeros(shape, np.uint8)
    for row in rows:
        top, left = row["row_px"], row["col_px"]
        place = np.s_[..., top : top + size, left : left + size]
        inside = np.s_[..., : shape[0] - top, : shape[1] - left]  # a window may reach over the edge
        image[place] = np.frombuffer(row["image"], "<f4").reshape(bands, size, size)[inside]
        if extras:
            layers = np.frombuffer(row["extra"], "<f4").reshape(extras, size, size)
            extra[place] = layers[inside]
        label[place] = np.frombuffer(row["label"], np.uint8).reshape(size, size)[inside]
        if row["surface"] is not None:
            surface[place] = np.frombuffer(row["surface"], np.uint8).reshape(size, size)[inside]
        region, month = row["region"], row["month"]
    return MonthImage(region, month, image, label, extra, surface if surface.any() else None)
