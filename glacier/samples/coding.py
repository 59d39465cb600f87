"""Images as 16-bit numbers, as the archive holds them: half the room, and nothing lost.

Number 0 is unseen. The values of a band are ``number * scale + offset``, clipped to its range.
Reflectance has Landsat's own scale, so that a pixel of the archive keeps its number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glacier.landsat import NODATA, SR_OFFSET, SR_SCALE
from glacier.settings.model import Model

HIGHEST = 65535
"""The highest number."""


class BandCoding(Model):
    """What the numbers of a band mean."""

    scale: float
    """Step from a number to the next."""
    offset: float
    """What number 0 would be."""
    low: float
    """Values are clipped from here on, and up to ``high``."""
    high: float

    def encode(self, values: NDArray[np.float32]) -> NDArray[np.uint16]:
        """Values as the nearest numbers; those at an end of the range as what is clipped to it.

        Args:
            values: Any shape, float32, NaN where unseen.

        Returns:
            Same shape, uint16, 0 where unseen.
        """
        first = np.floor((self.low - self.offset) / self.scale)
        last = np.ceil((self.high - self.offset) / self.scale)
        numbers = (values - np.float32(self.offset)) / np.float32(self.scale)
        np.rint(numbers, out=numbers)
        numbers[values <= self.low] = first
        numbers[values >= self.high] = last
        np.clip(numbers, 1, HIGHEST, out=numbers)
        np.copyto(numbers, NODATA, where=np.isnan(values))
        return numbers.astype(np.uint16)

    def decode(self, numbers: NDArray[np.uint16]) -> NDArray[np.float32]:
        """Values of numbers: any shape, uint16 -> float32, NaN where unseen."""
        values = numbers.astype(np.float32)
        values *= np.float32(self.scale)
        values += np.float32(self.offset)
        np.clip(values, np.float32(self.low), np.float32(self.high), out=values)
        np.copyto(values, np.float32(np.nan), where=numbers == NODATA)
        return values


REFLECTANCE = BandCoding(scale=SR_SCALE, offset=SR_OFFSET, low=-1.0, high=2.0)
"""Plain reflectance: every number that the archive can hold, none clipped."""

RATIO = BandCoding(scale=1 / 32767, offset=-32768 / 32767, low=-1.0, high=1.0)
"""What lies between -1 and 1: indices, and bands scaled by their own maximum."""


@dataclass(frozen=True)
class Coding:
    """What the numbers of an image mean, band by band."""

    bands: tuple[BandCoding, ...]

    @classmethod
    def plain(cls, bands: int) -> Coding:
        """That of so many bands of plain reflectance."""
        return cls((REFLECTANCE,) * bands)

    def column(self, name: str) -> NDArray[np.float32]:
        """A field of all bands: (B,) float32."""
        return np.array([getattr(band, name) for band in self.bands], np.float32)

    def encode(self, image: NDArray[np.float32]) -> NDArray[np.uint16]:
        """Numbers of an image: (B, H, W) float32, NaN where unseen -> uint16, 0 there."""
        numbers = np.empty(image.shape, np.uint16)
        for band, layer, values in zip(self.bands, numbers, image, strict=True):
            layer[:] = band.encode(values)
        return numbers

    def decode(self, numbers: NDArray[np.uint16]) -> NDArray[np.float32]:
        """The image of numbers: (B, H, W) uint16 -> float32, NaN where unseen."""
        image = np.empty(numbers.shape, np.float32)
        for band, layer, given in zip(self.bands, image, numbers, strict=True):
            layer[:] = band.decode(given)
        return image
