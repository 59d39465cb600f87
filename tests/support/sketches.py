"""Sketches of months of a made-up place: ground, ice and snow that comes and goes."""

from collections.abc import Iterable
from datetime import date

import numpy as np

from glacier.monitoring.sketch import MonthSketch

BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")
ROCK = np.array([0.10, 0.12, 0.14, 0.18, 0.22, 0.2])[:, None]
ICE = np.array([0.62, 0.6, 0.57, 0.45, 0.06, 0.05])[:, None]
SNOW = np.array([0.9, 0.9, 0.88, 0.8, 0.12, 0.08])[:, None]
SIDE = 24


def make_sketch(month: date) -> MonthSketch:
    """A month: rock beside ice, lit by its season, with snow on some of the rock in winter."""
    ground = np.random.default_rng(7)  # the same in every month
    rng = np.random.default_rng([month.year, month.month])
    count = SIDE * SIDE
    is_ice = np.arange(count) < count // 3
    values = np.where(is_ice, ICE, ROCK) * ground.normal(1, 0.15, count)
    winter = 0.5 + 0.5 * np.cos(2 * np.pi * (month.month - 1) / 12)
    snow = (ground.random(count) < winter * rng.uniform(0.2, 0.5)) & ~is_ice
    values = np.where(snow, SNOW, values) * (1 + rng.normal(0, 0.01))
    values = values + rng.normal(0, 0.002, (6, 1)) + rng.normal(0, 0.01, values.shape)
    looks = np.random.default_rng([month.year, month.month, 1])
    features = ground.normal(0, 1, (9, 5)) + winter + looks.normal(0, 0.1, (9, 5))
    return MonthSketch(
        region="ridge",
        month=month,
        bands=BANDS,
        values=values.astype(np.float32),
        stripes=float(np.exp(rng.normal(-3, 0.1))),
        glacier=np.where(rng.random(count) < 0.01, ~is_ice, is_ice).astype(np.float32),
        confidence=np.clip(rng.normal(0.9, 0.05, count), 0, 1).astype(np.float32),
        model_spread=abs(float(rng.normal(0.02, 0.005))),
        platforms=("landsat-8",),
        features=features.astype(np.float32),
    )


def make_years(years: Iterable[int]) -> list[MonthSketch]:
    """All months of some years."""
    return [make_sketch(date(year, month, 1)) for year in years for month in range(1, 13)]
