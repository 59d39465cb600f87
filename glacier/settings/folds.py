"""How samples are parted into test, validation and training."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from glacier.settings.model import Model
from glacier.settings.values import Name

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
    together: tuple[tuple[Name, ...], ...] = ()
    """Groups of regions that ``by_region`` keeps in one part, such as neighbours; those whose
    frames share ground are kept together anyway."""
    hold_out_last: bool = False
    """Keep the last month in text order, of every region, out of all folds, for the final
    picture."""

    @model_validator(mode="after")
    def check_together(self) -> Self:
        """Refuse groups that nothing keeps together, and a region that is in two."""
        if self.together and self.kind != "by_region":
            raise ValueError(f"together acts on folds by_region alone, not on {self.kind}")
        names = [name for group in self.together for name in group]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"together names {', '.join(twice)} twice: make one group of both")
        return self
