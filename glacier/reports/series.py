"""Maps -> outlines of all dates, ``area.csv``, and a page a region: ``glacier series``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import ray
from pydantic import Field

from glacier import seals, store
from glacier.cluster import connect, get_result
from glacier.config import Config
from glacier.errors import StoreError
from glacier.geo.divides import Divides, read_divides
from glacier.geo.outline_files import write_outlines
from glacier.geo.vector_files import checksum_files
from glacier.geo.vector_layers import VectorFile
from glacier.locks import hold, remove_dead
from glacier.mapping.assignment import choose_encoders
from glacier.mapping.maps import MapRecord
from glacier.mapping.month_view import MonthView, ViewTask, look_at_month
from glacier.mapping.new_snow import measure_new_snow
from glacier.mapping.predict import MapTask, find_records, list_tasks, maps_folder
from glacier.mapping.region_series import (
    RegionSeries,
    find_tested_errors,
    list_rows,
    measure_region,
    write_change,
)
from glacier.mapping.seasons import Season, late_summer_of
from glacier.mapping.uncertainty import choose_errors
from glacier.progress import Progress, say
from glacier.reports.map_page import render_map_page
from glacier.reports.series_page import animate_years, draw_region, tell_change
from glacier.reports.tables import encode_csv
from glacier.seals import Manifest
from glacier.settings.identity import digest, identity
from glacier.settings.model import ADDRESS, RUNTIME_ONLY
from glacier.settings.values import Sha256
from glacier.training.saved import SavedSweep, find_mapping_sweep

FORMAT = 2
"""Counts up when the files of a series change for the same maps."""

TABLE, OUTLINES = "area.csv", "outlines"
"""Names of the table and, without their ends, of the outlines."""


class SeriesSummary(Manifest):
    """What a series was made of, ``series.json``; it vouches for the files."""

    format: int = FORMAT
    inputs_sha256: Sha256 = ""
    """Of the maps and settings."""
    says: dict[str, str] = Field(default_factory=dict)
    """Region to what changed there, in a sentence."""


def run_series(config: Config) -> int:
    """Write the series of a run; nothing is done where it is there already.

    Returns:
        How many months failed past the allowed number.

    Raises:
        StoreError: Maps are missing, damaged, or nothing can be written.
        VectorError: The inventory cannot be used.
    """
    own = config.predict.model_copy(update={"images": None, "bands": None})
    config = config.model_copy(update={"predict": own})  # of the archive's months alone
    sweep = find_mapping_sweep(config)
    encoders, _ = choose_encoders(sweep.result, config.predict)
    folder, tasks = maps_folder(config, sweep, encoders), list_tasks(config, sweep, encoders)
    records = read_maps(folder, tasks)
    place = store.results_folder(config)
    inputs = digest_inputs(config, sweep, encoders, records)
    if not is_current(place, inputs, owned=False):
        with hold(config, place):
            if not is_current(place, inputs, owned=True):  # another run may have written it
                views = look_at_months(config, sweep, folder, tasks, records)
                summary = write_series(config, sweep, encoders, views, folder)
                stamp = summary.model_copy(update={"inputs_sha256": inputs})
                seals.write_model(summary_address(place), stamp)
    else:
        remove_dead(config, place)
    for sentence in seals.read_model(summary_address(place), SeriesSummary).says.values():
        say(f"series: {sentence}")
    say(f"series: outlines, {TABLE} and pages in {place}")
    failed = sum(record.status == "failed" for record in records)
    return max(0, failed - config.series.max_failed)


def read_maps(folder: str, tasks: Sequence[MapTask]) -> list[MapRecord]:
    """The record of every map; of a month that could not be mapped, why.

    Raises:
        StoreError: Some are missing; the message names the job to run first.
    """
    found = [
        record if record and (record.status == "failed" or task.is_done(record)) else None
        for task, record in zip(tasks, find_records(folder, tasks), strict=True)
    ]
    if lacking := sum(record is None for record in found):
        raise StoreError(
            f"{lacking} of {len(found)} maps are not in {folder}; run `glacier predict` with this "
            "configuration first"
        )
    return [record for record in found if record is not None]


def summary_address(place: str) -> str:
    """Where it lies what a series was made of; written last."""
    return store.join(place, "series.json")


def digest_inputs(
    config: Config, sweep: SavedSweep, encoders: Sequence[str], records: Sequence[MapRecord]
) -> str:
    """Hash of all that changes a byte of a series: maps, settings, names, and what tests found.

    Not of the sweep's file, which says how long it took: models that are trained again are the
    same models.
    """
    settings = config.series
    inventory = settings.inventory and checksum_files(store.absolute(settings.inventory))
    maps = [
        (config.place(r.region), r.name, r.status, r.reason, identity(r.models), r.files)
        for r in records
    ]
    seasons = sorted({choose_season(config, sweep, record.region) for record in records})
    tested = [(season, find_tested_errors(sweep.result, encoders, season)) for season in seasons]
    snow = [(month.key, month.snow_outside) for month in sweep.samples.months]
    own = identity(settings, (RUNTIME_ONLY, ADDRESS))
    return digest([FORMAT, own, inventory, maps, tested, snow])


def is_current(place: str, inputs: str, owned: bool) -> bool:
    """Whether a folder holds a series of these inputs, with all of its files whole."""
    found = seals.read_whole(summary_address(place), SeriesSummary, owned)
    return found is not None and (found.format, found.inputs_sha256) == (FORMAT, inputs)


def look_at_months(
    config: Config,
    sweep: SavedSweep,
    folder: str,
    tasks: Sequence[MapTask],
    records: Sequence[MapRecord],
) -> dict[str, list[MonthView]]:
    """Measure, outline and draw every month, a task of Ray each; by region.

    Raises:
        DamagedError: A map differs from its checksum.
    """
    divides = find_divides(config, records)
    views: dict[str, list[MonthView]] = defaultdict(list)
    with connect(config.cluster), Progress("series", len(records)) as progress:
        known = find_snow(config, sweep, tasks, records)
        look = ray.remote(num_cpus=1, max_retries=3)(look_at_month)
        begun = []
        for task, record in zip(tasks, records, strict=True):
            view = ViewTask(
                record=record,
                folder=store.join(folder, record.region),
                image=task.image,
                snow_outside=known.get((record.region, record.name)),
                settings=config.series,
                divides=divides.get(record.region),
            )
            begun.append(look.remote(view))
        for reference in begun:
            found: MonthView = get_result(reference)
            views[found.record.region].append(found)
            progress.advance(f"{found.record.region} {found.record.name}")
    return views


def find_snow(
    config: Config, sweep: SavedSweep, tasks: Sequence[MapTask], records: Sequence[MapRecord]
) -> dict[tuple[str, str], float | None]:
    """Share of the ground outside the ice under snow, by region and YYYY-MM.

    By the outlines that the run's own samples were made with, where there were some, else by what
    is bare in late summer.
    """
    own = sweep.samples.months if config.predict.sweep is None else ()
    found: dict[tuple[str, str], float | None] = {
        (month.region, f"{month.month:%Y-%m}"): month.snow_outside
        for month in own
        if month.snow_outside is not None
    }
    if found:
        return found
    images: dict[str, list[tuple[date, str, str]]] = defaultdict(list)
    for task, record in zip(tasks, records, strict=True):
        if record.grid is not None:
            day = date.fromisoformat(f"{record.name}-01")
            images[record.region].append((day, task.image, record.image_sha256))
    measure = ray.remote(num_cpus=1, max_retries=3)(measure_new_snow)
    begun = {
        region: measure.remote(months, choose_season(config, sweep, region))
        for region, months in images.items()
    }
    return {
        (region, f"{day:%Y-%m}"): share
        for region, reference in begun.items()
        for day, share in get_result(reference).items()
    }


def choose_season(config: Config, sweep: SavedSweep, region: str) -> tuple[int, ...]:
    """Calendar months, 1..12, that may stand for a year of a region."""
    return config.series.months or late_summer_of(region in sweep.result.southern)


def find_divides(config: Config, records: Sequence[MapRecord]) -> dict[str, Divides]:
    """The divides of the inventory on the ground of each region; none where none was given.

    Raises:
        VectorError: The inventory cannot be used, or does not lie on a region's ground.
    """
    settings = config.series
    if settings.inventory is None:
        return {}
    file = VectorFile(
        store.absolute(settings.inventory), settings.inventory_layer, setting="series.inventory_"
    )
    grids = {record.region: record.grid for record in records if record.grid}
    return {region: read_divides(file, grid) for region, grid in grids.items()}


def store_change(series: RegionSeries, folder: str, place: str) -> dict[str, str]:
    """Write the change map of a region that has two years; returns its name and sha256.

    Args:
        series: The region.
        folder: Address of its maps.
        place: Address of the results.
    """
    if len(series.years) < 2:
        return {}
    first, last = series.years[0].view.record.name, series.years[-1].view.record.name
    name = f"change-{series.region}-{first}-{last}.tif"
    with TemporaryDirectory() as scratch:
        path = Path(scratch, "change.tif")
        write_change(series, folder, path)
        return {name: store.write_file(store.join(place, name), path)}


def write_series(
    config: Config,
    sweep: SavedSweep,
    encoders: Sequence[str],
    views: Mapping[str, Sequence[MonthView]],
    folder: str,
) -> SeriesSummary:
    """Write all files of a series but the summary, which is returned and vouches for them."""
    place = store.results_folder(config)
    found = []
    for region, months in views.items():
        chosen = choose_season(config, sweep, region)
        season = Season(chosen, config.series.min_seen, config.series.max_snow)
        errors = choose_errors(find_tested_errors(sweep.result, encoders, chosen), region)
        found.append(measure_region(months, store.join(folder, region), season, errors))
    outlines = [row for series in found for view in series.views for row in view.outlines]
    files = write_outlines(place, OUTLINES, outlines) if outlines else {}
    rows = [row.columns() for series in found for row in list_rows(series)]
    files[TABLE] = store.write_bytes(store.join(place, TABLE), encode_csv(rows))
    for series in found:
        files |= store_change(series, store.join(folder, series.region), place)
        if film := animate_years(series):
            name = f"years-{series.region}.gif"
            files[name] = store.write_bytes(store.join(place, name), film)
    for series in found:
        name = "map.html" if len(found) == 1 else f"map-{series.region}.html"
        if any(view.layers for view in series.views):
            page = render_map_page(draw_region(config, series, sorted(files)))
            files[name] = store.write_bytes(store.join(place, name), page.encode())
    says = {series.region: tell_change(config.place(series.region), series) for series in found}
    return SeriesSummary(files=files, says=says)
