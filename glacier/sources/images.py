"""Images of any sensor that stand for months, such as an old scene with outlines.

Without a polygon a region has the grid of its first image, which all files share. With one it has
its own grid, onto which each band is laid from the pixels that it has, in metres or degrees.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from glacier.composite import Composite, Empty
from glacier.config import Config
from glacier.errors import ConfigError, SourceError
from glacier.geo.declared import declared_scale, find_hidden, same_scale
from glacier.geo.raster import Grid, grid_of, grid_of_region
from glacier.landsat import BANDS, NODATA, SR_OFFSET, SR_SCALE, digital_number
from glacier.settings.folder import BandFile, Folder, Image
from glacier.settings.identity import identity
from glacier.settings.regions import Region
from glacier.sources.folders import base_folder, find_folder, identify_files
from glacier.sources.limiter import RequestLimit
from glacier.sources.packed import find_archive, open_placed
from glacier.sources.resample import OwnPixels, place_layers
from glacier.sources.source import Source
from glacier.wording import shorten_list

EIGHT_BIT = "; 0.00392156862745098 and 0 where 255 is white"
"""What is usually meant by 8-bit numbers."""

SHOWN = 8
"""Descriptions that a message names; it counts the others."""


class ImagesSource(Source):
    """Each image as the composite of its month."""

    settings: Folder

    @classmethod
    def from_config(cls, config: Config, limiter: RequestLimit | None = None) -> Self:
        """The source of ``ingest.folder.images``.

        Raises:
            ConfigError: An image is of no region or month of the run, or of which region is not
                said.
        """
        names = [region.name for region in config.regions]
        for at, image in enumerate(config.ingest.folder.images):
            if reason := explain_beside(image, names, config):
                raise ConfigError(f"ingest.folder.images[{at}].{reason}")
        shown = {image.region or names[0] for image in config.ingest.folder.images}
        if without := [name for name in names if name not in shown]:
            raise ConfigError(
                f"ingest.folder.images: none shows region {', '.join(without)}: name it in the "
                "`region` of an image, or leave it out of regions"
            )
        return cls(config.ingest.folder)

    def find_images(self, region: Region) -> list[Image]:
        """Images of a region, in order of their months."""
        found = (image for image in self.settings.images if image.region in (None, region.name))
        return sorted(found, key=lambda image: image.month)

    def identity(self, region: Region) -> Any:
        """The images' settings, and name and checksum of every file that is read."""
        folder, images = find_folder(self.settings, region), self.find_images(region)
        files = {folder / band.file for i in images for band in i.bands.values()}
        paths = sorted({find_archive(path) or path for path in files})
        return {
            "files": identify_files(paths, base_folder(self.settings)),
            "images": [identity(image.model_copy(update={"region": None})) for image in images],
        }

    def months(self, region: Region) -> list[date]:
        """The months that its images stand for."""
        return [date.fromisoformat(f"{image.month}-01") for image in self.find_images(region)]

    def find_lacking(self, region: Region, bands: Collection[str]) -> set[str]:
        """Bands that no image of the region has."""
        return set(bands).difference(*(image.bands for image in self.find_images(region)))

    def grid(self, region: Region) -> Grid:
        """The region's own grid where it has a polygon, else that of its first image.

        Raises:
            ConfigError: The polygon makes no grid.
            SourceError: The folder is not there.
            RasterError: The image cannot be used.
        """
        if region.polygon is not None:
            return grid_of_region(region)
        image = self.find_images(region)[0]
        path = find_folder(self.settings, region) / next(iter(image.bands.values())).file
        with open_placed(path, base_folder(self.settings), image.place) as source:
            return grid_of(source)

    def fetch_month(self, region: Region, month: date) -> Composite | Empty:
        """The image of a month as a composite in Landsat's encoding.

        Raises:
            SourceError: A file lacks its band, or the files lie on different grids.
            RasterError: A file cannot be read.
        """
        image = next(i for i in self.find_images(region) if i.month == f"{month:%Y-%m}")
        folder, grid, files = find_folder(self.settings, region), self.grid(region), image.bands
        bands: dict[str, NDArray[np.uint16]] = {}
        for name in (name for name in BANDS if name in files):
            path = folder / files[name].file
            with open_placed(path, base_folder(self.settings), image.place) as source:
                read = place_band if region.polygon is not None else copy_band
                bands[name] = read(source, files[name], image, grid)
        seen = np.all([band != NODATA for band in bands.values()], axis=0)
        if not seen.any():
            return Empty("all_masked")
        names = sorted({band.file for band in files.values()})
        platforms = (image.platform,) if image.platform else ()
        return Composite(bands, seen.astype(np.uint16), names, platforms=platforms)


def explain_beside(image: Image, regions: Sequence[str], config: Config) -> str:
    """Which field of an image is of nothing in the run, and what to do; nothing where it fits."""
    span = config.months
    if not span.first <= image.month <= span.last:
        return (
            f"month = {image.month} lies outside the months {span.first} to {span.last}: set "
            "months.first and months.last around it"
        )
    if image.region is None and len(regions) > 1:
        return f"region is not said, and the run has {len(regions)}: name one of them"
    if image.region not in (None, *regions):
        return f"region = {image.region} is none of the run's: {shorten_list(regions, SHOWN)}"
    return ""


def copy_band(
    source: DatasetReader, band: BandFile, image: Image, grid: Grid
) -> NDArray[np.uint16]:
    """A band that lies on the grid already: (H, W) uint16; arguments as of :func:`read_band`.

    Raises:
        SourceError: It lies on another grid, or as of :func:`read_band`.
        RasterError: The file cannot be read.
    """
    if grid_of(source) != grid:
        raise SourceError(
            f"{source.name} lies on {grid_of(source)}, another image or band of the region on "
            f"{grid}: give the region a polygon and pixel_m, and all are laid onto its grid"
        )
    return read_band(source, band, image)


def place_band(
    source: DatasetReader, band: BandFile, image: Image, grid: Grid
) -> NDArray[np.uint16]:
    """A band laid onto the grid from its own pixels: (H, W) uint16, as above.

    Raises:
        SourceError: As of :func:`read_band`.
        RasterError: The file cannot be read, or its pixels lie nowhere.
    """
    own = OwnPixels.of(source, in_degrees=True)
    return place_layers({"": read_band(source, band, image)}, own, grid)[""]


def read_band(source: DatasetReader, band: BandFile, image: Image) -> NDArray[np.uint16]:
    """One band of an image on its own pixels: (h, w) uint16 Landsat digital numbers.

    Args:
        source: The open file.
        band: Which of its bands.
        image: What the configuration says of the numbers.

    Raises:
        SourceError: The file has no such band, declares another scale, or nothing says what its
            numbers are.
        RasterError: The file cannot be read.
    """
    at = find_position(source, band)
    raw = source.read(at)
    others = (other for other in image.bands.values() if other.file == band.file)
    hidden = find_hidden(source, at, raw, mapped=[find_position(source, o) for o in others])
    scale, offset = choose_scale(source, at, image)
    values = raw.astype(np.float64) * scale + offset
    if image.nodata is not None:
        values[raw == image.nodata] = np.nan
    if hidden is not None:
        values[hidden] = np.nan
    return digital_number(values)


def find_position(source: DatasetReader, band: BandFile) -> int:
    """Position of a band in its file, from 1.

    Raises:
        SourceError: The file has no such band, or several of that description.
    """
    if isinstance(band.band, int):
        if band.band > source.count:
            raise SourceError(
                f"{source.name} has {source.count} band(s), asked for {band.band}: correct `band` "
                "in ingest.folder.images"
            )
        return band.band
    places = [at for at, name in enumerate(source.descriptions, 1) if name == band.band]
    if len(places) != 1:
        there = shorten_list([str(name) for name in source.descriptions], SHOWN)
        raise SourceError(
            f"{source.name} has {len(places)} bands described as {band.band!r}, wanted one; there "
            f"are {there}: correct `band` in ingest.folder.images"
        )
    return places[0]


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
                "its numbers are: set scale and offset of the image (reflectance = scale x "
                f"number + offset{EIGHT_BIT if kind == 'uint8' else ''})"
            )
        return declared or (SR_SCALE, SR_OFFSET)
    given = image.scale, image.offset
    if declared is not None and not same_scale(declared, given):
        raise SourceError(
            f"{name} declares scale {declared[0]:g} and offset {declared[1]:g}, "
            f"ingest.folder.images says {given[0]:g} and {given[1]:g}: leave those out, or remove "
            "the file's (gdal_edit.py -unsetscale -unsetoffset)"
        )
    return given
