"""Months beside their season in other years -> alarms, a table, a page: ``glacier monitor``."""

from __future__ import annotations

from collections.abc import Sequence

from glacier import seals, store
from glacier.config import Config
from glacier.locks import hold, remove_dead
from glacier.mapping.added_months import find_grown_sweep
from glacier.mapping.assignment import choose_encoders
from glacier.mapping.map_plan import list_tasks, maps_folder, take_months
from glacier.mapping.maps import MapRecord
from glacier.monitoring.findings import (
    FORMAT,
    PAGE,
    TABLE,
    MonitorSummary,
    describe_months,
    describe_region,
    summary_address,
)
from glacier.monitoring.months import judge_months, sketch_months
from glacier.monitoring.network import Lookers, choose_lookers
from glacier.monitoring.page import render_page
from glacier.progress import say
from glacier.reports.series import read_maps
from glacier.reports.tables import encode_csv
from glacier.settings.identity import digest, identity
from glacier.settings.model import ADDRESS
from glacier.training.saved import SavedSweep


def run_monitor(config: Config) -> int:
    """Judge the months of a run; nothing is done where that is done already.

    Returns:
        0: an alarm is a result and no failure.

    Raises:
        StoreError: Maps are missing, damaged, or nothing can be written.
    """
    config = take_months(config)
    sweep, place = find_grown_sweep(config, with_held=True), store.results_folder(config)
    encoders, _ = choose_encoders(sweep.result, config.predict)
    folder, tasks = maps_folder(config, sweep, encoders), list_tasks(config, sweep, encoders)
    records = read_maps(folder, tasks)
    lookers = choose_lookers(config, sweep, records)
    inputs = digest_inputs(config, sweep, records, lookers)
    if not is_current(place, inputs, owned=False):
        with hold(config, place):
            if not is_current(place, inputs, owned=True):  # another run may have written it
                months = list(zip(tasks, records, strict=True))
                sketches = sketch_months(config, sweep, folder, months, lookers)
                summary = MonitorSummary(inputs_sha256=inputs)
                for region in sorted(sketches):
                    found, reference = judge_months(config, sketches[region])
                    rows = describe_months(config, sketches[region], found, reference)
                    whole = describe_region(config, rows, reference, lookers[region])
                    summary = summary.model_copy(
                        update={
                            "regions": (*summary.regions, whole),
                            "months": (*summary.months, *rows),
                        }
                    )
                write_findings(config, summary, place)
    else:
        remove_dead(config, place)
    for row in seals.read_model(summary_address(place), MonitorSummary).regions:
        say(f"monitor: {row.says}")
    say(f"monitor: {TABLE} and {PAGE} in {place}")
    return 0


def digest_inputs(
    config: Config, sweep: SavedSweep, records: Sequence[MapRecord], lookers: Lookers
) -> str:
    """Hash of all that changes a byte of the findings: images, maps, networks, settings, names."""
    maps = [
        (config.place(r.region), r.name, r.status, r.image_sha256, identity(r.models), r.files)
        for r in records
    ]
    platforms = [[r.region, r.month, r.platforms] for a in sweep.archives.values() for r in a]
    own = identity(config.monitor, (ADDRESS,))
    networks = [looker.model_dump(mode="json") for looker in lookers.values()]
    return digest([FORMAT, own, identity(config.months, ()), maps, platforms, networks])


def is_current(place: str, inputs: str, owned: bool) -> bool:
    """Whether a folder holds the findings of these inputs, with all of their files whole."""
    found = seals.read_whole(summary_address(place), MonitorSummary, owned)
    return found is not None and (found.format, found.inputs_sha256) == (FORMAT, inputs)


def write_findings(config: Config, summary: MonitorSummary, place: str) -> None:
    """Write the table, the page, and last what vouches for them.

    Raises:
        StoreError: Nothing can be written.
    """
    files = {
        TABLE: encode_csv([row.model_dump(mode="json") for row in summary.months]),
        PAGE: render_page(config, summary).encode(),
    }
    sums = {name: store.write_bytes(store.join(place, name), data) for name, data in files.items()}
    seals.vouch(summary_address(place), summary.model_copy(update={"files": sums}))
