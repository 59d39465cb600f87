"""A month in a few thousand pixels: what is compared with the same season of other years. No Ray.

All months of a region are looked at in the same places, so that what differs is the month and not
the ground.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glacier import store
from glacier.geo.map_strips import read_class_strips
from glacier.geo.raster import read_named
from glacier.landsat import BAND_OF, OPTICAL, reflectance
from glacier.map_codes import UNSEEN, decode_probability
from glacier.mapping.maps import CLASSES, PROBABILITY, MapRecord

SIDE = 64
"""Rows and columns of the places that are looked at, at most."""

Values = NDArray[np.float32]


@dataclass(frozen=True)
class SketchTask:
    """An image of the archive and its map."""

    record: MapRecord
    folder: str
    """Address of the region's maps."""
    image: str
    """Address of the month in the archive."""
    platforms: tuple[str, ...] = ()
    """Satellites of its scenes, where they are known."""
    network: str = ""
    """Address of the network whose encoder looks at it; empty: none does."""
    network_sha256: str = ""
    """Of its weights."""


@dataclass(frozen=True)
class MonthSketch:
    """A month in N places."""

    region: str
    month: date
    """First day."""
    bands: tuple[str, ...]
    """Names of their colours, from blue on."""
    values: Values
    """(B, N) reflectance; NaN where nothing was seen."""
    stripes: float
    """How far neighbouring rows or columns differ in their mean, beside the spread of the image."""
    glacier: Values
    """(N,) 1 glacier, 0 not, NaN unseen."""
    confidence: Values
    """(N,) 0 where the models call even odds, 1 where they are sure; NaN unseen."""
    model_spread: float = float("nan")
    """Standard deviation over the models of the share of glacier that each called; NaN of one."""
    image_sha256: str = ""
    platforms: tuple[str, ...] = ()
    features: Values = field(default_factory=lambda: np.empty((0, 0), np.float32))
    """(T, D) of T windows by the encoder of a network, the same for all months of the region; NaN
    where too little was seen, and without a row where no network looks."""


def sketch_month(task: SketchTask) -> MonthSketch:
    """Look at a month.

    Raises:
        DamagedError: A file differs from its checksum.
        RasterError: A file cannot be read.
    """
    record = task.record
    names = [f"{record.name}{end}" for end in (CLASSES, PROBABILITY)]
    places = [(store.join(task.folder, name), record.files[name]) for name in names]
    with (
        store.local_copy(task.image, record.image_sha256) as image,
        store.local_copy(*places[0]) as classes,
        store.local_copy(*places[1]) as probability,
    ):
        numbers, _ = read_named(image, OPTICAL)
        kinds, shades = (
            np.concatenate([rows[0] for rows in read_class_strips([path])])
            for path in (classes, probability)
        )
    bands = {c: reflectance(numbers[b]) for c, b in BAND_OF.items() if b in numbers}
    return MonthSketch(
        region=record.region,
        month=date.fromisoformat(f"{record.name}-01"),
        bands=tuple(bands),
        values=np.stack([choose_places(band).ravel() for band in bands.values()]),
        stripes=measure_stripes(bands),
        glacier=hide_unseen(choose_places(kinds)).ravel(),
        confidence=np.abs(2 * decode_probability(choose_places(shades)).ravel() - 1),
        model_spread=measure_spread(record),
        image_sha256=record.image_sha256,
        platforms=task.platforms,
        features=look_by_network(task, numbers),
    )


def look_by_network(task: SketchTask, numbers: Mapping[str, NDArray[Any]]) -> Values:
    """Features of a month, (T, D); without a row where no network looks.

    Args:
        task: Which network looks.
        numbers: Digital numbers by band name, (H, W) uint16.
    """
    if not task.network:
        return np.empty((0, 0), np.float32)
    from glacier.monitoring.features import encode_month  # late: torch takes seconds
    from glacier.training.encoding import load_encoder

    return encode_month(numbers, load_encoder(task.network, task.network_sha256))


def choose_places(image: NDArray[Any]) -> NDArray[Any]:
    """Pixels that are looked at, (h, w) of (H, W): evenly over the grid, every month the same."""
    height, width = image.shape
    rows, columns = (
        np.linspace(0, side - 1, min(side, SIDE)).round().astype(int) for side in (height, width)
    )
    return np.asarray(image[np.ix_(rows, columns)])


def hide_unseen(classes: NDArray[np.uint8]) -> Values:
    """Classes of a map as numbers; NaN where nothing was seen."""
    return np.where(classes == UNSEEN, np.float32(np.nan), classes.astype(np.float32))


def measure_stripes(bands: Mapping[str, Values]) -> float:
    """How far the mean of a row differs from those of its neighbours, of all rows and columns.

    Args:
        bands: Band to (H, W) reflectance, NaN where nothing was seen.

    Returns:
        Median difference beside the spread of the band, the largest of all bands and both ways;
        NaN where nothing can be told.
    """
    found = [
        measure_lines(turned) for band in bands.values() for turned in (band, np.transpose(band))
    ]
    known = [value for value in found if np.isfinite(value)]
    return max(known, default=float("nan"))


def measure_lines(band: Values) -> float:
    """The same of the rows of one band."""
    seen = np.isfinite(band)
    counts = seen.sum(axis=1)
    full = counts >= band.shape[1] / 2
    if full.sum() < 3:
        return float("nan")
    sums = np.where(seen, band, 0).sum(axis=1, dtype=np.float64)
    means = np.where(full, sums / np.maximum(counts, 1), np.nan)
    steps = np.abs(means[1:-1] - (means[:-2] + means[2:]) / 2)
    low, high = np.nanpercentile(band, (25, 75))
    if high <= low or not np.isfinite(steps).any():
        return float("nan")
    return float(np.nanmedian(steps) / (high - low))


def measure_spread(record: MapRecord) -> float:
    """How far models differ in the share of glacier that each called; NaN of fewer than two.

    Models of different folds answer for different ground, so encoders are compared.
    """
    totals: dict[str, list[int]] = {}
    for used in record.models:
        counts = totals.setdefault(used.encoder, [0, 0])
        counts[0] += used.glacier_px
        counts[1] += used.asked_px
    shares = [glacier / asked for glacier, asked in totals.values() if asked]
    return float(np.std(shares)) if len(shares) > 1 else float("nan")
