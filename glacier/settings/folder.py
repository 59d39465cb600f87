"""Settings of the source that reads local files."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from glacier.settings.model import ADDRESS, Model
from glacier.settings.months import Month
from glacier.settings.paths import PathText
from glacier.settings.source import SourceSettings

Band = Literal["SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"]
"""Landsat-8 name of a reflectance band."""


class BandFile(Model):
    """Where one band of a single image lies."""

    file: str
    """File name within the source's folder; one that leads out of it is refused."""
    band: int = Field(1, ge=1)
    """Position of the band in that file, from 1."""


class Image(Model):
    """One image without a month in its name, such as an old scene with outlines."""

    month: Month
    """The month it stands for."""
    bands: dict[Band, BandFile] = Field(min_length=1)
    """Landsat-8 band name (SR_B2..SR_B7) to the file and position that hold it."""
    scale: float | None = Field(None, gt=0)
    """Factor from the file's numbers to reflectance, above 0; needs ``offset``. None: what the file
    declares, else Landsat's, 2.75e-5."""
    offset: float | None = None
    """Added after the factor, reflectance; needs ``scale``. None: what the file declares, else
    Landsat's, -0.2."""
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


class Folder(SourceSettings):
    """Local files: month-named composites, one image, or scenes as USGS delivers them."""

    brings_grid: ClassVar[bool] = True
    takes_new_months: ClassVar[bool] = False
    predicts_night: ClassVar[bool] = False

    holds: Literal["months", "scenes"] = "months"
    """months: composites named ``<YYYY-MM>.tif``, or the one image. scenes: Landsat Collection 2
    Level 2 files by their USGS names, also in folders, up to four deep."""
    path: Annotated[PathText, ADDRESS] = "."
    """Folder of the files; for many regions, ``<path>/<region>/`` where that exists."""
    image: Image | None = None
    """The one image; None: files named ``<YYYY-MM>.tif`` whose bands carry Landsat names."""

    @model_validator(mode="after")
    def check_image(self) -> Self:
        """Refuse an image beside scenes, since only one of them can be read."""
        if self.holds == "scenes" and self.image is not None:
            raise ValueError("image is not read where holds is scenes: leave one of them out")
        return self

    @property
    def uses_frames(self) -> bool:
        """Scenes are laid onto the region's grid; finished images are read on their own."""
        return self.holds == "scenes"

    @property
    def inapplicable(self) -> dict[str, str]:
        """Of finished images all that judges or chooses scenes."""
        if self.holds == "scenes":
            return {}
        why = "month files and single images come without quality bands and scenes"
        return dict.fromkeys(("cloud_profile", "mask_saturated", "platforms", "tiers"), why)

    @property
    def reader(self) -> str:
        """What the folder holds."""
        if self.holds == "scenes":
            return "scene_files"
        return "month_files" if self.image is None else "single_image"
