"""Settings against unfairness: what training does so that no region is served worst."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from glacier.settings.model import Model

BALANCED = frozenset({"reweighted", "group_dro", "worst_group"})
"""Ways that draw every region equally often."""

BY_REGION = frozenset({"group_dro", "adversarial", "worst_group"})
"""Ways whose loss asks what region a window shows."""


class Fairness(Model):
    """What training does so that no region is served worse than the others.

    The number of steps is the same for all kinds; ``jobs/fairness.yaml`` compares them.
    """

    kind: Literal["none", "reweighted", "group_dro", "adversarial", "worst_group"] = "none"
    """none: every image counts alike. reweighted: every region is drawn equally often. group_dro:
    drawn so, and the regions with the higher losses weigh more, by a product each step.
    adversarial: the encoder's features are to hide which region they show. worst_group: drawn
    equally often, and a region whose loss lies above the mean by more than ``tolerance`` is
    penalised until it does not."""
    step: float = Field(0.05, gt=0, le=10)
    """How fast the weights of ``group_dro`` and the multipliers of ``worst_group`` follow the
    losses of a step."""
    strength: float = Field(0.1, gt=0, le=100)
    """What hiding the region is worth to the encoder in ``adversarial``, beside the loss."""
    tolerance: float = Field(0.05, ge=0, le=1)
    """Loss above the mean of all regions that ``worst_group`` lets pass."""

    @property
    def is_balanced(self) -> bool:
        """Whether every region is drawn equally often."""
        return self.kind in BALANCED

    @property
    def asks_regions(self) -> bool:
        """Whether the loss asks what region a window shows."""
        return self.kind in BY_REGION
