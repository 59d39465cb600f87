"""Settings of the first stage: scenes -> one composite a month."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, ValidationInfo, model_validator

from glacier.settings.earthengine import EarthEngine
from glacier.settings.folder import Folder
from glacier.settings.model import RUNTIME_ONLY, STORED, Model
from glacier.settings.source import SourceSettings
from glacier.settings.stac import Stac
from glacier.settings.synthetic import Synthetic
from glacier.settings.values import Name

SourceName = Literal["synthetic", "folder", "earthengine", "stac"]


class Ingest(Model):
    """Scenes -> one composite a month."""

    source: SourceName = "synthetic"
    """Where the scenes come from."""
    cloud_profile: Literal["strict", "standard", "ice", "notebook"] = "ice"
    """QA_PIXEL bits that hide a pixel; see ``landsat.QA_MASK`` for what each costs over snow."""
    min_valid_share: float = Field(0.0, ge=0, le=1)
    """Least share of pixels with a clear observation; a month below it is EMPTY."""
    platforms: tuple[Literal[4, 5, 7, 8, 9], ...] = Field((8,), min_length=1)
    """Landsat satellites whose scenes are used; 9 flies since late 2021, 4 and 5 began in 1982 and
    1984, 7 in 1999 (with gaps in each scene from June 2003 on). A month is of one generation: where
    both are wanted, of 8 and 9 from April 2013 on, before of the others."""
    tiers: tuple[Literal["T1", "T2"], ...] = Field(("T1",), min_length=1)
    """Tiers of the scenes that are used. Tier 1 lies on the ground within 12 m; Tier 2 does not, or
    nobody knows. Of a scene in both the better one is read."""
    mask_saturated: bool = False
    """Leave out observations with a saturated band (QA_RADSAT); on snow these are the brightest."""
    max_failed: Annotated[int, RUNTIME_ONLY] = Field(0, ge=0)
    """Months that may fail before the job's exit code says so."""
    synthetic_regions: tuple[Name, ...] = ()
    """Regions that are made up, beside those of the source: the class of their surface is known and
    labels them where nothing is drawn. They train (``sweep.train_synthetic``), and no fold tests
    them."""
    synthetic_months: tuple[Annotated[int, Field(ge=1, le=12)], ...] | None = None
    """Calendar months, 1..12, that they have images of; None: all of the span."""
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
        if self.source == "synthetic" and self.synthetic_regions:
            raise ValueError(
                f"synthetic_regions {', '.join(self.synthetic_regions)}: with source synthetic all "
                "regions are made up; leave it out"
            )
        if self.synthetic_months is not None and not self.synthetic_regions:
            raise ValueError("synthetic_months is of synthetic_regions, which names none")
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
        used = {self.source, *(("synthetic",) if self.synthetic_regions else ())}
        return tuple(name for name in names if name not in used)

    @property
    def chosen(self) -> SourceSettings:
        """Settings and traits of the source that is used."""
        settings: SourceSettings = getattr(self, self.source)
        return settings

    def source_of(self, region: str) -> SourceName:
        """Name of the source that a region's scenes come from."""
        return "synthetic" if region in self.synthetic_regions else self.source

    def wants(self, region: str, month: date) -> bool:
        """Whether a month of a region is wanted, where the run's span wants it."""
        chosen = self.synthetic_months if region in self.synthetic_regions else None
        return chosen is None or month.month in chosen

    def settings_of(self, region: str) -> SourceSettings:
        """Settings and traits of the source that a region's scenes come from."""
        settings: SourceSettings = getattr(self, self.source_of(region))
        return settings
