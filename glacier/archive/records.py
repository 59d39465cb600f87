"""The archive: where a month lies, what is recorded of it, and when it is complete.

A month is complete when its record ``<YYYY-MM>.json`` is there, written last, with the sha256
of the image.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glacier import seals, store
from glacier.composite import Composite
from glacier.config import Config
from glacier.errors import DamagedError, StoreError
from glacier.geo.raster import Grid, encode_cog, grid_of_region
from glacier.labels import label_truth
from glacier.landsat import months_between
from glacier.settings.identity import digest, identity
from glacier.settings.model import RUNTIME_ONLY, TEXT
from glacier.settings.regions import Region
from glacier.sources.source import Source

FORMAT = 4
"""Counts up when the archive's bytes change for the same configuration."""

Status = Literal["ok", "empty", "failed"]


@dataclass(frozen=True)
class MonthRecord:
    """What became of one month of one region."""

    region: str
    month: str
    """YYYY-MM."""
    status: Status
    reason: str = ""
    """Why it is empty, or the message of a failure."""
    error: str = ""
    """Class of the error of a failure."""
    sha256: str = ""
    """Checksum of the image; empty where there is none."""
    truth_sha256: str = ""
    """Checksum of the class map; empty where the source knows none."""
    outlines_sha256: str = ""
    """Checksum of the true outlines; empty where the source knows none."""
    scene_ids: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    """Satellites of the scenes, such as ``landsat-8``, where their names tell."""
    skipped: tuple[str, ...] = ()
    """Scenes that could not be used, each with why."""
    n_obs: tuple[int, float, int] = (0, 0.0, 0)
    """Fewest, median and most clear observations of a pixel."""
    valid_share: float = 0.0
    """Share of pixels with a clear observation, 0..1."""
    saturated_share: float | None = None
    """Share of the seen pixels with a saturated band, 0..1; None where unknown."""
    sun_elevation_deg: float | None = None
    source: str = ""
    cloud_profile: str = ""
    config_sha256: str = ""
    """What decided the month's bytes, see :func:`archive_key`; the folder carries its start."""
    unsettled: bool = False
    """Scenes were perhaps not all in the catalogue yet, so the next run makes the month anew."""
    attempts: int = 1
    """Times that the month was tried: one more than it failed before."""
    repeats: int = 0
    """Requests that had to be sent again, also in vain."""
    seconds: float = 0.0
    """Time that the month took."""

    @property
    def day(self) -> date:
        """First day of the month."""
        return date.fromisoformat(f"{self.month}-01")

    def judge(self, min_valid_share: float) -> MonthRecord:
        """The record as a run sees it that wants so much of a month: its image stays, unused."""
        if self.status != "ok" or self.valid_share >= min_valid_share:
            return self
        reason = f"valid_share: {self.valid_share:.3f} is below {min_valid_share:.3f}"
        return replace(self, status="empty", reason=reason)

    @property
    def why(self) -> str:
        """Why there is no image, the error class in front of a failure's message."""
        return f"{self.error}: {self.reason}" if self.error else self.reason

    @property
    def kind(self) -> str:
        """The first word of why there is no image, by which months are counted."""
        return self.why.partition(":")[0]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> MonthRecord:
        """The record that :meth:`as_dict` was made of, back from JSON.

        Fields that it does not hold are left unknown.

        Raises:
            StoreError: It is no record, or one with fields that this version does not know.
        """
        known = {"files", *(field.name for field in fields(cls))}
        if (
            not isinstance(values, dict)
            or not {"region", "month", "status"} <= set(values) <= known
        ):
            raise StoreError(
                f"not the record of a month, or one of a later version: {values!r:.80}"
            )
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return cls(**{k: v for k, v in (values | lists).items() if k != "files"})

    @property
    def files(self) -> dict[str, str]:
        """Names of the month's files beside its record, and their sha256."""
        made = {
            ".tif": self.sha256,
            ".truth.tif": self.truth_sha256,
            ".truth.gpkg": self.outlines_sha256,
        }
        return {f"{self.month}{end}": sha256 for end, sha256 in made.items() if sha256}

    def as_dict(self) -> dict[str, Any]:
        """The record as plain values, for JSON, with the files that it vouches for."""
        return asdict(self) | {"files": self.files}


@dataclass(frozen=True)
class ArchiveMonth:
    """One month of one region, and its place in the archive."""

    region: Region
    month: date
    """First day."""
    folder: str
    """Address of the region's archive."""
    key: str
    """What decides the month's bytes, see :func:`archive_key`; the folder carries its start."""

    @property
    def name(self) -> str:
        """YYYY-MM."""
        return f"{self.month:%Y-%m}"

    @property
    def stem(self) -> str:
        """Address of the month's files up to their endings."""
        return store.join(self.folder, self.name)

    @property
    def record_address(self) -> str:
        """Where the record lies, which is written last."""
        return f"{self.stem}.json"

    def is_recorded(self) -> bool:
        """Whether there is a record, of whatever outcome."""
        return store.exists(self.record_address)

    def read_record(self) -> MonthRecord:
        """What became of the month.

        Raises:
            DamagedError: The record is damaged, of a later version, or of another month.
            StoreError: It is missing, or the store cannot be reached.
        """
        values = seals.read_json(self.record_address)
        try:
            record = MonthRecord.from_dict(values)
        except StoreError as error:
            raise DamagedError.of(self.record_address, str(error)) from error
        if (record.region, record.month) != (self.region.name, self.name):
            what = f"region {record.region!r:.80}, month {record.month!r:.80}"
            raise DamagedError.of(self.record_address, f"it is of {what}")
        return record

    def write_record(self, record: MonthRecord) -> None:
        """Say what became of the month; vouches for its files."""
        seals.remove_withdrawn(self.record_address, record.files)
        seals.write_json(self.record_address, record.as_dict())


def archive_key(config: Config, region: Region, source: Source) -> str:
    """Hash of all that changes a month's bytes: 64 hexadecimal digits."""
    grid = grid_of_region(region).as_dict() if region.polygon else None  # else of the files
    return digest(
        {
            "format": FORMAT,
            "region": identity(region, (RUNTIME_ONLY, TEXT)),
            "grid": grid,
            "source": config.ingest.source_of(region.name),
            "identity": source.identity(region),
            "cloud_profile": config.ingest.cloud_profile,
        }
    )


def archive_folder(config: Config, region: Region, key: str) -> str:
    """Address of a region's archive; it changes with the key, all that changes a month's bytes."""
    return store.join(store.absolute(config.storage), "archive", f"{region.name}-{key[:8]}")


def list_span(config: Config, region: Region, source: Source) -> list[date]:
    """Months of a region that a run works on: those of the span that the source can have."""
    span, held = months_between(*config.months.dates()), source.months(region)
    there = set(span if held is None else held)
    return [
        month
        for month in span
        if month in there and config.months.wants(month) and config.ingest.wants(region.name, month)
    ]


@dataclass(frozen=True)
class Archive:
    """The archive of one region, as far as a run works on it."""

    region: Region
    folder: str
    """Its address."""
    key: str
    """What decides the bytes of its months, see :func:`archive_key`."""
    months: tuple[date, ...]
    """First days of the run's months, in order."""

    @property
    def names(self) -> list[str]:
        """The months, YYYY-MM each."""
        return [f"{month:%Y-%m}" for month in self.months]

    def list_targets(self) -> list[ArchiveMonth]:
        """The months with their places."""
        return [ArchiveMonth(self.region, month, self.folder, self.key) for month in self.months]


def find_archive(config: Config, region: Region, source: Source) -> Archive:
    """Where the months of a region lie, and which of them a run works on."""
    key = archive_key(config, region, source)
    months = tuple(list_span(config, region, source))
    return Archive(region, archive_folder(config, region, key), key, months)


def list_archives(config: Config, source: Source) -> list[Archive]:
    """The archives of all regions, in order."""
    found: list[Archive] = []
    for region in config.regions:
        archive = find_archive(config, region, source)
        if found and found[-1].months == archive.months:
            archive = replace(archive, months=found[-1].months)  # one tuple for all
        found.append(archive)
    return found


def group_months(targets: Iterable[ArchiveMonth]) -> list[Archive]:
    """Months by their archives, which come in the order of their first months."""
    found: dict[str, list[ArchiveMonth]] = {}
    for target in targets:
        found.setdefault(target.folder, []).append(target)
    return [
        Archive(first.region, folder, first.key, tuple(target.month for target in (first, *others)))
        for folder, (first, *others) in found.items()
    ]


def list_months(config: Config, source: Source) -> list[ArchiveMonth]:
    """Months of all regions, in order."""
    return [target for found in list_archives(config, source) for target in found.list_targets()]


def write_month(
    composite: Composite, grid: Grid, target: ArchiveMonth, record: MonthRecord
) -> MonthRecord:
    """Write the files of a month that has an image.

    Args:
        composite: The month.
        grid: Where its pixels lie.
        target: Where it goes.
        record: What is known of the month without it.

    Returns:
        The record with the composite's own.
    """
    seals.withdraw(target.record_address)  # of a month that is made anew
    if composite.truth is not None:
        record = write_truth(composite.truth, grid, target, record)
    tags = {"scenes": " ".join(composite.scene_ids)}
    n_obs = composite.n_obs
    image = encode_cog({**composite.bands, "n_obs": n_obs}, grid, tags)
    return replace(
        record,
        status="ok",
        sha256=store.write_bytes(f"{target.stem}.tif", image),
        scene_ids=tuple(composite.scene_ids),
        platforms=composite.platforms or name_platforms(composite.scene_ids),
        skipped=composite.skipped,
        n_obs=(int(n_obs.min()), float(np.median(n_obs)), int(n_obs.max())),
        valid_share=round(composite.valid_share(), 6),
        saturated_share=composite.saturated_share,
        sun_elevation_deg=composite.sun_elevation_deg,
    )


def write_truth(
    truth: NDArray[np.uint8], grid: Grid, target: ArchiveMonth, record: MonthRecord
) -> MonthRecord:
    """Write class map, (H, W) uint8, and outlines; returns the record with their checksums."""
    # Only where the truth is known; workers of the other sources start a second sooner.
    from glacier.geo.vectors import encode_outlines

    classes = encode_cog({"surface": truth}, grid, {"source": "synthetic"})
    outlines = encode_outlines(label_truth(truth) == 1, grid, {"month": target.name})
    return replace(
        record,
        truth_sha256=store.write_bytes(f"{target.stem}.truth.tif", classes),
        outlines_sha256=store.write_bytes(f"{target.stem}.truth.gpkg", outlines),
    )


PLATFORMS = (
    (re.compile(r"L[A-Z]0(\d)_"), "landsat-{}"),
    (re.compile(r"S2([A-D])_"), "sentinel-2{}"),
    (re.compile(r"HLS\.([LS]30)\."), "hls-{}"),
)
"""How scenes of each satellite are named, and it; of the harmonised data the product."""


def name_platforms(scene_ids: Sequence[str]) -> tuple[str, ...]:
    """Satellites of scenes by their names: ``LC09_...`` -> ``landsat-9``."""
    found = {
        name.format(match[1].lower())
        for scene_id in scene_ids
        for pattern, name in PLATFORMS
        if (match := pattern.match(scene_id))
    }
    return tuple(sorted(found))


def count_attempts(target: ArchiveMonth) -> int:
    """Times that a month was tried, counting one that begins now."""
    if not target.is_recorded():
        return 1
    try:
        record = target.read_record()
    except StoreError:
        return 1
    return 1 + (record.attempts if record.status == "failed" else 0)


class MonthState(NamedTuple):
    """What lies in the archive of a month."""

    record: MonthRecord | None = None
    """Of a month that needs no more work."""
    damage: tuple[DamagedError, ...] = ()
    """Files that can be used no more."""


def look_at_month(target: ArchiveMonth) -> MonthState:
    """Whether a month needs no more work, by its record and the checksums of its files.

    A failed month is tried again; so is one that was made before all its scenes can have been in
    the catalogue, or that has a file missing or damaged.
    """
    if not target.is_recorded():
        return MonthState()
    try:
        record = target.read_record()
    except DamagedError as error:
        return MonthState(damage=(error,))
    except StoreError:
        if target.is_recorded():
            raise
        return MonthState()  # another run has set it aside meanwhile
    if record.status == "failed" or record.unsettled:
        return MonthState()
    damage = seals.find_damage(seals.locate(target.folder, record.files))
    return MonthState(None if damage else record, tuple(damage.values()))


def find_unsettled(target: ArchiveMonth) -> MonthRecord | None:
    """The record of a month that has its image, to which scenes may come; None without one."""
    try:
        record = target.read_record() if target.is_recorded() else None
    except DamagedError:
        return None
    if record is None or record.status != "ok" or not record.unsettled:
        return None
    damage = seals.find_damage(seals.locate(target.folder, record.files))
    return None if damage else record


def complete_record(target: ArchiveMonth) -> MonthRecord | None:
    """The record of a month that needs no more work, or None."""
    return look_at_month(target).record
