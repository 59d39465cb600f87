"""A folder of Landsat Collection 2 Level 2 scenes by their USGS names, read where they lie."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

import pystac
from rasterio.coords import BoundingBox
from rasterio.warp import transform_bounds

from glacier.composite import Composite, Empty, Scene
from glacier.config import Config, Folder, Ingest, Region
from glacier.errors import SourceError
from glacier.geo.raster import WGS84, Grid, grid_of, safe_open
from glacier.landsat import overpass_time, sun_position
from glacier.sources.folders import find_folder, identify_files
from glacier.sources.limiter import RequestLimit
from glacier.sources.night import predict_night
from glacier.sources.scenes import (
    BAND_OF_ASSET,
    COLLECTION,
    QA_PIXEL,
    QA_RADSAT,
    compose_scenes,
    load_scene,
)
from glacier.sources.source import Source

SCENE_FILE = re.compile(
    r"^(?P<scene>LC0(?P<platform>[89])_L2S[PR]_\d{6}_(?P<day>\d{8}))_(?P<made>\d{8})_"
    r"(?P<tier>02_T[12])_(?P<band>SR_B[2-7]|ST_B10|QA_PIXEL|QA_RADSAT)\.TIFF?$",
    re.IGNORECASE,
)
"""USGS product identifier and band.

Source: Landsat Collection 2 Level 2 Science Product Guide (LSDS-1619), naming convention.
"""

GROUPS = ("scene", "platform", "made", "tier", "band")
"""Groups of ``SCENE_FILE`` that a scene's files are sorted by."""

ASSET_OF_BAND = {band: asset for asset, band in BAND_OF_ASSET.items()} | {
    "QA_PIXEL": QA_PIXEL,
    "QA_RADSAT": QA_RADSAT,
}

Files = dict[str, Path]
"""Asset name to file."""


class SceneFilesSource(Source):
    """Composites of scenes that a user already has."""

    settings: Folder

    def __init__(self, ingest: Ingest) -> None:
        """Read from the folder that the settings name."""
        super().__init__(ingest.folder)
        self.ingest = ingest

    @classmethod
    def from_config(cls, config: Config, limiter: RequestLimit | None = None) -> Self:
        """The source of ``ingest.folder`` and the satellites that are wanted."""
        return cls(config.ingest)

    def scenes(self, region: Region) -> dict[str, Files]:
        """Files of each scene of the wanted satellites, by its name without processing date.

        Of a scene that was processed twice the newer one is taken.

        Raises:
            SourceError: The folder is not there, or holds no scene.
        """
        folder = find_folder(self.settings, region)
        versions: dict[str, dict[str, Files]] = defaultdict(lambda: defaultdict(dict))
        for path in sorted([*folder.iterdir(), *folder.glob("*/*")]):
            if match := SCENE_FILE.match(path.name):
                scene, platform, made, tier, band = match.group(*GROUPS)
                if int(platform) in self.ingest.platforms:
                    name = f"{scene}_{tier}".upper()
                    versions[name][made][ASSET_OF_BAND[band.upper()]] = path
        if not versions:
            raise SourceError(
                f"{folder} holds no scene of Landsat {self.ingest.platforms}: wanted files such "
                "as LC08_L2SP_057019_20200705_20200912_02_T1_SR_B4.TIF, also in a folder a scene"
            )
        return {name: found[max(found)] for name, found in sorted(versions.items())}

    def identity(self, region: Region) -> Any:
        """Name, size and time of every file that is read, and what is done with them."""
        paths = [path for files in self.scenes(region).values() for path in files.values()]
        scenes = identify_files(sorted(paths))
        return {"scenes": scenes, "mask_saturated": self.ingest.mask_saturated}

    def grid(self, region: Region) -> Grid:
        """The region's UTM grid, or without a polygon that of the first scene.

        Raises:
            SourceError: The folder is not there, or holds no scene.
            RasterError: The region has no polygon, and the scene no square pixels.
        """
        if region.polygon is not None:
            return super().grid(region)
        first = next(iter(self.scenes(region).values()))
        with safe_open(next(iter(first.values()))) as source:
            return grid_of(source)

    def fetch_month(self, region: Region, month: date) -> Composite | Empty:
        """The composite of the month's scenes.

        Raises:
            SourceError: None of the month's scenes can be read.
        """
        grid = self.grid(region)
        marker = re.compile(rf"_{month:%Y%m}\d\d_")
        found = {name: f for name, f in self.scenes(region).items() if marker.search(name)}
        if not found:
            nothing = Empty("no_scene: the folder holds no scene of this month")
            return predict_night(grid, month) or nothing
        loads = [(name, partial(read_scene, name, files, grid)) for name, files in found.items()]
        return compose_scenes(loads, self.ingest)


def read_scene(name: str, files: Files, grid: Grid) -> Scene:
    """One scene on the region's grid.

    Raises:
        SourceError: It lacks its quality band.
        RasterError: A file is no plain GeoTIFF.
        RasterioError: A file is damaged.
    """
    return load_scene(describe_scene(name, files), grid)


def describe_scene(name: str, files: Files) -> pystac.Item:
    """A STAC item of a scene's files, as a catalogue would describe it.

    Raises:
        RasterError: A file is no plain GeoTIFF.
    """
    assets = {}
    for asset, path in files.items():
        with safe_open(path) as source:
            crs, bounds, place = source.crs, source.bounds, source.transform
            shape = [source.height, source.width]
        layout = {"proj:transform": list(place[:6]), "proj:shape": shape}
        assets[asset] = pystac.Asset(str(path.absolute()), extra_fields=layout)
    box = BoundingBox(*transform_bounds(crs, WGS84, *bounds))
    when, sun_deg = read_metadata(name, files, box)
    item = pystac.Item(
        id=name,
        geometry={"type": "Polygon", "coordinates": [ring(box)]},
        bbox=list(box),
        datetime=when,
        properties={"proj:code": f"EPSG:{crs.to_epsg()}", "view:sun_elevation": sun_deg},
        assets=assets,
    )
    item.collection_id = COLLECTION
    return item


def ring(box: BoundingBox) -> list[list[float]]:
    """A box as a closed ring of (longitude, latitude)."""
    west, south, east, north = box
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def read_metadata(name: str, files: Files, box: BoundingBox) -> tuple[datetime, float]:
    """UTC time and sun elevation, degrees: from the MTL file, or of a usual pass without one.

    Args:
        name: The scene's name.
        files: Its files; the MTL file (txt, json or xml) lies beside them.
        box: Its frame in degrees.
    """
    day = datetime.strptime(name.split("_")[3], "%Y%m%d").date()
    for path in sorted(next(iter(files.values())).parent.glob("*_MTL.*")):
        if path.name.upper().startswith(name.rpartition("_02_")[0]):
            text = path.read_text(encoding="utf-8", errors="replace")
            sun = re.search(r"SUN_ELEVATION\W+(-?[\d.]+)", text)
            clock = re.search(r"SCENE_CENTER_TIME\W+(\d\d:\d\d:\d\d)", text)
            if sun and clock:
                when = datetime.fromisoformat(f"{day}T{clock[1]}+00:00")
                return when, float(sun[1])
    longitude, latitude = (box.left + box.right) / 2, (box.bottom + box.top) / 2
    local = overpass_time(longitude, day)
    when = datetime.combine(day, local.time(), UTC)  # the name's day is by UTC
    return when, 90 - sun_position(latitude, longitude, when)[0]
