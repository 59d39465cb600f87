"""Settings of what a serving model learns anew, and of the gate before its successor."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from glacier.settings.model import ADDRESS, Model
from glacier.settings.paths import PathText
from glacier.settings.values import Name

Strategy = Literal["replay", "naive", "joint"]
"""What a candidate trains on."""


class Gate(Model):
    """What a candidate has to show before it serves."""

    level: float = Field(0.1, gt=0, le=0.5)
    """Share of equally good candidates that may be refused, over all parts that are judged."""
    tolerance: float = Field(0.001, ge=0, le=0.1)
    """Fall of IoU, and rise of the calibration error, that nobody minds, 0..1."""
    widest: float = Field(0.1, gt=0, le=1)
    """Fall of IoU, 0..1, that an interval may hide at most: of a part that could hide more nothing
    is known, and the candidate waits for a person."""


class Learn(Model):
    """New months, regions or labels, and the serving model -> a candidate for its place."""

    registry: Name | None = None
    """Name of the registry, ``<storage>/registry/<name>.json``; None: that of the run."""
    serving: Annotated[PathText | None, ADDRESS] = None
    """Folder of the finished sweep, ``<storage>/sweeps/<name>-<hash>``, that serves where the
    registry is new; None: the run's own. A registry that is there says itself what serves."""
    strategy: Strategy = "replay"
    """replay: what is new, and a share of what the serving model has seen. naive: what is new
    alone, which forgets. joint: all. Each goes on from the weights that serve."""
    memory_share: float = Field(0.1, gt=0, le=1)
    """Share of the months with an image that the serving model has seen that replay shows again,
    at least one; drawn by the run's seed."""
    epochs: int | None = Field(None, ge=1, le=10_000)
    """Passes over the training samples; None: those of the sweep."""
    learning_rate: float | None = Field(None, gt=0, le=1)
    """Step size of Adam; None: that of the sweep."""
    needs_approval: bool = False
    """A candidate that the gate lets pass waits for ``glacier registry promote``."""
    gate: Gate = Gate()
    """What it has to show."""
