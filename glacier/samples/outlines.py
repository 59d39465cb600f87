"""The files of outlines that a label names, as pixels; each is read once per worker."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from glacier import store
from glacier.geo.raster import Grid
from glacier.geo.vector_layers import VectorFile
from glacier.geo.vectors import OutlineMask, Outlines, burn_outlines, read_outlines
from glacier.settings.labels import Label


def glacier_file(label: Label) -> VectorFile | None:
    """The file of the glacier's outlines; None where there is none."""
    if label.outlines is None:
        return None
    return VectorFile(store.absolute(label.outlines), label.layer, label.crs)


def debris_file(label: Label) -> VectorFile | None:
    """The file of debris-covered ice; None where there is none."""
    if label.debris is None:
        return None
    address, prefix = store.absolute(label.debris), "prepare.label.debris_"
    return VectorFile(address, label.debris_layer, label.debris_crs, "debris", prefix)


def glacier_on(label: Label, grid: Grid, samples: str) -> NDArray[np.uint8]:
    """The glacier's outlines as pixels: (H, W) uint8, 1 inside and 0 outside.

    Args:
        label: Names the file.
        grid: Where the pixels lie.
        samples: As in :func:`outlines_on`.

    Raises:
        VectorError: The outlines cannot be used.
    """
    file = glacier_file(label)
    assert file is not None  # the configuration asks for it
    return outlines_on(file, grid, samples).mask


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
