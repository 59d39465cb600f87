"""The months of an archive at a glance: a calendar as a picture."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from glacier import store
from glacier.archive.records import MonthRecord
from glacier.config import Config
from glacier.progress import say
from glacier.wording import name_place

if TYPE_CHECKING:
    from glacier.plots.calendar import Square
    from glacier.plots.figures import Picture


def draw_archive(records: Iterable[MonthRecord], synthetic: bool) -> Picture | None:
    """The calendar of an archive's months; None where there are fewer than two.

    Args:
        records: The months, of one region or several.
        synthetic: Their scenes are made up, which the picture then says.
    """
    from glacier.plots.calendar import Square, draw_calendar  # no worker draws

    regions: dict[str, list[Square]] = {}
    for r in records:
        place = name_place(r.region, synthetic)
        regions.setdefault(place, []).append(Square(r.day, r.status, r.kind, r.valid_share))
    months = {square.month for squares in regions.values() for square in squares}
    return draw_calendar(regions) if len(months) > 1 else None


def write_calendar(config: Config, records: list[MonthRecord], changed: bool) -> None:
    """Draw the months' calendar, where they changed or it is missing and there are enough."""
    address = store.join(store.results_folder(config), "calendar.png")
    if not changed and store.exists(address):
        return
    if (picture := draw_archive(records, config.ingest.chosen.knows_truth)) is not None:
        store.write_bytes(address, picture.png)
        say(f"ingest: calendar in {address}")
