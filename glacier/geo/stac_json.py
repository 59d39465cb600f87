"""Items and catalogues of STAC 1.1, as sealed JSON: what those of maps and of models share.

STAC allows further fields, so that the seal of our files is one of them. All references lead from
the file itself, so that a folder can be moved, copied or served as it is.

Source:
    SpatioTemporal Asset Catalog specification 1.1.0, item-spec and catalog-spec.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from glacier import seals
from glacier.geo.footprints import Footprint

VERSION = "1.1.0"

FILE = "file/v2.1.0"
"""The extension that :func:`describe_file` is of."""

ITEM_TYPE, JSON_TYPE = "application/geo+json", "application/json"
COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"

SHA256 = "1220"
"""How a multihash begins that is a sha256 of 32 bytes.

Source:
    The multihash table, https://github.com/multiformats/multicodec.
"""


@dataclass(frozen=True)
class Link:
    """A reference to what belongs to a file."""

    rel: str
    """In what relation that stands to it."""
    href: str
    title: str = ""
    media: str = ITEM_TYPE


@dataclass(frozen=True)
class Asset:
    """A file that an item describes."""

    href: str
    title: str
    media: str
    roles: tuple[str, ...]
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What extensions say of it."""


@dataclass(frozen=True)
class Period:
    """Days of an item, both ends included."""

    first: date
    last: date
    nominal: date | None = None
    """The day that stands for them; None: none does."""


@dataclass(frozen=True)
class Item:
    """A place, a time, and files."""

    name: str
    footprint: Footprint | None
    """None: nobody knows."""
    period: Period
    extensions: tuple[str, ...]
    """Name and version of each, such as ``file/v2.1.0``."""
    properties: Mapping[str, Any]
    assets: Mapping[str, Asset]
    links: Sequence[Link] = ()


def encode_item(item: Item) -> bytes:
    """The file of an item."""
    place = {} if item.footprint is None else {"bbox": list(item.footprint.bounds)}
    return seals.encode_json(
        {
            "type": "Feature",
            "stac_version": VERSION,
            "stac_extensions": [
                f"https://stac-extensions.github.io/{name}/schema.json" for name in item.extensions
            ],
            "id": item.name,
            "geometry": item.footprint and to_geojson(item.footprint),
            "properties": {**state_period(item.period), **item.properties},
            "assets": {name: list_asset(asset) for name, asset in item.assets.items()},
            "links": [list_link(link) for link in item.links],
            **place,
        }
    )


def encode_catalog(name: str, description: str, items: Sequence[Link]) -> bytes:
    """The file of a catalogue, which names items."""
    own = Link("root", "./catalog.json", media=JSON_TYPE)
    return seals.encode_json(
        {
            "type": "Catalog",
            "stac_version": VERSION,
            "id": name,
            "description": description,
            "links": [list_link(link) for link in (own, *items)],
        }
    )


def to_geojson(footprint: Footprint) -> Mapping[str, Any]:
    """A footprint as GeoJSON."""
    polygons = [[ring] for ring in footprint.rings]
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def state_period(period: Period) -> Mapping[str, Any]:
    """Times of an item, UTC: the days as a whole."""
    return {
        "datetime": period.nominal and f"{period.nominal}T00:00:00Z",
        "start_datetime": f"{period.first}T00:00:00Z",
        "end_datetime": f"{period.last}T23:59:59Z",
    }


def list_link(link: Link) -> Mapping[str, str]:
    """A link, without a title where it has none."""
    title = {"title": link.title} if link.title else {}
    return {"rel": link.rel, "href": link.href, "type": link.media, **title}


def list_asset(asset: Asset) -> Mapping[str, Any]:
    """An asset with what extensions say of it."""
    kept = {"href": asset.href, "title": asset.title, "type": asset.media}
    return {**kept, "roles": list(asset.roles), **asset.fields}


def describe_file(sha256: str, size_bytes: int) -> Mapping[str, Any]:
    """Checksum and size of a file, by the extension ``file``."""
    return {"file:checksum": SHA256 + sha256, "file:size": size_bytes}


def lead(folder: str, address: str) -> str:
    """The way from a folder to an address in the same store."""
    way = posixpath.relpath(address, folder)
    return way if way.startswith("../") else f"./{way}"
