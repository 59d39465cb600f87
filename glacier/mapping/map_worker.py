"""A worker of Ray Data: an image after the other becomes a map, each model is loaded once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from glacier import seals, store
from glacier.errors import DamagedError, GlacierError, StoreError
from glacier.mapping.answers import LoadedModel
from glacier.mapping.assignment import ModelName
from glacier.mapping.image_map import map_file
from glacier.mapping.map_plan import MapTask, fail
from glacier.mapping.maps import ITEM, RASTERS, MapRecord, map_address
from glacier.mapping.stac_items import MapSources, encode_map_item
from glacier.scratch import open_scratch
from glacier.settings.predict import Predict
from glacier.training.inference import take_device
from glacier.training.model_files import load_viewer


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
        sha256 = task.record.image_sha256
        with open_scratch() as scratch, store.local_copy(task.image, sha256) as path:
            files = scratch / "probability.tif", scratch / "class.tif"
            record = map_file(task, path, models, self.settings, files)
            return self.write(record, files, task.image)

    def load(self, name: ModelName) -> LoadedModel:
        """A model, loaded once."""
        if name not in self.loaded:
            folder = store.join(self.models, name.encoder, f"fold-{name.fold}")
            self.loaded[name] = LoadedModel(*load_viewer(folder, self.device))
        return self.loaded[name]

    def write(self, record: MapRecord, files: Iterable[Path], image: str) -> MapRecord:
        """Put the rasters where they belong, their item, then the record that vouches for all.

        Returns:
            The record as it was written.
        """
        place = store.join(self.folder, record.region)
        rasters = dict(zip((f"{record.name}{end}" for end in RASTERS), files, strict=True))
        sizes = {name: file.stat().st_size for name, file in rasters.items()}
        seals.withdraw(map_address(self.folder, record.region, record.name))
        kept = {n: store.write_file(store.join(place, n), file) for n, file in rasters.items()}
        record = record.model_copy(update={"files": kept})
        item = encode_map_item(record, place, MapSources(self.models, image), sizes)
        name = f"{record.name}{ITEM}"
        kept = {**kept, name: store.write_bytes(store.join(place, name), item)}
        return self.write_record(record.model_copy(update={"files": kept}))

    def write_record(self, record: MapRecord) -> MapRecord:
        """Say what became of an image, of which no other map stays; returns that."""
        seals.vouch(map_address(self.folder, record.region, record.name), record)
        return record
