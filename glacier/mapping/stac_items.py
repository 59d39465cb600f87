"""Maps as items of STAC, and the catalogue that names them: what GIS finds and opens them by.

An item does not name the catalogue, which is written after all maps: pystac, for one, reads no item
whose catalogue is not there, as while a run is under way or where a map was copied to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from glacier import __version__, store
from glacier.geo.footprints import find_footprint, name_crs
from glacier.geo.raster import Grid
from glacier.geo.stac_json import (
    COG_TYPE,
    FILE,
    JSON_TYPE,
    Asset,
    Item,
    Link,
    Period,
    describe_file,
    encode_catalog,
    encode_item,
    lead,
)
from glacier.map_codes import STEPS, UNSEEN
from glacier.mapping.maps import CLASSES, ITEM, PROBABILITY, MapRecord
from glacier.mapping.outlines import date_scenes
from glacier.training import stac_model
from glacier.training.stac_model import item_address, name_model

EXTENSIONS = ("projection/v2.0.0", "raster/v2.0.0", "processing/v1.2.0", "classification/v2.0.0",
              FILE)  # fmt: skip

ANY_DAY = Period(date(1972, 7, 23), date(9999, 12, 31))
"""When an image was taken of which nobody knows: since there have been Landsats.

Source:
    STAC wants an end; radiantearth/stac-spec#1268 has the custom of the year 9999.
"""


@dataclass(frozen=True)
class MapSources:
    """Addresses of what a map was made of, in the same store."""

    models: str
    """The models' folder."""
    image: str
    """The raster; beside that of an archive's month lies the record that names its scenes."""


def encode_map_item(
    record: MapRecord, folder: str, sources: MapSources, sizes: Mapping[str, int]
) -> bytes:
    """The file of a map's item, which lies beside its rasters.

    Args:
        record: Of a map that was made, with the checksums of its rasters.
        folder: Address of the folder that the item will lie in.
        sources: What it was made of.
        sizes: Name of each raster to its size, bytes.
    """
    assert record.grid is not None
    return encode_item(
        Item(
            name=f"{record.region}-{record.name}",
            footprint=find_footprint(record.grid),
            period=date_map(record),
            extensions=EXTENSIONS,
            properties=list_properties(record, record.grid),
            assets=list_assets(record, record.grid, sizes),
            links=[
                *link_models(record, folder, sources.models),
                *link_scenes(record, folder, sources.image),
            ],
        )
    )


def date_map(record: MapRecord) -> Period:
    """When the scenes of a map were taken."""
    if record.month is None:
        return ANY_DAY
    dates = date_scenes(record.scene_ids, date.fromisoformat(f"{record.month}-01"))
    return Period(dates.first, dates.last, dates.median)


def list_properties(record: MapRecord, grid: Grid) -> Mapping[str, Any]:
    """Where a map's pixels lie, and how it was made."""
    code, wkt2 = name_crs(grid)
    models = ", ".join(name_model(used.encoder, used.fold) for used in record.models)
    scenes = f" of {len(record.scene_ids)} scenes" if record.scene_ids else ""
    resampled = back = ""
    if record.seen_pixel_m is not None:
        resampled = f", resampled from {grid.pixel_m:g} to {record.seen_pixel_m:g} m"
        back = " The probability was brought back to the pixels of the image."
    unknown = "" if record.month else " When the image was taken is not known."
    return {
        "title": f"Glacier in {record.region}, {record.name}",
        "gsd": grid.pixel_m,
        "proj:code": code,
        **({} if wkt2 is None else {"proj:wkt2": wkt2}),
        "proj:shape": grid.shape,
        "proj:transform": list(grid.transform)[:6],
        "proj:bbox": list(grid.bounds),
        "processing:level": "L4",
        "processing:lineage": f"Image{scenes}{resampled}, mapped by {models}.{back}{unknown}",
        "processing:software": {"glacier-maps": __version__},
    }


def list_assets(record: MapRecord, grid: Grid, sizes: Mapping[str, int]) -> Mapping[str, Asset]:
    """The two rasters and the record of a map."""
    unseen = {"value": UNSEEN, "name": "unseen", "description": "Not seen", "nodata": True}
    scale = {"raster:scale": 1 / STEPS, "raster:offset": 0}
    classes = {"classification:classes": [*stac_model.CLASSES, unseen]}

    def describe(title: str, end: str, fields: Mapping[str, Any]) -> Asset:
        """One of the rasters."""
        name = f"{record.name}{end}"
        pixels = {
            "data_type": "uint8", "nodata": UNSEEN, "raster:sampling": "area",
            "raster:spatial_resolution": grid.pixel_m,
        }  # fmt: skip
        file = describe_file(record.files[name], sizes[name])
        return Asset(f"./{name}", title, COG_TYPE, ("data",), {**pixels, **fields, **file})

    return {
        "probability": describe("Probability of glacier", PROBABILITY, scale),
        "class": describe("Glacier or ground", CLASSES, classes),
        "record": Asset(f"./{record.name}.json", "Record of the map", JSON_TYPE, ("metadata",)),
    }


def link_models(record: MapRecord, folder: str, models: str) -> list[Link]:
    """Links to the items of the models that made a map."""
    return [
        Link(
            "derived_from",
            lead(folder, item_address(store.join(models, used.encoder, f"fold-{used.fold}"))),
            name_model(used.encoder, used.fold),
        )
        for used in record.models
    ]


def link_scenes(record: MapRecord, folder: str, image: str) -> list[Link]:
    """A link for each scene of an archive's month, to where its record names it.

    The id is the title. A catalogue in which the scene itself stands is not named: there are
    several, which come and go, and whose signs are other than those of the next one.

    Source:
        RFC 6901, JSON Pointer, 6: the part of the address behind ``#``.
    """
    record_at = f"{image.removesuffix('.tif')}.json"
    return [
        Link("derived_from", f"{lead(folder, record_at)}#/scene_ids/{place}", scene, JSON_TYPE)
        for place, scene in enumerate(record.scene_ids)
    ]


def catalog_address(folder: str) -> str:
    """Where the catalogue of some maps lies."""
    return store.join(folder, "catalog.json")


def is_catalogued(folder: str) -> bool:
    """Whether the catalogue of a folder of maps names all that are there.

    Raises:
        StoreError: The store cannot be reached.
    """
    address = catalog_address(folder)
    return store.exists(address) and store.read_bytes(address) == list_maps(folder)


def write_catalog(folder: str) -> None:
    """Write the catalogue of a folder of maps anew.

    Raises:
        StoreError: The place cannot be written to.
    """
    store.write_bytes(catalog_address(folder), list_maps(folder))


def list_maps(folder: str) -> bytes:
    """The catalogue of the maps that are whole in a folder."""
    there = set(store.list_files(folder))
    items = sorted(
        name for name in there if name.endswith(ITEM) and f"{name.removesuffix(ITEM)}.json" in there
    )
    name = folder.rpartition("/")[2]
    links = [Link("item", f"./{item}", item.removesuffix(ITEM)) for item in items]
    return encode_catalog(name, f"Glacier maps of {name}", links)
