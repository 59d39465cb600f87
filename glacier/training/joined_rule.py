"""What NDSI says without learning, joined to what a network says: ice and snow here, water there.

A network that learned from few glaciers may miss clean ice of another kind, which the rule finds
anywhere; ice under debris, which the rule cannot see, is left to the network. No torch in here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from glacier.indices import normalised_difference
from glacier.labels import IGNORE
from glacier.samples.month_images import MonthImage
from glacier.settings.labels import NDSI_ABOVE, NIR_ABOVE, RULE_BANDS
from glacier.settings.model import Model

SURE = 0.01
"""A share is taken to lie so far from 0 and from 1, at least."""

Share = Annotated[float, Field(ge=SURE, le=1 - SURE)]
"""Share of some ground that is glacier."""

Pair = tuple[NDArray[np.bool_], NDArray[np.bool_]]
"""Bright and dark ground of a high NDSI."""


class JoinedRule(Model):
    """Ground that NDSI tells from all other, and what is glacier of it where the model trained.

    Where NDSI is high, what is bright in the near infrared is ice or snow, and glacier at least
    as probably as there; what is dark is water or in deep shade, and glacier at most as probably.

    Source:
        Hall, Riggs & Salomonson 1995, Remote Sensing of Environment 54, for the thresholds.
    """

    green: int = Field(ge=0, lt=1000)
    nir: int = Field(ge=0, lt=1000)
    swir1: int = Field(ge=0, lt=1000)
    """Where each band stands among those of the model, from 0."""
    ndsi_above: float = Field(NDSI_ABOVE, ge=-1, le=1)
    nir_above: float = Field(NIR_ABOVE, ge=0, le=1)
    """Reflectance."""
    bright: Share | None
    """Share of bright ground that is glacier; None where no training pixel told."""
    dark: Share | None
    """Share of dark ground that is glacier; None where no training pixel told."""

    @model_validator(mode="after")
    def check_rule(self) -> Self:
        """Refuse bands that are one."""
        if len({self.green, self.nir, self.swir1}) < len(RULE_BANDS):
            raise ValueError("green, nir and swir1 of the joined rule must be three bands")
        return self

    @property
    def least(self) -> float:
        """Least logit on bright ground; without bound where nothing is known of it."""
        return -math.inf if self.bright is None else find_logit(self.bright)

    @property
    def most(self) -> float:
        """Greatest logit on dark ground; without bound where nothing is known of it."""
        return math.inf if self.dark is None else find_logit(self.dark)

    def find(self, image: NDArray[np.float32]) -> Pair:
        """Bright and dark ground of a high NDSI.

        Args:
            image: (..., B, H, W) float32 reflectance, NaN where unseen, which is neither.

        Returns:
            Two (..., H, W) bool.
        """
        green, nir, swir1 = (image[..., at, :, :] for at in (self.green, self.nir, self.swir1))
        is_high = normalised_difference(green, swir1) > np.float32(self.ndsi_above)
        above = np.float32(self.nir_above)
        return is_high & (nir > above), is_high & (nir <= above)

    def join(
        self, logits: NDArray[np.float32], windows: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Logits within what the rule allows.

        Args:
            logits: (N, H, W) float32 of a network.
            windows: (N, B, H, W) float32 reflectance that it saw, NaN where unseen.
        """
        bright, dark = self.find(windows)
        raised = np.where(bright, np.maximum(logits, np.float32(self.least)), logits)
        return np.where(dark, np.minimum(raised, np.float32(self.most)), raised)


def fit_rule(
    bands: tuple[str, ...], lesson: Iterable[tuple[MonthImage, NDArray[np.bool_]]]
) -> JoinedRule:
    """The rule on some bands, and what it is worth on training ground.

    Args:
        bands: Names of the B bands; all of ``RULE_BANDS`` are there.
        lesson: Images of reflectance, and their (H, W) bool training pixels.
    """
    at = {name: bands.index(name) for name in RULE_BANDS}
    rule = JoinedRule(**at, bright=None, dark=None)
    glacier, known = np.zeros((2, 2), np.int64)
    for image, mask in lesson:
        trains = mask & (image.label != IGNORE)
        for kind, ground in enumerate(rule.find(image.image)):
            found = image.label[ground & trains]
            glacier[kind] += int((found == 1).sum())
            known[kind] += found.size
    bright, dark = (
        float(np.clip(share / total, SURE, 1 - SURE)) if total else None
        for share, total in zip(glacier, known, strict=True)
    )
    return rule.model_copy(update={"bright": bright, "dark": dark})


def find_logit(share: float) -> float:
    """Logit of a probability."""
    return math.log(share / (1 - share))
