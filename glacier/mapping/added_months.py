"""Months that ``glacier latest`` has added to a run, as ``latest.json`` beside its series says.

``glacier predict`` and ``glacier series`` read it too, so that a run keeps its added months whoever
makes its maps. Its sweep stays that of the run's own months.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from pydantic import Field

from glacier import seals, store
from glacier.archive.records import ArchiveMonth, MonthRecord
from glacier.config import Config
from glacier.errors import DamagedError, StoreError
from glacier.landsat import find_acquired, month_interval
from glacier.mapping.maps import MapRecord
from glacier.seals import Manifest
from glacier.settings.model import Model
from glacier.settings.months import Month
from glacier.settings.values import BareName, Sha256
from glacier.training.saved import SavedSweep, find_mapping_sweep


class AddedMonth(Model):
    """A month of a region that was added to a run."""

    month: Month
    """YYYY-MM."""
    image_sha256: Sha256 = ""
    """Of its image in the archive; empty: there is none."""
    newest: date | None = None
    """Day on which the newest scene in its image was taken; None: nobody knows."""
    mapped: date | None = None
    """Day, UTC, on which its map was written; None: there is no map."""

    @property
    def day(self) -> date:
        """Its first day."""
        return read_month(self.month)


class HeldMonth(Model):
    """A month that is mapped and not published: an alarm that no person has looked at."""

    month: Month
    """YYYY-MM."""
    image_sha256: Sha256
    """Of its image; another one is judged anew."""
    why: str
    """What the alarm says."""


class AddedMonths(Manifest):
    """All that was added to a run: ``latest.json``."""

    first: Month | None = None
    """First month that is kept. Those before it, back to the run's own, were removed and are not
    looked for again; None: none was removed."""
    archives: dict[BareName, tuple[AddedMonth, ...]] = Field(default_factory=dict)
    """Name of a region's folder in the archive to its added months, in order."""
    held: dict[BareName, tuple[HeldMonth, ...]] = Field(default_factory=dict)
    """The same to its months that wait for a person, in order."""

    @property
    def months(self) -> tuple[AddedMonth, ...]:
        """Those of all regions."""
        return tuple(month for months in self.archives.values() for month in months)


def read_month(name: str) -> date:
    """First day of a month, YYYY-MM."""
    return date.fromisoformat(f"{name}-01")


def follow_month(day: date) -> date:
    """First day of the month after."""
    return month_interval(day)[1].date()


def find_today() -> date:
    """The day that it is, UTC."""
    return datetime.now(UTC).date()


def explain_fixed_archive(config: Config) -> str:
    """Why no month can be added to a run's archive; nothing where it can."""
    source = config.ingest.source
    if config.ingest.chosen.takes_new_months:
        return ""
    return (
        f"ingest.source = {source!r}: its archive is of the very files that are there, so with a "
        "new one it would be another; set months.last and run `glacier pipeline`"
    )


def span_added(config: Config, added: AddedMonths) -> Config | None:
    """The run with the months in place of its own that may be added, or have been.

    Args:
        config: The run.
        added: What was added so far.

    Returns:
        None where ``latest.until`` lies before the first of them.
    """
    first = follow_month(read_month(config.months.last))
    if added.first is not None:
        first = max(first, read_month(added.first))
    until = config.latest.until
    last = read_month(until) if until else find_today().replace(day=1)
    last = max([last, *(month.day for month in added.months)])
    if last < first:
        return None
    months = config.months.model_copy(update={"first": f"{first:%Y-%m}", "last": f"{last:%Y-%m}"})
    return config.model_copy(update={"months": months})


def added_address(config: Config) -> str:
    """Where it lies what was added to a run."""
    return store.join(store.results_folder(config), "latest.json")


def read_added(config: Config) -> AddedMonths:
    """What was added to a run; nothing where no file says so.

    Raises:
        StoreError: The file is damaged; the message names the job that makes it again.
    """
    address = added_address(config)
    if not store.exists(address):
        return AddedMonths()
    try:
        return seals.read_model(address, AddedMonths)
    except DamagedError as error:
        raise StoreError(
            f"{address} is damaged: run `glacier latest` with this configuration, which makes it "
            "again"
        ) from error


def find_grown_sweep(config: Config, with_held: bool = False) -> SavedSweep:
    """The sweep that belongs to a configuration, with the months that were added to its run.

    Args:
        config: The run.
        with_held: With those, too, that wait for a person.

    Raises:
        StoreError: It is not there, or an added month; the message names the job to run first.
    """
    sweep, added = find_mapping_sweep(config), read_added(config)
    later = {}
    for region, folder in zip(config.regions, sweep.archives, strict=False):  # or none are read
        name = folder.rpartition("/")[2]
        told = [month.month for month in added.archives.get(name, ())]
        told += [month.month for month in added.held.get(name, ())] if with_held else []
        months = [
            ArchiveMonth(region, read_month(month), folder, key="")
            for month in sorted(told)
            if month > config.months.last
        ]
        later[folder] = [read_added_record(month, config) for month in months]
    return extend_sweep(sweep, later)


def read_added_record(month: ArchiveMonth, config: Config) -> MonthRecord:
    """What became of a month that was added, as a run sees it.

    Raises:
        StoreError: The archive has lost it; the message names the job that fetches it again.
    """
    try:
        return month.read_record().judge(config.ingest.min_valid_share)
    except StoreError as error:
        raise StoreError(
            f"month {month.name} of region {month.region.name} was added to the run, and "
            f"{month.record_address} is gone or damaged: run `glacier latest` with this "
            "configuration, which fetches it again"
        ) from error


def extend_sweep(sweep: SavedSweep, later: Mapping[str, Sequence[MonthRecord]]) -> SavedSweep:
    """The sweep with further months behind those that it was made of; its models stay as they are.

    Args:
        sweep: The sweep.
        later: Address of an archive to the records of its further months, in order.
    """
    archives = {
        folder: [*records, *later[folder]] if later.get(folder) else records
        for folder, records in sweep.archives.items()
    }
    return replace(sweep, archives=archives)


def choose_months(
    config: Config, records: Mapping[ArchiveMonth, MonthRecord | None], before: AddedMonths
) -> tuple[str | None, dict[str, list[MonthRecord]]]:
    """Which months belong to the run from now on.

    A month without an image is awaited as long as scenes may come: it is no gap of the series yet.

    Args:
        config: The run.
        records: What became of each month that may be added.
        before: What was added so far.

    Returns:
        First month that is kept, YYYY-MM, or None where all are; address of each archive to the
        records of its months, in order.
    """
    least, keep = config.ingest.min_valid_share, config.latest.keep_months
    judged = [(target.folder, r.judge(least)) for target, r in records.items() if r is not None]
    there = [each for each in judged if not (each[1].unsettled and each[1].status == "empty")]
    first, days = before.first, sorted({record.day for _, record in there})
    if keep is not None and len(days) > keep:
        first = f"{days[-keep]:%Y-%m}"
    later: dict[str, list[MonthRecord]] = {}
    for folder, record in sorted(there, key=lambda each: each[1].day):
        if first is None or record.day >= read_month(first):
            later.setdefault(folder, []).append(record)
    return first, later


def leave_held(
    later: Mapping[str, Sequence[MonthRecord]], held: Mapping[str, Sequence[HeldMonth]]
) -> dict[str, list[MonthRecord]]:
    """Months that may be published: those of the same images as are held are left out.

    Args:
        later: Address of each archive to the records of its months, in order.
        held: Name of a region's folder in the archive to what waits for a person.
    """
    kept = {}
    for folder, records in later.items():
        waits = {(m.month, m.image_sha256) for m in held.get(folder.rpartition("/")[2], ())}
        if rest := [record for record in records if (record.month, record.sha256) not in waits]:
            kept[folder] = rest
    return kept


def describe_added(
    first: str | None,
    later: Mapping[str, Sequence[MonthRecord]],
    maps: Sequence[MapRecord],
    before: AddedMonths,
    held: Mapping[str, tuple[HeldMonth, ...]],
) -> AddedMonths:
    """What ``latest.json`` is to say.

    A map that is not told of yet was written today; one that is keeps its day as long as it is of
    the same image.

    Args:
        first: First month that is kept, YYYY-MM; None: all are.
        later: Address of each archive to the records of its published months, in order.
        maps: What became of all maps.
        before: What was said so far.
        held: What waits for a person.
    """
    mapped = {(record.region, record.name) for record in maps if record.status == "ok"}
    archives = {}
    for folder, records in later.items():
        name = folder.rpartition("/")[2]
        told = {(m.month, m.image_sha256): m.mapped for m in before.archives.get(name, ())}
        archives[name] = tuple(
            AddedMonth(
                month=record.month,
                image_sha256=record.sha256,
                newest=find_newest(record.scene_ids),
                mapped=(told.get((record.month, record.sha256)) or find_today())
                if (record.region, record.month) in mapped
                else None,
            )
            for record in records
        )
    return AddedMonths(first=first, archives=archives, held=dict(held))


def find_newest(scene_ids: Sequence[str]) -> date | None:
    """Day on which the newest of some scenes was taken; None where no id tells."""
    days = [find_acquired(name) or find_day(name) for name in scene_ids]
    return max((day for day in days if day is not None), default=None)


def find_day(name: str) -> date | None:
    """The day, YYYYMMDD, that ends the id of a scene, as of synthetic ones; None: there is none."""
    found = re.search(r"_(\d{8})$", name)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None
