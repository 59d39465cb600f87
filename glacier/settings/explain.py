"""Settings of explanations: a map -> what decided it, in numbers, pictures and words."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from glacier.settings.model import RUNTIME_ONLY, Model
from glacier.settings.months import Month
from glacier.settings.values import Name

Method = Literal["bands", "shapley", "patches", "gradients", "cam", "shap", "lime", "region"]
"""A way to explain a map; see :class:`Explain`."""

Longitude = Annotated[float, Field(ge=-180, le=180)]
Latitude = Annotated[float, Field(ge=-90, le=90)]


class Explain(Model):
    """A map, or a place on it -> what its models looked at. The models are those of ``predict``."""

    region: Name | None = None
    """Region whose map is explained; None: the first one."""
    month: Month | None = None
    """YYYY-MM of the map; None: the month of which most was seen."""
    point: tuple[Longitude, Latitude] | None = None
    """Longitude and latitude of the middle of the place, degrees; None: the whole map."""
    side_m: float = Field(2000.0, gt=0, le=1e6)
    """Side of the square around the point, metres."""
    methods: tuple[Method, ...] = (
        "bands", "shapley", "patches", "gradients", "cam", "shap", "lime", "region",
    )  # fmt: skip
    """bands: each band replaced alone. shapley: what each band adds to any others, exact. patches:
    each square replaced. gradients: integrated gradients. cam: Grad-CAM. shap and lime: both on
    patches of one colour. region: what each band is worth for the tested images of the region."""
    of: Literal["decision", "ice"] = "decision"
    """What bands and patches are credited with. decision: that the map shows what it shows, ice or
    not. ice: that it shows ice."""
    removal: Literal["mean", "permuted"] = "mean"
    """What stands where something is taken away. mean: the training images' mean, which is also
    what an unseen pixel has. permuted: the band's own values, dealt out anew among the pixels."""
    patch_px: int = Field(16, ge=2, le=512)
    """Side of a square that is replaced, and about that of a patch of one colour, pixels."""
    steps: int = Field(24, ge=4, le=1000)
    """Steps of integrated gradients between nothing and the image."""
    tiles: int = Field(4, ge=1, le=10_000)
    """Squares of half a window on which all methods but bands and region look, spread over the
    place; those two look at all of it."""
    samples: int = Field(128, ge=16, le=100_000)
    """Drawn sets of patches by which shap, and likewise lime, explain."""
    images: int = Field(6, ge=1, le=1000)
    """Tested images, spread over the region's months, on which region rests."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Of all that is drawn."""
    cpus: Annotated[int, RUNTIME_ONLY] = Field(2, ge=1)
    """Cores."""
    at_most_s: Annotated[float, RUNTIME_ONLY] = Field(50.0, gt=0)
    """Time, seconds, into which a method has to fit, as far as can be foreseen, to be begun; the
    page names those left out."""
