"""How samples are parted into test, validation and training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from glacier.settings.model import Model

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
