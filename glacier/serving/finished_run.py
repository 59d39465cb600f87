"""What a run has ready for others: outlines of all dates, areas, maps, and files to take away."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from glacier import seals, store
from glacier.config import Config
from glacier.errors import GlacierError
from glacier.geo.outline_files import read_outline_rows
from glacier.geo.outline_rows import OutlineRow
from glacier.geo.outline_search import OutlineTree
from glacier.mapping.area_table import AreaRow, read_area_rows
from glacier.mapping.maps import MapRecord, map_address
from glacier.progress import say
from glacier.reports.series_files import OUTLINES, TABLE, SeriesSummary, summary_address
from glacier.serving.local_files import FileShelf
from glacier.serving.run_places import RunPlaces, find_places

LOOK_S = 10.0
"""Seconds between two looks at whether the files of a run have changed."""

TABLE_ENDS = (".gpkg", ".parquet", ".qml", ".csv", ".tif")
"""Ends of the names of those files of a series that are handed out: no page, no film."""


@dataclass(frozen=True)
class Outlines:
    """The outlines of all dates, each with its name in the collection."""

    rows: tuple[OutlineRow, ...] = ()
    ids: tuple[str, ...] = ()
    """``<region>.<YYYY-MM>.<number>``, the number counting from 1 within a month."""
    places: Mapping[str, int] = field(default_factory=dict)
    """Name to place in both."""
    tree: OutlineTree = field(default_factory=lambda: OutlineTree(()))


@dataclass(frozen=True)
class FinishedRun:
    """A run as it was when it was looked at."""

    places: RunPlaces
    sha256: str = ""
    """Over what its series was made of; empty: there is no series yet."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Name of each file of the series that is handed out to its checksum."""
    outlines: Outlines = Outlines()
    areas: Mapping[str, tuple[AreaRow, ...]] = field(default_factory=dict)
    """Region to its rows of ``area.csv``."""
    says: Mapping[str, str] = field(default_factory=dict)
    """Region to what changed there, in a sentence."""
    maps: dict[str, dict[str, MapRecord]] = field(default_factory=dict)
    """Region to month to the record of its map, of the regions that were asked for."""

    def find_maps(self, region: str) -> Mapping[str, MapRecord]:
        """Month, YYYY-MM, to the record of its map, of the months that have one."""
        if region not in self.places.images or not self.places.maps:
            return {}
        if region not in self.maps:
            self.maps[region] = read_maps(self.places, region)
        return self.maps[region]


def read_run(places: RunPlaces) -> FinishedRun:
    """What is there of a run; what is not there yet is empty.

    Raises:
        StoreError: A file of the series is damaged, or a store cannot be reached.
    """
    address = summary_address(places.results)
    if not store.exists(address):
        return FinishedRun(places)
    summary = seals.read_model(address, SeriesSummary)
    areas: dict[str, list[AreaRow]] = defaultdict(list)
    for row in read_area_rows(store.read_bytes(*locate(places, summary, TABLE))):
        areas[row.region].append(row)
    return FinishedRun(
        places=places,
        sha256=summary.inputs_sha256,
        files={n: sha256 for n, sha256 in summary.files.items() if n.endswith(TABLE_ENDS)},
        outlines=read_outlines(places, summary),
        areas={region: tuple(rows) for region, rows in areas.items()},
        says=summary.says,
    )


def locate(places: RunPlaces, summary: SeriesSummary, name: str) -> tuple[str, str]:
    """Address and checksum of a file of a series."""
    return store.join(places.results, name), summary.files.get(name, "")


def read_outlines(places: RunPlaces, summary: SeriesSummary) -> Outlines:
    """The outlines of a series; a series without glacier has none."""
    name = f"{OUTLINES}.parquet"
    if name not in summary.files:
        return Outlines()
    with store.local_copy(*locate(places, summary, name)) as path:
        rows = tuple(read_outline_rows(str(path)))
    counts: dict[str, int] = defaultdict(int)
    ids = []
    for row in rows:
        month = f"{row.region}.{row.year:04d}-{row.month:02d}"
        counts[month] += 1
        ids.append(f"{month}.{counts[month]}")
    return Outlines(rows, tuple(ids), {name: k for k, name in enumerate(ids)}, OutlineTree(rows))


def read_maps(places: RunPlaces, region: str) -> dict[str, MapRecord]:
    """The records of the maps of a region that are there, in order of their months."""

    def read(month: str) -> MapRecord | None:
        try:
            record = seals.read_model(map_address(places.maps, region, month), MapRecord)
        except GlacierError:  # not mapped yet, or being mapped anew
            return None
        return record if record.status == "ok" and record.grid is not None else None

    months = sorted(places.images[region])
    with ThreadPoolExecutor() as pool:
        found = zip(months, pool.map(read, months), strict=True)
        return {month: record for month, record in found if record is not None}


class WatchedRun:
    """A run that is looked at again when its files change; any thread may ask for it."""

    def __init__(self, find: Callable[[], RunPlaces], look_s: float = LOOK_S) -> None:
        """Look for nothing yet.

        Args:
            find: Says where it lies what the run has made.
            look_s: Seconds between two looks.
        """
        self.find = find
        self.look_s = look_s
        self.files = FileShelf()
        self.lock = threading.Lock()
        self.run: FinishedRun | None = None
        self.state: object = None
        self.looked = 0.0

    def look(self) -> FinishedRun:
        """The run as it is, or as it was a few seconds ago.

        A series that is just being written leaves the one before it in place.

        Raises:
            StoreError: Nothing of it can be read.
        """
        run = self.run
        if run is not None and time.monotonic() - self.looked < self.look_s:
            return run
        if run is not None and not self.lock.acquire(blocking=False):
            return run  # another thread is looking
        if run is None:
            self.lock.acquire()
        try:
            return self.look_again()
        finally:
            self.lock.release()

    def look_again(self) -> FinishedRun:
        """Read the run where its files have changed since."""
        if self.run is not None and time.monotonic() - self.looked < self.look_s:
            return self.run
        places = self.run.places if self.run and self.run.places.maps else self.find()
        state = list_state(places)
        if self.run is None or state != self.state:
            try:
                self.run = read_run(self.find() if self.state else places)
                self.state = state
            except GlacierError as error:
                if self.run is None:
                    raise
                say(f"serve: {error}; what was there before is served on")
        self.looked = time.monotonic()
        return self.run


def list_state(places: RunPlaces) -> tuple[object, ...]:
    """What changes when the series or the maps of a run do."""
    results = store.list_states(places.results)
    maps = store.list_states(places.maps) if places.maps else {}
    told = ("series.json", "latest.json")
    return places.maps, *(results.get(name) for name in told), maps.get("catalog.json")


def watch_run(config: Config) -> WatchedRun:
    """The finished run of a configuration."""
    return WatchedRun(lambda: find_places(config))
