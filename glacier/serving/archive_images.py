"""The images of the run's archive, found by region and month; names are compared, never joined."""

from __future__ import annotations

import time
from pathlib import Path

from starlette.exceptions import HTTPException

from glacier import store
from glacier.archive.contents import look_at_archive
from glacier.archive.records import Archive, list_archives
from glacier.config import Config
from glacier.settings.model import Model
from glacier.sources.factory import open_source
from glacier.wording import nearest

FRESH_S = 60.0
"""How long what was seen of the archives is believed, seconds."""


class RegionMonths(Model):
    """A region of the run and the months that have an image."""

    region: str
    title: str
    """As people write it."""
    months: tuple[str, ...]
    """YYYY-MM each, in order."""


class ArchiveImages:
    """Looks into the archives of a run, at most once a minute."""

    def __init__(self, config: Config) -> None:
        """Look at nothing yet."""
        self.config = config
        self.seen_at = float("-inf")
        self.found: dict[str, dict[str, tuple[str, str]]] = {}
        """Region to month to the address of its image and its checksum."""

    def list_regions(self) -> list[RegionMonths]:
        """Regions and their months. Waits for the store.

        Raises:
            GlacierError: It cannot be reached.
        """
        return [
            RegionMonths(region=name, title=self.config.place(name), months=tuple(months))
            for name, months in self.look().items()
        ]

    def look(self) -> dict[str, dict[str, tuple[str, str]]]:
        """What there is, looked up anew where that was long ago."""
        if time.monotonic() - self.seen_at > FRESH_S:
            archives = list_archives(self.config, open_source(self.config))
            states = map(look_at_archive, archives)
            least = self.config.ingest.min_valid_share
            self.found = {
                state.archive.region.name: {
                    record.month: (find_image(state.archive, record.month), record.sha256)
                    for record in state.judge(least)
                    if record.status == "ok"
                }
                for state in states
            }
            self.seen_at = time.monotonic()
        return self.found

    def fetch(self, region: str, month: str, folder: Path) -> Path:
        """A local file with the image of a month; waits for the store.

        Args:
            region: As a client names it.
            month: Likewise.
            folder: Where a copy goes if it lies in an object store.

        Raises:
            HTTPException: 422: there is none of that name.
            GlacierError: It is damaged, or the store cannot be reached.
        """
        found = self.look()
        if region not in found:
            raise HTTPException(
                422, f"region {region[:80]!r} is not of this run{nearest(region, list(found))}"
            )
        if month not in found[region]:
            months = list(found[region])
            hint = nearest(month, months) or f"; GET /regions lists its {len(months)} months"
            raise HTTPException(422, f"month {month[:20]!r} has no image{hint}")
        address, sha256 = found[region][month]
        with store.local_copy(address, sha256) as path:
            if "://" not in address:
                return path
            copy = folder / "month.tif"
            copy.write_bytes(path.read_bytes())
            return copy


def find_image(archive: Archive, month: str) -> str:
    """Where the image of a month lies."""
    return store.join(archive.folder, f"{month}.tif")
