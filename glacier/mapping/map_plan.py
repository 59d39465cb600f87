"""What a run maps: its images, the models of each, and what is there of it. No Ray in here."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from glacier import seals, store
from glacier.archive.records import MonthRecord
from glacier.checksums import checksum_all
from glacier.config import Config
from glacier.errors import GlacierError, SweepError
from glacier.mapping.assignment import Part, assign_models
from glacier.mapping.images import find_images, name_files
from glacier.mapping.maps import FORMAT, MapRecord, map_address
from glacier.settings.identity import digest, identity
from glacier.settings.model import ADDRESS, RUNTIME_ONLY, Model
from glacier.training.saved import SavedSweep

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


def take_months(config: Config) -> Config:
    """The run as it maps the months of its archive, whatever other images it also maps."""
    settings = config.predict.model_copy(update={"images": None, "bands": None, "resample": False})
    return config.model_copy(update={"predict": settings})


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
    """What there is to map; regions that are made up beside the observed ones are not.

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
        if record.region not in config.ingest.synthetic_regions
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


def fail(record: MapRecord, error: GlacierError) -> MapRecord:
    """The record of an image that could not be mapped."""
    return record.model_copy(update={"reason": f"{type(error).__name__}: {error}"})


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
