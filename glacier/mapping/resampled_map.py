"""An image of other pixels than a model was tested on -> its map, on the image's own pixels.

The models see the image at the nearest pixel size that they were tested on. The probability goes
back to the image's pixels, bilinear to smaller ones and by the mean to larger ones, and what is
glacier follows from it there. A pixel that the image does not show is unseen in the map.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glacier.errors import RasterError
from glacier.geo.raster_rows import LandsatRows
from glacier.geo.resampling import ResampledRows, Rescaling, resample_probability
from glacier.landsat import NODATA
from glacier.mapping.answers import MapRows, Models, Tally
from glacier.mapping.assignment import Part
from glacier.mapping.raster_map import SIDE_TOLERANCE, map_raster, write_rasters
from glacier.scratch import open_scratch

MOST_ZOOM = 4.0
"""Most by which pixels are made smaller: what a coarse image does not show no resampling adds."""


def find_tested_pixel(models: Models, image: LandsatRows) -> float | None:
    """Side of the pixels, metres, that an image has to be resampled to; None: its own will do.

    What models see resized as a whole is not resampled: that its frame is of the tested size is
    looked at when it is mapped.

    Raises:
        RasterError: Its pixels are far larger than those that the models were tested on.
    """
    card = next(iter(models.values())).card
    (low, most), own = card.pixel_m, image.grid.pixel_m
    if card.resize or low * (1 - SIDE_TOLERANCE) <= own <= most * (1 + SIDE_TOLERANCE):
        return None
    if own > MOST_ZOOM * most:
        raise RasterError(
            f"{image.source.name} has pixels of {own:g} m, which show too little for a model that "
            f"was tested on {most:.4g} m; give an image of {MOST_ZOOM * most:.4g} m at most"
        )
    return min(max(own, low), most)


def map_resampled(
    image: LandsatRows, parts: Sequence[Part], models: Models, files: tuple[Path, Path],
    pixel_m: float,
) -> Tally:  # fmt: skip
    """Write the probability and class of every seen pixel of an image by way of other pixels.

    Args:
        image: The open raster.
        parts: One, of all of it: which models map it.
        models: Its models.
        files: Local paths of the probability and the class raster.
        pixel_m: Side of the pixels that the models see.

    Returns:
        Pixels of the image; what each model found is in pixels as it saw them.

    Raises:
        RasterError: The raster cannot be read.
        WeightsError: The models do not look at images in the same way.
    """
    (part,) = parts
    level = float(np.mean([models[name].card.threshold for name in part.models]))
    seen = ResampledRows.of(image, pixel_m)
    with open_scratch() as scratch:
        found = scratch / "probability.tif", scratch / "class.tif"
        tally = Tally(by_model=map_raster(seen, parts, models, found).by_model)
        way = Rescaling(seen.grid, image.grid)
        write_rasters(bring_back(found[0], way, image, level), image.grid, files, tally)
    return tally


def bring_back(
    probability: Path, way: Rescaling, image: LandsatRows, level: float
) -> Iterator[MapRows]:
    """Rows of the map on the image's own pixels, from top to bottom.

    Args:
        probability: Of the map on the pixels that the models saw.
        way: From those to the image's.
        image: The open raster.
        level: Probability from which a pixel is glacier.
    """
    for top, values in resample_probability(probability, way):
        hidden = find_hidden(image, top, len(values))
        shown = np.where(hidden, np.float32(np.nan), values)
        yield MapRows(shown, np.full_like(shown, level), shown >= level)


def find_hidden(image: LandsatRows, top: int, rows: int) -> NDArray[np.bool_]:
    """Where an image lacks a band that the models need: (rows, W) bool."""
    bands = image.read(top, rows).values()
    return np.asarray(np.logical_or.reduce([band == NODATA for band in bands]), bool)
