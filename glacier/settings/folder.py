"""Settings of the source that reads local files."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from glacier.settings.model import ADDRESS, Model
from glacier.settings.months import Month
from glacier.settings.paths import PathText
from glacier.settings.source import SourceSettings
from glacier.settings.values import BareName, CrsCode, Name

Band = Literal["SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"]
"""Landsat-8 name of a reflectance band."""

COLOURS = ("blue", "green", "red", "nir", "swir1", "swir2")
"""What the bands are by their wavelength, in order; any sensor has some."""


def name_band(colour: object) -> object:
    """Landsat-8 name of a band that is named by its colour; other names stay."""
    return f"SR_B{2 + COLOURS.index(colour)}" if colour in COLOURS else colour


class BandFile(Model):
    """Where one band of an image lies."""

    file: str
    """File name within the source's folder; one that leads out of it is refused. In an archive
    ``.tar`` or ``.tar.gz``: its name, a slash, and the file's name there."""
    band: Annotated[int, Field(ge=1)] | Annotated[str, Field(min_length=1)] = 1
    """Position of the band in that file, from 1, or its description there, ``B04``."""


class FilePlace(Model):
    """Where files lie that do not say so themselves."""

    crs: CrsCode
    """Their coordinate reference system, such as EPSG:32630; in metres."""
    left_m: float
    """Easting of the left edge of the first pixel, not of its middle, metres."""
    top_m: float
    """Northing of the upper edge of the first pixel, metres."""
    pixel_m: float = Field(gt=0, le=100_000)
    """Side of a pixel, metres."""


class Image(Model):
    """An image of any sensor that stands for a month, such as an old scene with outlines."""

    region: Name | None = None
    """Region that it shows; None: the only one of the run."""
    month: Month
    """The month it stands for."""
    sensor: BareName | None = None
    """What took it, such as ``landsat-7`` or ``sentinel-2``, for records; None: nobody knows."""
    level: Literal["surface", "top_of_atmosphere"] = "surface"
    """Of which its numbers are the reflectance."""
    bands: dict[Annotated[Band, BeforeValidator(name_band)], BandFile] = Field(min_length=1)
    """Colour (blue, green, red, nir, swir1, swir2) or Landsat-8 name (SR_B2..SR_B7) of a band, by
    its wavelength, to the file and position that hold it."""
    scale: float | None = Field(None, gt=0)
    """Factor from the file's numbers to reflectance, above 0; needs ``offset``. None: what the file
    declares, else Landsat's, 2.75e-5."""
    offset: float | None = None
    """Added after the factor, reflectance; needs ``scale``. None: what the file declares, else
    Landsat's, -0.2."""
    place: FilePlace | None = None
    """Where its files lie; None: as they say themselves."""
    nodata: float | None = None
    """Number that means no data in the files, beside what they declare themselves (a number, a mask
    or an alpha band); None: no other."""

    @model_validator(mode="after")
    def check_scale(self) -> Self:
        """Refuse one half of a scale: the other would be Landsat's, which nobody means."""
        if (self.scale is None) != (self.offset is None):
            raise ValueError(
                f"scale {self.scale} and offset {self.offset} go together: give both, or neither "
                "for what the file declares"
            )
        return self

    @property
    def platform(self) -> str | None:
        """The sensor as records name it, and above what, where that is not the surface."""
        high = self.level == "top_of_atmosphere"
        return f"{self.sensor}, top of atmosphere" if self.sensor and high else self.sensor


class Folder(SourceSettings):
    """Local files: month-named composites, some images, or scenes as USGS delivers them."""

    brings_grid: ClassVar[bool] = True
    takes_new_months: ClassVar[bool] = False
    predicts_night: ClassVar[bool] = False

    holds: Literal["months", "scenes"] = "months"
    """months: composites named ``<YYYY-MM>.tif``, or images. scenes: Landsat Collection 2
    Level 2 files by their USGS names, also in folders, up to four deep."""
    path: Annotated[PathText, ADDRESS] = "."
    """Folder of the files; for many regions, ``<path>/<region>/`` where that exists."""
    images: tuple[Image, ...] = ()
    """Images by their bands, of any sensor, one a region and month; none: files named
    ``<YYYY-MM>.tif`` whose bands carry Landsat names."""

    @model_validator(mode="after")
    def check_images(self) -> Self:
        """Refuse images beside scenes, and two of which only one could be read."""
        if self.holds == "scenes" and self.images:
            raise ValueError("images are not read where holds is scenes: leave one of them out")
        months = [(image.region or "", image.month) for image in self.images]
        for region, month in months:
            if months.count((region, month)) > 1:
                of = f" of region {region}" if region else ""
                raise ValueError(f"images: two stand for {month}{of}: leave one of them out")
        return self

    @property
    def uses_frames(self) -> bool:
        """Scenes and images are laid onto a region's grid; composites are read on their own."""
        return self.holds == "scenes" or bool(self.images)

    @property
    def inapplicable(self) -> dict[str, str]:
        """Of finished images all that judges or chooses scenes."""
        if self.holds == "scenes":
            return {}
        why = "month files and images come without quality bands and scenes"
        return dict.fromkeys(("cloud_profile", "mask_saturated", "platforms", "tiers"), why)

    @property
    def reader(self) -> str:
        """What the folder holds."""
        if self.holds == "scenes":
            return "scene_files"
        return "images" if self.images else "month_files"
