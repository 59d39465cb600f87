"""Settings of the watch over new months: what is usual, and how much out of it is an alarm."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from glacier.settings.model import RUNTIME_ONLY, Model
from glacier.settings.months import Months

MonthOfRegion = Annotated[str, StringConstraints(pattern=r"^.+/[12][0-9]{3}-(0[1-9]|1[0-2])$")]
"""``region/YYYY-MM``."""

Person = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class Monitor(Model):
    """Months beside the same season of other years -> alarms."""

    reference: Months | None = None
    """Span of months that say what is usual; None: the run's own. Each of them is judged by the
    other years."""
    season_months: int = Field(0, ge=0, le=2)
    """Calendar months on either side of a month that are of its season: 0 is the same month of
    other years, of which there must be 3; 1 or 2 where there are fewer years."""
    false_alarms: float = Field(0.05, gt=0, le=0.5)
    """Share of usual months that may be called an alarm; 0.05 needs 19 reference months."""
    features: bool = False
    """The encoder of a network looks at every month, too, in up to 16 windows, which takes about
    two thirds of the time of mapping them. Where it was measured, it added nothing."""
    hold: Annotated[bool, RUNTIME_ONLY] = False
    """An alarm keeps ``glacier latest`` from publishing a month until a person has looked."""
    looked: Annotated[dict[MonthOfRegion, Person], RUNTIME_ONLY] = Field(default_factory=dict)
    """Months that a person has looked at and lets pass, ``region/YYYY-MM`` to who it was."""
