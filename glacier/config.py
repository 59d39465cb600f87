"""The configuration: one tree of frozen models, read from one YAML file, set from flags.

Reading it from a file and flags is ``flags.load_config``.

Every field states its unit and range. A bad value is answered with its name, what was given,
what is allowed and the nearest spelling. Environment variables are read only where a path
names one (``$GLACIER_REAL_DATA/everest_l7_rgi``); ``$$`` there is a plain dollar.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PositiveInt,
    ValidationInfo,
    model_validator,
)

from glacier.wording import name_place

NDSI_ABOVE = 0.4
NIR_ABOVE = 0.11
"""Usual thresholds of snow and ice; water is darker in the near infrared.

Source: Hall, Riggs & Salomonson 1995, Remote Sensing of Environment 54.
"""

WINDOW_STEP_PX = 32
"""Sizes of windows are multiples of this, since the encoders halve five times."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
"""An identifier that is safe as a folder name."""

BARE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")


def check_bare(value: str) -> str:
    """Refuse a name that could lead to another folder, another machine or a hub of networks.

    Raises:
        ValueError: With the name and what one may hold.
    """
    if not BARE.fullmatch(value):
        raise ValueError(
            f"{value!r:.100} is no bare name: wanted a letter or a digit, then up to 127 letters, "
            "digits and . _ + -; no folder, no address"
        )
    return value


BareName = Annotated[str, AfterValidator(check_bare)]
"""Name of a file or folder that lies beside, or right below, the file that says it; no path."""

Sha256 = Annotated[str, Field(pattern=r"^(?:[0-9a-f]{64})?$")]
"""A checksum, hexadecimal; empty where there is none."""

Month = Annotated[str, Field(pattern=r"^[12][0-9]{3}-(0[1-9]|1[0-2])$")]
"""A calendar month, ``YYYY-MM``."""


Band = Literal["SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"]
"""Landsat-8 name of a reflectance band."""


CrsCode = Annotated[str, Field(pattern=r"^EPSG:[1-9][0-9]{3,5}$")]
"""A coordinate reference system by its code, such as ``EPSG:32608``."""

VARIABLE = re.compile(r"\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})")
"""A doubled dollar, or a variable's name with braces or without."""


def expand_path(value: str) -> str:
    """Put environment variables into a path; ``$$`` stands for a dollar that is meant as one.

    Raises:
        ValueError: A variable that the path names is not set.
    """

    def put_in(found: re.Match[str]) -> str:
        name = found[2] or found[3]
        if not name:
            return "$"
        if name not in os.environ:
            raise ValueError(
                f"the environment variable {name} is not set; set it, or write the path out, with "
                "$$ for a dollar that is meant"
            )
        return os.environ[name]

    return VARIABLE.sub(put_in, os.path.expanduser(value))


STORED = {"stored": True}
"""Context in which a stored value is read back, on whatever machine."""


def check_path(value: str, info: ValidationInfo) -> str:
    """Refuse a path that names a variable that is not set; the path itself stays as written.

    So outputs that carry the configuration name no folder of the machine that made them, and are
    read where its variables are unknown.
    """
    if info.context != STORED:
        expand_path(value)
    return value


PathText = Annotated[str, AfterValidator(check_path)]
"""A local path or object-store address; ``store.absolute`` puts variables in. ``$$``: a dollar."""


PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/api/stac/v1"
"""The one catalogue of Landsat scenes whose pixels need no account."""


RUNTIME_ONLY = "runtime only"
"""Mark of a field that changes where, how fast or how patiently, never what comes out."""

ADDRESS = "address"
"""Mark of a field that says where a file lies: the content of the file counts, not the place."""

TEXT = "text"
"""Mark of a field that pages repeat and nothing is computed from."""

SELECTION = "selection"
"""Mark of a field that says which units there are, never what is in one of them."""

PRIVATE = "private"
"""Mark of a field that names an account or a machine: no page that is passed on shows it."""


class Model(BaseModel):
    """What the configuration and all stored values share: unknown fields refused, none changed."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


PIXEL_M = 30.0
"""Side of Landsat's own pixels, metres."""


class Region(Model):
    """A place on the ground."""

    name: Name
    """Folder-safe identifier."""
    title: Annotated[str | None, TEXT] = Field(None, max_length=120)
    """What people call it, with all its letters; None: made from ``name``."""
    polygon: tuple[tuple[float, float], ...] | None = None
    """Corners as (longitude, latitude) in degrees, WGS 84. None: the grid of the source's files."""
    pixel_m: float = Field(PIXEL_M, gt=0, le=1000)
    """Side of a pixel, metres, in the UTM zone of the polygon."""

    @model_validator(mode="after")
    def check_polygon(self) -> Self:
        """Refuse a polygon that cannot be one on Earth, and pixels that nothing would have."""
        if self.polygon is None:
            if self.pixel_m != PIXEL_M:
                raise ValueError(
                    f"pixel_m {self.pixel_m:g} needs a polygon; without one the pixels are those "
                    "of the source's files: leave it out"
                )
            return self
        if len(self.polygon) < 3:
            raise ValueError(f"a polygon needs 3 corners or more, got {len(self.polygon)}")
        for lon, lat in self.polygon:
            if not (-180 <= lon <= 180 and -80 <= lat <= 84):
                raise ValueError(
                    f"corner ({lon}, {lat}) is not (longitude, latitude) within the UTM zones: "
                    "-180..180, -80..84"
                )
        return self

    def corners(self) -> tuple[tuple[float, float], ...]:
        """Corners whose longitudes run on past 180 where the polygon crosses that meridian."""
        corners = self.polygon or ()
        lons = [lon for lon, _ in corners]
        if not lons or max(lons) - min(lons) <= 180:
            return corners
        return tuple((lon + 360 if lon < 0 else lon, lat) for lon, lat in corners)


class RegionFile(Model):
    """Glaciers of a vector file, such as the Randolph Glacier Inventory: a region each.

    It stands among ``regions`` in the file, and is replaced by plain regions when the file is
    read, so that only what the glaciers are counts in a hash, not where their file lies.
    """

    file: PathText
    """Vector file: GeoPackage, Shapefile (also zipped), GeoJSON, FlatGeobuf, KML or GeoParquet."""
    layer: str | None = None
    """Layer of the file; None: the only one that has the column."""
    crs: CrsCode | None = None
    """CRS of a file that states none."""
    column: str | None = None
    """Column that names the glaciers; None: the RGI's, ``rgi_id`` or ``RGIId``."""
    ids: Annotated[tuple[str | int, ...], Field(min_length=1)] | None = None
    """Which glaciers, by the values of the column as they are written; None: all."""
    buffer_m: float = Field(500.0, ge=0, le=100_000)
    """Margin of the frame around a glacier's outline, metres."""
    pixel_m: float = Field(PIXEL_M, gt=0, le=1000)
    """Side of a pixel, metres."""


class Months(Model):
    """A span of calendar months, both ends included."""

    first: Month = "2014-01"
    """First month, YYYY-MM."""
    last: Month = "2023-12"
    """Last month, YYYY-MM."""

    @model_validator(mode="after")
    def check_order(self) -> Self:
        """Refuse a span that ends before it begins."""
        if self.last < self.first:
            raise ValueError(f"last month {self.last} lies before the first, {self.first}")
        return self

    def dates(self) -> tuple[date, date]:
        """First days of the first and of the last month."""
        return date.fromisoformat(f"{self.first}-01"), date.fromisoformat(f"{self.last}-01")


class SourceSettings(Model):
    """What the settings of every source tell of it, so that nobody compares its name."""

    grows: ClassVar[bool] = False
    """Scenes appear as they are taken and processed, so that a young month is made anew."""
    knows_truth: ClassVar[bool] = False
    """The class of the surface is known at every pixel."""
    brings_grid: ClassVar[bool] = False
    """Its files say where the pixels lie, so that a region needs no polygon."""
    predicts_night: ClassVar[bool] = True
    """A month without sun is known to be empty before the source is asked for it."""

    @property
    def uses_frames(self) -> bool:
        """The polygon of a region, where it has one, says where its pixels lie."""
        return True

    @property
    def inapplicable(self) -> dict[str, str]:
        """Fields of ``Ingest`` that cannot act on the source, each with why."""
        return {}

    @property
    def files(self) -> dict[str, str | None]:
        """Local files that it reads beside scenes, by field; None where the field is not set."""
        return {}

    @property
    def reader(self) -> str:
        """What reads by these settings: a key of ``sources.factory.SOURCES``."""
        raise NotImplementedError

    @property
    def service(self) -> Service | None:
        """Settings of the service that the source waits for; None: it computes, or reads files."""
        return None


class Synthetic(SourceSettings):
    """The embedded archive: synthetic scenes whose truth is known at every pixel."""

    knows_truth: ClassVar[bool] = True

    scenes_per_month: tuple[int, int] = (2, 4)
    """Fewest and most scenes a month, 1..12 (Landsat 8 alone passes about twice)."""
    cloud_share: float = Field(0.35, ge=0, le=1)
    """Mean share of a scene under cloud, 0..1."""

    @model_validator(mode="after")
    def check_scenes(self) -> Self:
        """Refuse an empty or reversed span of scenes."""
        low, high = self.scenes_per_month
        if not 1 <= low <= high <= 12:
            raise ValueError(f"scenes_per_month {low}, {high}: wanted 1 <= fewest <= most <= 12")
        return self

    @property
    def inapplicable(self) -> dict[str, str]:
        """What would choose among satellites and tiers, since the scenes have but one."""
        why = "its scenes are all of one made-up Landsat 8, in Tier 1"
        return {"platforms": why, "tiers": why}

    @property
    def reader(self) -> str:
        """The synthetic archive."""
        return "synthetic"


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


class Service(SourceSettings):
    """What all sources have in common that wait for a server."""

    quota: ClassVar[str] = "the service's quota"
    """What is used up where it restricts us, as messages name it."""

    in_flight: Annotated[int, RUNTIME_ONLY] = Field(16, ge=1, le=40)
    """Most requests at once, over all workers; Earth Engine allows a project 40."""
    actors: Annotated[int, RUNTIME_ONLY] = Field(4, ge=1, le=40)
    """Most worker processes that share the requests; no more than there are cores."""
    deadline_s: Annotated[float, RUNTIME_ONLY] = Field(330.0, gt=0, le=3600)
    """Longest wait for an answer, seconds; Earth Engine gives up after 300 itself."""

    @property
    def service(self) -> Service:
        """These."""
        return self


class Stac(Service):
    """Scenes of a STAC catalogue, read in place."""

    grows: ClassVar[bool] = True

    url: Annotated[str, PRIVATE] = Field(PLANETARY_COMPUTER, pattern=r"^https?://")
    """Address of the STAC API. Planetary Computer's pixels need no account; the pixels of Earth
    Search and USGS are in a bucket whose reader pays, which this version does not read."""
    collection: str = "landsat-c2-l2"
    """Collection of Landsat Collection 2 Level 2 scenes."""
    hosts: Annotated[tuple[str, ...], PRIVATE, RUNTIME_ONLY] = ()
    """Further hosts that its pixels may lie on, beside its own and those that it signs for; a name
    stands for all below it. An item that names any other host is left out."""

    @property
    def reader(self) -> str:
        """The catalogue."""
        return "stac"


class EarthEngine(Service):
    """Google Earth Engine: whose account asks, where, and how hard."""

    grows: ClassVar[bool] = True
    quota: ClassVar[str] = "the project's monthly quota at Earth Engine"

    project: Annotated[str | None, PRIVATE] = None
    """Google Cloud project that is registered for Earth Engine; None: the credentials' own."""
    service_account: Annotated[str | None, PRIVATE] = None
    """E-mail address of a service account; a JSON key file holds it already."""
    key_file: Annotated[PathText | None, PRIVATE] = None
    """Key file of the service account, at the same path on every node; None: application
    default credentials, or those of ``earthengine authenticate``."""
    endpoint: Literal["high-volume", "standard"] = "high-volume"
    """high-volume: made for many automated requests. standard: caches more, allows fewer."""
    url: Annotated[str | None, PRIVATE] = Field(
        None, pattern=r"^(https://|http://(127\.0\.0\.1|localhost)(:|/|$))"
    )
    """Address of a private endpoint; wins over ``endpoint``."""
    attempts: int = Field(6, ge=1, le=20)
    """Times that a request is sent before its month counts as failed."""
    backoff_s: float = Field(1.0, ge=0, le=60)
    """Longest wait before the second attempt, seconds; doubled for each one, up to 60."""

    @model_validator(mode="after")
    def check_account(self) -> Self:
        """Refuse a service account without its key."""
        if self.service_account and self.key_file is None:
            raise ValueError(
                f"service_account {self.service_account} needs key_file, the path of its key"
            )
        return self

    @property
    def files(self) -> dict[str, str | None]:
        """The key of the service account."""
        return {"key_file": self.key_file}

    @property
    def reader(self) -> str:
        """Earth Engine."""
        return "earthengine"


class Ingest(Model):
    """Scenes -> one composite a month."""

    source: Literal["synthetic", "folder", "earthengine", "stac"] = "synthetic"
    """Where the scenes come from."""
    cloud_profile: Literal["strict", "standard", "ice", "notebook"] = "ice"
    """QA_PIXEL bits that hide a pixel; see ``landsat.QA_MASK`` for what each costs over snow."""
    min_valid_share: float = Field(0.0, ge=0, le=1)
    """Least share of pixels with a clear observation; a month below it is EMPTY."""
    platforms: tuple[Literal[8, 9], ...] = Field((8,), min_length=1)
    """Landsat satellites whose scenes are used; 9 flies since late 2021."""
    tiers: tuple[Literal["T1", "T2"], ...] = Field(("T1",), min_length=1)
    """Tiers of the scenes that are used. Tier 1 lies on the ground within 12 m; Tier 2 does not, or
    nobody knows. Of a scene in both the better one is read."""
    mask_saturated: bool = False
    """Leave out observations with a saturated band (QA_RADSAT); on snow these are the brightest."""
    max_failed: Annotated[int, RUNTIME_ONLY] = Field(0, ge=0)
    """Months that may fail before the job's exit code says so."""
    synthetic: Synthetic = Synthetic()
    """Settings of the synthetic source."""
    folder: Folder = Folder()
    """Settings of the folder source."""
    earthengine: Annotated[EarthEngine, RUNTIME_ONLY] = EarthEngine()
    """Settings of the Earth Engine source."""
    stac: Stac = Stac()
    """Settings of the STAC source."""

    @model_validator(mode="after")
    def check_settings(self, info: ValidationInfo) -> Self:
        """Refuse a setting that would not act on the source, and seem to."""
        for name, why in self.chosen.inapplicable.items():
            value = getattr(self, name)
            if value != type(self).model_fields[name].default:
                raise ValueError(
                    f"{name} {value!r} cannot act on source {self.source}: {why}; leave it out"
                )
        for name in () if info.context == STORED else self.other_sources:
            given, plain = getattr(self, name), type(self).model_fields[name].default
            for field in type(given).model_fields:
                if (value := getattr(given, field)) != getattr(plain, field):
                    raise ValueError(
                        f"{name}.{field} {value!r} is of a source that is not read: set source "
                        f"{name} in place of {self.source}, or leave it out"
                    )
        return self

    @property
    def other_sources(self) -> tuple[str, ...]:
        """Names of the sources that are not used."""
        names = get_args(type(self).model_fields["source"].annotation)
        return tuple(name for name in names if name != self.source)

    @property
    def chosen(self) -> SourceSettings:
        """Settings and traits of the source that is used."""
        settings: SourceSettings = getattr(self, self.source)
        return settings


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

    @model_validator(mode="after")
    def check_years(self) -> Self:
        """Refuse years that no survey can have."""
        if not 1800 <= self.years[0] <= self.years[1] <= 2100:
            raise ValueError(f"years {self.years}: wanted 1800 <= first <= last <= 2100")
        return self


LabelKind = Literal["truth", "outlines", "ndsi", "threshold"]


class Label(Model):
    """What counts as glacier when training and scoring."""

    kind: LabelKind = "truth"
    """truth: the synthetic class map. outlines: polygons from a file. ndsi: NDSI and near
    infrared over thresholds. threshold: grey level of the false colour, as published."""
    outlines: Annotated[PathText | None, ADDRESS] = None
    """Vector file of glacier polygons; needed for ``outlines``. With any kind of label they also
    tell which months are snowy."""
    layer: str | None = None
    """Layer of ``outlines``; None: the only one with polygons on a region's grid."""
    crs: CrsCode | None = None
    """CRS of ``outlines``, for a file that states none."""
    provenance: Annotated[Provenance | None, TEXT] = None
    """Where the outlines come from."""
    margin_m: float = Field(0.0, ge=0, le=1000)
    """Pixels within so many metres of an outline are unknown, for ``outlines``."""
    debris: Annotated[PathText | None, ADDRESS] = None
    """Vector file of debris-covered ice, scored as a class of its own."""
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
            if self.kind != "ndsi":
                unused |= {"ndsi_above", "nir_above"}
        files = {
            name: path.rpartition("/")[2]
            for name in ("outlines", "debris")
            if (path := getattr(self, name)) is not None
        }
        kept = self.model_dump(exclude=unused) | files
        return Label.model_validate(kept, context=STORED)


class Prepare(Model):
    """Composites -> samples."""

    layout: Literal["resize", "chips"] = "chips"
    """resize: the whole region as one sample a month. chips: windows at native resolution."""
    size_px: int = Field(128, ge=WINDOW_STEP_PX, le=2048, multiple_of=WINDOW_STEP_PX)
    """Side of a sample, pixels; a multiple of 32, since the encoders halve five times."""
    stride_px: int | None = Field(None, ge=8, le=2048)
    """Step between chips, pixels, at most ``size_px``; None: half a chip."""
    image: tuple[Literal["nir", "red", "green", "blue", "swir1", "swir2", "ndsi"], ...] = (
        "nir",
        "red",
        "green",
    )
    """Bands of the image, in order."""
    scale: Literal["reflectance", "own_maximum"] = "reflectance"
    """reflectance: as it is. own_maximum: each band over its maximum of the month (notebook)."""
    reflectance_range: tuple[float, float] = (0.0, 1.0)
    """Reflectance is clipped to this range; NDSI to -1..1. Simple methods read the image's bands as
    clipped; labels of kind ndsi and outlines read them as they were."""
    label: Label = Label()
    """The labels."""
    blocks: tuple[PositiveInt, PositiveInt] = (5, 5)
    """Rows and columns of the grid of ground blocks that ``by_block`` folds use."""
    quick_looks: Annotated[bool, RUNTIME_ONLY] = True
    """Write false-colour, true-colour and NDSI pictures of every month."""
    max_failed: Annotated[int, RUNTIME_ONLY] = Field(0, ge=0)
    """Months of the archive that may fail here before the job's exit code says so."""

    @property
    def step_px(self) -> int:
        """Step between chips, pixels: the one given, or half a chip."""
        return self.stride_px or self.size_px // 2

    @model_validator(mode="after")
    def check_image(self) -> Self:
        """Refuse repeated bands, reversed ranges, and steps that nothing takes."""
        if not self.image or len(set(self.image)) != len(self.image):
            raise ValueError(f"image {self.image}: wanted one band or more, none twice")
        if self.reflectance_range[0] >= self.reflectance_range[1]:
            raise ValueError(f"reflectance_range {self.reflectance_range}: low must be below high")
        if self.stride_px is not None and self.stride_px > self.size_px:
            raise ValueError(
                f"stride_px {self.stride_px}: wanted at most size_px, {self.size_px}, or pixels "
                "between the chips are lost"
            )
        if self.stride_px is not None and self.layout == "resize":
            raise ValueError(
                f"stride_px {self.stride_px} is the step between chips, and layout resize makes "
                "none: leave it out"
            )
        if self.label.kind == "outlines" and self.label.outlines is None:
            raise ValueError("label.kind outlines needs label.outlines, a vector file of polygons")
        return self

    def effective(self) -> Prepare:
        """The same, however it was written: with its stride, and only what of the label acts."""
        stride = self.stride_px or (self.size_px // 2 if self.layout == "chips" else None)
        return self.model_copy(update={"label": self.label.effective(), "stride_px": stride})


VALIDATION_SHARE = 0.2
"""Share of the units outside the test part that choose the checkpoint, unless another is set."""

FoldKind = Literal["shuffled", "by_year", "by_region", "by_block"]


class Folds(Model):
    """How samples are parted into test, validation and training."""

    kind: FoldKind = "by_block"
    """shuffled: months at random, as published. by_year: whole years (separates dates, not
    ground; in the south a year ends with March). by_region: whole glaciers. by_block: columns of
    ground blocks."""
    count: int = Field(5, ge=2, le=20)
    """Number of folds."""
    validation_share: float = Field(VALIDATION_SHARE, ge=0, lt=1)
    """Share of the units outside the test part that choose the checkpoint, at least one. 0: all
    of them train, nothing chooses, and the weights of the last epoch are kept."""
    hold_out_last: bool = False
    """Keep the last month in text order, of every region, out of all folds, for the final
    picture."""


class Sweep(Model):
    """Samples -> one trained model per (encoder, fold)."""

    encoders: Annotated[tuple[BareName, ...], SELECTION] = (
        "resnet34",
        "resnet50",
        "efficientnet-b4",
    )
    """Encoder names of segmentation-models-pytorch."""
    encoder_weights: PathText = "none"
    """imagenet (needs the network once), none (random), or a local weights file, at most 8 GiB."""
    protocol: Literal["honest", "notebook"] = "honest"
    """honest: the checkpoint is chosen on a validation part and tested once. notebook: chosen
    on the test fold, as published."""
    folds: Folds = Folds()
    """The folds."""
    epochs: int = Field(30, ge=1, le=10_000)
    """Passes over the training samples."""
    steps_per_epoch: int | None = Field(None, ge=1)
    """Batches an epoch, drawn without repeats until the samples run out; None: all samples."""
    batch_size: int = Field(8, ge=2, le=1024)
    """Samples a batch; 2 or more, since batch normalisation needs them."""
    learning_rate: float = Field(1e-4, gt=0, le=1)
    """Step size of Adam."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Of the step size: as it is, or falling to zero along half a cosine over all epochs."""
    warm_up_epochs: float = Field(0.0, ge=0)
    """The step size rises from zero over so many epochs first; less than ``epochs``."""
    weight_decay: float = Field(0.0, ge=0, le=1)
    """Decoupled weight decay (AdamW); 0: plain Adam."""
    loss: Literal["dice", "dice_bce"] = "dice"
    """dice: as published. dice_bce: binary cross-entropy added, in equal parts."""
    patience_epochs: int | None = Field(None, ge=1)
    """Stop a trial whose validation loss has not fallen for so many epochs; None: never."""
    normalise: Literal["training", "imagenet"] = "training"
    """Mean and standard deviation from the training samples of the fold, or ImageNet's."""
    flips: bool = True
    """Random flips and quarter turns of the training samples. They help on ground never seen;
    where the same ground comes again, as in ``by_year`` folds, they keep a network from knowing
    it: results/ablation has the cost."""
    brightness_jitter: float = Field(0.0, ge=0, lt=1)
    """Training samples are multiplied by a random factor within 1 - j .. 1 + j, the same for all
    bands, since the ratios between bands tell ice from rock."""
    calibrate: bool = False
    """Fit a temperature and a probability threshold to the validation part before the test."""
    test_time_augmentation: bool = False
    """Test with the mean over the eight flips and quarter turns of every window; needs
    ``flips``."""
    batch_norm_momentum: float | None = Field(None, gt=0, le=1)
    """Momentum of the running statistics; None: the encoder's own (efficientnet's 0.01 needs
    hundreds of steps from random weights)."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the network's forward pass; the loss is always float32."""
    channels_last: bool = False
    """Memory layout with the channels innermost; faster on many devices."""
    cpus_per_trial: int = Field(1, ge=1)
    """Cores, and so threads, of one trial; part of the answer to the last bit."""
    gpus_per_trial: Annotated[float, RUNTIME_ONLY] = Field(0.0, ge=0)
    """Share of a GPU of one trial; 0.5 lets two trials share one. How large it is changes no hash;
    whether it is 0, or above 0, is hashed, since a GPU rounds otherwise."""
    checkpoint_s: Annotated[float, RUNTIME_ONLY] = Field(60.0, ge=0)
    """Least time between checkpoints of a running trial, seconds; what a lost worker costs."""
    max_retries: Annotated[int, RUNTIME_ONLY] = Field(1, ge=0, le=10)
    """New starts of a trial that failed, from its last checkpoint."""
    max_failed: Annotated[int, RUNTIME_ONLY] = Field(0, ge=0)
    """Trials that may fail before the job's exit code says so."""
    random_forest: Annotated[bool, SELECTION] = True
    """Fit the random-forest baseline in every fold."""

    @property
    def parts(self) -> Folds:
        """The folds as the protocol parts them: in notebook the test part chooses."""
        if self.protocol == "honest":
            return self.folds
        return self.folds.model_copy(update={"validation_share": 0.0})

    @property
    def weights_file(self) -> str | None:
        """The file of weights that an encoder begins with; None where it is no file."""
        return None if self.encoder_weights in ("none", "imagenet") else self.encoder_weights

    @model_validator(mode="after")
    def check_sweep(self) -> Self:
        """Refuse repeated encoders and shares of a GPU that cannot be scheduled."""
        if not self.encoders or len(set(self.encoders)) != len(self.encoders):
            raise ValueError(f"encoders {self.encoders}: wanted one or more, none twice")
        if self.warm_up_epochs >= self.epochs:
            raise ValueError(
                f"warm_up_epochs {self.warm_up_epochs}: wanted less than epochs, {self.epochs}"
            )
        if self.calibrate and self.protocol == "notebook":
            raise ValueError("calibrate needs a validation part, which protocol notebook lacks")
        share = self.folds.validation_share
        if self.protocol == "notebook" and share not in (0, VALIDATION_SHARE):
            raise ValueError(
                f"folds.validation_share {share:g}: protocol notebook has no validation part; "
                "leave it out, or set it to 0"
            )
        fits = self.calibrate or self.patience_epochs is not None
        if fits and self.protocol == "honest" and not self.folds.validation_share:
            raise ValueError(
                "calibrate and patience_epochs need a validation part; set "
                "folds.validation_share above 0"
            )
        if self.test_time_augmentation and not self.flips:
            raise ValueError(
                "test_time_augmentation needs flips: a network that never saw a turned image "
                "fails on them"
            )
        if self.gpus_per_trial > 1 and not float(self.gpus_per_trial).is_integer():
            raise ValueError(
                f"gpus_per_trial {self.gpus_per_trial}: above 1, wanted a whole number"
            )
        return self


class Cluster(Model):
    """Where Ray runs."""

    address: Annotated[str, PRIVATE] = "local"
    """local: a private Ray on this machine. Inside ``ray job submit`` the job's own cluster is
    used whatever stands here. Else the address of a running cluster."""
    cpus: int | None = Field(None, ge=1)
    """Cores that a local Ray may use; None: all."""
    gpus: int | None = Field(None, ge=0)
    """GPUs that a local Ray may use; None: what it finds."""


class Config(Model):
    """A run, from region and months to the report."""

    name: Name
    """Name of the run; its outputs carry it."""
    storage: Annotated[PathText, RUNTIME_ONLY, PRIVATE] = "./data"
    """Folder or object-store address for archive, samples, sweeps and models."""
    results: Annotated[PathText, RUNTIME_ONLY, PRIVATE] = "./results"
    """Folder for reports."""
    when_locked: Annotated[Literal["wait", "leave"], RUNTIME_ONLY] = "wait"
    """Where another run works on the same folder: wait until it has ended and do what is missing
    then, or leave the work to it and end well."""
    seed: int = Field(42, ge=0, lt=2**32)
    """Seed of everything that is drawn at random."""
    regions: tuple[Region, ...]
    """Places to work on; in the file also entries with ``file``, see ``RegionFile``."""
    months: Months = Months()
    """Span of months."""
    ingest: Ingest = Ingest()
    """Scenes -> composites."""
    prepare: Prepare = Prepare()
    """Composites -> samples."""
    sweep: Sweep = Sweep()
    """Samples -> models."""
    cluster: Annotated[Cluster, RUNTIME_ONLY] = Cluster()
    """Where Ray runs."""
    variants: Annotated[dict[Name, dict[str, JsonValue]], RUNTIME_ONLY] = Field(
        default_factory=dict
    )
    """Variants that ``glacier study`` compares: name to dotted fields and values, such as
    ``{sweep.folds.kind: shuffled}``; the first is the reference, and ``{}`` the run itself."""

    def variant(self, name: str) -> Config:
        """The full configuration of a variant; it keeps the name, so that equal parts are shared.

        Args:
            name: A key of ``variants``.

        Raises:
            ValidationError: A field of the variant is unknown, or its value cannot be used.
        """
        values = self.model_dump(mode="json", exclude={"variants"})
        if self.variants[name].get("ingest.source", self.ingest.source) != self.ingest.source:
            del values["ingest"][self.ingest.source]  # what the run says of its own is not for it
        for field, value in self.variants[name].items():
            level = values
            *above, last = field.split(".")
            for part in above:
                if not isinstance(level.get(part), dict):
                    level[part] = {}
                level = level[part]
            level[last] = value
        return Config.model_validate(values)

    def place(self, name: str) -> str:
        """A region's name as people write it, which says so where its scenes are made up."""
        titles = {region.name: region.title for region in self.regions}
        return name_place(name, self.ingest.chosen.knows_truth, titles.get(name))

    @model_validator(mode="after")
    def check_regions(self) -> Self:
        """Refuse regions that the source could not tell apart or not place."""
        names = [region.name for region in self.regions]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"regions {names}: wanted one or more, no name twice")
        source = self.ingest.chosen
        for region in self.regions:
            if region.polygon is None and not source.brings_grid:
                raise ValueError(f"region {region.name} needs a polygon; only files bring a grid")
            if region.polygon is not None and not source.uses_frames:
                raise ValueError(
                    f"region {region.name} has a polygon, which cannot act on month files and "
                    "single images: they are read on their own grid; leave polygon and pixel_m out"
                )
        return self

    @model_validator(mode="after")
    def check_run(self) -> Self:
        """Refuse combinations that no stage could honour."""
        published = self.sweep.protocol == "notebook"
        if not published and self.prepare.label.unseen == "background":
            raise ValueError(
                "prepare.label.unseen background counts clouds as bare ground: only for "
                "sweep.protocol notebook; use ignore"
            )
        if self.prepare.label.kind == "truth" and not self.ingest.chosen.knows_truth:
            raise ValueError(
                f"prepare.label.kind truth is known only to the synthetic source, not to "
                f"{self.ingest.source}; use outlines, ndsi or threshold"
            )
        if self.sweep.folds.kind == "by_block" and self.prepare.layout != "chips":
            raise ValueError(
                "sweep.folds.kind by_block parts the ground, which resized samples cannot be: "
                "set prepare.layout chips"
            )
        if self.sweep.normalise == "imagenet" and len(self.prepare.image) != 3:
            raise ValueError(
                f"sweep.normalise imagenet knows 3 bands, prepare.image has "
                f"{len(self.prepare.image)}; use training"
            )
        return self


def digest(value: Any) -> str:
    """Hash of anything that JSON can hold: 64 hexadecimal digits, the same on every machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def identity(value: Any, without: Collection[str] = (RUNTIME_ONLY,)) -> Any:
    """What a configuration, or a part of it, computes, as JSON values.

    Args:
        value: A model, or anything that a field of one holds.
        without: Marks of the fields that are left out.
    """
    if isinstance(value, BaseModel):
        return {
            name: identity(getattr(value, name), without)
            for name, field in type(value).model_fields.items()
            if not any(mark in field.metadata for mark in without)
        }
    if isinstance(value, dict):
        return {name: identity(inner, without) for name, inner in value.items()}
    if isinstance(value, tuple | list):
        return [identity(inner, without) for inner in value]
    return value


def config_digest(config: Config) -> str:
    """Hash of the fields that decide what a run computes, not where or how fast.

    What is in the files that it names is for others to hash: they are read once it is needed.
    """
    values = identity(config, (RUNTIME_ONLY, ADDRESS, TEXT))
    if config.sweep.weights_file is not None:
        values["sweep"]["encoder_weights"] = "a file"
    return digest(values)


def explain_few_variants(config: Config) -> str:
    """Why a study would have nothing to compare; nothing where it has."""
    if len(config.variants) > 1:
        return ""
    return (
        f"variants = {list(config.variants)}: a study compares two or more; give names and what "
        "differs, such as {plain: {}, shuffled: {sweep.folds.kind: shuffled}}"
    )


def variants_digest(config: Config) -> str:
    """Hash of what a study computes: of every variant by its name, in their order."""
    return digest([[name, config_digest(config.variant(name))] for name in config.variants])
