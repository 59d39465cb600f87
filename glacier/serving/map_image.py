"""One image and a loaded model -> the files of an answer, by the very steps of a run's own maps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import perf_counter

import numpy as np

from glacier import store
from glacier.errors import RasterError, WeightsError
from glacier.geo.footprints import find_footprint
from glacier.geo.map_strips import read_class_strips
from glacier.geo.outline_json import UNDATED, encode_outlines
from glacier.geo.raster import Grid, encode_cog
from glacier.geo.raster_rows import open_landsat
from glacier.mapping.answers import LoadedModel, Models
from glacier.mapping.area import MapArea, StackedRows, measure_areas
from glacier.mapping.assignment import Part
from glacier.mapping.image_map import list_bands, map_file
from glacier.mapping.map_plan import FILES, MapTask, begin_record
from glacier.mapping.maps import MapRecord
from glacier.mapping.outlines import OutlineFacts, OutlineOptions, outline_map
from glacier.mapping.region_series import member_areas
from glacier.mapping.uncertainty import judge_area
from glacier.scratch import open_scratch
from glacier.serving.answer import CLASSES, OUTLINES, PROBABILITY, Answer
from glacier.serving.served_models import Candidate, digest_weights
from glacier.training.inference import take_device
from glacier.training.model_files import load_viewer

NAME = "image"
"""What the record of a map calls it; nobody sees it."""

NO_DAY = date(1970, 1, 1)
"""Stands for the month of an image of which nobody says when it was taken; it is not written."""

WARM_PX, WARM_NUMBER = 64, 20_000
"""Side of the image that a model is tried on, and Landsat's number of all of its pixels."""


@dataclass(frozen=True)
class LoadedCandidate:
    """A model that is ready to answer."""

    candidate: Candidate
    models: Models


def load_candidate(candidate: Candidate) -> LoadedCandidate:
    """Load the networks of a model, and take the cores or the share of a GPU that it is given.

    Raises:
        StoreError: A file is missing or damaged.
        WeightsError: The networks are others than those that the model was described by.
        TrainingError: The GPU that was given cannot be used.
    """
    settings = candidate.predict
    device = take_device(settings.cpus_per_worker, settings.gpus_per_worker)
    models = {}
    for name in candidate.names:
        place = store.join(candidate.folder, name.encoder, f"fold-{name.fold}")
        models[name] = LoadedModel(*load_viewer(place, device))
    if digest_weights(model.card for model in models.values()) != candidate.served.sha256:
        raise WeightsError(
            f"the networks in {candidate.folder} have changed since the model was listed: ask for "
            "it again"
        )
    return LoadedCandidate(candidate, models)


def warm_up(loaded: LoadedCandidate) -> None:
    """Map a small image, so that a model that cannot answer is found before anybody asks.

    Raises:
        RasterError, WeightsError: It cannot.
    """
    card = next(iter(loaded.models.values())).card
    shape = card.resize or (WARM_PX, WARM_PX)
    grid = Grid("EPSG:32633", 500_000, 5_000_000, card.pixel_m[0], *shape)
    bands = {name: np.full(shape, WARM_NUMBER, np.uint16) for name in list_bands(loaded.models)}
    predict = loaded.candidate.predict.model_copy(update={"bands": None})
    candidate = loaded.candidate.model_copy(update={"predict": predict})
    with open_scratch() as folder:
        image = folder / "warm.tif"
        image.write_bytes(encode_cog(bands, grid, {}))
        map_image(LoadedCandidate(candidate, loaded.models), image, folder, shape[0] * shape[1])


def map_image(loaded: LoadedCandidate, image: Path, folder: Path, most_px: int) -> Answer:
    """Map a file that anybody may have made.

    Args:
        loaded: The model.
        image: Local path.
        folder: For the files of the answer, named as in ``answer.FILES``.
        most_px: Largest height x width that is mapped.

    Raises:
        RasterError: It is no image that the model can map, or too large.
    """
    begun = perf_counter()
    candidate = loaded.candidate
    check_pixels(image, loaded, most_px)
    files = folder / PROBABILITY, folder / CLASSES
    part = Part(rectangles=None, models=candidate.names)
    task = MapTask(record=begin_record(FILES, NAME, ""), image=str(image), parts=(part,))
    record = map_file(task, image, loaded.models, candidate.predict, files)
    grid, pixels = record.grid, record.pixels
    assert grid is not None and pixels is not None  # it has a map
    if pixels.unseen == grid.height * grid.width:
        raise RasterError(
            f"{image} shows nothing: each of its pixels is hidden, or 0, in one of the bands "
            f"{', '.join(candidate.served.bands)}; give an image of the ground"
        )
    footprint = find_footprint(grid)
    if footprint is None:
        raise RasterError(f"{image} lies nowhere on the Earth: mend its CRS or its corner")
    area = measure_map(files[1], grid)
    found = judge_area(area, member_areas(record, area), candidate.errors)
    return Answer(
        model=candidate.served,
        area_km2=area.area_km2,
        low_km2=found.interval.low_km2,
        high_km2=found.interval.high_km2,
        most_km2=area.most_km2,
        why=found.why,
        outlines=write_outlines(record, candidate, folder),
        seen_pixel_m=record.seen_pixel_m,
        pixels=pixels,
        bounds=footprint.bounds,
        seconds=perf_counter() - begun,
    )


def check_pixels(image: Path, loaded: LoadedCandidate, most_px: int) -> None:
    """Refuse an image with more pixels than are mapped at once; none of them is decoded.

    Raises:
        RasterError: It has more, or is no image that the model can map.
    """
    bands = loaded.candidate.predict.bands
    with open_landsat(image, list_bands(loaded.models), bands) as rows:
        height, width = rows.grid.shape
    if height * width > most_px:
        raise RasterError(
            f"{image} has {height} x {width} px, {height * width} together; at most {most_px} are "
            "mapped at once: cut it into parts"
        )


def measure_map(classes: Path, grid: Grid) -> MapArea:
    """Area of the glacier of a map, as a series measures it."""
    strips = (StackedRows(rows) for rows in read_class_strips([classes]))
    (area,) = measure_areas(strips, (grid.pixel_m, grid.pixel_m)).own
    return area


def write_outlines(record: MapRecord, candidate: Candidate, folder: Path) -> int:
    """Write the outlines of a map; returns how many there are."""
    series = candidate.series
    facts = OutlineFacts(
        region=record.region,
        month=NO_DAY,
        scene_ids=(),
        model=" ".join(used.sha256 for used in record.models),
        analyst=series.analyst,
    )
    options = OutlineOptions(series.min_area_km2, smooth=series.smooth)
    rows = outline_map(folder / CLASSES, folder / PROBABILITY, facts, options).rows
    (folder / OUTLINES).write_bytes(encode_outlines(rows, UNDATED))
    return len(rows)
