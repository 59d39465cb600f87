"""Archive -> samples: images and labels in Parquet, made month by month with Ray Data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from typing import Any, Literal

import cv2
import numpy as np
import ray

from glacier import seals, store
from glacier.archive.contents import read_records
from glacier.archive.records import MonthRecord
from glacier.cluster import connect, count_cpus
from glacier.config import Config
from glacier.errors import DamagedError, StoreError
from glacier.locks import hold, remove_dead
from glacier.progress import Progress, say
from glacier.samples.image import ImageRecipe
from glacier.samples.month import MonthTask, extra_bands, prepare_month
from glacier.samples.rows import PreparedMonth
from glacier.samples.sample_set import (
    BandSums,
    Frame,
    SampleMonth,
    SampleSet,
    samples_folder,
    set_address,
)
from glacier.settings.prepare import Prepare

MAX_NOTES = 8
"""Notes on outlines that the end of a run names; it counts the others."""


def run_prepare(config: Config) -> int:
    """Make the samples of a run; returns how many months failed past the allowed number.

    A month that the archive lacks has been counted by ``run_ingest``.
    """
    archives = read_records(config)
    folder = samples_folder(config, archives)
    tasks = [
        MonthTask(record, archive, folder, config.prepare)
        for archive, records in archives.items()
        for record in records
    ]
    made, pending = find_prepared(config, tasks, owned=False)
    samples = None if pending else describe_set(config, [made[task.address] for task in tasks])
    if samples and is_described(folder, samples, owned=False):
        remove_dead(config, folder)
    else:
        with hold(config, folder):
            # Another run may have made some by now.
            made, pending = find_prepared(config, tasks, owned=True)
            made |= prepare_months(config, pending) if pending else {}
            samples = describe_set(config, [made[task.address] for task in tasks])
            if not is_described(folder, samples, owned=True):
                seals.write_model(set_address(folder), samples)
    report_outcome(samples, folder)
    lacking = sum(task.record.status == "failed" for task in tasks)
    return max(0, len(samples.failed) - lacking - config.prepare.max_failed)


def find_prepared(
    config: Config, tasks: Sequence[MonthTask], owned: bool
) -> tuple[dict[str, SampleMonth], list[MonthTask]]:
    """What became of the months that are prepared, by address, and those that need work.

    A month needs work, too, where no month has quick looks though they are wanted.

    Args:
        config: The run.
        tasks: The months.
        owned: This run alone works in their folder, so damaged files are said and set aside.
    """

    def read(task: MonthTask) -> PreparedMonth | None:
        return seals.read_whole(task.address, PreparedMonth, owned)

    with ThreadPoolExecutor() as pool:
        found = list(pool.map(read, tasks))
    done = {
        task.address: month
        for task, month in zip(tasks, found, strict=True)
        if month and month.month.status != "failed"
    }
    bare = config.prepare.quick_looks and not any(len(month.files) > 1 for month in done.values())
    pending = [t for t in tasks if t.address not in done or (bare and t.record.status == "ok")]
    return {address: prepared.month for address, prepared in done.items()}, pending


def is_described(folder: str, samples: SampleSet, owned: bool) -> bool:
    """Whether the description of a set is there.

    Args:
        folder: Where the samples lie.
        samples: What the description has to say.
        owned: This run alone works in the folder, so a damaged one is said and set aside.
    """
    address = set_address(folder)
    try:
        return store.exists(address) and seals.read_model(address, SampleSet) == samples
    except DamagedError as error:
        if owned:
            seals.set_aside(error)
        return False


def prepare_months(config: Config, pending: list[MonthTask]) -> dict[str, SampleMonth]:
    """Run the months through Ray Data; only descriptions come back, never pixels.

    Returns:
        Address of a month's file to what became of it.

    Raises:
        DamagedError: Files of the archive are damaged; the other months are done.
        StoreError: Samples cannot be written.
    """
    made = {}
    with connect(config.cluster), Progress("prepare", len(pending)) as progress:
        blocks = min(len(pending), max(64, 4 * count_cpus()))  # a cluster may grow later
        items = [{"record": json.dumps(asdict(t.record)), "archive": t.archive} for t in pending]
        plan = ray.data.from_items(items, override_num_blocks=blocks).map(
            partial(prepare_row, folder=pending[0].samples, settings=config.prepare), num_cpus=1
        )
        for row in plan.iter_rows():
            if row["unwritten"]:
                raise StoreError(row["unwritten"])
            month = SampleMonth.model_validate_json(row["month"])
            made[row["address"]] = month
            progress.advance(f"{month.region} {month.month:%Y-%m} {month.status}")
    if damaged := [m.reason for m in made.values() if m.reason.startswith(DamagedError.__name__)]:
        raise DamagedError(damaged[0].partition(": ")[2])
    return made


def prepare_row(row: dict[str, Any], folder: str, settings: Prepare) -> dict[str, Any]:
    """One row of the Ray Data plan: a month's record in, what became of it out.

    Where samples cannot be written, that is said in the row: Ray Data would make pages of it.
    """
    cv2.setNumThreads(1)  # a task has one core
    record = MonthRecord.from_dict(json.loads(row["record"]))
    task = MonthTask(record, row["archive"], folder, settings)
    try:
        made, unwritten = prepare_month(task).model_dump_json(), ""
    except StoreError as error:
        made, unwritten = "", str(error)
    return {"address": task.address, "month": made, "unwritten": unwritten}


def describe_set(config: Config, months: Sequence[SampleMonth]) -> SampleSet:
    """Description of a complete set, from those of its months."""
    settings = config.prepare
    mean, std = pool_statistics([m.band_sums for m in months if m.band_sums], len(settings.image))
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
        regions={m.region: Frame(grid=m.grid, shape=m.shape) for m in months if m.grid and m.shape},
        months=tuple(months),
    )


def pool_statistics(
    found: Sequence[BandSums], bands: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each of B bands over the seen pixels of all months."""
    pixels = max(1, sum(month.pixels for month in found))
    mean = np.array([month.sums for month in found]).reshape(-1, bands).sum(axis=0) / pixels
    square = np.array([month.squares for month in found]).reshape(-1, bands).sum(axis=0) / pixels
    std = np.sqrt(np.maximum(square - mean**2, 0))
    return tuple(mean.tolist()), tuple(std.tolist())


def name_classes(config: Config) -> Literal["polygons", "truth"] | None:
    """Where classes of the surface are known from."""
    if config.prepare.label.debris:
        return "polygons"
    return "truth" if config.ingest.chosen.knows_truth else None


def report_outcome(samples: SampleSet, folder: str) -> None:
    """Say what came of the months."""
    outcome = Counter(month.status for month in samples.months)
    rows = sum(month.rows for month in samples.usable)
    others = "".join(f", {n} {what}" for what, n in outcome.items() if what != "ok")
    say(f"prepare: {rows} samples from {outcome['ok']} months{others}; in {folder}")
    snowy = sum(month.reason.startswith("seasonal_snow") for month in samples.months)
    if snowy:
        say(
            f"prepare: {snowy} months left out for snow outside the outlines; "
            "prepare.label.max_snow_outside 1 keeps them"
        )
    for note, regions in list(samples.notes.items())[:MAX_NOTES]:
        say(f"prepare: {note}" + (f", in {regions} regions" if regions > 1 else ""))
    if len(samples.notes) > MAX_NOTES:
        say(f"prepare: and {len(samples.notes) - MAX_NOTES} more notes in its summary.json")
    reasons = Counter(month.reason for month in samples.failed)
    for reason, count in reasons.most_common(5):
        say(f"prepare: {count} failed: {reason}")
