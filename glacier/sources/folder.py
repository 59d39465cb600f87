"""Local files: month-named composites, or one image that stands for a month."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glacier import store
from glacier.composite import Composite, Empty
from glacier.config import BandFile, Folder, Image, Region
from glacier.errors import RasterError, SourceError
from glacier.geo.raster import Grid, grid_of, read_named, safe_open
from glacier.landsat import BANDS, NODATA, digital_number
from glacier.sources.source import Source

MONTH_FILE = re.compile(r"^([12]\d{3})-(0[1-9]|1[0-2])\.tiff?$", re.IGNORECASE)


class FolderSource(Source):
    """Composites from files that a user already has."""

    def __init__(self, settings: Folder) -> None:
        """Read from the folder that the settings name."""
        self.settings = settings

    def folder(self, region: Region) -> Path:
        """The region's own folder where there is one, else the source's.

        Raises:
            SourceError: The folder is not there.
        """
        return find_folder(self.settings.path, region)

    def files(self, region: Region) -> dict[date, Path]:
        """Month files of a region by month."""
        found = {}
        for path in sorted(self.folder(region).iterdir()):
            if match := MONTH_FILE.match(path.name):
                found[date(int(match[1]), int(match[2]), 1)] = path
        return found

    def identity(self, region: Region) -> Any:
        """Settings, and name, size and time of every file that is read."""
        image = self.settings.image
        if image is None:
            paths = list(self.files(region).values())
        else:
            paths = sorted({self.folder(region) / band.file for band in image.bands.values()})
        stats = [
            (path.name, path.stat().st_size, path.stat().st_mtime_ns)
            for path in paths
            if path.is_file()
        ]
        return {"files": stats, "image": image.model_dump(mode="json") if image else None}

    def months(self, region: Region) -> list[date]:
        """Months for which there is a file, or the month of the one image."""
        image = self.settings.image
        return [date.fromisoformat(f"{image.month}-01")] if image else list(self.files(region))

    def grid(self, region: Region) -> Grid:
        """Grid of the region's first file that can be read.

        Raises:
            SourceError: The folder holds no file of the wanted names.
            RasterError: None of the files can be used.
        """
        image = self.settings.image
        if image is not None:
            first = next(iter(image.bands.values()))
            with safe_open(self.folder(region) / first.file) as source:
                return grid_of(source)
        files = self.files(region)
        if not files:
            raise SourceError(
                f"{self.folder(region)} holds no file named <YYYY-MM>.tif; for Landsat scenes by "
                "their USGS names set ingest.folder.holds: scenes"
            )
        for path in files.values():
            try:
                with safe_open(path) as source:
                    return grid_of(source)
            except RasterError as error:  # that month fails, not those of the other files
                damaged = error
        raise damaged

    def fetch_month(self, region: Region, month: date) -> Composite | Empty:
        """The composite that the files hold for a month.

        Raises:
            SourceError: A file lies on another grid than the first, or lacks Landsat bands.
            RasterError: A file cannot be read.
        """
        image = self.settings.image
        if image is not None:
            return read_image(self.folder(region), image, self.grid(region))
        path = self.files(region).get(month)
        if path is None:
            return Empty("no_scene: the folder holds no file of this month")
        bands, grid = read_named(path)
        if grid != self.grid(region):
            raise SourceError(f"{path} lies on {grid}, the region's first file on another grid")
        measured = {name: band for name, band in bands.items() if name in BANDS}
        if wrong := {name: str(b.dtype) for name, b in measured.items() if b.dtype != np.uint16}:
            raise SourceError(
                f"{path} holds {wrong}; wanted Landsat digital numbers in uint16: "
                "(reflectance + 0.2) / 2.75e-5, 0 for no data"
            )
        if not measured:
            raise SourceError(f"{path} holds bands {list(bands)}; wanted some of {BANDS}")
        seen = np.any([band != NODATA for band in measured.values()], axis=0)
        n_obs = np.asarray(bands.get("n_obs", seen), np.uint16)
        return Composite(measured, n_obs, [path.name]) if seen.any() else Empty("all_masked")


def find_folder(path: str, region: Region) -> Path:
    """The region's own folder below a path where there is one, else the path's.

    Raises:
        SourceError: The folder is not there.
    """
    base = Path(store.absolute(path))
    folder = base / region.name if (base / region.name).is_dir() else base
    if not folder.is_dir():
        raise SourceError(f"ingest.folder.path = {folder}: no such folder")
    return folder


def read_image(folder: Path, image: Image, grid: Grid) -> Composite | Empty:
    """One image as a composite in Landsat's encoding.

    Raises:
        SourceError: A file lacks its band, or the files lie on different grids.
        RasterError: A file cannot be read.
    """
    bands: dict[str, NDArray[np.uint16]] = {
        name: read_band(folder, image.bands[name], image, grid)
        for name in BANDS
        if name in image.bands
    }
    seen = np.all([band != NODATA for band in bands.values()], axis=0)
    if not seen.any():
        return Empty("all_masked")
    files = sorted({band.file for band in image.bands.values()})
    return Composite(bands, seen.astype(np.uint16), files)


def read_band(folder: Path, band: BandFile, image: Image, grid: Grid) -> NDArray[np.uint16]:
    """One band of an image: (H, W) uint16 Landsat digital numbers.

    Raises:
        SourceError: The file has no such band, or lies on another grid.
        RasterError: The file cannot be read.
    """
    with safe_open(folder / band.file) as source:
        if band.band > source.count:
            raise SourceError(f"{source.name} has {source.count} band(s), asked for {band.band}")
        if grid_of(source) != grid:
            raise SourceError(f"{source.name} lies on {grid_of(source)}, another band on {grid}")
        raw = source.read(band.band)
    values = raw.astype(np.float64) * image.scale + image.offset
    if image.nodata is not None:
        values[raw == image.nodata] = np.nan
    return digital_number(values)
