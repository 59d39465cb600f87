"""A folder of Landsat Collection 2 Level 2 scenes by their USGS names, read where they lie."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

from glacier.composite import Composite, Empty, Scene
from glacier.config import Config
from glacier.errors import RasterError, SourceError
from glacier.geo.found_files import explain_unsafe
from glacier.geo.raster import Grid, grid_of
from glacier.geo.raster_files import safe_open
from glacier.satellites import choose_satellites, own_bands
from glacier.settings.folder import Folder
from glacier.settings.ingest import Ingest
from glacier.settings.regions import Region
from glacier.sources.folders import (
    base_folder,
    find_folder,
    identify_files,
    read_small,
    refuse_link,
)
from glacier.sources.limiter import RequestLimit
from glacier.sources.night import predict_night
from glacier.sources.passes import Product, choose_versions, read_product
from glacier.sources.scenes import (
    BAND_OF_ASSET,
    QA_PIXEL,
    QA_RADSAT,
    SceneFiles,
    Unseen,
    compose_scenes,
    load_scene,
)
from glacier.sources.source import Source

SCENE_FILE = re.compile(
    r"^(?P<product>L(?:C0[89]|E07|T0[45])_L2S[PR]_\d{6}_\d{8}_\d{8}_02_T[12])_"
    r"(?P<band>SR_B[1-7]|ST_B(?:6|10)|QA_PIXEL|QA_RADSAT)\.TIFF?$",
    re.IGNORECASE,
)
"""USGS product identifier and band.

Source: Landsat Collection 2 Level 2 Science Product Guide (LSDS-1619), naming convention.
"""

MAX_DEPTH = 4
"""Folders below the settings' path that a scene may lie in."""

MAX_SHOWN = 3
"""Files that are named where no scene is found."""

ASSET_OF_BAND = {band: asset for asset, band in BAND_OF_ASSET.items()} | {
    "QA_PIXEL": QA_PIXEL,
    "QA_RADSAT": QA_RADSAT,
}

Files = dict[str, Path]
"""Asset name to file."""


@dataclass(frozen=True)
class FoundScene:
    """A version of a scene that lies in the folder."""

    product: Product
    files: Files

    @property
    def name(self) -> str:
        """Its name without processing date, as catalogues have it."""
        return self.product.name


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
        """Files of each scene of the wanted satellites and tiers, by its name.

        Of a scene that was made more than once the best version is taken, see ``passes``.

        Raises:
            SourceError: The folder is not there, or holds no such scene.
        """
        folder = find_folder(self.settings, region)
        found = find_scenes(list_files(folder, base_folder(self.settings)))
        wanted = [scene for scene in found if self.wants(scene.product)]
        if not wanted:
            raise SourceError(f"{folder} {self.explain_nothing(folder, found)}")
        chosen = choose_versions((scene.product, scene) for scene in wanted)
        return {scene.name: scene.files for scene in sorted(chosen, key=lambda scene: scene.name)}

    def wants(self, product: Product) -> bool:
        """Whether satellite and tier are among those to be read."""
        return product.platform in self.ingest.platforms and product.tier in self.ingest.tiers

    def explain_nothing(self, folder: Path, found: list[FoundScene]) -> str:
        """That a folder holds no wanted scene, and what it holds instead."""
        wanted = (
            f"holds no scene of Landsat {self.ingest.platforms}, tiers {self.ingest.tiers}: wanted "
            "files such as LC08_L2SP_057019_20200705_20200912_02_T1_SR_B4.TIF, also in folders up "
            f"to {MAX_DEPTH} deep"
        )
        if found:
            kinds = Counter(f"Landsat {s.product.platform} in {s.product.tier}" for s in found)
            there = ", ".join(f"{count} of {kind}" for kind, count in sorted(kinds.items()))
            return f"{wanted}; there are {there}: set ingest.platforms and ingest.tiers"
        names = [path.name for path in list_files(folder, base_folder(self.settings))]
        if not names:
            return f"{wanted}; there are no files"
        shown = ", ".join(names[:MAX_SHOWN])
        unpack = "; unpack the archives" if any(n.endswith((".tar", ".gz")) for n in names) else ""
        return f"{wanted}; there are {len(names)} other files, such as {shown}{unpack}"

    def identity(self, region: Region) -> Any:
        """Name and checksum of every file that is read, and what is done with them."""
        paths = [path for files in self.scenes(region).values() for path in files.values()]
        scenes = identify_files(sorted(paths), base_folder(self.settings))
        return {"scenes": scenes, "mask_saturated": self.ingest.mask_saturated}

    def find_lacking(self, region: Region, bands: Collection[str]) -> set[str]:
        """Bands of which no scene has a file."""
        found = {asset for files in self.scenes(region).values() for asset in files}
        return {band for band in bands if ASSET_OF_BAND[band] not in found}

    def grid(self, region: Region) -> Grid:
        """The region's UTM grid, or without a polygon that of the first scene that can be read.

        Raises:
            SourceError: The folder is not there, or holds no scene.
            RasterError: The region has no polygon, and no scene can be read or has square pixels.
        """
        if region.polygon is not None:
            return super().grid(region)
        for files in self.scenes(region).values():
            try:
                first = next(iter(files.values()))
                with safe_open(first, within=base_folder(self.settings)) as source:
                    return grid_of(source)
            except RasterError as error:  # that scene is left out, not the others
                damaged = error
        raise damaged

    def fetch_month(self, region: Region, month: date) -> Composite | Empty:
        """The composite of the month's scenes.

        Raises:
            SourceError: None of the month's scenes can be read.
        """
        grid = self.grid(region)
        marker = re.compile(rf"_{month:%Y%m}\d\d_")
        satellites = choose_satellites(self.ingest.platforms, month)
        found = {
            name: files
            for name, files in self.scenes(region).items()
            if marker.search(name) and int(name[3]) in satellites
        }
        if not found:
            nothing = Empty("no_scene: the folder holds no scene of this month")
            return predict_night(grid, month) or nothing
        loads = [
            (name, partial(read_scene, name, files, grid, self.ingest))
            for name, files in found.items()
        ]
        return compose_scenes(loads, self.ingest)


def list_files(folder: Path, base: Path) -> list[Path]:
    """Files of a folder and of those below it, some deep, by path.

    Args:
        folder: The folder.
        base: The folder that the configuration names, which it is or lies in.

    Raises:
        SourceError: A folder in it is a link that leads out of it.
    """
    found: list[Path] = []
    for place, below, names in os.walk(folder, followlinks=True):
        if len(Path(place).relative_to(folder).parts) >= MAX_DEPTH:
            below.clear()
        for name in below:
            refuse_link(Path(place, name), base)
        found += [Path(place, name) for name in names]
    return sorted(found)


def find_scenes(paths: Iterable[Path]) -> list[FoundScene]:
    """All versions of scenes among some files."""
    versions: dict[str, Files] = defaultdict(dict)
    for path in paths:
        if match := SCENE_FILE.match(path.name):
            name = match["product"].upper()
            if asset := find_asset(int(name[3]), match["band"].upper()):
                versions[name].setdefault(asset, path)
    return list(name_versions(versions))


def find_asset(satellite: int, band: str) -> str | None:
    """Asset name of a band as a satellite names it; None of one that the archive has not."""
    named = {own: band for band, own in own_bands(satellite).items()}
    return ASSET_OF_BAND.get(named.get(band, band if band.startswith("QA_") else ""))


def name_versions(versions: dict[str, Files]) -> Iterator[FoundScene]:
    """Versions with what their names tell; a name with a day that is none is left out."""
    for name, files in versions.items():
        if (product := read_product(name)) is not None:
            yield FoundScene(product, files)


def read_scene(name: str, files: Files, grid: Grid, settings: Ingest) -> Scene | Unseen:
    """One scene on the region's grid.

    Raises:
        SourceError: It lacks its quality band.
        RasterError: A file is damaged, no plain GeoTIFF, or does not hold Landsat's numbers.
    """
    base = base_folder(settings.folder)
    return load_scene(describe_scene(name, files, base), grid, settings)


def describe_scene(name: str, files: Files, base: Path | None = None) -> SceneFiles:
    """A scene by its files: time and sun from the MTL file (txt, json or xml) beside them.

    Args:
        name: Its USGS name without processing date.
        files: Its files.
        base: The folder that they have to lie in; None: that of the first.

    Raises:
        SourceError: A file is no regular one, leads out of the folder, or is no MTL file.
    """
    first = next(iter(files.values()))
    base = base or first.parent
    for path in files.values():
        if reason := explain_unsafe(path, base):
            raise SourceError(f"{path} {reason}")
    product = read_product(name)
    assert product is not None  # as all that were found
    addresses = {asset: str(path.absolute()) for asset, path in files.items()}
    stem = name.rpartition("_02_")[0]
    for path in sorted(first.parent.glob("*_MTL.*")):
        if path.name.upper().startswith(stem):
            text = read_small(path, base)
            sun = re.search(r"SUN_ELEVATION\W+(-?[0-8]?\d(?:\.\d+)?)\b", text)
            clock = re.search(r"SCENE_CENTER_TIME\W+((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)", text)
            if sun and clock:
                when = datetime.fromisoformat(f"{product.day}T{clock[1]}+00:00")
                return SceneFiles(name, addresses, product.day, when, float(sun[1]))
    return SceneFiles(name, addresses, product.day)
