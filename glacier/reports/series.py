"""Maps -> outlines of all dates, ``area.csv``, and a page a region: ``glacier series``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date

import ray

from glacier import seals, store
from glacier.cluster import connect, get_result
from glacier.config import Config
from glacier.errors import FilmError, StoreError, VectorError
from glacier.geo.centre_lines import CentreLine, place_centre_lines, read_centre_lines
from glacier.geo.divides import Divides, read_divides
from glacier.geo.elevation import check_elevation, checksum_elevation
from glacier.geo.outline_files import write_outlines
from glacier.geo.vector_files import checksum_files
from glacier.geo.vector_layers import VectorFile
from glacier.locks import hold, remove_dead
from glacier.mapping.added_months import find_grown_sweep
from glacier.mapping.assignment import choose_encoders
from glacier.mapping.map_plan import (
    MapTask,
    find_records,
    list_tasks,
    maps_folder,
    take_months,
)
from glacier.mapping.maps import MapRecord
from glacier.mapping.month_view import MonthView, ViewTask, look_at_month
from glacier.mapping.new_snow import measure_new_snow
from glacier.mapping.region_series import (
    RegionSeries,
    list_front_rows,
    list_rows,
    measure_region,
    write_change,
)
from glacier.mapping.tested_areas import choose_season, describe_season, find_area_errors
from glacier.plots.animation import draw_animation, draw_film, find_ffmpeg
from glacier.plots.layers import LayerPicture
from glacier.progress import Progress, say
from glacier.reports.map_page import render_map_page
from glacier.reports.series_files import (
    FORMAT,
    FRONTS,
    OUTLINES,
    TABLE,
    SeriesSummary,
    summary_address,
)
from glacier.reports.series_page import (
    draw_change,
    draw_region,
    find_grid,
    list_animated,
    tell_change,
)
from glacier.reports.tables import encode_csv
from glacier.scratch import open_scratch
from glacier.settings.identity import digest, identity
from glacier.settings.model import ADDRESS, RUNTIME_ONLY
from glacier.training.saved import SavedSweep


def run_series(config: Config) -> int:
    """Write the series of a run; nothing is done where it is there already.

    Returns:
        How many months failed past the allowed number.

    Raises:
        StoreError: Maps are missing, damaged, or nothing can be written.
        VectorError: The inventory or the centre lines cannot be used.
        RasterError: The heights cannot be used.
    """
    config = take_months(config)
    records = make_series(config, find_grown_sweep(config))
    failed = sum(record.status == "failed" for record in records)
    return max(0, failed - config.series.max_failed)


def make_series(config: Config, sweep: SavedSweep) -> list[MapRecord]:
    """Write the series of a sweep's months unless it is there; returns the records of their maps.

    Args:
        config: The run, which maps months and no other images.
        sweep: Its sweep.

    Raises:
        StoreError: Maps are missing, damaged, or nothing can be written.
        VectorError: The inventory or the centre lines cannot be used.
        RasterError: The heights cannot be used.
    """
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
                seals.vouch(summary_address(place), stamp)
    else:
        remove_dead(config, place)
    for sentence in seals.read_model(summary_address(place), SeriesSummary).says.values():
        say(f"series: {sentence}")
    say(f"series: outlines, {TABLE} and pages in {place}")
    return records


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


def digest_inputs(
    config: Config, sweep: SavedSweep, encoders: Sequence[str], records: Sequence[MapRecord]
) -> str:
    """Hash of all that changes a byte of a series: maps, settings, names, and what tests found.

    Not of the sweep's file, which says how long it took: models that are trained again are the
    same models.
    """
    settings = config.series
    given = [
        find_sum(store.absolute(place)) if place else ""
        for place, find_sum in (
            (settings.inventory, checksum_files),
            (settings.centre_lines, checksum_files),
            (settings.dem, checksum_elevation),
        )
    ]
    maps = [
        (config.place(r.region), r.name, r.status, r.reason, identity(r.models), r.files)
        for r in records
    ]
    regions = sorted({record.region for record in records})
    tested = [asdict(find_area_errors(config, sweep, encoders, region)) for region in regions]
    snow = [(month.key, month.snow_outside) for month in sweep.samples.months]
    own = identity(settings, (RUNTIME_ONLY, ADDRESS))
    return digest([FORMAT, own, given, maps, tested, snow])


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
    divides, lines = find_divides(config, records), find_centre_lines(config, records)
    if config.series.dem is not None:
        grids = [record.grid for record in records if record.grid]
        check_elevation(store.absolute(config.series.dem), dict.fromkeys(grids))
    views: dict[str, list[MonthView]] = defaultdict(list)
    with (
        connect(config.cluster, storage=config.storage),
        Progress("series", len(records)) as progress,
    ):
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
                lines=lines.get(record.region, ()),
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

    By the outlines that the run's own samples were made with, where there were some. Else, and of
    months that are no samples, by what is bare in late summer.
    """
    months = sweep.samples.months if not config.predict.borrows else ()
    told = {(month.region, f"{month.month:%Y-%m}"): month.snow_outside for month in months}
    if all(share is None for share in told.values()):
        told = {}
    mapped = [record for record in records if record.grid is not None]
    untold = {r.region for r in mapped if (r.region, r.name) not in told}
    images: dict[str, list[tuple[date, str, str]]] = defaultdict(list)
    for task, record in zip(tasks, records, strict=True):
        if record.grid is not None:
            day = date.fromisoformat(f"{record.name}-01")
            images[record.region].append((day, task.image, record.image_sha256))
    measure = ray.remote(num_cpus=1, max_retries=3)(measure_new_snow)
    begun = {
        region: measure.remote(images[region], choose_season(config, sweep, region))
        for region in sorted(untold)
    }
    measured = {
        (region, f"{day:%Y-%m}"): share
        for region, reference in begun.items()
        for day, share in get_result(reference).items()
    }
    return measured | told


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


def find_centre_lines(
    config: Config, records: Sequence[MapRecord]
) -> dict[str, tuple[CentreLine, ...]]:
    """The centre lines on the ground of each region; none where no file was given.

    Raises:
        VectorError: The file cannot be used, or none of its lines lies on any region's ground.
    """
    settings = config.series
    if settings.centre_lines is None:
        return {}
    address = store.absolute(settings.centre_lines)
    file = VectorFile(address, settings.centre_lines_layer, setting="series.centre_lines_")
    lines = read_centre_lines(file)
    grids = {record.region: record.grid for record in records if record.grid}
    found = {region: place_centre_lines(lines, grid) for region, grid in grids.items()}
    if not any(found.values()):
        raise VectorError(
            f"centre lines {address}: none lies on a region's grid; is it the file of these "
            "glaciers, and its CRS right?"
        )
    return found


def store_change(
    series: RegionSeries, folder: str, place: str
) -> tuple[dict[str, str], LayerPicture | None]:
    """Write the change map of a region that has two years.

    Args:
        series: The region.
        folder: Address of its maps.
        place: Address of the results.

    Returns:
        Its name and sha256, and its picture; nothing for fewer years.
    """
    if len(series.years) < 2:
        return {}, None
    first, last = series.years[0].view.record.name, series.years[-1].view.record.name
    name = f"change-{series.region}-{first}-{last}.tif"
    with open_scratch() as scratch:
        path = scratch / "change.tif"
        write_change(series, folder, path)
        return {name: store.write_file(store.join(place, name), path)}, draw_change(path)


def store_films(series: RegionSeries, place: str, ffmpeg: str | None) -> dict[str, str]:
    """Write the years of a region as moving pictures; returns their names and sha256.

    Args:
        series: The region.
        place: Address of the results.
        ffmpeg: Path of the program that encodes films; None: there is none.
    """
    years = list_animated(series)
    if not years:
        return {}
    frame_m = tuple(find_grid(series).bounds)
    films = {f"years-{series.region}.gif": draw_animation(years, frame_m)}
    if ffmpeg is not None:
        try:
            films[f"years-{series.region}.mp4"] = draw_film(years, frame_m, ffmpeg)
        except FilmError as error:
            say(f"series: {error}; the years move as GIF")
    return {name: store.write_bytes(store.join(place, name), film) for name, film in films.items()}


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
        season = describe_season(config, sweep, region)
        errors = find_area_errors(config, sweep, encoders, region)
        found.append(measure_region(months, store.join(folder, region), season, errors))
    outlines = [row for series in found for view in series.views for row in view.outlines]
    seals.withdraw(summary_address(place))
    files = write_outlines(place, OUTLINES, outlines) if outlines else {}
    rows = [row.columns() for series in found for row in list_rows(series)]
    files[TABLE] = store.write_bytes(store.join(place, TABLE), encode_csv(rows))
    if fronts := [row.columns() for series in found for row in list_front_rows(series)]:
        files[FRONTS] = store.write_bytes(store.join(place, FRONTS), encode_csv(fronts))
    changes, ffmpeg = {}, find_ffmpeg()
    for series in found:
        written, changes[series.region] = store_change(
            series, store.join(folder, series.region), place
        )
        files |= written | store_films(series, place, ffmpeg)
    if ffmpeg is None and any(name.endswith(".gif") for name in files):
        say("series: no ffmpeg on this machine, so the years move as GIF and not as MP4")
    for series in found:
        name = "map.html" if len(found) == 1 else f"map-{series.region}.html"
        if any(view.layers for view in series.views):
            page = render_map_page(
                draw_region(config, series, sorted(files), changes[series.region])
            )
            files[name] = store.write_bytes(store.join(place, name), page.encode())
    says = {series.region: tell_change(config.place(series.region), series) for series in found}
    return SeriesSummary(files=files, says=says)
