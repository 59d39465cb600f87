"""One local file -> its map and the record of it, by models that are loaded. No Ray in here."""

from __future__ import annotations

from pathlib import Path

from glacier.geo.raster_rows import open_landsat
from glacier.mapping.answers import Models, Tally
from glacier.mapping.map_plan import MapTask
from glacier.mapping.maps import MapRecord, UsedModel
from glacier.mapping.raster_map import map_raster
from glacier.mapping.resampled_map import find_tested_pixel, map_resampled
from glacier.settings.predict import Predict


def list_bands(models: Models) -> set[str]:
    """Landsat's names of the bands that an image must have for some models."""
    return {band for model in models.values() for band in model.card.image.landsat_bands}


def map_file(
    task: MapTask, path: Path, models: Models, settings: Predict, files: tuple[Path, Path]
) -> MapRecord:
    """Write the probability and class of every seen pixel of a file.

    Args:
        task: What is known of it, and which models map which ground.
        path: Local GeoTIFF.
        models: The models of all parts.
        settings: Say where its bands lie, and whether it may be resampled.
        files: Local paths of the probability and the class raster.

    Returns:
        The record of the map, without its files.

    Raises:
        RasterError: The file is no image that the models can map.
        WeightsError: The models do not look at images in the same way.
    """
    with open_landsat(path, list_bands(models), settings.bands) as image:
        pixel_m = find_tested_pixel(models, image) if settings.resample else None
        if pixel_m is None:
            tally = map_raster(image, task.parts, models, files)
        else:
            tally = map_resampled(image, task.parts, models, files, pixel_m)
        return conclude(task.record, tally, models).model_copy(
            update={"grid": image.grid, "seen_pixel_m": pixel_m}
        )


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
