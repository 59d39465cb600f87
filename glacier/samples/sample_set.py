"""What a set of samples is: its months, its regions, its statistics, and where it lies.

``summary.json``, written last, describes them all and says that the set is complete.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal

from glacier import seals, store
from glacier.archive.records import MonthRecord, Status
from glacier.config import Config
from glacier.errors import StoreError
from glacier.geo.raster import Grid
from glacier.geo.vector_files import checksum_files
from glacier.samples.coding import BandCoding
from glacier.settings.identity import digest, identity
from glacier.settings.labels import Label
from glacier.settings.model import ADDRESS, RUNTIME_ONLY, TEXT, Model
from glacier.settings.values import Name

FORMAT = 9
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
    months: tuple[SampleMonth, ...]

    @property
    def usable(self) -> tuple[SampleMonth, ...]:
        """Months that have samples."""
        return tuple(month for month in self.months if month.status == "ok")

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


def samples_folder(config: Config, archives: Mapping[str, Sequence[MonthRecord]]) -> str:
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
