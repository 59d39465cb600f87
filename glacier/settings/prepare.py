"""Settings of the second stage: composites -> samples."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from glacier.settings.labels import Label
from glacier.settings.model import RUNTIME_ONLY, Model

WINDOW_STEP_PX = 32
"""Sizes of windows are multiples of this, since the encoders halve five times."""


class Prepare(Model):
    """Composites -> samples."""

    layout: Literal["resize", "chips"] = "chips"
    """resize: the whole region as one sample a month. chips: windows at native resolution."""
    size_px: int = Field(128, ge=WINDOW_STEP_PX, le=2048, multiple_of=WINDOW_STEP_PX)
    """Side of a sample, pixels; a multiple of 32, since the encoders halve five times."""
    stride_px: int | None = Field(None, ge=8, le=2048)
    """Step between chips, pixels, at most ``size_px``; None: a chip, so that every pixel is stored
    once. Training windows are cut anywhere, whatever the step."""
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
        """Step between chips, pixels: the one given, or a chip."""
        return self.stride_px or self.size_px

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
        label = self.label
        if label.kind == "outlines" and not (label.outlines or label.masks or label.bare):
            raise ValueError("label.kind outlines needs label.outlines, a vector file of polygons")
        return self

    def effective(self) -> Prepare:
        """The same, however it was written: with its stride, and only what of the label acts."""
        stride = self.stride_px or (self.size_px if self.layout == "chips" else None)
        return self.model_copy(update={"label": self.label.effective(), "stride_px": stride})
