"""One image that stands for a month, such as an old scene with outlines, its bands by a map."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from glacier.composite import Composite, Empty
from glacier.config import Config
from glacier.errors import ConfigError, SourceError
from glacier.geo.declared import declared_scale, find_hidden, same_scale
from glacier.geo.raster import Grid, grid_of
from glacier.geo.raster_files import safe_open
from glacier.landsat import BANDS, NODATA, SR_OFFSET, SR_SCALE, digital_number
from glacier.settings.folder import BandFile, Folder, Image
from glacier.settings.identity import identity
from glacier.settings.regions import Region
from glacier.sources.folders import base_folder, find_folder, identify_files
from glacier.sources.limiter import RequestLimit
from glacier.sources.source import Source

EIGHT_BIT = "; 0.00392156862745098 and 0 where 255 is white"
"""What is usually meant by 8-bit numbers."""


class SingleImageSource(Source):
    """The image as the composite of its month."""

    settings: Folder

    def __init__(self, settings: Folder, image: Image) -> None:
        """Read an image from the folder that the settings name."""
        super().__init__(settings)
        self.image = image

    @classmethod
    def from_config(cls, config: Config, limiter: RequestLimit | None = None) -> Self:
        """The source of ``ingest.folder.image``.

        Raises:
            ConfigError: The image stands for a month that the run does not have.
        """
        folder, span = config.ingest.folder, config.months
        assert folder.image is not None  # else its reader is another
        if not span.first <= folder.image.month <= span.last:
            raise ConfigError(
                f"ingest.folder.image.month = {folder.image.month} lies outside the months "
                f"{span.first} to {span.last}: set months.first and months.last around it"
            )
        return cls(folder, folder.image)

    def identity(self, region: Region) -> Any:
        """The band map, and name and checksum of every file that is read."""
        folder = find_folder(self.settings, region)
        paths = sorted({folder / band.file for band in self.image.bands.values()})
        return {
            "files": identify_files(paths, base_folder(self.settings)),
            "image": identity(self.image),
        }

    def months(self, region: Region) -> list[date]:
        """The month that the image stands for."""
        return [date.fromisoformat(f"{self.image.month}-01")]

    def find_lacking(self, region: Region, bands: Collection[str]) -> set[str]:
        """Bands that the map does not name."""
        return set(bands) - set(self.image.bands)

    def grid(self, region: Region) -> Grid:
        """Grid of the first band's file.

        Raises:
            SourceError: The folder is not there.
            RasterError: The file cannot be used.
        """
        first = next(iter(self.image.bands.values()))
        path = find_folder(self.settings, region) / first.file
        with safe_open(path, within=base_folder(self.settings)) as source:
            return grid_of(source)

    def fetch_month(self, region: Region, month: date) -> Composite | Empty:
        """The image as a composite in Landsat's encoding.

        Raises:
            SourceError: A file lacks its band, or the files lie on different grids.
            RasterError: A file cannot be read.
        """
        folder, grid = find_folder(self.settings, region), self.grid(region)
        base, files = base_folder(self.settings), self.image.bands
        bands: dict[str, NDArray[np.uint16]] = {}
        for name in (name for name in BANDS if name in files):
            with safe_open(folder / files[name].file, within=base) as source:
                bands[name] = read_band(source, files[name], self.image, grid)
        seen = np.all([band != NODATA for band in bands.values()], axis=0)
        if not seen.any():
            return Empty("all_masked")
        return Composite(bands, seen.astype(np.uint16), sorted({b.file for b in files.values()}))


def read_band(
    source: DatasetReader, band: BandFile, image: Image, grid: Grid
) -> NDArray[np.uint16]:
    """One band of an image: (H, W) uint16 Landsat digital numbers.

    Args:
        source: The open file.
        band: Which of its bands.
        image: What the configuration says of the numbers.
        grid: Where it has to lie.

    Raises:
        SourceError: The file has no such band, lies on another grid, declares another scale, or
            nothing says what its numbers are.
        RasterError: The file cannot be read.
    """
    if band.band > source.count:
        raise SourceError(
            f"{source.name} has {source.count} band(s), asked for {band.band}: correct `band` "
            "in ingest.folder.image.bands"
        )
    if grid_of(source) != grid:
        raise SourceError(
            f"{source.name} lies on {grid_of(source)}, another band on {grid}: bring all onto "
            "one grid (gdalwarp -te ... -tr ...)"
        )
    raw = source.read(band.band)
    mapped = [other.band for other in image.bands.values() if other.file == band.file]
    hidden = find_hidden(source, band.band, raw, mapped=mapped)
    scale, offset = choose_scale(source, band.band, image)
    values = raw.astype(np.float64) * scale + offset
    if image.nodata is not None:
        values[raw == image.nodata] = np.nan
    if hidden is not None:
        values[hidden] = np.nan
    return digital_number(values)


def choose_scale(source: DatasetReader, place: int, image: Image) -> tuple[float, float]:
    """Scale and offset of a band: the configuration's, what the file declares, or Landsat's.

    Args:
        source: The open file.
        place: Position of the band, from 1.
        image: What the configuration says.

    Raises:
        SourceError: The first two differ, so that one of them must be wrong; or there is neither,
            and the numbers are none of Landsat's, which are uint16.
    """
    name, declared, kind = source.name, declared_scale(source, place), source.dtypes[place - 1]
    if image.scale is None or image.offset is None:
        if declared is None and kind != "uint16":
            raise SourceError(
                f"{name}, band {place}, holds {kind} and declares no scale, so nothing says what "
                "its numbers are: set ingest.folder.image.scale and offset (reflectance = scale x "
                f"number + offset{EIGHT_BIT if kind == 'uint8' else ''})"
            )
        return declared or (SR_SCALE, SR_OFFSET)
    given = image.scale, image.offset
    if declared is not None and not same_scale(declared, given):
        raise SourceError(
            f"{name} declares scale {declared[0]:g} and offset {declared[1]:g}, "
            f"ingest.folder.image says {given[0]:g} and {given[1]:g}: leave those out, or remove "
            "the file's (gdal_edit.py -unsetscale -unsetoffset)"
        )
    return given
