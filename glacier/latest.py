"""Months that have become available since a run -> its maps, series and page.

Nothing is trained: months after those of the run are mapped by its models. A job writes images,
maps, series and, last, ``latest.json``; only then goes what is kept no longer. So one that was
killed is followed by the next, wherever it was, and one that was missed is made up for.

Whoever works holds the folder of results. A second one leaves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from glacier import seals, store
from glacier.archive.contents import find_complete
from glacier.archive.ingest import fill_archives
from glacier.archive.records import ArchiveMonth, MonthRecord, list_months
from glacier.cluster import connect
from glacier.config import Config
from glacier.errors import ConfigError, DamagedError, StoreError
from glacier.locks import hold, remove_dead
from glacier.mapping.added_months import (
    AddedMonth,
    AddedMonths,
    added_address,
    choose_months,
    describe_added,
    explain_fixed_archive,
    extend_sweep,
    leave_held,
    read_month,
    span_added,
)
from glacier.mapping.assignment import choose_encoders
from glacier.mapping.map_plan import find_maps, list_tasks, maps_folder, take_months
from glacier.mapping.maps import MapRecord
from glacier.mapping.predict import map_images
from glacier.mapping.stac_items import is_catalogued, write_catalog
from glacier.monitoring.held import find_held, keep_held
from glacier.progress import say
from glacier.ray_files import remove_lost_folders
from glacier.reports.series import digest_inputs, is_current, make_series
from glacier.sources.factory import open_source
from glacier.training.saved import SavedSweep, find_mapping_sweep

SHOWN = 5
"""New months that are named at the end of a job: the last ones."""

Records = dict[ArchiveMonth, MonthRecord | None]


@dataclass(frozen=True)
class Run:
    """A finished run that months are added to."""

    config: Config
    sweep: SavedSweep
    """Of the run's own months."""
    maps: str
    """Address of its maps."""

    @property
    def place(self) -> str:
        """Address of its results."""
        return store.results_folder(self.config)


def run_latest(config: Config) -> int:
    """Add the months that have become available; nothing is written where there is none.

    Returns:
        How many added months failed past the allowed number.

    Raises:
        ConfigError: No month can be added to the archive of such a source.
        Occupied: Another run works there, and this one leaves the months to it.
        StoreError: The run is not there, or not whole; the message names the job to run first.
    """
    if reason := explain_fixed_archive(config):
        raise ConfigError(reason)
    config = take_months(config).model_copy(update={"when_locked": "leave"})
    try:
        run = find_run(config)
        if is_up_to_date(run):
            remove_dead(config, run.place, run.maps, *run.sweep.archives)
            remove_lost_folders()
            say(tell_none(config, read_before(run, owned=False)))
            return 0
        with hold(config, run.place), connect(config.cluster, storage=config.storage):
            return update_run(run)
    except DamagedError as error:  # to go back to what was trained is not for a job of every day
        what = getattr(error, "cause", error)
        raise StoreError(
            f"{str(what).partition(';')[0]}; run `glacier pipeline` with this configuration first"
        ) from error


def find_run(config: Config) -> Run:
    """The run of a configuration.

    Raises:
        StoreError: It is not there.
    """
    sweep = find_mapping_sweep(config)
    encoders, _ = choose_encoders(sweep.result, config.predict)
    return Run(config, sweep, maps_folder(config, sweep, encoders))


def is_up_to_date(run: Run) -> bool:
    """Whether nothing is to be fetched, mapped, written or removed, as far as one look tells."""
    before = read_before(run, owned=False)
    records = look_for_months(run.config, before)
    if None in records.values():
        return False
    first, later = choose_months(run.config, records, before)
    held = keep_held(run.config, before)
    published = leave_held(later, held)
    sweep, config = extend_sweep(run.sweep, published), run.config
    encoders, _ = choose_encoders(sweep.result, config.predict)
    found = find_maps(run.maps, list_tasks(config, sweep, encoders), owned=False)
    maps = [record for record in found if record is not None]
    return (
        len(maps) == len(found)
        and is_catalogued(run.maps)
        and is_current(run.place, digest_inputs(config, sweep, encoders, maps), owned=False)
        and describe_added(first, published, maps, before, held) == before
        and not list_unkept(run, before)
    )


def update_run(run: Run) -> int:
    """Do what is to be done, in folders that this run holds; returns failures as above."""
    config, before = run.config, read_before(run, owned=True)
    records = look_for_months(config, before)
    fetch_months(config, before, records)
    first, later = choose_months(config, records, before)
    sweep = extend_sweep(run.sweep, later)
    maps = map_images(config, sweep)
    held = find_held(config, sweep, maps, later, before)
    published = leave_held(later, held)
    make_series(config, extend_sweep(run.sweep, published))
    added = describe_added(first, published, maps, before, held)
    if added != before:
        seals.write_model(added_address(config), added)
    remove_unkept(run, list_unkept(run, added))
    remove_dead(config, run.maps, *run.sweep.archives)  # where this job had nothing to do
    for sentence in tell_added(config, before, added, maps):
        say(sentence)
    names = {(record.region, record.month) for months in later.values() for record in months}
    ends = [record.status for record in maps if (record.region, record.name) in names]
    return max(0, ends.count("failed") - config.latest.max_failed)


def read_before(run: Run, owned: bool) -> AddedMonths:
    """What was added by earlier jobs; nothing where that is damaged, so that it is made again."""
    return seals.read_whole(added_address(run.config), AddedMonths, owned) or AddedMonths()


def look_for_months(config: Config, before: AddedMonths) -> Records:
    """Months that may be added, and the record of each that needs no more work."""
    span = span_added(config, before)
    targets = list_months(span, open_source(span)) if span else []
    return find_complete(targets, owned=False)


def fetch_months(config: Config, before: AddedMonths, records: Records) -> None:
    """Fetch the months that are missing, and put what becomes of them among the records.

    The run's own are not asked for again: another image of one would make another run.

    Raises:
        Occupied: Another run fetches months of these regions.
    """
    missing = [target for target, record in records.items() if record is None]
    span = span_added(config, before)
    if missing and span:
        with hold(span, *{target.folder for target in missing}):
            records |= fill_archives(span, open_source(span), missing)


def list_unkept(run: Run, added: AddedMonths) -> list[str]:
    """Addresses of maps and images of months that are kept no longer, records before their files.

    An image that samples of any run were made of stays: all runs share the archive.
    """
    if added.first is None:
        return []
    own, first = read_month(run.config.months.last), read_month(added.first)
    samples = store.join(store.absolute(run.config.storage), "samples")
    sampled = {name.rpartition("/")[2] for name in store.list_files(samples)}
    found = []
    for region, archive in zip(run.config.regions, run.sweep.archives, strict=True):
        for folder in (store.join(run.maps, region.name), archive):
            for name in store.list_files(folder):
                month = re.match(r"([12]\d{3}-(?:0[1-9]|1[0-2]))\.", name)
                if month is None or not own < read_month(month[1]) < first:
                    continue
                if folder != archive or f"{region.name}_{month[1]}.json" not in sampled:
                    found.append(store.join(folder, name))
    return sorted(found, key=lambda address: not re.search(r"/\d{4}-\d\d\.json$", address))


def remove_unkept(run: Run, addresses: Sequence[str]) -> None:
    """Remove maps and images of months that are kept no longer.

    Raises:
        Occupied: Another run works in their folders; the next job removes them.
    """
    if addresses:
        with hold(run.config, run.maps, *run.sweep.archives):
            for address in addresses:
                store.remove(address)
            write_catalog(run.maps)


def tell_none(config: Config, added: AddedMonths) -> str:
    """That there is nothing new, in a sentence."""
    last = max((month.month for month in added.months), default=config.months.last, key=read_month)
    return f"latest: no month has become available after {last}"


def tell_added(
    config: Config, before: AddedMonths, added: AddedMonths, maps: Sequence[MapRecord]
) -> Iterator[str]:
    """What is new, how long after its newest image each map was written, and what was removed."""
    new = [
        (name.rpartition("-")[0], month)
        for name, months in added.archives.items()
        for month in months
        if month not in before.archives.get(name, ())
    ]
    if not new:
        yield tell_none(config, added)
    else:
        days = sorted({month.day for _, month in new})
        months = f"{days[0]:%Y-%m}" + (f" to {days[-1]:%Y-%m}" if len(days) > 1 else "")
        yield f"latest: new images or months: {len(days)}, {months}"
    why = {(record.region, record.name): f"{record.status}: {record.reason}" for record in maps}
    for region, month in sorted(new, key=lambda each: each[1].day)[-SHOWN:]:
        what = tell_delay(month) if month.mapped else f"no map, {why[region, month.month]}"
        yield f"latest: {config.place(region)}, {month.month}: {what}"
    for folder, waiting in added.held.items():
        for each in waiting:
            region = folder.rpartition("-")[0]
            yield (
                f"latest: {config.place(region)}, {each.month} is not published, {each.why}; once "
                f"somebody has looked: monitor.looked: {{{region}/{each.month}: NAME}}"
            )
    if added.first != before.first:
        yield f"latest: added months before {added.first} were removed"


def tell_delay(month: AddedMonth) -> str:
    """How long after its newest image a map was written, in words."""
    assert month.mapped is not None
    if month.newest is None:
        return f"its map was written on {name_day(month.mapped)}; its images do not tell their days"
    days = (month.mapped - month.newest).days
    when = f"{days} day{'s' if days != 1 else ''} after" if days else "on the same day"
    return f"the newest image is of {name_day(month.newest)}; its map was written {when}"


def name_day(day: date) -> str:
    """``14 September 2021``."""
    return f"{day.day} {day:%B %Y}"
