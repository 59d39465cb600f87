"""Which new months wait for a person before they are published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from glacier.archive.records import MonthRecord
from glacier.config import Config
from glacier.mapping.added_months import AddedMonths, HeldMonth, leave_held
from glacier.mapping.assignment import choose_encoders
from glacier.mapping.map_plan import list_tasks, maps_folder
from glacier.mapping.maps import MapRecord
from glacier.monitoring.findings import name_month, tell_findings
from glacier.monitoring.months import is_reference, judge_months, sketch_months
from glacier.monitoring.network import choose_lookers
from glacier.training.saved import SavedSweep

Held = dict[str, tuple[HeldMonth, ...]]
"""Name of a region's folder in the archive to its months that wait, in order."""

Later = Mapping[str, Sequence[MonthRecord]]
"""Address of a region's archive to the records of its added months, in order."""


def keep_held(config: Config, before: AddedMonths) -> Held:
    """What waits as far as is known: not what a person has looked at, and nothing where none holds.

    Args:
        config: The run.
        before: What earlier jobs have said.
    """
    if not config.monitor.hold:
        return {}
    held = {}
    for folder, months in before.held.items():
        region = name_region(folder)
        rest = [m for m in months if f"{region}/{m.month}" not in config.monitor.looked]
        if rest:
            held[folder] = tuple(rest)
    return held


def find_held(
    config: Config, sweep: SavedSweep, maps: Sequence[MapRecord], later: Later, before: AddedMonths
) -> Held:
    """What waits, once the new months are judged beside the reference months.

    A month that was published stays so.

    Args:
        config: The run.
        sweep: Its sweep with all added months, those too that wait.
        maps: What became of their maps.
        later: The added months.
        before: What earlier jobs have said.

    Raises:
        DamagedError: A map or an image differs from its checksum.
    """
    known = drop_gone(keep_held(config, before), later)
    if not config.monitor.hold or not list_new(later, before, known):
        return known
    alarms = find_alarms(config, sweep, maps)
    held = {}
    for folder, records in later.items():
        name = folder.rpartition("/")[2]
        told = {(month.month, month.image_sha256) for month in before.archives.get(name, ())}
        waits = [
            HeldMonth(month=r.month, image_sha256=r.sha256, why=alarms[r.region, r.month])
            for r in records
            if (r.region, r.month) in alarms and (r.month, r.sha256) not in told
        ]
        if waits:
            held[name] = tuple(waits)
    return held


def drop_gone(held: Held, later: Later) -> Held:
    """What waits without months that are kept no longer, whose files go."""
    there = {(folder.rpartition("/")[2], r.month) for folder, all_ in later.items() for r in all_}
    kept = {
        folder: tuple(month for month in months if (folder, month.month) in there)
        for folder, months in held.items()
    }
    return {folder: months for folder, months in kept.items() if months}


def find_alarms(
    config: Config, sweep: SavedSweep, maps: Sequence[MapRecord]
) -> dict[tuple[str, str], str]:
    """New months that are an alarm nobody has looked at: region and YYYY-MM to what it says."""
    encoders, _ = choose_encoders(sweep.result, config.predict)
    tasks = list_tasks(config, sweep, encoders)
    folder, months = maps_folder(config, sweep, encoders), list(zip(tasks, maps, strict=True))
    sketches = sketch_months(config, sweep, folder, months, choose_lookers(config, sweep, maps))
    return {
        (found.region, f"{found.month:%Y-%m}"): tell_findings(found)
        for months in sketches.values()
        for found in judge_months(config, months)[0]
        if found.status == "alarm"
        and not is_reference(config, found.month)
        and name_month(found.region, found.month) not in config.monitor.looked
    }


def list_new(later: Later, before: AddedMonths, held: Held) -> list[MonthRecord]:
    """Months with an image that are neither published yet nor known to wait."""
    found = []
    for folder, records in leave_held(later, held).items():
        published = before.archives.get(folder.rpartition("/")[2], ())
        told = {(month.month, month.image_sha256) for month in published}
        found += [r for r in records if r.status == "ok" and (r.month, r.sha256) not in told]
    return found


def name_region(folder: str) -> str:
    """Region of a folder of the archive, ``<region>-<h8>``."""
    return folder.rpartition("-")[0]
