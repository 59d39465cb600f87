"""Month images as a sweep stores them: whole numbers, and how they are read."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from glacier.labels import IGNORE
from glacier.samples.month_images import MonthImage


@dataclass(frozen=True)
class Coding:
    scale: np.ndarray
    offset: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class StoredImage(MonthImage):
    codes: np.ndarray | None = None
    coding: Coding | None = None


def make_stored(shape: tuple[int, int], month: int, seed: int = 0, bands: int = 3) -> StoredImage:
    """A month of noise, of which some is unseen and some unlabelled."""
    rng = np.random.default_rng((seed, month))
    codes = rng.integers(0, 2**16, (bands, *shape)).astype(np.uint16)
    codes[:, rng.random(shape) < 0.1] = 0
    codes[0, 0, 0] = 2**16 - 1
    plain = np.ones(bands, np.float32)
    coding = Coding(
        scale=(1 + np.arange(bands, dtype=np.float32)) * np.float32(2.75e-5),
        offset=-0.2 * plain,
        low=0 * plain,
        high=plain,
    )
    values = codes * coding.scale[:, None, None] + coding.offset[:, None, None]
    image = np.clip(values, coding.low[:, None, None], coding.high[:, None, None])
    image[codes == 0] = np.nan
    label = rng.choice(np.array([0, 1, IGNORE], np.uint8), shape, p=[0.5, 0.3, 0.2])
    return StoredImage("a", date(2020, month, 1), image, label, codes=codes, coding=coding)
