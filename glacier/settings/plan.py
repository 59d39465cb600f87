"""Settings of a plan: on what machines the work will be done, and what they cost."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from glacier.settings.model import ADDRESS, RUNTIME_ONLY, Model
from glacier.settings.paths import PathText


class PlanSettings(Model):
    """A configuration -> what it will take, before it is run."""

    speeds: Annotated[PathText | None, RUNTIME_ONLY, ADDRESS] = None
    """File of measurements that ``glacier plan --keep FILE`` has made with this configuration on a
    machine of the kind that will do the work; None: the machine at hand is measured."""
    nodes: Annotated[int, RUNTIME_ONLY] = Field(1, ge=1)
    """Machines of that kind that work side by side."""
    price_per_node_hour: Annotated[float | None, RUNTIME_ONLY] = Field(None, ge=0)
    """What one of them costs an hour, in any currency; None: no cost is said."""
