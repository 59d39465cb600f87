"""Settings of a study's repeats: variants once more, from other seeds."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from glacier.settings.model import Model
from glacier.settings.values import BareName, Name

TrainingSeed = Annotated[int, Field(ge=0, lt=2**32)]
"""Seed of a network's first weights and of the order of its samples."""


class Repeats(Model):
    """Variants once more from other random weights, on the same folds of the same samples."""

    seeds: tuple[TrainingSeed, ...]
    """Training seeds beside the run's own, such as [43, 44, 45, 46]."""
    variants: tuple[Name, ...] = ()
    """Those that are repeated, the reference among them; none named: all."""
    encoders: tuple[BareName, ...] = ()
    """Encoders that are trained again; none named: all of each variant."""

    @model_validator(mode="after")
    def check_seeds(self) -> Self:
        """Refuse seeds that repeat nothing."""
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds {self.seeds}: wanted one or more, none twice")
        return self
