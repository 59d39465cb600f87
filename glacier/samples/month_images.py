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
from glacier.landsat import NODATA
from glacier.samples.coding import REFLECTANCE, Coding
from glacier.samples.rows import rows_address
from glacier.samples.sample_set import SampleMonth, SampleSet, month_key
from glacier.windows import pad_to


@dataclass(frozen=True)
class MonthImage:
    """One month of one region: numbers, in memory or mapped from a file, and what they mean."""

    region: str
    month: date
    numbers: NDArray[np.uint16]
    """(B, H, W) uint16, 0 where unseen."""
    coding: Coding
    """What they mean."""
    label: NDArray[np.uint8]
    """(H, W) uint8: 1 glacier, 0 not, 255 unknown."""
    extra_numbers: NDArray[np.uint16]
    """(E, H, W) uint16 of the bands that only baselines read: plain reflectance, 0 where unseen."""
    classes: NDArray[np.uint8]
    """(H, W) uint8 codes of ``labels.Surface``, shaded or not, 0 unknown."""

    @property
    def key(self) -> str:
        """``<region>/<YYYY-MM>``."""
        return month_key(self.region, self.month)

    @property
    def image(self) -> NDArray[np.float32]:
        """(B, H, W) float32 reflectance, NaN where unseen; made each time that it is asked for."""
        return self.coding.decode(self.numbers)

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(H, W) bool: pixels that were seen in every band."""
        return np.asarray((self.numbers != NODATA).all(axis=0))

    def band(self, at: int) -> NDArray[np.float32]:
        """One of the image's bands: (H, W) float32, NaN where unseen."""
        return self.coding.bands[at].decode(self.numbers[at])

    @property
    def extra(self) -> NDArray[np.float32]:
        """(E, H, W) float32 reflectance of the bands that only baselines read, likewise."""
        return Coding.plain(len(self.extra_numbers)).decode(self.extra_numbers)

    @property
    def surface(self) -> NDArray[np.uint8] | None:
        """The classes; None where no class is known. For scores alone: no method sees them."""
        return self.classes if self.classes.any() else None

    def window(
        self, row: int, col: int, size: int
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """A square of the image and its label; beyond the edges of a small image all is unseen.

        Args:
            row: Its first row, likewise ``col``.
            col: Its first column.
            size: Its side, pixels.

        Returns:
            (B, size, size) float32, NaN where unseen; (size, size) uint8.
        """
        place = np.s_[..., row : row + size, col : col + size]
        image = self.coding.decode(self.numbers[place])
        return pad_to(image, size, np.nan), pad_to(self.label[place], size, IGNORE)


def find_reflectance(
    image: MonthImage, samples: SampleSet, name: str
) -> NDArray[np.float32] | None:
    """Reflectance of a band that networks or baselines read: (H, W) float32, NaN where unseen.

    Args:
        image: The image.
        samples: Their description.
        name: The band.

    Returns:
        None where the samples do not hold it, or as shares of each image's maximum alone.
    """
    if samples.scale == "reflectance" and name in samples.bands:
        return image.band(samples.bands.index(name))
    if name in samples.extra_bands:
        return REFLECTANCE.decode(image.extra_numbers[samples.extra_bands.index(name)])
    return None


def read_images(folder: str, samples: SampleSet) -> list[MonthImage]:
    """All usable month images of a set in memory, in its order.

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
    image = blank_image(samples, month)
    address = rows_address(folder, month.region, month.month)
    rows = pq.read_table(io.BytesIO(store.read_bytes(address, month.sha256))).to_pylist()
    assemble(rows, samples.size_px, image)
    return image


def blank_image(samples: SampleSet, month: SampleMonth) -> MonthImage:
    """The image of a month of which nothing was seen, in memory."""
    shape = samples.regions[month.region].shape
    return MonthImage(
        month.region,
        month.month,
        np.full((len(samples.bands), *shape), NODATA, np.uint16),
        Coding(samples.coding),
        np.full(shape, IGNORE, np.uint8),
        np.full((len(samples.extra_bands), *shape), NODATA, np.uint16),
        np.zeros(shape, np.uint8),
    )


def assemble(rows: Iterable[dict[str, Any]], size: int, image: MonthImage) -> None:
    """Put the windows of one month back where they were cut.

    Args:
        rows: Rows of the month, all ok.
        size: Side of a window, pixels.
        image: Blank, of the month's size; its layers are written to.
    """
    layers: dict[str, NDArray[Any]] = {
        "image": image.numbers,
        "label": image.label,
        "extra": image.extra_numbers,
        "surface": image.classes,
    }
    height, width = image.label.shape
    for row in rows:
        top, left = row["row_px"], row["col_px"]
        place = np.s_[..., top : top + size, left : left + size]
        inside = np.s_[..., : height - top, : width - left]  # a window may reach over the edge
        for name, layer in layers.items():
            if row[name] is not None:
                kind = layer.dtype.newbyteorder("<")
                window = np.frombuffer(row[name], kind).reshape(*layer.shape[:-2], size, size)
                layer[place] = window[inside]
