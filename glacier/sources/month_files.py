"""Month-named composites that a user already has: ``<YYYY-MM>.tif``, bands with Landsat names."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from glacier.composite import Composite, Empty
from glacier.config import Config
from glacier.errors import RasterError, SourceError
from glacier.geo.raster import Grid, grid_of, read_bands
from glacier.geo.raster_files import safe_open
from glacier.landsat import BANDS, NODATA
from glacier.settings.folder import Folder
from glacier.settings.regions import Region
from glacier.sources.folders import base_folder, find_folder, identify_files
from glacier.sources.limiter import RequestLimit
from glacier.sources.source import Source

MONTH_FILE = re.compile(r"^([12]\d{3})-(0[1-9]|1[0-2])\.tiff?$", re.IGNORECASE)

NAMES = (*BANDS, "n_obs")
"""Bands that are read; all others stay as they are, not even decoded."""

MAX_SHOWN = 10
"""Bands that a message names."""


class MonthFilesSource(Source):
    """Composites as they are in the files."""

    settings: Folder

    @classmethod
    def from_config(cls, config: Config, limiter: RequestLimit | None = None) -> Self:
        """The source of ``ingest.folder``."""
        return cls(config.ingest.folder)

    def files(self, region: Region) -> dict[date, Path]:
        """Month files of a region by month.

        Raises:
            SourceError: The folder is not there, or holds two files of a month.
        """
        found: dict[date, Path] = {}
        for path in sorted(find_folder(self.settings, region).iterdir()):
            if match := MONTH_FILE.match(path.name):
                month = date(int(match[1]), int(match[2]), 1)
                if month in found:
                    raise SourceError(
                        f"{found[month]} and {path.name} are both of {month:%Y-%m}: remove one, or "
                        "move it into another folder"
                    )
                found[month] = path
        return found

    def identity(self, region: Region) -> Any:
        """Name and checksum of every file that is read."""
        files = self.files(region).values()
        return {"files": identify_files(files, base_folder(self.settings)), "image": None}

    def months(self, region: Region) -> list[date]:
        """Months for which there is a file."""
        return list(self.files(region))

    def find_lacking(self, region: Region, bands: Collection[str]) -> set[str]:
        """Bands that no file describes; mostly the first file has them all.

        A file that cannot be read says nothing here: its month fails, and says why.
        """
        lacking, base = set(bands), base_folder(self.settings)
        for path in self.files(region).values():
            with suppress(RasterError), safe_open(path, within=base) as source:
                lacking -= set(source.descriptions)
            if not lacking:
                break
        return lacking

    def grid(self, region: Region) -> Grid:
        """Grid of the region's first file that can be read.

        Raises:
            SourceError: The folder holds no file of the wanted names.
            RasterError: None of the files can be used.
        """
        files = self.files(region)
        if not files:
            raise SourceError(
                f"{find_folder(self.settings, region)} holds no file named <YYYY-MM>.tif; for "
                "Landsat scenes by their USGS names set ingest.folder.holds: scenes"
            )
        for path in files.values():
            try:
                with safe_open(path, within=base_folder(self.settings)) as source:
                    return grid_of(source)
            except RasterError as error:  # that month fails, not those of the other files
                damaged = error
        raise damaged

    def fetch_month(self, region: Region, month: date) -> Composite | Empty:
        """The composite that a month's file holds.

        Raises:
            SourceError: The file lies on another grid than the first, or lacks Landsat bands.
            RasterError: The file cannot be read.
        """
        path = self.files(region).get(month)
        if path is None:
            return Empty("no_scene: the folder holds no file of this month")
        wanted = self.grid(region)
        with safe_open(path, within=base_folder(self.settings)) as source:
            if (grid := grid_of(source)) != wanted:
                edges = " ".join(f"{edge:.10g}" for edge in wanted.bounds)
                raise SourceError(
                    f"{path} lies on {grid}, the region's first file on {wanted}; warp it to that "
                    f"one (gdalwarp -t_srs {wanted.crs} -tr {wanted.pixel_m:g} "
                    f"{wanted.pixel_m:g} -te {edges})"
                )
            bands, names = read_bands(source, NAMES), source.descriptions
        measured = {name: band for name, band in bands.items() if name in BANDS}
        if wrong := {name: str(b.dtype) for name, b in measured.items() if b.dtype != np.uint16}:
            raise SourceError(
                f"{path} holds {wrong}; wanted Landsat digital numbers in uint16: "
                "(reflectance + 0.2) / 2.75e-5, 0 for no data; or declare the scale of other "
                "numbers (gdal_edit.py -scale 0.0001 -offset 0)"
            )
        if not measured:
            raise SourceError(
                f"{path} holds bands {list(names)[:MAX_SHOWN]}; wanted some of {BANDS}"
            )
        seen = np.any([band != NODATA for band in measured.values()], axis=0)
        n_obs = count_looks(path, bands.get("n_obs"), seen)
        return Composite(measured, n_obs, [path.name]) if seen.any() else Empty("all_masked")


def count_looks(
    path: Path, given: NDArray[Any] | None, seen: NDArray[np.bool_]
) -> NDArray[np.uint16]:
    """Clear observations of each pixel: as the file counts them, none where no band is seen.

    Args:
        path: The file, for messages.
        given: (H, W) of its ``n_obs``; None: it counts none, so that what is seen was seen once.
        seen: (H, W) bool, pixels with a number in any band.

    Raises:
        SourceError: Its counts are no counts.
    """
    if given is None:
        return seen.astype(np.uint16)
    if given.dtype.kind not in "ui" or (given.dtype.kind == "i" and given.min() < 0):
        raise SourceError(f"{path}: n_obs holds {given.dtype}; wanted counts, 0 or more")
    return np.where(seen, np.minimum(given, np.iinfo(np.uint16).max), 0).astype(np.uint16)
