"""The files that a label names, as pixels: polygons, each read once per worker, and masks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from glacier import store
from glacier.errors import SampleError
from glacier.geo.declared import find_hidden
from glacier.geo.raster import Grid
from glacier.geo.raster_files import safe_open
from glacier.geo.vector_layers import VectorFile
from glacier.geo.vectors import OutlineMask, Outlines, burn_outlines, read_outlines
from glacier.labels import IGNORE
from glacier.landsat import NODATA
from glacier.settings.labels import Label
from glacier.sources.resample import OwnPixels, place_layers

GROUND, HALF, ICE = 1, 5_001, 10_001
"""Numbers that pixels of a mask have where they are averaged."""


def glacier_file(label: Label) -> VectorFile | None:
    """The file of a region's outlines, of its own label; None where there is none."""
    if label.outlines is None:
        return None
    assert isinstance(label.outlines, str)  # of one region
    return VectorFile(store.absolute(label.outlines), label.layer, label.crs)


def debris_file(label: Label) -> VectorFile | None:
    """The file of debris-covered ice; None where there is none."""
    if label.debris is None:
        return None
    assert isinstance(label.debris, str)  # of one region
    address, prefix = store.absolute(label.debris), "prepare.label.debris_"
    return VectorFile(address, label.debris_layer, label.debris_crs, "debris", prefix)


def glacier_on(
    label: Label, region: str, month: date, grid: Grid, samples: str
) -> NDArray[np.uint8]:
    """The glacier as it was drawn, as pixels: (H, W) uint8, 1 inside, 0 outside, 255 unknown.

    Args:
        label: Names the files.
        region: Where.
        month: Of the image; a mask may be of that month alone.
        grid: Where the pixels lie.
        samples: As in :func:`outlines_on`.

    Raises:
        SampleError: The mask of the month is not there.
        VectorError: The outlines cannot be used.
        RasterError: The mask cannot be used.
    """
    if region in label.bare:
        return np.zeros(grid.shape, np.uint8)
    if (mask := label.find_mask(region, month)) is not None:
        return read_mask(mask, grid)
    file = glacier_file(label.of(region))
    assert file is not None  # the configuration asks for it
    return outlines_on(file, grid, samples).mask


def read_mask(place: str, grid: Grid) -> NDArray[np.uint8]:
    """A glacier that was drawn as pixels, on a grid: (H, W) uint8, 1 glacier, 0 not, 255 unknown.

    A pixel of the grid is what most of its known area is; half and half is unknown.

    Args:
        place: GeoTIFF of one band: 1 glacier, 0 not, all else and what it hides unknown.
        grid: Where the pixels lie.

    Raises:
        SampleError: It is not there.
        RasterError: It cannot be used.
    """
    address = store.absolute(place)
    if not store.exists(address):
        raise SampleError(
            f"prepare.label.masks: {place} is not there; correct the path, with {{year}} and "
            "{month} where each image has a mask of its own, or leave the month out"
        )
    with store.local_copy(address) as path, safe_open(path) as source:
        drawn = source.read(1)
        hidden = find_hidden(source, 1, drawn)
        own = OwnPixels.of(source, in_degrees=True)
    codes = np.select([drawn == 1, drawn == 0], [ICE, GROUND], default=NODATA).astype(np.uint16)
    if hidden is not None:
        codes[hidden] = NODATA
    placed = place_layers({"": codes}, own, grid)[""]
    most = np.where(placed > HALF, 1, 0)
    return np.where((placed == NODATA) | (placed == HALF), IGNORE, most).astype(np.uint8)


def list_notes(files: Sequence[VectorFile | None], grid: Grid, samples: str) -> tuple[str, ...]:
    """What was chosen, left out, cut out or mended in files of outlines, in sentences."""
    return tuple(note for file in files if file for note in outlines_on(file, grid, samples).notes)


@lru_cache(maxsize=2)
def read_once(file: VectorFile, samples: str) -> Outlines:
    """The polygons of a file, read once per worker for all months and regions of some samples."""
    return read_outlines(file)


@lru_cache(maxsize=8)
def outlines_on(file: VectorFile, grid: Grid, samples: str) -> OutlineMask:
    """Outlines as pixels, drawn once per worker for all months of a region.

    Args:
        file: The file.
        grid: Where the pixels lie.
        samples: Address of the samples that they are for. It carries the checksum of the file's
            content, so that a worker which lives on sees that a file was changed in place.
    """
    return burn_outlines(read_once(file, samples), grid)
