"""Many glaciers from one: a storage as runs of 1 to 1,000 regions would have left it.

One region is ingested and prepared for real. Every other gets, under its own name, ground and
address, the files that the code would have written: records and descriptions are made by the same
functions, images and rows are links to the one region's (in an object store, stubs of them, since
nothing opens them). So what is listed, read and compared is what a run of so many regions has.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path

import numpy as np

from glacier import seals, store
from glacier.archive.contents import read_outcomes
from glacier.archive.ingest import ingest_month
from glacier.archive.manifest import describe_written, update_manifest
from glacier.archive.records import Archive, MonthRecord, list_archives, list_months
from glacier.config import Config
from glacier.samples.month import prepare_month
from glacier.samples.prepare import describe_set
from glacier.samples.prepared import MonthStates, RunMonths, make_task
from glacier.samples.rows import PreparedMonth, month_address, rows_name
from glacier.samples.sample_set import (
    MONTHS,
    SampleMonth,
    hold_months,
    read_set,
    samples_folder,
    write_set,
)
from glacier.sources.factory import open_source
from glacier.table_rows import TableRows

MONTHS_A_REGION = {"first": "2004-01", "last": "2013-12"}
PIXEL_M = 240.0
"""Coarse: nothing that is measured reads a pixel."""
STEP_DEG = (4.4, 8.4)
"""From one glacier to the next, north and east."""


def place_regions(count: int) -> list[dict[str, object]]:
    """Regions of 0.17 by 0.2 degrees in both hemispheres, none over the edge of a UTM zone."""
    corners = product(np.arange(-62, 62, STEP_DEG[0]), np.arange(-179.9, 179, STEP_DEG[1]))
    found = []
    for k, (south, west) in enumerate(islice(corners, count)):
        north, east = south + 0.17, west + 0.2
        polygon = [(west, south), (east, south), (east, north), (west, north)]
        found.append(
            {
                "name": f"g{k:03d}",
                "polygon": [(round(float(x), 2), round(float(y), 2)) for x, y in polygon],
                "pixel_m": PIXEL_M,
            }
        )
    return found


def make_config(storage: str, results: str, count: int) -> Config:
    """A run of some regions of 120 months, with labels that need no truth, as of real scenes."""
    return Config.model_validate(
        {
            "name": "growth",
            "storage": storage,
            "results": results,
            "regions": place_regions(count),
            "months": MONTHS_A_REGION,
            "prepare": {
                "layout": "resize",
                "size_px": 32,
                "quick_looks": False,
                "label": {"kind": "ndsi"},
            },
            "sweep": {"folds": {"kind": "shuffled"}},
        }
    )


@dataclass(frozen=True)
class Template:
    """One region that was made for real."""

    archive: Path
    records: list[MonthRecord]
    samples: Path
    months: list[SampleMonth]


def make_template(folder: str) -> Template:
    """Ingest and prepare one region, without the truth that only made-up scenes know."""
    config = make_config(folder, folder, 1)
    source = open_source(config)
    records = [ingest_month(config, target) for target in list_months(config, source)]
    plain = [replace(r, truth_sha256="", outlines_sha256="") for r in records]
    (archive,) = list_archives(config, source)
    update_manifest(archive.folder, describe_written(archive.folder, plain))
    months = months_of(config)
    rows = months.choose(np.ones(len(records), bool)).to_pylist()
    made = [prepare_month(make_task(row, months.folder, config.prepare)) for row in rows]
    return Template(Path(archive.folder), plain, Path(months.folder), made)


def months_of(config: Config) -> RunMonths:
    """The months of a run and the address of its samples."""
    archives = read_outcomes(config)
    return RunMonths(config, samples_folder(config, archives), archives)


def records_of(archive: Archive, template: Template) -> list[MonthRecord]:
    """The records of a region, as its own."""
    name, key = archive.region.name, archive.key
    return [replace(record, region=name, config_sha256=key) for record in template.records]


def write_archives(config: Config, template: Template) -> None:
    """The files of all regions' months in a local storage, each record last."""
    for archive in list_archives(config, open_source(config)):
        folder = Path(archive.folder)
        folder.mkdir(parents=True, exist_ok=True)
        for record in records_of(archive, template):
            for name in record.files:
                os.link(template.archive / name, folder / name)
            text = seals.encode_json(record.as_dict())
            (folder / f"{record.month}.json").write_bytes(text)


def note_archives(config: Config, template: Template) -> None:
    """The manifest of each archive, by the function that ends an ingest."""
    for archive in list_archives(config, open_source(config)):
        rows = describe_written(archive.folder, records_of(archive, template))
        update_manifest(archive.folder, rows)


def list_prepared(config: Config, template: Template) -> list[SampleMonth]:
    """What became of all months, each with the grid of its own region."""
    source, found = open_source(config), []
    for region in config.regions:
        grid = source.grid(region)
        for month in template.months:
            own = {"region": region.name, "grid": month.grid and grid}
            found.append(month.model_copy(update=own))
    return found


def write_samples(folder: str, months: Sequence[SampleMonth], template: Template) -> None:
    """The files of all months in a local folder of samples."""
    Path(folder).mkdir(parents=True)
    for k, month in enumerate(months):
        first = template.months[k % len(template.months)]
        name = rows_name(month.region, month.month)
        os.link(template.samples / rows_name(first.region, first.month), Path(folder, name))
        done = PreparedMonth(month=month, files={name: month.sha256})
        text = seals.encode_json(done.model_dump(mode="json", by_alias=True))
        Path(month_address(folder, month.region, month.month)).write_bytes(text)


def note_samples(config: Config, months: Sequence[SampleMonth]) -> None:
    """The description of a run's samples, by the functions that end a preparation."""
    run = months_of(config)
    table, column = hold_months(months).table, MONTHS.names.index("state")
    states = MonthStates.read(run).values
    rows = TableRows(table.set_column(column, "state", [states]), hold_months(()).make)
    write_set(run.folder, describe_set(config, rows))
    assert len(read_set(run.folder).months) == len(months)


def write_samples_of(config: Config, template: Template, local: Config) -> None:
    """The samples of a run in a local storage, at the address that they have in its own."""
    folder = store.join(local.storage, "samples", months_of(config).folder.rpartition("/")[2])
    write_samples(folder, list_prepared(config, template), template)
