"""A map of a run -> the subject of its explanation: its image, its place, its models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from glacier import seals, store
from glacier.config import Config
from glacier.errors import ConfigError
from glacier.explaining.explanation import PlaceFacts
from glacier.explaining.region_worth import ImageTask
from glacier.explaining.subject import Network, Subject
from glacier.geo.frames import locate_point
from glacier.geo.raster import Grid
from glacier.geo.raster_rows import open_landsat
from glacier.mapping.answers import LoadedModel
from glacier.mapping.assignment import ModelName, assign_models, choose_encoders
from glacier.mapping.image_map import list_bands
from glacier.mapping.map_plan import MapTask, list_tasks
from glacier.mapping.raster_map import check_models, resize_image
from glacier.samples.image import make_image
from glacier.samples.sample_set import SampleMonth
from glacier.settings.explain import Explain
from glacier.training.inference import Viewer, take_device
from glacier.training.model_card import ModelCard, card_address
from glacier.training.model_files import load_model
from glacier.training.saved import SavedSweep
from glacier.wording import nearest, shorten_list


class Shelf:
    """Models of a sweep, each loaded once."""

    def __init__(self, models: str, cpus: int, gpus: float) -> None:
        """Begin with none.

        Args:
            models: Address of the models' folder.
            cpus: Cores that they have.
            gpus: Share of a GPU that they have; 0: cores alone.
        """
        self.models, self.device = models, take_device(cpus, gpus)
        self.loaded: dict[ModelName, Network] = {}

    def take(self, names: Iterator[ModelName] | set[ModelName]) -> dict[ModelName, Network]:
        """Some models by name.

        Raises:
            StoreError, WeightsError: One cannot be read.
        """
        for name in names:
            if name not in self.loaded:
                module, card = load_model(self.address(name))
                module = module.to(self.device)
                self.loaded[name] = Network(Viewer.of(module, card.inference), card, module)
        return {name: self.loaded[name] for name in sorted(names, key=str)}

    def address(self, name: ModelName) -> str:
        """Folder of a model."""
        return store.join(self.models, name.encoder, f"fold-{name.fold}")

    def read_checksum(self, name: ModelName) -> str:
        """That of a model's weights."""
        return seals.read_model(card_address(self.address(name)), ModelCard).sha256


@dataclass(frozen=True)
class OpenMap:
    """A map that can be explained."""

    task: MapTask
    subject: Subject
    classes: NDArray[np.uint8] | None
    """(H, W) codes of ``labels.Surface``; None: unknown."""
    facts: PlaceFacts


def choose_map(config: Config, sweep: SavedSweep) -> MapTask:
    """The map that the settings ask for.

    Raises:
        ConfigError: There is no such region or month, or no image of it.
    """
    settings, encoders = config.explain, choose_encoders(sweep.result, config.predict)[0]
    tasks = [task for task in list_tasks(config, sweep, encoders) if task.image]
    region = settings.region or config.regions[0].name
    own = {task.record.name: task for task in tasks if task.record.region == region}
    if not own:
        there = sorted({task.record.region for task in tasks})
        raise ConfigError(
            f"explain.region = {region!r}: no image of it is mapped{nearest(region, there)}"
        )
    if settings.month is None:
        return own[find_clearest(sweep, region, set(own))]
    if settings.month not in own:
        raise ConfigError(
            f"explain.month = {settings.month!r}: {region} has no image of it; there are "
            f"{shorten_list(sorted(own), 5)}"
        )
    return own[settings.month]


def find_clearest(sweep: SavedSweep, region: str, months: set[str]) -> str:
    """The month of which most was seen; of equals the last."""
    shares = {
        record.month: record.valid_share
        for record in sweep.records
        if record.region == region and record.month in months
    }
    return max(shares, key=lambda month: (shares[month], month))


def open_map(config: Config, sweep: SavedSweep, task: MapTask, shelf: Shelf) -> OpenMap:
    """Read the image of a map, and load its models.

    Raises:
        ConfigError: Nothing was seen of the place, or it lies elsewhere.
        RasterError: The image is none that the models can map.
        StoreError, WeightsError: A file cannot be read.
    """
    networks = shelf.take({name for part in task.parts for name in part.models})
    loaded = {name: LoadedModel(each.viewer, each.card) for name, each in networks.items()}
    with (
        store.local_copy(task.image, task.record.image_sha256) as path,
        open_landsat(path, list_bands(loaded)) as source,
    ):
        card = check_models(list(loaded.values()), source)
        image, grid = make_image(source.read(0, source.grid.height), card.image), source.grid
    if card.resize:
        image = resize_image(image, card)
    shape = image.shape[1:]
    area_km2 = grid.pixel_km2 * grid.height * grid.width / (shape[0] * shape[1])
    place = find_place(config.explain, grid, (shape[0], shape[1]))
    subject = Subject.of(image, place, task.parts, networks, area_km2)
    if not subject.wanted.any():
        raise ConfigError(
            f"explain.point = {config.explain.point}: nothing was seen there in "
            f"{task.record.name}; give another point, month, or a larger explain.side_m"
        )
    facts = PlaceFacts(
        region=task.record.region,
        month=task.record.name,
        point=config.explain.point,
        side_m=config.explain.side_m if config.explain.point else None,
        shape=(shape[0], shape[1]),
        pixel_km2=area_km2,
        seen_px=int(subject.wanted.sum()),
    )
    return OpenMap(task, subject, find_classes(sweep, task, subject), facts)


def find_place(settings: Explain, grid: Grid, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels of the place: (H, W) bool, as networks see the image.

    Raises:
        ConfigError: The point lies elsewhere.
    """
    place = np.ones(shape, bool)
    if settings.point is None:
        return place
    row, col = locate_point(grid, *settings.point)
    if not (0 <= row < grid.height and 0 <= col < grid.width):
        raise ConfigError(
            f"explain.point = {settings.point}: it lies outside of the region's frame; give "
            "longitude, then latitude, in degrees"
        )
    half = settings.side_m / grid.pixel_m / 2
    for axis, (middle, length, own) in enumerate(zip((row, col), grid.shape, shape, strict=True)):
        middles = (np.arange(own) + 0.5) * length / own
        near = np.abs(middles - middle) <= max(half, length / own / 2)
        place &= near[:, None] if axis == 0 else near
    return place


def find_classes(sweep: SavedSweep, task: MapTask, subject: Subject) -> NDArray[np.uint8] | None:
    """Surfaces of the image, where the samples know them: (H, W) codes, as wide as it."""
    month = date.fromisoformat(f"{task.record.name}-01")
    key = find_keys(sweep, task.record.region).get(month)
    if key is None:
        return None
    (image,) = sweep.read_images({key.key})
    if image.surface is None:
        return None
    margin = [(0, a - b) for a, b in zip(subject.wanted.shape, image.surface.shape, strict=True)]
    return np.pad(image.surface, margin)


def find_keys(sweep: SavedSweep, region: str) -> dict[date, SampleMonth]:
    """The months of a region with samples."""
    return {month.month: month for month in sweep.samples.usable if month.region == region}


def read_tested(
    config: Config, sweep: SavedSweep, region: str, shelf: Shelf
) -> Iterator[ImageTask]:
    """Some images of a region, each with the models that never saw what is tested of it.

    Raises:
        StoreError, WeightsError: A file cannot be read.
    """
    encoders = choose_encoders(sweep.result, config.predict)[0]
    there = list(find_keys(sweep, region).values())
    spread = np.linspace(0, len(there) - 1, min(config.explain.images, len(there))).round()
    wanted = {there[int(at)].key for at in spread}
    for image in sweep.read_images(wanted):
        mask = np.zeros(image.label.shape, bool)
        for split in sweep.result.splits:
            mask |= sweep.test_mask(image, split.fold)
        if mask.any():
            seen = image.region, image.month, image.label.shape
            parts = assign_models(sweep.result, encoders, seen)
            networks = shelf.take({name for part in parts for name in part.models})
            subject = Subject.of(image.image, mask, parts, networks, 1.0)
            yield ImageTask(image.key, subject, image.label)
