"""Models and images -> maps, image by image on workers of Ray Data that load each model once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import ray

from glacier import seals
from glacier.cluster import connect, count_cpus
from glacier.config import Config
from glacier.errors import DamagedError, StoreError
from glacier.locks import hold, remove_dead
from glacier.mapping.added_months import find_grown_sweep
from glacier.mapping.assignment import choose_encoders
from glacier.mapping.map_plan import MapTask, find_maps, list_tasks, maps_folder
from glacier.mapping.map_worker import MapWorker
from glacier.mapping.maps import MapRecord, map_address
from glacier.mapping.stac_items import is_catalogued, write_catalog
from glacier.progress import Progress, say
from glacier.settings.predict import Predict
from glacier.training.saved import SavedSweep
from glacier.wording import shorten_list

SHOWN = 5
"""Images that a message names; it counts the others."""


def run_predict(config: Config) -> int:
    """Map every month of the archive, or other images; returns failures past the allowed number.

    A month that the archive lacks has been counted by ``run_ingest``.

    Raises:
        ConfigError: There is no such encoder or image.
        StoreError: The sweep is not there, or maps cannot be written.
    """
    records = map_images(config, find_grown_sweep(config))
    failed = sum(record.status == "failed" for record in records if record.image_sha256)
    return max(0, failed - config.predict.max_failed)


def map_images(config: Config, sweep: SavedSweep) -> list[MapRecord]:
    """Map what a run has to map and has not mapped yet; returns what became of each image.

    Raises:
        ConfigError: There is no such encoder or image.
        StoreError: Maps cannot be written.
    """
    encoders, why = choose_encoders(sweep.result, config.predict)
    folder = maps_folder(config, sweep, encoders)
    tasks = list_tasks(config, sweep, encoders)
    done = find_maps(folder, tasks, owned=False)
    if all(record is not None for record in done) and is_catalogued(folder):
        remove_dead(config, folder)
    else:
        with hold(config, folder):
            done = find_maps(folder, tasks, owned=True)  # another run may have made some by now
            pending = [task for task, record in zip(tasks, done, strict=True) if record is None]
            who = f"the mean of {', '.join(encoders)}" if len(encoders) > 1 else encoders[0]
            say(f"predict: {who} maps, {why}")
            made = make_maps(config, sweep, folder, pending) if pending else {}
            write_catalog(folder)
            done = [
                record or made[task.record.region, task.record.name]
                for task, record in zip(tasks, done, strict=True)
            ]
    records = [record for record in done if record is not None]
    report_outcome(records, folder)
    return records


def make_maps(
    config: Config, sweep: SavedSweep, folder: str, pending: Sequence[MapTask]
) -> dict[tuple[str, str], MapRecord]:
    """Run images through workers of Ray Data; only records come back, never pixels.

    Returns:
        Region and name to what became of the image.

    Raises:
        DamagedError: Files of the archive are damaged; the other images are done.
        StoreError: Maps cannot be written.
    """
    made = {}
    for task in pending:
        if not task.image:
            seals.vouch(map_address(folder, task.record.region, task.record.name), task.record)
            made[task.record.region, task.record.name] = task.record
    images = [task for task in pending if task.image]
    if not images:
        return made
    with (
        connect(config.cluster, storage=config.storage),
        Progress("predict", len(images)) as progress,
    ):
        size = count_workers(config.predict, len(images))
        rows = [{"task": task.model_dump_json()} for task in images]
        plan = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
            MapWorker,  # type: ignore[arg-type]  # Ray's stub forgets classes
            fn_constructor_args=(folder, sweep.places.models, config.predict),
            compute=ray.data.ActorPoolStrategy(size=size),
            num_cpus=config.predict.cpus_per_worker,
            num_gpus=config.predict.gpus_per_worker,
        )
        for row in plan.iter_rows():
            if row["unwritten"]:
                raise StoreError(row["unwritten"])
            record = MapRecord.model_validate_json(row["record"])
            made[record.region, record.name] = record
            progress.advance(f"{record.region} {record.name} {record.status} {record.reason}")
    if damaged := [r.reason for r in made.values() if r.reason.startswith(DamagedError.__name__)]:
        raise DamagedError(damaged[0].partition(": ")[2])
    return made


def count_workers(settings: Predict, images: int) -> int:
    """Workers side by side: as many as there are images and cores, or as the settings say."""
    fitting = max(1, count_cpus() // settings.cpus_per_worker)
    return min(images, settings.workers or fitting)


def report_outcome(records: Sequence[MapRecord], folder: str) -> None:
    """Say what came of the images, and where the maps lie."""
    outcome = Counter(record.status for record in records)
    others = "".join(f", {outcome[kind]} {kind}" for kind in ("empty", "failed") if outcome[kind])
    say(f"predict: {outcome['ok']} maps{others}; in {folder}")
    if resampled := [record for record in records if record.seen_pixel_m is not None]:
        names = shorten_list([describe_resampling(record) for record in resampled], SHOWN)
        say(f"predict: resampled for the models, and their maps brought back: {names}")
    reasons = Counter(record.reason for record in records if record.status == "failed")
    for reason, count in reasons.most_common(5):
        say(f"predict: {count} failed: {reason}")


def describe_resampling(record: MapRecord) -> str:
    """An image that was resampled, and to which pixels: ``scene (10 to 30 m)``."""
    assert record.grid is not None
    return f"{record.name} ({record.grid.pixel_m:g} to {record.seen_pixel_m:g} m)"
