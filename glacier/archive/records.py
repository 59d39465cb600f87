"""The archive: where a month lies, what is recorded of it, and when it is complete.

A month is complete when its record ``<YYYY-MM>.json`` is there, written last, with the sha256
of the image.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from glacier import store
from glacier.composite import Composite
from glacier.config import Config, Region, digest
from glacier.errors import StoreError
from glacier.geo.raster import Grid, encode_cog, grid_of_region
from glacier.labels import label_truth
from glacier.landsat import months_between
from glacier.progress import say
from glacier.sources.factory import open_source
from glacier.sources.source import Source

if TYPE_CHECKING:
    from glacier.plots.calendar import Square
    from glacier.plots.figures import Picture

FORMAT = 3
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
    """Fewest, median and most clear looks of a pixel."""
    valid_share: float = 0.0
    """Share of pixels with a clear look, 0..1."""
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
    def why(self) -> str:
        """Why there is no image, the error class in front of a failure's message."""
        return f"{self.error}: {self.reason}" if self.error else self.reason

    @property
    def kind(self) -> str:
        """The first word of why there is no image, by which months are counted."""
        return self.why.partition(":")[0]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> MonthRecord:
        """The record that :func:`dataclasses.asdict` was made of, back from JSON.

        Facts that it does not hold are left unknown.

        Raises:
            StoreError: It is no record, or one with facts that this version does not know.
        """
        known = {field.name for field in fields(cls)}
        if (
            not isinstance(values, dict)
            or not {"region", "month", "status"} <= set(values) <= known
        ):
            raise StoreError(
                f"not the record of a month, or one of a later version: {values!r:.80}"
            )
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return cls(**(values | lists))


def archive_key(config: Config, region: Region, source: Source) -> str:
    """Hash of all that changes a month's bytes: 64 hexadecimal digits."""
    grid = grid_of_region(region).as_dict() if region.polygon else None  # else of the files
    return digest(
        {
            "format": FORMAT,
            "region": region.model_dump(mode="json"),
            "grid": grid,
            "source": config.ingest.source,
            "identity": source.identity(region),
            "cloud_profile": config.ingest.cloud_profile,
            "min_valid_share": config.ingest.min_valid_share,
        }
    )


def archive_folder(config: Config, region: Region, source: Source) -> str:
    """Address of a region's archive; it changes with all that changes a month's bytes."""
    name = f"{region.name}-{archive_key(config, region, source)[:8]}"
    return store.join(store.absolute(config.storage), "archive", name)


def month_names(config: Config, region: Region, source: Source) -> list[date]:
    """Months that a run works on: the span, or those of it that the source holds."""
    span = months_between(*config.months.dates())
    held = source.months(region)
    return span if held is None else [month for month in span if month in set(held)]


def write_month(composite: Composite, grid: Grid, stem: str) -> dict[str, Any]:
    """Write the image, and class map and outline where the truth is known.

    Returns:
        Fields of the month's record.
    """
    facts: dict[str, Any] = {}
    if composite.truth is not None:
        # Only the synthetic source gets here; workers of the others start a second sooner.
        from glacier.geo.vectors import encode_outlines

        truth = encode_cog({"surface": composite.truth}, grid, {})
        facts["truth_sha256"] = store.write_bytes(f"{stem}.truth.tif", truth)
        glacier = label_truth(composite.truth) == 1
        outlines = encode_outlines(glacier, grid, {"month": stem.rpartition("/")[2]})
        facts["outlines_sha256"] = store.write_bytes(f"{stem}.truth.gpkg", outlines)
    tags = {"scenes": " ".join(composite.scene_ids)}
    image = encode_cog({**composite.bands, "n_obs": composite.n_obs}, grid, tags)
    looks = composite.n_obs
    return facts | {
        "sha256": store.write_bytes(f"{stem}.tif", image),
        "scene_ids": tuple(composite.scene_ids),
        "platforms": name_platforms(composite.scene_ids),
        "skipped": composite.skipped,
        "n_obs": (int(looks.min()), float(np.median(looks)), int(looks.max())),
        "valid_share": round(composite.valid_share(), 6),
        "saturated_share": composite.saturated_share,
        "sun_elevation_deg": composite.sun_elevation_deg,
    }


def name_platforms(scene_ids: Sequence[str]) -> tuple[str, ...]:
    """Satellites of scenes by their USGS names: ``LC09_...`` -> ``landsat-9``."""
    found = (re.match(r"L[A-Z](\d\d)_", name) for name in scene_ids)
    return tuple(sorted({f"landsat-{int(match[1])}" for match in found if match}))


def count_attempts(folder: str, month: str) -> int:
    """Times that a month was tried, counting one that begins now.

    Args:
        folder: Address of the archive.
        month: YYYY-MM.
    """
    address = store.join(folder, f"{month}.json")
    if not store.exists(address):
        return 1
    try:
        record = MonthRecord.from_dict(store.read_json(address))
    except StoreError:
        return 1
    return 1 + (record.attempts if record.status == "failed" else 0)


def complete_record(folder: str, month: date) -> MonthRecord | None:
    """The record of a month that needs no more work, or None.

    A failed month is tried again; so is one that has a file missing or damaged, or that was made
    before all its scenes can have been in the catalogue.
    """
    stem = store.join(folder, f"{month:%Y-%m}")
    if not store.exists(f"{stem}.json"):
        return None
    try:
        record = MonthRecord.from_dict(store.read_json(f"{stem}.json"))
        if record.status == "failed" or record.unsettled:
            return None
        for end, sha256 in (
            (".tif", record.sha256),
            (".truth.tif", record.truth_sha256),
            (".truth.gpkg", record.outlines_sha256),
        ):
            if sha256:
                store.read_bytes(f"{stem}{end}", sha256)
    except StoreError as error:
        say(f"ingest: {error}; made again")
        return None
    return record


def read_records(config: Config) -> dict[str, list[MonthRecord]]:
    """Archive folder to the records of this run's months, in order.

    Raises:
        StoreError: Months of the run are not in the archive yet.
    """
    source = open_source(config)
    found: dict[str, list[MonthRecord]] = {}
    for region in config.regions:
        folder = archive_folder(config, region, source)
        found[folder] = []
        for month in month_names(config, region, source):
            address = store.join(folder, f"{month:%Y-%m}.json")
            if not store.exists(address):
                raise StoreError(
                    f"region {region.name}, month {month:%Y-%m} is not in the archive {folder}; "
                    "run jobs.ingest with this configuration first"
                )
            found[folder].append(MonthRecord.from_dict(store.read_json(address)))
    return found


def draw_archive(records: Iterable[MonthRecord]) -> Picture | None:
    """The calendar of an archive's months; None where there are fewer than two."""
    from glacier.plots.calendar import Square, draw_calendar  # no worker draws

    regions: dict[str, list[Square]] = {}
    for r in records:
        month = date.fromisoformat(f"{r.month}-01")
        regions.setdefault(r.region, []).append(Square(month, r.status, r.kind, r.valid_share))
    months = {square.month for squares in regions.values() for square in squares}
    return draw_calendar(regions) if len(months) > 1 else None
