"""Scenes of a STAC catalogue: searched once, kept as unsigned items, read in place by the month."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache, partial
from typing import Any, Self
from urllib.parse import urlsplit

import odc.stac
import planetary_computer
import pystac
from pystac_client import Client
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from rasterio.warp import transform_bounds
from requests import RequestException
from urllib3.util import Retry

from glacier import store
from glacier.composite import Composite, Empty, Scene
from glacier.config import PLANETARY_COMPUTER, Config, Region, Stac, digest, identity
from glacier.errors import ConfigError, SourceError, StoreError
from glacier.geo.raster import WGS84, Grid
from glacier.landsat import is_settled, month_interval
from glacier.sources.limiter import Limiter, Outcome, RequestLimit
from glacier.sources.night import predict_night
from glacier.sources.scenes import (
    BAND_OF_ASSET,
    FAULTS,
    QA_PIXEL,
    QA_RADSAT,
    compose_scenes,
    load_scene,
)
from glacier.sources.source import Source

NEEDED = (*BAND_OF_ASSET, QA_PIXEL, QA_RADSAT)
"""Assets of a scene that are read, a file each."""

SCENES_A_MONTH = 4
"""Scenes of a region in a month, roughly: two passes of a satellite, each seen by two paths."""

PROPERTIES = ("datetime", "platform", "created", "updated", "view:sun_elevation")
PREFIXES = ("proj:", "landsat:")

GDAL: dict[str, Any] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
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

    @classmethod
    def from_config(cls, config: Config, limiter: RequestLimit | None = None) -> Self:
        """The source of ``ingest.stac``."""
        return cls(config, limiter)

    def identity(self, region: Region) -> dict[str, Any]:
        """What changes the pixels."""
        return {
            "settings": identity(self.settings),
            "platforms": sorted(set(self.ingest.platforms)),
            "mask_saturated": self.ingest.mask_saturated,
        }

    def describe_requests(self, regions: int, months: int) -> str:
        """Searches, and windows of scenes' files."""
        files = months * SCENES_A_MONTH * len(NEEDED)
        return (
            f"{regions} searches and windows of about {files} files "
            f"({SCENES_A_MONTH} scenes a month, {len(NEEDED)} files each)"
        )

    def survey(self, region: Region) -> None:
        """Search the catalogue for the whole span, unless an earlier search is kept.

        Raises:
            SourceError: The catalogue does not answer.
            ConfigError: Its pixels are not to be had over the web.
        """
        address = self.address(region)
        if not store.exists(address):
            store.write_json(address, self.search(region))

    def address(self, region: Region) -> str:
        """Where the search of a region is kept."""
        first, last = self.span
        key = digest(
            {
                "url": self.settings.url,
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
        try:
            client = open_catalogue(self.settings.url)
            found = client.search(
                collections=[self.settings.collection],
                bbox=frame_degrees(self.grid(region)),
                datetime=[start, end],
                limit=200,
            ).item_collection()
        except (APIError, RequestException, pystac.STACError) as error:
            raise SourceError(
                f"the catalogue {self.settings.url} cannot be searched: {error}; try again later, "
                "or set ingest.stac.url"
            ) from error
        for item in found:
            check_addresses(self.settings.url, item)
        return {"type": "FeatureCollection", "features": [prune_item(item) for item in found]}

    def fetch_month(self, region: Region, month: date) -> Composite | Empty:
        """The composite of the month's scenes.

        Raises:
            SourceError: The catalogue or none of the month's scenes can be read.
        """
        grid = self.grid(region)
        if night := predict_night(grid, month):
            return night
        self.survey(region)
        items = pick_items(
            read_items(self.address(region)), month, self.ingest.platforms, self.settings.tiers
        )
        if not items:
            return Empty("no_scene: the catalogue holds no scene of this month")
        loads = [(name, partial(self.read_scene, item, grid)) for name, item in items.items()]
        return compose_scenes(loads, self.ingest)

    def read_scene(self, item: pystac.Item, grid: Grid) -> Scene:
        """Read a scene within the limit; a second time, freshly signed, if that fails."""
        ticket = self.limiter.acquire()
        outcome: Outcome = "failed"
        try:
            configure_reading()
            try:
                scene = load_scene(sign_item(item, self.settings.url), grid)
            except FAULTS:
                planetary_computer.sas.TOKEN_CACHE.clear()
                scene = load_scene(sign_item(item, self.settings.url), grid)
            outcome = "ok"
            return scene
        finally:
            self.limiter.release(ticket, outcome)


def open_catalogue(url: str) -> Client:
    """A client whose searches survive 429 and 5xx; POST is repeated too, since it only asks."""
    codes = [429, 500, 502, 503, 504]
    again = Retry(total=5, backoff_factor=0.5, status_forcelist=codes, allowed_methods=None)
    return Client.open(url, stac_io=StacApiIO(max_retries=again, timeout=60))


@lru_cache(maxsize=1)
def configure_reading() -> None:
    """Set how GDAL reads over the web in this process."""
    odc.stac.configure_rio(**GDAL)


def sign_item(item: pystac.Item, url: str) -> pystac.Item:
    """The item with addresses that may be read for the next minutes; a copy."""
    if url != PLANETARY_COMPUTER:
        return item
    signed: pystac.Item = planetary_computer.sign(item)
    return signed


def frame_degrees(grid: Grid) -> list[float]:
    """West, south, east, north of a grid, degrees."""
    return [round(side, 6) for side in transform_bounds(grid.crs, WGS84, *grid.bounds)]


def prune_item(item: pystac.Item) -> dict[str, Any]:
    """What reading needs of an item, as plain values, its addresses unsigned."""
    assets = {}
    for name in NEEDED:
        if name in item.assets:
            asset = item.assets[name]
            layout = {k: v for k, v in asset.extra_fields.items() if k.startswith("proj:")}
            kind = asset.media_type or pystac.MediaType.GEOTIFF  # a signed name hides its ending
            assets[name] = {"href": unsigned_address(asset), "type": kind, **layout}
    kept = {
        key: value
        for key, value in item.properties.items()
        if key in PROPERTIES or key.startswith(PREFIXES)
    }
    plain = item.to_dict(include_self_link=False, transform_hrefs=False)
    return {
        **{key: plain[key] for key in ("type", "stac_version", "id", "geometry", "bbox")},
        "stac_extensions": [],
        "collection": item.collection_id,
        "properties": kept,
        "links": [],
        "assets": assets,
    }


def unsigned_address(asset: pystac.Asset) -> str:
    """Where an asset lies, without the query that signs it."""
    return (asset.get_absolute_href() or asset.href).partition("?")[0]


def check_addresses(url: str, item: pystac.Item) -> None:
    """Refuse a catalogue whose pixels lie elsewhere than on the web.

    Only http and https are opened: a catalogue could else name any file of this machine.

    Raises:
        ConfigError: With the first such address.
    """
    for name in NEEDED:
        if name not in item.assets:
            continue
        address = unsigned_address(item.assets[name])
        if urlsplit(address).scheme not in ("http", "https"):
            raise ConfigError(
                f"ingest.stac.url = {url}: its pixels lie at {address}, not on the web; "
                "s3:// buckets of USGS let their reader pay and need an AWS account, which "
                f"this version does not use; take {PLANETARY_COMPUTER}"
            )


@lru_cache(maxsize=64)
def read_items(address: str) -> tuple[pystac.Item, ...]:
    """Items of a kept search.

    Raises:
        StoreError: The file is damaged; remove it to search again.
    """
    try:
        return tuple(pystac.Item.from_dict(item) for item in store.read_json(address)["features"])
    except (KeyError, TypeError, pystac.STACError, pystac.STACTypeError) as error:
        raise StoreError(f"{address} is no kept search: {error}; remove it") from error


def pick_items(
    items: tuple[pystac.Item, ...], month: date, platforms: tuple[int, ...], tiers: tuple[str, ...]
) -> dict[str, pystac.Item]:
    """Items of a month, half open in UTC, by name; of a scene processed twice the newer one."""
    start, end = month_interval(month)
    wanted = {f"landsat-{number}" for number in platforms}
    found: dict[str, pystac.Item] = {}
    for item in sorted(items, key=age_of):
        assert item.datetime is not None
        platform = str(item.properties.get("platform", "")).lower().replace("_", "-")
        tier = item.properties.get("landsat:collection_category", "T1")
        if start <= item.datetime < end and platform in wanted and tier in tiers:
            found[name_scene(item.id)] = item
    return dict(sorted(found.items()))


def age_of(item: pystac.Item) -> tuple[str, str]:
    """Sorts versions of a scene, the newest last."""
    made = re.match(r".*_\d{8}_(\d{8})_", item.id)
    created = str(item.properties.get("updated") or item.properties.get("created") or "")
    return (made[1] if made else created, item.id)


def name_scene(name: str) -> str:
    """A scene's name without its processing date, as files and catalogues both can tell it."""
    return re.sub(r"^(\w+_\d{6}_\d{8})_\d{8}_(02_T\d).*$", r"\1_\2", name)
