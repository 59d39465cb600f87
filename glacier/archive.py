"""The archive: where a month lies, what is recorded of it, and when it is complete.

A month is complete when its record ``<YYYY-MM>.json`` is there, written last, with the sha256
of the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np

from glacier import store
from glacier.composite import Composite
from glacier.config import Config, Region, digest
from glacier.errors import StoreError
from glacier.labels import label_truth
from glacier.landsat import months_between
from glacier.progress import say
from glacier.raster import Grid, encode_cog
from glacier.sources.source import Source, open_source
from glacier.vectors import encode_outlines

FORMAT = 2
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
    """Why it is empty, or the error class and message of a failure."""
    sha256: str = ""
    """Checksum of the image; empty where there is none."""
    truth_sha256: str = ""
    """Checksum of the class map; empty where the source knows none."""
    scene_ids: tuple[str, ...] = ()
    n_obs: tuple[int, float, int] = (0, 0.0, 0)
    """Fewest, median and most clear looks of a pixel."""
    valid_share: float = 0.0
    """Share of pixels with a clear look, 0..1."""
    sun_elevation_deg: float | None = None
    source: str = ""
    cloud_profile: str = ""
    seconds: float = 0.0
    """Time that the month took."""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> MonthRecord:
        """The record that :func:`dataclasses.asdict` was made of, back from JSON."""
        scenes, looks = tuple(values["scene_ids"]), tuple(values["n_obs"])
        return cls(**(values | {"scene_ids": scenes, "n_obs": looks}))


def archive_folder(config: Config, region: Region, source: Source) -> str:
    """Address of a region's archive; it changes with all that changes a month's bytes."""
    key = digest(
        {
            "format": FORMAT,
            "region": region.model_dump(mode="json"),
            "source": config.ingest.source,
            "identity": source.identity(region),
            "cloud_profile": config.ingest.cloud_profile,
            "min_valid_share": config.ingest.min_valid_share,
        }
    )
    return store.join(store.absolute(config.storage), "archive", f"{region.name}-{key[:8]}")


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
        truth = encode_cog({"surface": composite.truth}, grid, {})
        facts["truth_sha256"] = store.write_bytes(f"{stem}.truth.tif", truth)
        glacier = label_truth(composite.truth) == 1
        outlines = encode_outlines(glacier, grid, {"month": stem.rpartition("/")[2]})
        store.write_bytes(f"{stem}.truth.gpkg", outlines)
    tags = {"scenes": " ".join(composite.scene_ids)}
    image = encode_cog({**composite.bands, "n_obs": composite.n_obs}, grid, tags)
    looks = composite.n_obs
    return facts | {
        "sha256": store.write_bytes(f"{stem}.tif", image),
        "scene_ids": tuple(composite.scene_ids),
        "n_obs": (int(looks.min()), float(np.median(looks)), int(looks.max())),
        "valid_share": round(composite.valid_share(), 6),
        "sun_elevation_deg": composite.sun_elevation_deg,
    }


def complete_record(folder: str, month: date) -> MonthRecord | None:
    """The record of a month that needs no more work, or None.

    A failed month is tried again; so is one whose image is missing or damaged.
    """
    stem = store.join(folder, f"{month:%Y-%m}")
    if not store.exists(f"{stem}.json"):
        return None
    record = MonthRecord.from_dict(store.read_json(f"{stem}.json"))
    if record.status == "failed":
        return None
    try:
        if record.sha256:
            store.read_bytes(f"{stem}.tif", record.sha256)
        if record.truth_sha256:
            store.read_bytes(f"{stem}.truth.tif", record.truth_sha256)
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
