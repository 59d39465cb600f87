"""Month images that lie on a GPU, and the windows that are gathered from them there.

The same arithmetic in the same order as :mod:`sampler` and :func:`unet.normalise`, so a window has
the same bits wherever it is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from glacier.labels import IGNORE
from glacier.landsat import NODATA
from glacier.samples.month_images import MonthImage
from glacier.training.sampler import SQUARES_PX, WindowTable
from glacier.windows import turn


@dataclass(frozen=True)
class Places:
    """Which windows to gather; N of them."""

    image: Tensor
    """(N,) int64 place of the image."""
    start: Tensor
    """(N, 2) int64 row and column of the upper-left pixel."""
    way: Tensor
    """(N,) int64, see :func:`windows.turn`."""
    factor: Tensor
    """(N,) float32 brightness."""
    coarse: Tensor | None = None
    """(N,) int64 side of the squares that pixels are averaged over; None: as they are."""
    hidden: Tensor | None = None
    """(N, B) bool bands that are unseen; None: none."""

    @classmethod
    def of(cls, table: WindowTable, device: torch.device) -> Places:
        """All windows of a table, on a device."""
        coarse = None if table.coarse is None else table.coarse.astype(np.int64)
        columns = (table.image, table.start.astype(np.int64), table.way.astype(np.int64))
        image, start, way = (torch.from_numpy(column).to(device) for column in columns)
        return cls(
            image,
            start,
            way,
            torch.from_numpy(table.factor).to(device),
            None if coarse is None else torch.from_numpy(coarse).to(device),
            None if table.hidden is None else torch.from_numpy(table.hidden).to(device),
        )

    def change(self, change: Callable[[Tensor], Tensor]) -> Places:
        """The same with every column changed alike."""
        return Places(
            change(self.image),
            change(self.start),
            change(self.way),
            change(self.factor),
            None if self.coarse is None else change(self.coarse),
            None if self.hidden is None else change(self.hidden),
        )


class ResidentImages:
    """The numbers of month images as they are stored, one after the other in one tensor."""

    def __init__(
        self, images: Sequence[MonthImage], size: int, indices: Sequence[int], device: torch.device
    ) -> None:
        """Put images on a device, one at a time.

        Args:
            images: All of a trial; at least one.
            size: Side of a window, pixels.
            indices: Places of bands that brightness does not change.
            device: Where they are to lie.
        """
        self.size, self.bands = size, len(images[0].numbers)
        shapes = np.array([image.label.shape for image in images], np.int64)
        pixels = shapes.prod(axis=1)
        first = np.concatenate([[0], np.cumsum(pixels)])
        self.numbers = torch.empty(int(first[-1]) * self.bands, dtype=torch.int16, device=device)
        self.labels = torch.empty(int(first[-1]), dtype=torch.uint8, device=device)
        for image, at, count in zip(images, first, pixels, strict=False):
            numbers = np.array(image.numbers).view(np.int16).reshape(-1)
            place = slice(int(at) * self.bands, int(at + count) * self.bands)
            self.numbers[place] = torch.from_numpy(numbers)
            self.labels[int(at) : int(at + count)] = torch.from_numpy(np.array(image.label).ravel())
        self.first = torch.from_numpy(first[:-1]).to(device)
        self.shapes = torch.from_numpy(shapes).to(device)
        names = ("scale", "offset", "low", "high")
        columns = [[image.coding.column(name) for image in images] for name in names]
        self.coding = torch.from_numpy(np.array(columns, np.float32)[..., None]).to(device)
        """(4, T, B, 1) float32 scale, offset, lowest and highest value."""
        square = np.arange(size * size).reshape(size, size)
        turned = np.stack([turn(square, way).reshape(-1) for way in range(8)])
        self.turned = torch.from_numpy(np.stack([turned // size, turned % size])).to(device)
        """(2, 8, size x size) int64 row and column that a pixel of a turned window is from."""
        self.band = torch.arange(self.bands, device=device)[:, None]
        is_lit = ~np.isin(np.arange(self.bands), list(indices))
        self.is_lit = torch.from_numpy(is_lit)[:, None].to(device)

    @staticmethod
    def count_bytes(images: Sequence[MonthImage]) -> int:
        """Memory that images take on a device, bytes."""
        return sum(image.numbers.nbytes + image.label.nbytes for image in images)

    def locate(self, places: Places) -> tuple[Tensor, Tensor, Tensor]:
        """Where the pixels of windows lie.

        Returns:
            (N, P) int64 pixel of the image, row by row, P pixels a window; (N,) int64 pixels of
            the image; (N, P) bool, whether the pixel lies within the image.
        """
        row, col = self.turned[:, places.way] + places.start.T[..., None]
        height, width = self.shapes[places.image].T[..., None]
        inside = (row < height) & (col < width)
        pixel = torch.where(inside, row * width + col, 0)
        return pixel, height * width, inside

    def gather(self, places: Places, mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
        """Windows as a network takes them.

        Args:
            places: Which windows.
            mean: (B, 1) float32, subtracted from each band.
            std: (B, 1) float32, each band is divided by it.

        Returns:
            (N, B, size, size) float32 of mean 0 and deviation 1, 0 where unseen; (N, 1, size,
            size) uint8 labels, 255 beyond the edge of an image.
        """
        pixel, count, inside = self.locate(places)
        first = self.first[places.image][:, None]
        at = first[..., None] * self.bands + self.band * count[..., None] + pixel[:, None]
        number = self.numbers[at].int() & 0xFFFF
        scale, offset, low, high = self.coding[:, places.image]
        value = torch.clip(number.float() * scale + offset, low, high)
        value = torch.where(self.is_lit, value * places.factor[:, None, None], value)
        seen = (number != NODATA) & inside[:, None]
        if places.coarse is not None:
            value, seen = self.coarsen(value, seen, places.coarse)
        if places.hidden is not None:
            seen = seen & ~places.hidden[..., None]
        value = torch.where(seen, (value - mean) / std, 0.0)
        label = torch.where(inside, self.labels[first + pixel], IGNORE)
        square = (len(label), -1, self.size, self.size)
        return value.reshape(square), label.reshape(square)

    def coarsen(self, value: Tensor, seen: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        """Windows as larger pixels would show them, by the sums of :func:`sampler.coarsen`.

        Args:
            value: (N, B, P) float32.
            seen: (N, B, P) bool.
            coarse: (N,) int64 side of the squares of each window.
        """
        shape, square = value.shape, (*value.shape[:2], self.size, self.size)
        values = torch.where(seen, value, 0.0).reshape(square)
        known = seen.reshape(square)
        for side in SQUARES_PX:
            mean, is_seen = average_squares(values, known, side)
            chosen = (coarse == side)[:, None, None]
            value = torch.where(chosen, mean.reshape(shape), value)
            seen = torch.where(chosen, is_seen.reshape(shape), seen)
        return value, seen


def average_squares(values: Tensor, seen: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Mean of what is seen of each square, and whether that is half of it or more.

    Args:
        values: (N, B, H, W) float32, 0 where unseen.
        seen: (N, B, H, W) bool.
        side: Of the squares, pixels.

    Returns:
        Both in the shape of ``values``, every pixel that of its square.
    """
    parts = [
        (..., slice(r, None, side), slice(c, None, side)) for r in range(side) for c in range(side)
    ]
    total, count = values[parts[0]], seen[parts[0]].long()
    for part in parts[1:]:
        total, count = total + values[part], count + seen[part]
    mean = total / count.clamp(min=1).float()
    is_seen = 2 * count >= side**2
    both = [t.repeat_interleave(side, -2).repeat_interleave(side, -1) for t in (mean, is_seen)]
    return both[0], both[1]
