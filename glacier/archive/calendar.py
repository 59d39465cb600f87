"""The months of an archive at a glance: a calendar as a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

from glacier import seals, store
from glacier.archive.records import MonthRecord
from glacier.config import Config
from glacier.errors import Occupied
from glacier.locks import hold
from glacier.progress import say
from glacier.settings.identity import digest

if TYPE_CHECKING:
    from glacier.plots.calendar import Square
    from glacier.plots.figures import Picture


PICTURE = "calendar.png"
"""Name of the picture in a run's results."""


class Calendar(seals.Manifest):
    """What a run's calendar was drawn of: ``calendar.json``."""

    drawn_of: str
    """Hash of the months as they were drawn."""


def draw_archive(records: Iterable[MonthRecord], config: Config) -> Picture | None:
    """The calendar of an archive's months; None where there are fewer than two.

    Args:
        records: The months, of one region or several.
        config: The run, which knows what its regions are called.
    """
    from glacier.plots.calendar import Square, draw_calendar  # no worker draws

    regions: dict[str, list[Square]] = {}
    for r in records:
        regions.setdefault(config.place(r.region), []).append(
            Square(r.day, r.status, r.kind, r.valid_share)
        )
    months = {square.month for squares in regions.values() for square in squares}
    return draw_calendar(regions) if len(months) > 1 else None


def write_calendar(config: Config, archives: Mapping[str, Sequence[MonthRecord]]) -> None:
    """Draw the months' calendar where there are enough, unless it is there already.

    A run that leaves where another works leaves the calendar to it, too, and no count of failures.
    ``calendar.json`` vouches for the picture and says what it was drawn of.

    Args:
        config: The run.
        archives: Address of each archive to what became of its months.
    """
    address = store.join(store.results_folder(config), "calendar.json")
    drawn_of = digest([digest_months(config, records) for records in archives.values()])
    if is_drawn(address, drawn_of, owned=False):
        return
    if (picture := draw_archive(chain.from_iterable(archives.values()), config)) is None:
        return
    with suppress(Occupied), hold(config, store.results_folder(config)):
        if not is_drawn(address, drawn_of, owned=True):  # another run may have drawn it
            seals.write_whole(address, Calendar(drawn_of=drawn_of), {PICTURE: picture.png})
        say(f"ingest: calendar in {store.join(store.results_folder(config), PICTURE)}")


def digest_months(config: Config, records: Sequence[MonthRecord]) -> str:
    """Hash of what a calendar shows of the months of one archive."""
    places = {name: config.place(name) for name in {record.region for record in records[:1]}}
    return digest([(places[r.region], r.month, r.status, r.kind, r.valid_share) for r in records])


def is_drawn(address: str, drawn_of: str, owned: bool) -> bool:
    """Whether a calendar of just these months is there, with its picture.

    Args:
        address: Of ``calendar.json``.
        drawn_of: Hash of the months.
        owned: This run alone works there, so damaged files are said and set aside.
    """
    found = seals.read_whole(address, Calendar, owned)
    return found is not None and found.drawn_of == drawn_of
