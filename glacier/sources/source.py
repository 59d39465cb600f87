"""What every source of scenes promises."""

from __future__ import annotations

from datetime import date
from typing import Any, Protocol

from glacier.composite import Composite, Empty
from glacier.config import Region
from glacier.geo.raster import Grid


class Source(Protocol):
    """Where monthly composites come from.

    Only ``fetch_month`` may ask the network: a plan is made with the rest, on any machine.
    """

    def grid(self, region: Region) -> Grid:
        """The one grid of all months of a region."""
        ...

    def identity(self, region: Region) -> Any:
        """All that decides the source's bytes for a region, as JSON values."""
        ...

    def months(self, region: Region) -> list[date] | None:
        """Months that the source holds; None: any month may be asked for."""
        ...

    def survey(self, region: Region) -> None:
        """Ask once for what all months of a region need; called before the first of them.

        Most sources need nothing.

        Raises:
            GlacierError: It cannot be had.
        """
        return None

    def fetch_month(self, region: Region, month: date) -> Composite | Empty:
        """The composite of a month on the region's grid, or why there is none.

        Raises:
            GlacierError: The month should have been there and could not be had.
        """
        ...
