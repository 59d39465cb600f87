"""Settings of what goes on after a run: which new months are looked for, and which are kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from glacier.settings.model import RUNTIME_ONLY, Model
from glacier.settings.months import Month


class Latest(Model):
    """New months -> the maps, series and page of a run that has ended."""

    until: Month | None = None
    """Last month that is looked for, YYYY-MM; None: the month that it is, UTC. One that is not over
    is mapped from the scenes that are there, and again until all can be."""
    keep_months: int | None = Field(None, ge=1)
    """Newest months, of those that were added, that keep maps and images; None: all. Months of the
    run itself are never removed."""
    max_failed: Annotated[int, RUNTIME_ONLY] = Field(0, ge=0)
    """Added months that may fail before the job's exit code says so."""
