"""What every source of scenes promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from datetime import date
from typing import Any, Self

from glacier.composite import Composite, Empty
from glacier.config import Config
from glacier.geo.raster import Grid, grid_of_region
from glacier.settings.regions import Region
from glacier.settings.source import SourceSettings
from glacier.sources.limiter import RequestLimit


class Source(ABC):
    """Where monthly composites come from.

    Only ``survey`` and ``fetch_month`` may ask the network: a dry run is made with the rest, on
    any machine. What holds for most sources stands here; a source says what differs.
    """

    def __init__(self, settings: SourceSettings) -> None:
        """Read by these settings, which also tell what the source is like."""
        self.settings = settings

    @classmethod
    @abstractmethod
    def from_config(cls, config: Config, limiter: RequestLimit | None = None) -> Self:
        """The source by a configuration.

        Args:
            config: The configuration.
            limiter: Of the requests in flight, shared with other workers; None: its own, if any.
        """

    @abstractmethod
    def identity(self, region: Region) -> Any:
        """All that decides the source's bytes for a region, as JSON values."""

    def grid(self, region: Region) -> Grid:
        """The one grid of all months of a region: its UTM grid."""
        return grid_of_region(region)

    def months(self, region: Region) -> list[date] | None:
        """Months that the source holds; None: any month may be asked for."""
        return None

    def find_lacking(self, region: Region, bands: Collection[str]) -> set[str]:
        """Which of some bands no month can have; those of a service are not looked for.

        Raises:
            GlacierError: The files of the region cannot be listed.
        """
        return set()

    def describe_requests(self, regions: int, months: int) -> str:
        """Roughly what is asked over the network for so many regions and months, in words."""
        return "no request over the network"

    def addresses(self) -> list[str]:
        """Addresses, or hosts, that are asked over the network; none of a source of files."""
        return []

    def survey(self, region: Region) -> None:
        """Ask once for what all months of a region need; called before the first of them.

        Raises:
            GlacierError: It cannot be had.
        """
        return None

    @abstractmethod
    def fetch_month(self, region: Region, month: date) -> Composite | Empty:
        """The composite of a month on the region's grid, or why there is none.

        Raises:
            GlacierError: The month should have been there and could not be had.
        """
