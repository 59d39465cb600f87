"""Settings of the synthetic source."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from glacier.settings.source import SourceSettings


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
