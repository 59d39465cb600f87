"""What the page shows of a run: its regions, their months and areas, and files to take away."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, StreamingResponse
from starlette.background import BackgroundTask

from glacier import store
from glacier.errors import GlacierError
from glacier.geo.raster_files import safe_open
from glacier.landsat import BAND_OF
from glacier.mapping.area_table import AreaRow
from glacier.mapping.maps import MapRecord
from glacier.progress import say
from glacier.serving.features import GEOJSON, encode_feature, look_at
from glacier.serving.finished_run import FinishedRun, Outlines, WatchedRun
from glacier.serving.map_files import KINDS, MapFile, find_file
from glacier.serving.problems import NOT_THERE, describe_problems
from glacier.serving.tiles import LAYERS, find_bounds
from glacier.settings.model import Model

LEVEL_PERCENT = 90
"""Of the intervals of areas."""

SERIES_KINDS = {
    ".gpkg": "Outlines of all dates, GeoPackage",
    ".parquet": "Outlines of all dates, GeoParquet",
    ".qml": "Their style for QGIS",
    ".csv": "Table",
    ".tif": "What changed, GeoTIFF",
}
"""End of a file's name to what it holds."""

MEDIA = {
    ".gpkg": "application/geopackage+sqlite3",
    ".parquet": "application/vnd.apache.parquet",
    ".qml": "application/xml",
    ".csv": "text/csv; charset=utf-8",
    ".tif": "image/tiff; application=geotiff; profile=cloud-optimized",
}
"""End of a file's name to its media type."""


class OfferedFile(Model):
    """A file to take away."""

    href: str
    """Below the service's address."""
    name: str
    says: str


class RegionName(Model):
    """A region that may be chosen."""

    name: str
    title: str


class RunView(Model):
    """What there is of a run."""

    name: str
    regions: tuple[RegionName, ...]
    files: tuple[OfferedFile, ...]
    """Of all regions together."""


class AreaView(Model):
    """The area of a month or a year, or why there is none."""

    year: int
    month: str | None
    """YYYY-MM; None of a year that is a gap."""
    area_km2: float | None
    low_km2: float | None
    high_km2: float | None
    gap: str = ""
    """Why it does not count; empty where it does."""
    why: str = ""
    """The verdict in words; the month is the subject of its sentence."""
    interval_why: str = ""
    """Where the interval comes from."""
    seen_share: float | None = None


class MonthView(AreaView):
    """A month of a region."""

    mapped: bool
    """Whether there are tiles of it."""
    has_image: bool
    """Whether it can be mapped."""
    files: tuple[OfferedFile, ...] = ()


class RegionView(Model):
    """What there is of a region."""

    name: str
    title: str
    says: str
    """What changed there, in a sentence; empty where nothing is known."""
    bounds: tuple[float, float, float, float] | None
    """West, south, east and north, degrees; None without a map."""
    pixel_m: float | None
    """Side of a pixel of its maps, metres; None without a map."""
    layers: tuple[RegionName, ...]
    """Of the tiles."""
    level_percent: int = LEVEL_PERCENT
    months: tuple[MonthView, ...]
    years: tuple[AreaView, ...]


class GeoJsonStream(StreamingResponse):
    """Outlines as they come."""

    media_type = GEOJSON


def build_overview(runs: WatchedRun) -> APIRouter:
    """Routes of the run's own story, and of its files."""
    router = APIRouter(tags=["run"])

    @router.get("/run", summary="The run", responses=describe_problems(503))
    def show_run() -> RunView:
        """Regions of the run, and files of all of them together."""
        run = look_at(runs)
        regions = tuple(RegionName(name=n, title=t) for n, t in run.places.titles.items())
        files = tuple(offer(name, f"files/{name}") for name in sorted(run.files))
        return RunView(name=run.places.name, regions=regions, files=files)

    @router.get("/run/{region}", summary="A region", responses=NOT_THERE)
    def show_region(region: str) -> RegionView:
        """Months of a region with their areas and files, and its years."""
        run = look_at(runs)
        if region not in run.places.titles:
            raise HTTPException(404, f"no region is called {region!r:.60}")
        return describe_region(runs, run, region)

    @router.get("/files/{name}", summary="A file of the series",
                response_class=FileResponse, responses=NOT_THERE)  # fmt: skip
    def send_series_file(name: str) -> FileResponse:
        """A file of all regions: outlines, tables, what changed."""
        run = look_at(runs)
        if name not in run.files:
            raise HTTPException(404, f"the series has no file {name!r:.60}")
        file = MapFile(store.join(run.places.results, name), run.files[name])
        return send(runs, file, name)

    @router.get("/files/{region}/{month}/{kind}.tif", summary="A raster of a month",
                response_class=FileResponse, responses=NOT_THERE)  # fmt: skip
    def send_raster(region: str, month: str, kind: str) -> FileResponse:
        """A raster of a month: image, probability or class."""
        run = look_at(runs)
        record = run.find_maps(region).get(month)
        if record is None or kind not in KINDS:
            raise HTTPException(404, "there is no such raster")
        return send(runs, find_file(run, record, kind), f"{region}-{month}.{kind}.tif")

    @router.get("/files/{region}/{month}/outlines.geojson", summary="All outlines of a month",
                response_class=GeoJsonStream, responses=NOT_THERE)  # fmt: skip
    def send_outlines(region: str, month: str) -> StreamingResponse:
        """Outlines of a month of a region in one file, none of them left out."""
        run = look_at(runs)
        if month not in run.find_maps(region):
            raise HTTPException(404, "there is no map of such a month")
        name = f"{region}-{month}.geojson"
        head = {"content-disposition": f'attachment; filename="{name}"'}
        return GeoJsonStream(write_outlines(run.outlines, region, month), headers=head)

    return router


def write_outlines(outlines: Outlines, region: str, month: str) -> Iterator[str]:
    """The outlines of a month as GeoJSON, one at a time."""
    wanted = (region, *map(int, month.split("-")))
    yield '{"type": "FeatureCollection", "features": ['
    between = ""
    for place, row in enumerate(outlines.rows):
        if (row.region, row.year, row.month) == wanted:
            yield f"{between}\n{json.dumps(encode_feature(outlines, place), allow_nan=False)}"
            between = ","
    yield "\n]}\n"


def send(runs: WatchedRun, file: MapFile, name: str) -> FileResponse:
    """A stored file under a name, or a part of it where that is asked for.

    Raises:
        HTTPException: It cannot be read; 503.
    """
    try:
        held = runs.files.take(file.address, file.sha256)
    except GlacierError as error:
        say(f"serve: {error}")
        raise HTTPException(503, f"{name} cannot be read; try again later") from error
    kind = MEDIA[name[name.rindex(".") :]]
    keep = BackgroundTask(id, held)  # a copy is there until it is sent
    return FileResponse(held.path, media_type=kind, filename=name, background=keep)


def offer(name: str, href: str) -> OfferedFile:
    """A file of the series as it is offered."""
    return OfferedFile(href=href, name=name, says=SERIES_KINDS[name[name.rindex(".") :]])


def describe_region(runs: WatchedRun, run: FinishedRun, region: str) -> RegionView:
    """All that the page shows of a region."""
    maps, rows = run.find_maps(region), run.areas.get(region, ())
    newest = max(maps.values(), key=lambda record: record.name, default=None)
    return RegionView(
        name=region,
        title=run.places.titles[region],
        says=run.says.get(region, ""),
        bounds=find_bounds(newest.grid) if newest and newest.grid else None,
        pixel_m=newest.grid.pixel_m if newest and newest.grid else None,
        layers=tuple(
            RegionName(name=name, title=LAYERS[name].title)
            for name in (list_layers(runs, run, newest) if newest else ())
        ),
        months=tuple(list_months(rows, maps, run.places.images.get(region, {}))),
        years=tuple(AreaView(**describe_area(row)) for row in rows if row.kind == "year"),
    )


def list_layers(runs: WatchedRun, run: FinishedRun, record: MapRecord) -> Sequence[str]:
    """Layers that the image of a month has bands for; those of the map where it cannot be read."""
    file, bands = find_file(run, record, "image"), set[str]()
    try:
        with safe_open(runs.files.take(file.address, file.sha256).path) as source:
            bands = {str(name) for name in source.descriptions}
    except GlacierError as error:
        say(f"serve: {error}")
    return [
        name
        for name, layer in LAYERS.items()
        if all(BAND_OF[colour] in bands for colour in layer.colours)
    ]


def list_months(
    rows: Sequence[AreaRow], maps: Mapping[str, MapRecord], images: Mapping[str, str]
) -> Iterator[MonthView]:
    """The months of a region in order: of its series, its maps and its images.

    Args:
        rows: Of the table of areas.
        maps: Month to the record of its map.
        images: Month to its image.
    """
    known = {f"{row.month:%Y-%m}": row for row in rows if row.kind == "month" and row.month}
    for month in sorted({*known, *maps, *images}):
        told = describe_area(known[month]) if month in known else describe_unknown(month)
        files = offer_month(maps[month]) if month in maps else ()
        yield MonthView(**told, mapped=month in maps, has_image=month in images, files=files)


def offer_month(record: MapRecord) -> tuple[OfferedFile, ...]:
    """The files of a month as they are offered."""
    place, name = f"files/{record.region}/{record.name}", f"{record.region}-{record.name}"
    outlines = OfferedFile(
        href=f"{place}/outlines.geojson", name=f"{name}.geojson", says="Outlines, GeoJSON"
    )
    rasters = (
        OfferedFile(href=f"{place}/{kind}.tif", name=f"{name}.{kind}.tif", says=says)
        for kind, says in KINDS.items()
    )
    return (outlines, *rasters)


def describe_area(row: AreaRow) -> dict[str, Any]:
    """Fields of :class:`AreaView` of a row of the table."""
    return {
        "year": row.year,
        "month": f"{row.month:%Y-%m}" if row.month else None,
        "area_km2": row.area_km2,
        "low_km2": row.low_km2,
        "high_km2": row.high_km2,
        "gap": row.gap,
        "why": row.why,
        "interval_why": row.answer_why,
        "seen_share": row.seen_share,
    }


def describe_unknown(month: str) -> dict[str, Any]:
    """The same of a month that is in no series yet."""
    unknown = dict.fromkeys(("area_km2", "low_km2", "high_km2"))
    return {"year": int(month[:4]), "month": month, "gap": "", "why": "is not in the series yet",
            **unknown}  # fmt: skip
