"""A finished run on the disk, without sweep and training: three months of a shrinking glacier."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
import uvicorn

from glacier import seals, store
from glacier.geo.outline_files import write_outlines
from glacier.geo.raster import Grid, encode_cog
from glacier.geo.raster_rows import ByteBand, write_cog
from glacier.landsat import digital_number
from glacier.mapping.area_table import AreaRow
from glacier.mapping.maps import CLASSES, PROBABILITY, MapRecord, map_address
from glacier.mapping.outlines import OutlineFacts, outline_map
from glacier.reports.series_files import OUTLINES, TABLE, SeriesSummary, summary_address
from glacier.reports.tables import encode_csv
from glacier.serving.run_places import RunPlaces

GRID = Grid("EPSG:32608", 500_010, 6_499_990, 30, 96, 128)
MONTHS = ("2019-08", "2020-08", "2021-08")
REGION = "ridge"
EVIL = "</script><img src=x onerror=alert(1)>"
"""Part of a region's title, which its configuration may hold."""


def make_run(folder: Path, months: tuple[str, ...] = MONTHS) -> RunPlaces:
    """Write a run with a map in each of some months, and a gap in the winter before the last."""
    maps, archive = str(folder / "maps" / "tiny-1"), str(folder / "archive")
    outlines, rows = [], []
    for k, month in enumerate(months):
        ice = np.zeros(GRID.shape, bool)
        ice[20:70, 10 : 110 - 8 * k] = True
        ice[80:90, 100:120] = True
        record = write_map(maps, archive, month, ice)
        facts = OutlineFacts(REGION, date.fromisoformat(f"{month}-01"), (), "a" * 64, "a test")
        stem = store.join(maps, REGION, month)
        found = outline_map(f"{stem}{CLASSES}", f"{stem}{PROBABILITY}", facts)
        outlines += found.rows
        rows += describe_month(month, float(ice.sum() * GRID.pixel_km2), record)
    dark = {"gap": "empty", "why": "is empty (solar_zenith: sun at most 5 deg high)"}
    rows.insert(-2, AreaRow(region=REGION, kind="month", year=2021, month=date(2021, 1, 1),
                            status="empty", **dark))  # fmt: skip
    write_series(str(folder / "results"), outlines, rows)
    (folder / "maps/tiny-1/catalog.json").write_text(f'{{"maps": {len(months)}}}')
    return RunPlaces(
        name="tiny",
        results=str(folder / "results"),
        titles={REGION: f"Ridge {EVIL}"},
        maps=maps,
        images={REGION: {month: store.join(archive, f"{month}.tif") for month in months}},
    )


def write_map(maps: str, archive: str, month: str, ice: np.ndarray) -> MapRecord:
    """The image of a month, its map, and the record of that."""
    shade = np.where(ice, 0.8, 0.15).astype(np.float32)
    shade[:10, :10] = np.nan
    colours = ("SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6")
    image = encode_cog({name: digital_number(shade) for name in colours}, GRID, {})
    probability, classes = np.where(ice, np.uint8(230), np.uint8(20)), ice.astype(np.uint8)
    files = {}
    for end, pixels in ((PROBABILITY, probability), (CLASSES, classes)):
        pixels[:10, :10] = 255
        path = Path(store.join(maps, REGION, f"{month}{end}"))
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_cog(path, GRID, ByteBand(end.split(".")[1], 255), {}) as out:
            out.write(pixels)
        files[path.name] = store.checksum_file(path)
    record = MapRecord(
        region=REGION, name=month, month=month, status="ok", grid=GRID, files=files,
        image_sha256=store.write_bytes(store.join(archive, f"{month}.tif"), image),
    )  # fmt: skip
    seals.write_model(map_address(maps, REGION, month), record)
    return record


def describe_month(month: str, km2: float, record: MapRecord) -> list[AreaRow]:
    """The rows of a month that stands for its year."""
    day = date.fromisoformat(f"{month}-01")
    values = {
        "region": REGION, "year": day.year, "month": day, "status": record.status,
        "area_km2": km2, "seen_share": 0.99, "why": "is clear (snow on 1.0% of the ground outside)",
    }  # fmt: skip
    interval = {"low_km2": 0.9 * km2, "high_km2": 1.1 * km2, "answer": "half_pixel",
                "answer_why": "fewer than 3 models"}  # fmt: skip
    return [AreaRow(kind="month", **values), AreaRow(kind="year", **values, **interval)]


def write_series(place: str, outlines: list, rows: list[AreaRow]) -> None:
    """The files of a series, and what vouches for them."""
    files = write_outlines(place, OUTLINES, outlines)
    table = encode_csv([row.columns() for row in rows])
    files[TABLE] = store.write_bytes(store.join(place, TABLE), table)
    says = {REGION: "Ridge lost 0.7 km² from 2019 to 2021."}
    summary = SeriesSummary(files=files, says=says, inputs_sha256=store.checksum(table))
    seals.vouch(summary_address(place), summary)


@contextmanager
def serve_app(app: object) -> Iterator[str]:
    """An application on a free port of the loopback; gives its address."""
    config = uvicorn.Config(app, port=0, log_level="warning", lifespan="off")  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < end, "the server did not start"
        time.sleep(0.01)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
