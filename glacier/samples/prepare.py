"""Archive -> samples: images and labels in Parquet, made month by month with Ray Data."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import ray

from glacier import store
from glacier.archive.records import MonthRecord, read_records
from glacier.cluster import connect, count_cpus
from glacier.config import Config, Prepare
from glacier.progress import Progress, say
from glacier.samples import dataset
from glacier.samples.dataset import samples_folder
from glacier.samples.month import MonthTask, extra_bands, key_of, part_of, prepare_month


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
    summary_address = store.join(folder, "summary.json")
    if not store.exists(summary_address) or count_failed(dataset.read_summary(folder)):
        pending = [task for task in tasks if not is_prepared(task)]
        parts = prepare_months(config, pending) if pending else {}
        done = [parts.get(key_of(task)) or read_part(task) for task in tasks]
        store.write_json(summary_address, summarise(config, done))
    report_outcome(folder)
    lacking = sum(task.record.status == "failed" for task in tasks)
    failed = count_failed(dataset.read_summary(folder)) - lacking
    return max(0, failed - config.prepare.max_failed)


def is_prepared(task: MonthTask) -> bool:
    """Whether a month's rows are there and did not fail."""
    return store.exists(part_of(task)) and read_part(task)["status"] != "failed"


def read_part(task: MonthTask) -> dict[str, Any]:
    """What the summary needs of a part that is there."""
    data = store.read_bytes(part_of(task))
    return dataset.read_facts(part_of(task)) | {"sha256": store.checksum(data)}


def prepare_months(
    config: Config, pending: list[MonthTask]
) -> dict[tuple[str, str], dict[str, Any]]:
    """Run the months through Ray Data; only facts come back, never pixels."""
    parts = {}
    with connect(config.cluster), Progress("prepare", len(pending)) as progress:
        blocks = min(len(pending), max(64, 4 * count_cpus()))  # a cluster may grow later
        items = [{"record": json.dumps(asdict(t.record)), "archive": t.archive} for t in pending]
        plan = ray.data.from_items(items, override_num_blocks=blocks).map(
            partial(prepare_row, folder=pending[0].samples, settings=config.prepare), num_cpus=1
        )
        for row in plan.iter_rows():
            facts = json.loads(row["facts"])
            parts[facts["region"], facts["month"][:7]] = facts
            progress.advance(f"{facts['region']} {facts['month'][:7]} {facts['status']}")
    return parts


def prepare_row(row: dict[str, Any], folder: str, settings: Prepare) -> dict[str, Any]:
    """One row of the Ray Data plan: a month's record in, the facts of its part out."""
    record = MonthRecord.from_dict(json.loads(row["record"]))
    return {"facts": json.dumps(prepare_month(MonthTask(record, row["archive"], folder, settings)))}


def summarise(config: Config, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Description of a complete set, from the facts of its parts."""
    settings = config.prepare
    good = [part for part in parts if part["status"] == "ok"]
    pixels = max(1, sum(part["pixels"] for part in good))
    mean, square = (
        np.array([part[name] for part in good]).reshape(-1, len(settings.image)).sum(axis=0)
        / pixels
        for name in ("sum", "sum_squares")
    )
    kept = (
        "region", "month", "status", "reason", "rows", "sha256", "label_pixels", "snow_outside",
        "clipped",
    )  # fmt: skip
    return {
        "schema": 1,
        "bands": list(settings.image),
        "extra_bands": list(extra_bands(settings)),
        "size_px": settings.size_px,
        "classes": name_classes(config),
        "layout": settings.layout,
        "resize": [settings.size_px] * 2 if settings.layout == "resize" else None,
        "blocks": list(settings.blocks),
        "scale": settings.scale,
        "range": list(settings.reflectance_range),
        "fill": 0.0 if settings.label.unseen == "background" else "mean",
        "mean": mean.tolist(),
        "std": np.sqrt(np.maximum(square - mean**2, 0)).tolist(),
        "label": settings.label.model_dump(mode="json"),
        "regions": {
            part["region"]: {"grid": part["grid"], "shape": part["shape"]} for part in good
        },
        "parts": [{name: part.get(name) for name in kept} for part in parts],
    }


def name_classes(config: Config) -> str | None:
    """Where classes of the surface are known from: ``polygons``, ``truth``, or None."""
    if config.prepare.label.debris:
        return "polygons"
    return "truth" if config.ingest.source == "synthetic" else None


def count_failed(summary: dict[str, Any]) -> int:
    """Months of a set that failed."""
    return sum(part["status"] == "failed" for part in summary["parts"])


def report_outcome(folder: str) -> None:
    """Say what came of the months."""
    parts = dataset.read_summary(folder)["parts"]
    outcome = Counter(part["status"] for part in parts)
    rows = sum(part["rows"] for part in parts if part["status"] == "ok")
    others = "".join(f", {n} {what}" for what, n in outcome.items() if what != "ok")
    say(f"prepare: {rows} samples from {outcome['ok']} months{others}; in {folder}")
    snowy = sum(part["reason"].startswith("seasonal_snow") for part in parts)
    if snowy:
        say(
            f"prepare: {snowy} months left out for snow outside the outlines; "
            "prepare.label.max_snow_outside 1 keeps them"
        )
    reasons = Counter(part["reason"] for part in parts if part["status"] == "failed")
    for reason, count in reasons.most_common(5):
        say(f"prepare: {count} failed: {reason}")
