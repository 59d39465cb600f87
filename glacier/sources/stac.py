"""Scenes of a STAC catalogue: searched once, kept as unsigned items, read in place by the month."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import planetary_computer
import pystac
import rasterio
from pystac_client import Client
from pystac_client.exceptions import APIError
from rasterio.warp import transform_bounds
from requests import RequestException

from glacier import seals, store
from glacier.composite import Composite, Empty, Scene
from glacier.config import Config
from glacier.errors import DamagedError, SourceError
from glacier.geo.gdal import RASTER
from glacier.geo.raster import WGS84, Grid
from glacier.landsat import BANDS, OPTICAL, is_settled, month_interval
from glacier.progress import say
from glacier.settings.identity import digest, identity
from glacier.settings.regions import Region
from glacier.settings.stac import PLANETARY_COMPUTER, Stac
from glacier.sources.hosts import GuardedIO, list_hosts, refuse_addresses
from glacier.sources.limiter import Limiter, Outcome, RequestLimit
from glacier.sources.night import predict_night
from glacier.sources.scenes import (
    FAULTS,
    MAX_NAMED,
    Load,
    SceneFiles,
    Unseen,
    compose_scenes,
    load_scene,
)
from glacier.sources.source import Source
from glacier.sources.stac_items import (
    find_undated,
    keep_items,
    pick_items,
    read_items,
    refuse_item,
)
from glacier.sources.tiles import TILE_PRODUCTS, load_tile
from glacier.wording import shorten_list

SCENES_A_MONTH = 4
"""Scenes of a region in a month, roughly: two passes of a satellite, each seen by two paths."""

GDAL: dict[str, Any] = RASTER | {
    "GDAL_HTTP_MAX_RETRY": 6,
    "GDAL_HTTP_RETRY_DELAY": 0.5,
    "GDAL_HTTP_CONNECTTIMEOUT": 20,
    "GDAL_HTTP_TIMEOUT": 60,
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_INGESTED_BYTES_AT_OPEN": 32768,
    "VSI_CACHE": "TRUE",
}
"""GDAL repeats a request that met 429, 5xx or a lost connection; nothing here repeats those. What
it cannot cure is a signature that has run out (403): for that a scene is opened once more."""


class StacSource(Source):
    """Composites of the scenes that a catalogue lists."""

    settings: Stac

    def __init__(self, config: Config, limiter: RequestLimit | None = None) -> None:
        """Read by these settings.

        Args:
            config: Catalogue, span of months, and where the search is kept.
            limiter: Of the scenes being read, shared with other workers; None: this source's own.
        """
        super().__init__(config.ingest.stac)
        self.ingest = config.ingest
        self.span = config.months.dates()
        self.storage = store.absolute(config.storage)
        self.limiter = limiter or Limiter(self.settings.in_flight, self.settings.deadline_s)
        self.catalogue = name_catalogue(self.settings.url)

    @classmethod
    def from_config(cls, config: Config, limiter: RequestLimit | None = None) -> Self:
        """The source of ``ingest.stac``."""
        return cls(config, limiter)

    def identity(self, region: Region) -> dict[str, Any]:
        """What changes the pixels."""
        own = {"settings": identity(self.settings) | {"url": self.catalogue}}
        if self.settings.product != "landsat":
            return own | {"mask_saturated": self.ingest.mask_saturated}
        return own | {
            "platforms": sorted(set(self.ingest.platforms)),
            "tiers": sorted(set(self.ingest.tiers)),
            "mask_saturated": self.ingest.mask_saturated,
        }

    def describe_requests(self, regions: int, months: int) -> str:
        """Searches, and windows of scenes' files."""
        product = self.settings.product
        each = len(OPTICAL) + 1 if product != "landsat" else len(BANDS) + 2  # with those of quality
        files = months * SCENES_A_MONTH * each
        return (
            f"{regions} searches and windows of about {files} files "
            f"({SCENES_A_MONTH} scenes a month, {each} files each)"
        )

    def addresses(self) -> list[str]:
        """The catalogue, and hosts that its pixels may lie on."""
        _, *others = list_hosts(self.settings)
        return [self.settings.url, *others]

    def survey(self, region: Region) -> None:
        """Search the catalogue for the whole span, unless an earlier search is kept.

        Raises:
            SourceError: The catalogue does not answer.
            ConfigError: Its pixels are not to be had over the web.
        """
        address = self.address(region)
        try:
            if store.exists(address):
                seals.read_json(address)
                return
        except DamagedError as error:
            say(f"{error}")  # and it is written over: other runs may read it, too
        seals.write_json(address, self.search(region))

    def address(self, region: Region) -> str:
        """Where the search of a region is kept."""
        first, last = self.span
        key = digest(
            {
                "url": self.catalogue,
                "collection": self.settings.collection,
                "frame": frame_degrees(self.grid(region)),
                "span": [first.isoformat(), last.isoformat()],
                "asked": None if is_settled(last) else date.today().isoformat(),
            }
        )
        return store.join(self.storage, "catalogue", f"{region.name}-{key[:8]}.json")

    def search(self, region: Region) -> dict[str, Any]:
        """Items over the region's frame within the span, as a GeoJSON collection."""
        first, last = self.span
        start, end = month_interval(first)[0], month_interval(last)[1]
        say(f"ingest: searching {self.catalogue} for scenes of {region.name}")
        try:
            client = open_catalogue(self.settings)
            found: list[dict[str, Any]] = []
            for box in split_frame(frame_degrees(self.grid(region))):
                search = client.search(
                    collections=[self.settings.collection],
                    bbox=box,
                    datetime=[start, end],
                    limit=200,
                )
                known = {item.get("id") for item in found}  # of the box on the other side
                found += [i for i in search.items_as_dicts() if i.get("id") not in known]
            kept = keep_items(found, self.settings, self.catalogue)
            if undated := find_undated(kept, self.settings.product):
                names = shorten_list(undated, MAX_NAMED)
                say(f"ingest: {self.catalogue}: left out without a time: {names}")
        except (APIError, RequestException, pystac.STACError) as error:
            raise SourceError(
                f"the catalogue {self.catalogue} cannot be searched: {error}; try again later, "
                "or set ingest.stac.url"
            ) from error
        return kept

    def fetch_month(self, region: Region, month: date) -> Composite | Empty:
        """The composite of the month's scenes.

        Raises:
            SourceError: The catalogue or none of the month's scenes can be read.
        """
        grid = self.grid(region)
        if night := predict_night(grid, month):
            return night
        self.survey(region)
        listed = read_items(self.address(region), self.settings.product)
        items, faults = pick_items(listed, month, self.ingest)
        loads: list[tuple[str, Load]] = [
            (scene.name, partial(self.read_scene, scene, grid)) for scene in items
        ]
        loads += [(name, partial(refuse_item, fault)) for name, fault in faults.items()]
        if not loads:
            return Empty("no_scene: the catalogue holds no scene of this month")
        return compose_scenes(loads, self.ingest)

    def read_scene(self, scene: SceneFiles, grid: Grid) -> Scene | Unseen:
        """Read a scene within the limit; a second time, freshly signed, if that fails."""
        refuse_addresses(scene.addresses.values(), self.settings)
        ticket = self.limiter.acquire()
        outcome: Outcome = "failed"
        url = self.settings.url
        try:
            with configure_reading():
                try:
                    found = self.load(sign_scene(scene, url), grid)
                except FAULTS:
                    planetary_computer.sas.TOKEN_CACHE.clear()
                    found = self.load(sign_scene(scene, url), grid)
            outcome = "ok"
            return found
        finally:
            self.limiter.release(ticket, outcome)

    def load(self, scene: SceneFiles, grid: Grid) -> Scene | Unseen:
        """Read a scene as its product lies in files."""
        product = self.settings.product
        if product == "landsat":
            return load_scene(scene, grid, self.ingest)
        return load_tile(scene, TILE_PRODUCTS[product], grid, self.ingest)


def open_catalogue(settings: Stac) -> Client:
    """A client that asks the catalogue, and nobody else that its answers may name."""
    return Client.open(settings.url, stac_io=GuardedIO(settings))


def configure_reading() -> AbstractContextManager[Any]:
    """How GDAL reads over the web, for the length of a block in this thread."""
    env: AbstractContextManager[Any] = rasterio.Env(**GDAL)
    return env


def sign_scene(scene: SceneFiles, url: str) -> SceneFiles:
    """The scene with addresses that may be read for the next minutes."""
    if url != PLANETARY_COMPUTER:
        return scene
    signed = {name: str(planetary_computer.sign(at)) for name, at in scene.addresses.items()}
    return replace(scene, addresses=signed)


def name_catalogue(url: str) -> str:
    """Address of a catalogue without what lets somebody in: a user, a password, a token."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def split_frame(frame: list[float]) -> list[list[float]]:
    """A frame as boxes whose west lies west of their east: two where it lies across 180 degrees.

    Not every catalogue reads a box from 179 to -179 as the narrow one.
    """
    west, south, east, north = frame
    if west <= east:
        return [frame]
    return [[west, south, 180.0, north], [-180.0, south, east, north]]


def frame_degrees(grid: Grid) -> list[float]:
    """West, south, east, north of a grid, degrees; east below west across 180 degrees."""
    return [round(side, 6) for side in transform_bounds(grid.crs, WGS84, *grid.bounds)]
