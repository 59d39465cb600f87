"""Which band decides the map of a file: asked by a service, for any image that it maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from glacier.errors import RasterError
from glacier.explaining.explanation import BandsExplained
from glacier.explaining.occlusion import look_without_bands, occlude_bands
from glacier.explaining.removal import make_baseline
from glacier.explaining.subject import Network, Subject
from glacier.explaining.words import tell_bands
from glacier.geo.raster_rows import open_landsat
from glacier.mapping.answers import Models
from glacier.mapping.assignment import Part
from glacier.mapping.image_map import list_bands
from glacier.mapping.raster_map import check_models, resize_image
from glacier.samples.image import make_image
from glacier.settings.predict import Predict

MOST_PX = 4_000_000
"""Largest height x width that is explained: all of it is in memory."""


def explain_image(path: Path, models: Models, settings: Predict) -> BandsExplained:
    """The map of a file made again without each band.

    Args:
        path: Local GeoTIFF, which was mapped.
        models: Whose mean maps all of it.
        settings: Say where its bands lie.

    Raises:
        WeightsError: The models do not look at images in the same way.
    """
    with open_landsat(path, list_bands(models), settings.bands) as source:
        grid = source.grid
        if grid.height * grid.width > MOST_PX:
            return BandsExplained(
                reason=f"the image has more than the {MOST_PX} pixels that are explained at once: "
                "cut it into parts"
            )
        try:
            card = check_models(list(models.values()), source)
        except RasterError:  # its map was made by way of other pixels
            return BandsExplained(
                reason="the image was resampled for the model; give it at the model's pixel size"
            )
        image = make_image(source.read(0, grid.height), card.image)
    image = resize_image(image, card) if card.resize else image
    area_km2 = grid.pixel_km2 * grid.height * grid.width / (image.shape[1] * image.shape[2])
    networks = {name: Network(each.viewer, each.card) for name, each in models.items()}
    parts = (Part(rectangles=None, models=tuple(models)),)
    seen = np.isfinite(image[0])
    subject = Subject.of(image, seen, parts, networks, area_km2).of_decision()
    looks = [subject.look(subject.image)]
    looks += look_without_bands(subject, make_baseline(subject, "mean", 0))
    effects = tuple(occlude_bands(subject, looks, None))
    ice_km2 = float(looks[0].is_ice.sum() * area_km2)
    return BandsExplained(sentences=tuple(tell_bands(effects, ice_km2, {})), bands=effects)
