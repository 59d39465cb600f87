"""What counts as glacier, and where outlines come from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from glacier.settings.model import ADDRESS, STORED, TEXT, Model
from glacier.settings.paths import PathText
from glacier.settings.values import CrsCode, Name

NON_COMMERCIAL = re.compile(r"non[- ]?commercial|(?<![A-Z])NC(?![A-Z])", re.IGNORECASE)
"""What licences say that forbid commercial use, such as ``CC BY-NC 4.0``."""

NDSI_ABOVE = 0.4
NIR_ABOVE = 0.11
"""Usual thresholds of snow and ice; water is darker in the near infrared.

Source: Hall, Riggs & Salomonson 1995, Remote Sensing of Environment 54.
"""
RULE_BANDS = ("green", "nir", "swir1")
"""Bands that they are of."""


class Provenance(Model):
    """Where outlines come from; the report repeats it, since a score is worth what they are."""

    source: str
    """Name of the inventory or campaign, with its version."""
    years: tuple[int, int]
    """First and last year of the images or surveys that they were drawn from."""
    owner: str
    """Who made them."""
    licence: str
    """Terms of use."""

    @property
    def forbids_trade(self) -> bool:
        """Whether its terms name commercial use as forbidden, by their usual words."""
        return NON_COMMERCIAL.search(self.licence) is not None

    @model_validator(mode="after")
    def check_years(self) -> Self:
        """Refuse years that no survey can have."""
        if not 1800 <= self.years[0] <= self.years[1] <= 2100:
            raise ValueError(f"years {self.years}: wanted 1800 <= first <= last <= 2100")
        return self


LabelKind = Literal["truth", "outlines", "ndsi", "threshold"]

Files = PathText | dict[Name, PathText]
"""One file for all regions, or one for each by its name."""


class Label(Model):
    """What counts as glacier when training and scoring."""

    kind: LabelKind = "truth"
    """truth: the synthetic class map. outlines: polygons, or masks, from files. ndsi: NDSI and near
    infrared over thresholds. threshold: grey level of the false colour, as published."""
    outlines: Annotated[Files | None, ADDRESS] = None
    """Vector file of glacier polygons, or region to its own; needed for ``outlines``. With any kind
    of label they also tell which months are snowy."""
    masks: Annotated[dict[Name, PathText], ADDRESS] = Field(default_factory=dict)
    """Region to a GeoTIFF of its glacier, in place of polygons: 1 glacier, 0 not, all else unknown.
    ``{year}`` and ``{month}`` in the path stand for those of the image, where each has its own."""
    corrections: Annotated[PathText | None, ADDRESS] = None
    """Folder of a run's corrections, ``<storage>/corrections/<name>``: a month that a person has
    corrected is labelled by that, with any kind of label; None: none is."""
    debris_alone: tuple[Name, ...] = ()
    """Regions whose masks show ice under debris alone: ice and snow outside it, by ``ndsi_above``
    and ``nir_above``, is unknown, and the mask is scored as debris."""
    bare: tuple[Name, ...] = ()
    """Regions without any glacier, which need no file: all ground that is seen there is none."""
    layer: str | None = None
    """Layer of ``outlines``; None: the only one with polygons on a region's grid."""
    crs: CrsCode | None = None
    """CRS of ``outlines``, for a file that states none."""
    provenance: Annotated[Provenance | None, TEXT] = None
    """Where the outlines come from."""
    margin_m: float = Field(0.0, ge=0, le=1000)
    """Pixels within so many metres of an outline are unknown, for ``outlines``."""
    debris: Annotated[Files | None, ADDRESS] = None
    """Vector file of debris-covered ice, or region to its own, scored as a class of its own."""
    debris_layer: str | None = None
    """Layer of ``debris``, likewise."""
    debris_crs: CrsCode | None = None
    """CRS of ``debris``, likewise."""
    max_snow_outside: float = Field(0.3, ge=0, le=1)
    """Share of the ground outside the outlines that snow may cover; months above it are left out
    of samples and scores. Measured where outlines and short-wave infrared are given; 1: never."""
    unseen: Literal["ignore", "background"] = "ignore"
    """Pixels without a clear observation: left out, or bare ground as published (notebook only)."""
    ndsi_above: float = Field(NDSI_ABOVE, ge=-1, le=1)
    """Least NDSI of ice and snow, for ``ndsi``."""
    nir_above: float = Field(NIR_ABOVE, ge=0, le=1)
    """Least near-infrared reflectance of ice and snow (water is darker), for ``ndsi``."""
    threshold: int = Field(128, ge=0, le=255)
    """Grey level, 0..255, above which a pixel is glacier, for ``threshold``."""

    @model_validator(mode="after")
    def check_files(self) -> Self:
        """Refuse what would not act: of a file that is not given, or of another kind."""
        for file, names in (
            ("outlines", ("layer", "crs")),
            ("debris", ("debris_layer", "debris_crs")),
        ):
            for name in names:
                if getattr(self, file) is None and getattr(self, name) is not None:
                    raise ValueError(f"{name} {getattr(self, name)} is of {file}, which is None")
        for name in ("masks", "bare"):
            if getattr(self, name) and self.kind != "outlines":
                raise ValueError(f"{name} act on labels of kind outlines alone, not on {self.kind}")
        if odd := sorted(set(self.debris_alone) - set(self.masks)):
            raise ValueError(f"debris_alone {', '.join(odd)}: masks names no file of it; add one")
        if self.margin_m and self.kind != "outlines":
            raise ValueError(
                f"margin_m {self.margin_m:g} acts on labels of kind outlines alone, not on "
                f"{self.kind}: leave it out"
            )
        return self

    def effective(self) -> Label:
        """The label with only those settings that its kind and its files make use of.

        Files have their names alone, and provenance is left out: neither changes a pixel.
        """
        unused = {"provenance"}
        if self.kind != "threshold":
            unused.add("threshold")
        if self.kind != "outlines":
            unused.add("margin_m")
        if self.outlines is None:
            unused.add("max_snow_outside")
            if self.kind != "ndsi" and not self.debris_alone:
                unused |= {"ndsi_above", "nir_above"}
        files = {
            name: name_files(found)
            for name in ("outlines", "debris", "masks", "corrections")
            if (found := getattr(self, name)) is not None
        }
        kept = self.model_dump(exclude=unused) | files
        return Label.model_validate(kept, context=STORED)

    def of(self, region: str) -> Label:
        """The label as it is for one region: with its own files alone."""
        mask = {name: path for name, path in self.masks.items() if name == region}
        own = {name: pick_file(getattr(self, name), region) for name in ("outlines", "debris")}
        kinds = {
            field: tuple(name for name in getattr(self, field) if name == region)
            for field in ("debris_alone", "bare")
        }
        return self.model_copy(update={**own, **kinds, "masks": mask})

    @property
    def is_drawn(self) -> bool:
        """Whether any file, or the lack of any glacier, says what is one."""
        return bool(self.outlines or self.masks or self.bare)

    def find_mask(self, region: str, month: date) -> str | None:
        """The raster of a region's glacier in a month; None of one without."""
        path = self.masks.get(region)
        if path is None:
            return None
        return path.replace("{year}", f"{month:%Y}").replace("{month}", f"{month:%m}")

    def find_correction(self, region: str, month: date) -> str | None:
        """Where the mask of a month lies, once a person has corrected it; None without a folder."""
        folder = self.corrections
        return None if folder is None else f"{folder.rstrip('/')}/{region}/{month:%Y-%m}.tif"

    def list_files(self) -> Iterator[tuple[str, str]]:
        """Each file of polygons, by the name of the field that names it."""
        for field in ("outlines", "debris"):
            found = getattr(self, field)
            if isinstance(found, dict):
                yield from ((f"{field}.{region}", path) for region, path in found.items())
            elif found is not None:
                yield field, found


def pick_file(files: Files | None, region: str) -> str | None:
    """The file of a region."""
    return files.get(region) if isinstance(files, dict) else files


def name_files(files: Files) -> Files:
    """The same without the folders."""
    if isinstance(files, dict):
        return {region: path.rpartition("/")[2] for region, path in files.items()}
    return files.rpartition("/")[2]
