"""Two sources in one run: made-up regions beside those that were observed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any, Self

from glacier.composite import Composite, Empty
from glacier.config import Config
from glacier.geo.raster import Grid
from glacier.settings.regions import Region
from glacier.sources.limiter import RequestLimit
from glacier.sources.readers import open_reader
from glacier.sources.source import Source


class MixedSource(Source):
    """The source of a run, and the synthetic one for the regions that it makes up."""

    def __init__(self, observed: Source, made_up: Source, regions: Collection[str]) -> None:
        """Read by these.

        Args:
            observed: The source of all other regions, whose settings are those of the run.
            made_up: The source of made-up ones.
            regions: Names of those.
        """
        super().__init__(observed.settings)
        self.observed, self.made_up, self.regions = observed, made_up, frozenset(regions)

    @classmethod
    def from_config(cls, config: Config, limiter: RequestLimit | None = None) -> Self:
        """The source of the run, and the synthetic one for ``ingest.synthetic_regions``."""
        names = config.ingest.synthetic_regions
        others = tuple(region for region in config.regions if region.name not in names)
        alone = config.model_copy(update={"regions": others})
        observed = open_reader(config.ingest.chosen, alone, limiter)
        return cls(observed, open_reader(config.ingest.synthetic, config), names)

    def of(self, region: Region) -> Source:
        """The source of a region."""
        return self.made_up if region.name in self.regions else self.observed

    def identity(self, region: Region) -> Any:
        """That of the region's source."""
        return self.of(region).identity(region)

    def grid(self, region: Region) -> Grid:
        """That of the region's source."""
        return self.of(region).grid(region)

    def months(self, region: Region) -> list[date] | None:
        """Those of the region's source."""
        return self.of(region).months(region)

    def find_lacking(self, region: Region, bands: Collection[str]) -> set[str]:
        """Those of the region's source."""
        return self.of(region).find_lacking(region, bands)

    def describe_requests(self, regions: int, months: int) -> str:
        """What the source of the run would ask for all of them."""
        return self.observed.describe_requests(regions, months)

    def addresses(self) -> list[str]:
        """Those of the source of the run."""
        return self.observed.addresses()

    def survey(self, region: Region) -> None:
        """Ask the region's source."""
        self.of(region).survey(region)

    def fetch_month(self, region: Region, month: date) -> Composite | Empty:
        """The region's source makes it."""
        return self.of(region).fetch_month(region, month)
