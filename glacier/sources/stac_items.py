"""Items of a STAC catalogue: what is kept of them, and which are read for a month.

An item that cannot be used costs itself alone: it is kept with the reason, and named in its month.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import pystac

from glacier import seals
from glacier.errors import ConfigError, SourceError, StoreError
from glacier.geo.declared import same_scale
from glacier.landsat import band_scale, month_interval
from glacier.satellites import LETTER, choose_satellites
from glacier.settings.ingest import Ingest
from glacier.settings.stac import PLANETARY_COMPUTER, ProductName, Stac
from glacier.sources.passes import Product, Tile, choose_versions, read_product, read_tile
from glacier.sources.scenes import BAND_OF_ASSET, QA_PIXEL, QA_RADSAT, SceneFiles
from glacier.sources.tiles import TILE_PRODUCTS, find_offset

PROPERTIES = ("datetime", "start_datetime", "platform", "created", "updated", "view:sun_elevation")
PREFIXES = ("landsat:", "s2:", "earthsearch:")

Kept = Mapping[str, Any]
"""An item as it is kept: ``id``, ``properties``, ``assets`` with unsigned addresses, ``fault``."""


@dataclass(frozen=True)
class ListedScene:
    """An item of a catalogue, read or not to be read."""

    files: SceneFiles
    product: Product | Tile | None
    fault: str = ""
    """Why it cannot be read; empty where it can."""
    platform: int | None = None
    """8 for Landsat 8; None where nothing says, and for other satellites."""
    tier: str = ""
    """Of a scene of Landsat."""


def keep_items(found: Iterable[Any], settings: Stac, url: str) -> dict[str, Any]:
    """Items of a search as a GeoJSON collection, each no larger than reading needs.

    Args:
        found: Items as a catalogue gives them.
        settings: What they are.
        url: The catalogue, for messages.

    Raises:
        ConfigError: The pixels of all items lie elsewhere than on the web.
    """
    kept = [keep_item(item, settings.product) for item in found]
    elsewhere = [item["elsewhere"] for item in kept if "elsewhere" in item]
    if elsewhere and len(elsewhere) == len(kept):
        raise ConfigError(
            f"ingest.stac.url = {url}: its pixels lie at {elsewhere[0]}, not on the web; "
            "s3:// buckets of USGS let their reader pay and need an AWS account, which "
            f"this version does not use; take {PLANETARY_COMPUTER}"
        )
    return {"type": "FeatureCollection", "features": kept}


def list_assets(product: ProductName) -> tuple[str, ...]:
    """Names of the assets of a scene that are read, a file each."""
    if product == "landsat":
        return (*BAND_OF_ASSET, QA_PIXEL, QA_RADSAT)
    return TILE_PRODUCTS[product].assets


def keep_item(raw: Any, product: ProductName = "landsat") -> dict[str, Any]:
    """What reading needs of an item, as plain values, its addresses unsigned."""
    plain = raw if isinstance(raw, dict) else {}
    values = plain.get("properties")
    properties = values if isinstance(values, dict) else {}
    kept: dict[str, Any] = {
        "type": "Feature",
        "id": str(plain.get("id", "item without an id")),
        "collection": str(plain.get("collection", "")),
        "properties": {
            key: value
            for key, value in properties.items()
            if key in PROPERTIES or key.startswith(PREFIXES)
        },
        "assets": {},
    }
    try:
        assets = pystac.Item.from_dict(plain).assets
        for name in list_assets(product):
            if name in assets:
                kept["assets"][name] = {"href": check_asset(name, assets[name], product)}
    except ElsewhereError as error:
        return kept | {"fault": str(error), "elsewhere": error.address}
    except Exception as error:  # a library's reading of what anyone may have written
        return kept | {"fault": f"no usable item: {type(error).__name__}: {error}"[:300]}
    return kept


class ElsewhereError(SourceError):
    """An asset that does not lie on the web."""

    def __init__(self, name: str, address: str) -> None:
        """Of this name, at this address."""
        super().__init__(f"{name} lies at {address}, not on the web")
        self.address = address


def check_asset(name: str, asset: pystac.Asset, product: ProductName = "landsat") -> str:
    """The unsigned address of an asset that can be read.

    What an item says of the scale of tiles is not looked at: catalogues give the offset of
    Sentinel-2 also where it has been taken off.

    Raises:
        ElsewhereError: It is not on the web: a catalogue could else name any file of this machine.
        SourceError: Its numbers are not Landsat's.
    """
    address = unsigned_address(asset)
    if urlsplit(address).scheme not in ("http", "https"):
        raise ElsewhereError(name, address)
    if product == "landsat" and (fault := find_other_scale(name, asset.extra_fields)):
        raise SourceError(fault)
    return address


def find_other_scale(name: str, fields: Mapping[str, Any]) -> str:
    """What an item says of an asset's numbers, where they are not Landsat's; else empty."""
    bands = fields.get("raster:bands") or fields.get("bands") or [{}]
    first = bands[0] if isinstance(bands, list) and isinstance(bands[0], dict) else {}
    scale = first.get("scale", first.get("raster:scale", fields.get("raster:scale", 1)))
    offset = first.get("offset", first.get("raster:offset", fields.get("raster:offset", 0)))
    if (scale, offset) == (1, 0):
        return ""
    band = BAND_OF_ASSET.get(name)
    if band and same_scale((float(scale), float(offset)), band_scale(band)):
        return ""
    return f"{name} has scale {scale} and offset {offset}, which are not Landsat's"


def find_undated(kept: Mapping[str, Any], product: ProductName) -> list[str]:
    """Names of kept items that belong to no month, since neither time nor name tells one."""
    items = (list_item(item, product) for item in kept["features"])
    return [item.files.name for item in items if item.files.day == date.min]


def unsigned_address(asset: pystac.Asset) -> str:
    """Where an asset lies, without the query that signs it."""
    return (asset.get_absolute_href() or asset.href).partition("?")[0]


@lru_cache(maxsize=64)
def read_items(address: str, product: ProductName = "landsat") -> tuple[ListedScene, ...]:
    """Items of a kept search.

    Args:
        address: Of the search.
        product: What they are.

    Raises:
        StoreError: The file is damaged; remove it to search again.
    """
    try:
        return tuple(list_item(item, product) for item in seals.read_json(address)["features"])
    except (KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{address} is no kept search: {error!r}; remove it") from error


def list_item(item: Kept, product: ProductName = "landsat") -> ListedScene:
    """An item of a product.

    Raises:
        KeyError: It was not kept by :func:`keep_item`.
    """
    return list_landsat(item) if product == "landsat" else list_tile(item, product)


def list_tile(item: Kept, product: ProductName) -> ListedScene:
    """An item of a product that comes in tiles."""
    name, properties = item["id"], item["properties"]
    tile, when = read_tile(name), read_time(properties)
    day = when.date() if when else tile.day if tile else None
    sun = read_angle(properties.get("view:sun_elevation"))
    zenith = read_angle(properties.get("s2:mean_solar_zenith"))
    offset, fault = 0.0, ""
    if product == "sentinel-2":
        offset, fault = find_offset(properties, item.get("collection", ""))
    files = SceneFiles(
        name,
        {asset: str(value["href"]) for asset, value in item["assets"].items()},
        day or date.min,
        when,
        90 - zenith if sun is None and zenith is not None else sun,
        offset,
    )
    fault = item.get("fault", "") or fault or ("" if day else "says no time")
    return ListedScene(files, tile, fault)


def list_landsat(item: Kept) -> ListedScene:
    """A scene of Landsat by its properties, or by its name where they say nothing."""
    name, properties = item["id"], item["properties"]
    product = read_product(name)
    when = read_time(properties)
    day = when.date() if when else product.day if product else None
    said = re.search(r"landsat[-_ ]?(\d+)", str(properties.get("platform", "")).lower())
    platform = int(said[1]) if said else product.platform if product else None
    if product is None and (product := describe_product(properties, platform, day)) is not None:
        name = product.name
    tier = str(
        properties.get("landsat:collection_category") or (product.tier if product else "T1")
    ).upper()
    fault = item.get("fault", "")
    if platform is None:
        fault = fault or "says no platform"
    if level := read_level(name, properties):
        fault = fault or f"is of level {level}, not surface reflectance of level 2"
    if product is not None:
        stamp = str(properties.get("updated") or properties.get("created") or "")
        made = product.made or re.sub(r"\D", "", stamp)
        product = replace(product, tier=tier, made=made, platform=platform or product.platform)
    files = SceneFiles(
        name_scene(name),
        {asset: str(value["href"]) for asset, value in item["assets"].items()},
        day or date.min,
        when,
        read_angle(properties.get("view:sun_elevation")),
    )
    return ListedScene(files, product, fault if day else "says no time", platform, tier)


def describe_product(
    properties: Mapping[str, Any], platform: int | None, day: date | None
) -> Product | None:
    """What tells a scene from others by an item's properties, whatever the catalogue calls it.

    None where they lack path, row, day or a satellite of ours: then it is a scene and a pass of its
    own.
    """
    try:
        path, row = (int(properties[f"landsat:wrs_{side}"]) for side in ("path", "row"))
    except (KeyError, TypeError, ValueError):
        return None
    if platform not in LETTER or day is None:
        return None
    tier = str(properties.get("landsat:collection_category") or "T1").upper()
    level = str(properties.get("landsat:correction") or "L2SP").upper()
    return Product(platform, path, row, day, tier, level=level)


def read_level(name: str, properties: Mapping[str, Any]) -> str:
    """The processing level of an item where it is another than level 2; else empty."""
    said = re.match(r"L[A-Z]0\d_(L\d\w{2})_", name, re.IGNORECASE)
    levels = (said[1] if said else "", str(properties.get("landsat:correction") or ""))
    return next((level for level in levels if level and not level.upper().startswith("L2S")), "")


def read_time(properties: Mapping[str, Any]) -> datetime | None:
    """UTC time of an item, its start where it has no instant; None where it says none."""
    for key in ("datetime", "start_datetime"):
        try:
            when = datetime.fromisoformat(str(properties.get(key)))
        except ValueError:
            continue
        return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    return None


def read_angle(value: Any) -> float | None:
    """A sun elevation in degrees; None where it is no such number."""
    try:
        angle = float(value)
    except (TypeError, ValueError):
        return None
    return angle if -90 <= angle <= 90 else None


def pick_items(
    items: Sequence[ListedScene], month: date, ingest: Ingest
) -> tuple[list[SceneFiles], dict[str, str]]:
    """Items of a month, half open in UTC, one version of each scene.

    Returns:
        Scenes by name, and those that cannot be read: name to the reason.
    """
    start, end = month_interval(month)
    satellites = choose_satellites(ingest.platforms, month)
    here = [
        item
        for item in items
        if is_within(item.files, start, end)
        and (
            ingest.stac.product != "landsat"
            or (item.platform in (None, *satellites) and item.tier in ingest.tiers)
        )
    ]
    chosen = choose_versions((item.product, item.files) for item in here if not item.fault)
    faults = {item.files.name: item.fault for item in here if item.fault}
    return sorted(chosen, key=lambda files: files.name), faults


def is_within(files: SceneFiles, start: datetime, end: datetime) -> bool:
    """Whether a scene was taken in an interval, by its time or else by its day."""
    if files.acquired is not None:
        return start <= files.acquired < end
    return start.date() <= files.day < end.date()


def refuse_item(fault: str) -> Any:
    """Raise what makes an item unreadable, in place of reading it.

    Raises:
        SourceError: Always.
    """
    raise SourceError(fault)


def name_scene(name: str) -> str:
    """A scene's name without its processing date, as files and catalogues both can tell it."""
    return re.sub(r"^(\w+_\d{6}_\d{8})_\d{8}_(02_T\d).*$", r"\1_\2", name)
