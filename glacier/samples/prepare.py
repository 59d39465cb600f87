"""Archive -> samples: images and labels in Parquet, made month by month with Ray Data."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
from numpy.typing import NDArray

from glacier.archive.contents import read_outcomes
from glacier.cluster import connect, count_cpus
from glacier.config import Config
from glacier.errors import DamagedError, StoreError
from glacier.locks import hold, remove_dead
from glacier.progress import Progress, say
from glacier.samples.image import ImageRecipe
from glacier.samples.month import extra_bands, prepare_month
from glacier.samples.prepared import (
    AT_ONCE,
    PLACE,
    MonthStates,
    RunMonths,
    find_prepared,
    make_task,
)
from glacier.samples.sample_set import (
    MONTHS,
    Frame,
    SampleMonth,
    SampleMonths,
    SampleSet,
    hold_months,
    make_month,
    make_row,
    parse_grid,
    samples_folder,
    write_set,
)
from glacier.settings.prepare import Prepare
from glacier.table_rows import TableRows

MAX_NOTES = 8
"""Notes on outlines that the end of a run names; it counts the others."""


def run_prepare(config: Config) -> int:
    """Make the samples of a run; returns how many months failed past the allowed number.

    A month that the archive lacks has been counted by ``run_ingest``.
    """
    archives = read_outcomes(config)
    folder = samples_folder(config, archives)
    months = RunMonths(config, folder, archives)
    found = find_prepared(months, owned=False)
    samples = None if found.pending.any() else describe_set(config, order_months(found.months))
    if samples and is_described(samples, found.described):
        remove_dead(config, folder)
    else:
        with hold(config, folder):
            found = find_prepared(months, owned=True)  # another run may have made some by now
            made = prepare_months(months, found.pending) if found.pending.any() else []
            samples = describe_set(config, order_months(found.months, *made))
            if not is_described(samples, found.described):
                write_set(folder, samples)
    report_outcome(samples, folder)
    lacking = sum(records.tally("status")["failed"] for records in archives.values())
    return max(0, len(samples.failed) - lacking - config.prepare.max_failed)


def is_described(samples: SampleSet, described: SampleSet | None) -> bool:
    """Whether a set is described as it is, the states of its files among it."""
    if described is None:
        return False
    same = described.months.table.equals(samples.months.table)
    return same and described.model_dump(exclude={"files"}) == samples.model_dump(exclude={"files"})


def order_months(*tables: pa.Table) -> SampleMonths:
    """Months of a run in its order.

    Args:
        tables: Columns ``MONTHS`` and ``place``; together they hold each place once.
    """
    table = tables[0] if len(tables) == 1 else pa.concat_tables(tables).unify_dictionaries()
    places = table["place"].to_numpy()
    if (np.diff(places) < 0).any():
        table = table.take(np.argsort(places))
    return TableRows(table.drop_columns("place"), make_month)


def prepare_months(months: RunMonths, pending: NDArray[np.bool_]) -> list[pa.Table]:
    """Run months through Ray Data; only descriptions come back, never pixels.

    Args:
        months: Of a run.
        pending: (months,) bool: which of them.

    Returns:
        What became of them, columns ``MONTHS`` and ``place``, in parts.

    Raises:
        DamagedError: Files of the archive are damaged; the other months are done.
        StoreError: Samples cannot be written.
    """
    config, folder, count = months.config, months.folder, int(pending.sum())
    prepare = partial(
        prepare_row,
        folder=folder,
        settings=config.prepare,
        min_valid_share=config.ingest.min_valid_share,
    )
    made, rows, damaged = [], list[dict[str, Any]](), ""
    joined = connect(config.cluster, storage=config.storage)
    with joined, Progress("prepare", count) as progress:
        blocks = min(count, max(64, 4 * count_cpus()))  # a cluster may grow later
        plan = ray.data.from_arrow(cut_table(months.choose(pending), blocks))
        for row in plan.map(prepare, num_cpus=1).iter_rows():
            if row["unwritten"]:
                raise StoreError(row["unwritten"])
            month = SampleMonth.model_validate_json(row["month"])
            if month.reason.startswith(DamagedError.__name__):
                damaged = damaged or month.reason
            rows.append(make_row(month) | {"place": row["place"]})
            if len(rows) == AT_ONCE or progress.done + 1 == count:
                made.append(pa.Table.from_pylist(rows, MONTHS.append(PLACE)))
                rows.clear()
            progress.advance(f"{month.region} {month.month:%Y-%m} {month.status}")
    if damaged:
        raise DamagedError(damaged.partition(": ")[2])
    return note_states(made, MonthStates.read(months))


def cut_table(table: pa.Table, parts: int) -> list[pa.Table]:
    """A table in so many parts, in order, none without a row: Ray Data cannot go through such.

    Args:
        table: Of one row or more.
        parts: At most as many as it has rows.
    """
    ends = [len(table) * part // parts for part in range(parts + 1)]
    return [table.slice(first, last - first) for first, last in pairwise(ends)]


def note_states(made: Sequence[pa.Table], states: MonthStates) -> list[pa.Table]:
    """Months that were made, with the states in which their files lie there now."""
    column = MONTHS.names.index("state")
    return [
        table.set_column(column, "state", pa.array(states.values[table["place"].to_numpy()]))
        for table in made
    ]


def prepare_row(
    row: dict[str, Any], folder: str, settings: Prepare, min_valid_share: float
) -> dict[str, Any]:
    """One row of the Ray Data plan: a month's record in, what became of it out.

    Where samples cannot be written, that is said in the row: Ray Data would make pages of it.
    """
    cv2.setNumThreads(1)  # a task has one core
    task = make_task(row, folder, settings, min_valid_share)
    try:
        made, unwritten = prepare_month(task).model_dump_json(), ""
    except StoreError as error:
        made, unwritten = "", str(error)
    return {"place": row["place"], "month": made, "unwritten": unwritten}


def describe_set(config: Config, months: Sequence[SampleMonth]) -> SampleSet:
    """Description of a complete set, from those of its months."""
    settings, rows = config.prepare, hold_months(months)
    mean, std = pool_statistics(rows, len(settings.image))
    return SampleSet(
        bands=settings.image,
        extra_bands=extra_bands(settings),
        size_px=settings.size_px,
        classes=name_classes(config),
        layout=settings.layout,
        resize=(settings.size_px, settings.size_px) if settings.layout == "resize" else None,
        blocks=settings.blocks,
        scale=settings.scale,
        range=settings.reflectance_range,
        coding=ImageRecipe.of(settings).coding.bands,
        fill=0.0 if settings.label.unseen == "background" else "mean",
        mean=mean,
        std=std,
        label=settings.label.effective(),
        regions=find_frames(rows),
        months=rows,
    )


def find_frames(months: SampleMonths) -> dict[str, Frame]:
    """Where the images of each region lie, in the order of the regions."""
    found: dict[str, tuple[str, int, int]] = {}
    for row in months.rows("region", "grid", "height_px", "width_px"):
        if row["grid"] is not None and row["height_px"] is not None:
            found[row["region"]] = (row["grid"], row["height_px"], row["width_px"])
    return {
        name: Frame(grid=parse_grid(grid), shape=(height, width))
        for name, (grid, height, width) in found.items()
    }


def pool_statistics(
    months: SampleMonths, bands: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each of B bands over the seen pixels of all months."""
    found = months.table["band_sums"].combine_chunks().drop_null()
    pixels = max(1, pc.sum(found.field("pixels")).as_py() or 0)
    sums, squares = (
        found.field(name).flatten().to_numpy().reshape(-1, bands) for name in ("sums", "squares")
    )
    mean, square = sums.sum(axis=0) / pixels, squares.sum(axis=0) / pixels
    std = np.sqrt(np.maximum(square - mean**2, 0))
    return tuple(mean.tolist()), tuple(std.tolist())


def name_classes(config: Config) -> Literal["polygons", "truth"] | None:
    """Where classes of the surface are known from."""
    if config.prepare.label.debris or config.prepare.label.debris_alone:
        return "polygons"
    return "truth" if config.ingest.chosen.knows_truth else None


def report_outcome(samples: SampleSet, folder: str) -> None:
    """Say what came of the months."""
    months = hold_months(samples.months)
    outcome = months.tally("status")
    rows = pc.sum(months.where("status", "ok", ("rows",)).table["rows"]).as_py() or 0
    others = "".join(f", {n} {what}" for what, n in outcome.items() if what != "ok")
    say(f"prepare: {rows} samples from {outcome['ok']} months{others}; in {folder}")
    reasons = months.tally("reason")
    snowy = sum(n for reason, n in reasons.items() if reason.startswith("seasonal_snow"))
    if snowy:
        say(
            f"prepare: {snowy} months left out for snow outside the outlines; "
            "prepare.label.max_snow_outside 1 keeps them"
        )
    for note, regions in list(samples.notes.items())[:MAX_NOTES]:
        say(f"prepare: {note}" + (f", in {regions} regions" if regions > 1 else ""))
    if len(samples.notes) > MAX_NOTES:
        say(f"prepare: and {len(samples.notes) - MAX_NOTES} more notes in its table of months")
    for reason, count in samples.failed.tally("reason").most_common(5):
        say(f"prepare: {count} failed: {reason}")
