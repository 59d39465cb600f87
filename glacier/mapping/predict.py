"""Models and images -> maps, image by image on workers of Ray Data that load each model once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray

from glacier import seals, store
from glacier.archive.records import MonthRecord
from glacier.checksums import checksum_all
from glacier.cluster import connect, count_cpus
from glacier.config import Config
from glacier.errors import DamagedError, GlacierError, StoreError, SweepError
from glacier.geo.raster_rows import open_landsat
from glacier.locks import hold, remove_dead
from glacier.mapping.assignment import ModelName, Part, assign_models, choose_encoders
from glacier.mapping.images import find_images, name_files
from glacier.mapping.maps import FORMAT, ITEM, RASTERS, MapRecord, UsedModel, map_address
from glacier.mapping.raster_map import LoadedModel, Models, Tally, map_raster
from glacier.mapping.stac_items import (
    MapSources,
    encode_map_item,
    is_catalogued,
    write_catalog,
)
from glacier.progress import Progress, say
from glacier.settings.identity import digest, identity
from glacier.settings.model import ADDRESS, RUNTIME_ONLY, Model
from glacier.settings.predict import Predict
from glacier.training.inference import Viewer, take_device
from glacier.training.model_files import load_model
from glacier.training.saved import SavedSweep, find_mapping_sweep

FILES = "files"
"""Region of images that are no months of the archive."""


class MapTask(Model):
    """An image, and what is known of it before it is mapped."""

    record: MapRecord
    """Without a map."""
    image: str = ""
    """Address of the raster; empty: there is none."""
    parts: tuple[Part, ...] = ()

    @property
    def models(self) -> set[tuple[str, int]]:
        """Encoder and fold of all models that it needs."""
        return {(name.encoder, name.fold) for part in self.parts for name in part.models}

    def is_done(self, found: MapRecord | None) -> bool:
        """Whether a record is what this would come to: of the same image and models, no failure."""
        if found is None or found.image_sha256 != self.record.image_sha256:
            return False
        if not self.image:
            return found == self.record
        return found.status != "failed" and self.models == {
            (used.encoder, used.fold) for used in found.models
        }


def run_predict(config: Config) -> int:
    """Map every month of the archive, or other images; returns failures past the allowed number.

    A month that the archive lacks has been counted by ``run_ingest``.

    Raises:
        ConfigError: There is no such encoder or image.
        StoreError: The sweep is not there, or maps cannot be written.
    """
    sweep = find_mapping_sweep(config)
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
    failed = sum(record.status == "failed" for record in records if record.image_sha256)
    return max(0, failed - config.predict.max_failed)


def maps_folder(config: Config, sweep: SavedSweep, encoders: Sequence[str]) -> str:
    """Address of a run's maps; it changes with the models and with how they are used."""
    key = digest(
        {
            "format": FORMAT,
            "models": sweep.places.models.rpartition("/")[2],
            "encoders": list(encoders),
            "settings": identity(config.predict, (RUNTIME_ONLY, ADDRESS)),
        }
    )
    return store.join(store.absolute(config.storage), "maps", f"{config.name}-{key[:8]}")


def list_tasks(config: Config, sweep: SavedSweep, encoders: Sequence[str]) -> list[MapTask]:
    """What there is to map.

    Raises:
        ConfigError: The file or the folder of other images is not there.
    """
    if config.predict.images is not None:
        parts = tuple(assign_models(sweep.result, encoders, None))
        files = find_images(config.predict.images)
        return [
            MapTask(record=begin_record(FILES, name, sha256), image=str(path), parts=parts)
            for (name, path), sha256 in zip(name_files(files), checksum_all(files), strict=True)
        ]
    return [
        plan_month(sweep, encoders, store.join(archive, f"{record.month}.tif"), record, config)
        for archive, records in sweep.archives.items()
        for record in records
    ]


def plan_month(
    sweep: SavedSweep, encoders: Sequence[str], image: str, month: MonthRecord, config: Config
) -> MapTask:
    """The task of a month of the archive; one without an image is recorded with its reason."""
    begun = begin_record(month.region, month.month, month.sha256).model_copy(
        update={"month": month.month, "scene_ids": month.scene_ids}
    )
    if month.status != "ok":
        kept = {"status": month.status, "reason": month.why, "image_sha256": ""}
        return MapTask(record=begun.model_copy(update=kept))
    frame = sweep.samples.regions.get(month.region)
    seen = (month.region, month.day, frame.shape) if frame else None  # a region that none knows
    try:
        parts = assign_models(sweep.result, encoders, seen, config.predict.folds)
    except SweepError as error:  # the other months have their models
        return MapTask(record=fail(begun, error))
    return MapTask(record=begun, image=image, parts=tuple(parts))


def begin_record(region: str, name: str, image_sha256: str) -> MapRecord:
    """What is known of an image before it is mapped: failed, unless it comes to something."""
    return MapRecord(region=region, name=name, status="failed", image_sha256=image_sha256)


def find_maps(folder: str, tasks: Sequence[MapTask], owned: bool) -> list[MapRecord | None]:
    """The record of each task that needs no more work.

    Args:
        folder: Of the maps.
        tasks: What is to be mapped.
        owned: This run alone works in the folder, so damaged files are said and set aside.
    """
    found = find_records(folder, tasks, owned)
    return [
        record if task.is_done(record) else None for task, record in zip(tasks, found, strict=True)
    ]


def find_records(
    folder: str, tasks: Sequence[MapTask], owned: bool = False
) -> list[MapRecord | None]:
    """What was last recorded of each task's image, failures too; None where nothing was.

    Args:
        folder: Of the maps.
        tasks: What is to be mapped.
        owned: As :func:`find_maps`.
    """

    def find(task: MapTask) -> MapRecord | None:
        address = map_address(folder, task.record.region, task.record.name)
        found = seals.read_whole(address, MapRecord, owned)
        is_same = found is not None and found.image_sha256 == task.record.image_sha256
        return found if is_same else None

    with ThreadPoolExecutor() as pool:
        return list(pool.map(find, tasks))


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
            seals.write_model(
                map_address(folder, task.record.region, task.record.name), task.record
            )
            made[task.record.region, task.record.name] = task.record
    images = [task for task in pending if task.image]
    if not images:
        return made
    with connect(config.cluster), Progress("predict", len(images)) as progress:
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


class MapWorker:
    """A worker that maps images one after the other and loads each model once."""

    def __init__(self, folder: str, models: str, settings: Predict) -> None:
        """Take the cores or the share of a GPU that Ray gives.

        Args:
            folder: Address of the maps.
            models: Address of the models' folder.
            settings: Of the maps.
        """
        self.folder, self.models, self.settings = folder, models, settings
        self.device = take_device(settings.cpus_per_worker, settings.gpus_per_worker)
        self.loaded: dict[ModelName, LoadedModel] = {}

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Map one image; an expected error becomes a failed record.

        Where a map cannot be written, that is said in the row: Ray Data would make pages of it.
        """
        task = MapTask.model_validate_json(row["task"])
        try:
            record, unwritten = self.map_image(task), ""
        except DamagedError as error:  # an earlier stage makes it again
            record, unwritten = fail(task.record, error), ""
        except StoreError as error:
            record, unwritten = fail(task.record, error), str(error)
        except GlacierError as error:
            record, unwritten = self.write_record(fail(task.record, error)), ""
        return {"record": record.model_dump_json(), "unwritten": unwritten}

    def map_image(self, task: MapTask) -> MapRecord:
        """Write the rasters of an image, then the record that vouches for them.

        Raises:
            GlacierError: The image or a model cannot be used, or the map not be kept.
        """
        models = {name: self.load(name) for part in task.parts for name in part.models}
        wanted = {b for model in models.values() for b in model.card.image.landsat_bands}
        sha256 = task.record.image_sha256
        with TemporaryDirectory() as scratch, store.local_copy(task.image, sha256) as path:
            files = Path(scratch, "probability.tif"), Path(scratch, "class.tif")
            with open_landsat(path, wanted, self.settings.bands) as image:
                tally = map_raster(image, task.parts, models, files)
                record = conclude(task.record, tally, models).model_copy(
                    update={"grid": image.grid}
                )
            return self.write(record, files, task.image)

    def load(self, name: ModelName) -> LoadedModel:
        """A model, loaded once."""
        if name not in self.loaded:
            model, card = load_model(store.join(self.models, name.encoder, f"fold-{name.fold}"))
            self.loaded[name] = LoadedModel(Viewer.of(model.to(self.device), card.inference), card)
        return self.loaded[name]

    def write(self, record: MapRecord, files: Iterable[Path], image: str) -> MapRecord:
        """Put the rasters where they belong, their item, then the record that vouches for all.

        Returns:
            The record as it was written.
        """
        place = store.join(self.folder, record.region)
        rasters = dict(zip((f"{record.name}{end}" for end in RASTERS), files, strict=True))
        sizes = {name: file.stat().st_size for name, file in rasters.items()}
        kept = {n: store.write_file(store.join(place, n), file) for n, file in rasters.items()}
        record = record.model_copy(update={"files": kept})
        item = encode_map_item(record, place, MapSources(self.models, image), sizes)
        name = f"{record.name}{ITEM}"
        kept = {**kept, name: store.write_bytes(store.join(place, name), item)}
        return self.write_record(record.model_copy(update={"files": kept}))

    def write_record(self, record: MapRecord) -> MapRecord:
        """Say what became of an image; returns that."""
        seals.write_model(map_address(self.folder, record.region, record.name), record)
        return record


def conclude(record: MapRecord, tally: Tally, models: Models) -> MapRecord:
    """The record of an image that was mapped."""
    used = tuple(
        UsedModel(
            encoder=name.encoder,
            fold=name.fold,
            sha256=model.card.sha256,
            threshold=model.card.threshold,
            glacier_px=tally.by_model.get(name, (0, 0))[0],
            asked_px=tally.by_model.get(name, (0, 0))[1],
        )
        for name, model in models.items()
    )
    facts = {"status": "ok", "models": used, "pixels": tally.pixels}
    return record.model_copy(update=facts | {"probability": tally.mean_probability})


def fail(record: MapRecord, error: GlacierError) -> MapRecord:
    """The record of an image that could not be mapped."""
    return record.model_copy(update={"reason": f"{type(error).__name__}: {error}"})


def report_outcome(records: Sequence[MapRecord], folder: str) -> None:
    """Say what came of the images, and where the maps lie."""
    outcome = Counter(record.status for record in records)
    others = "".join(f", {outcome[kind]} {kind}" for kind in ("empty", "failed") if outcome[kind])
    say(f"predict: {outcome['ok']} maps{others}; in {folder}")
    reasons = Counter(record.reason for record in records if record.status == "failed")
    for reason, count in reasons.most_common(5):
        say(f"predict: {count} failed: {reason}")
