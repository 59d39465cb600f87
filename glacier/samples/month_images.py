"""Month images, put together from the windows that their samples hold."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from glacier import store
from glacier.labels import IGNORE
from glacier.samples.rows import rows_address
from glacier.samples.sample_set import SampleMonth, SampleSet, month_key


@dataclass(frozen=True)
class MonthImage:
    """One month of one region, put together from its windows."""

    region: str
    month: date
    image: NDArray[np.float32]
    """(B, H, W) float32 reflectance, NaN where unseen."""
    label: NDArray[np.uint8]
    """(H, W) uint8: 1 glacier, 0 not, 255 unknown."""
    extra: NDArray[np.float32] | None = None
    """(E, H, W) float32 reflectance of the bands that only baselines read, NaN where unseen."""
    surface: NDArray[np.uint8] | None = None
    """(H, W) uint8 codes of ``labels.Surface``, shaded or not, 0 unknown; None: no class is known.
    For scores by class alone: no method sees it."""

    @property
    def key(self) -> str:
        """``<region>/<YYYY-MM>``."""
        return month_key(self.region, self.month)


def read_images(folder: str, samples: SampleSet) -> list[MonthImage]:
    """All usable month images of a set, in its order.

    Args:
        folder: Where the samples lie.
        samples: Their description.

    Raises:
        StoreError: A file is missing or differs from its checksum.
    """
    return [read_image(folder, samples, month) for month in samples.usable]


def read_image(folder: str, samples: SampleSet, month: SampleMonth) -> MonthImage:
    """The month image of one month of a set, which must be ok.

    Raises:
        StoreError: The file is missing or differs from its checksum.
    """
    address = rows_address(folder, month.region, month.month)
    rows = pq.read_table(io.BytesIO(store.read_bytes(address, month.sha256))).to_pylist()
    shape = samples.regions[month.region].shape
    return assemble(rows, len(samples.bands), samples.size_px, shape, len(samples.extra_bands))


def assemble(
    rows: Iterable[dict[str, Any]],
    bands: int,
    size: int,
    shape: tuple[int, int],
    extras: int = 0,
) -> MonthImage:
    """Put the windows of one month back where they were cut.

    Args:
        rows: Rows of the month, all ok.
        bands: Number of bands B.
        size: Side of a window, pixels.
        shape: Height x width of the month image, pixels.
        extras: Number of bands E that only baselines read.
    """
    image = np.full((bands, *shape), np.nan, np.float32)
    extra = np.full((extras, *shape), np.nan, np.float32)
    label = np.full(shape, IGNORE, np.uint8)
    surface = np.zeros(shape, np.uint8)
    for row in rows:
        top, left = row["row_px"], row["col_px"]
        place = np.s_[..., top : top + size, left : left + size]
        inside = np.s_[..., : shape[0] - top, : shape[1] - left]  # a window may reach over the edge
        image[place] = np.frombuffer(row["image"], "<f4").reshape(bands, size, size)[inside]
        if extras:
            layers = np.frombuffer(row["extra"], "<f4").reshape(extras, size, size)
            extra[place] = layers[inside]
        label[place] = np.frombuffer(row["label"], np.uint8).reshape(size, size)[inside]
        if row["surface"] is not None:
            surface[place] = np.frombuffer(row["surface"], np.uint8).reshape(size, size)[inside]
        region, month = row["region"], row["month"]
    return MonthImage(region, month, image, label, extra, surface if surface.any() else None)
