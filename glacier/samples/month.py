"""One month of the archive -> its rows of samples: image, label, and what only scores read.

No Ray in here. One bad raster becomes one failed row; the other months are not touched by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glacier import labels, store
from glacier.archive.records import MonthRecord, Status
from glacier.errors import GlacierError, SampleError
from glacier.geo.raster import Grid, read_named
from glacier.indices import FALSE_COLOUR, colour
from glacier.landsat import BAND_OF, SR_SCALE
from glacier.samples.bands import LABEL_BANDS, image_bands, name_bands
from glacier.samples.chips import cut_rows, resize_sample, shrink_classes
from glacier.samples.coding import Coding
from glacier.samples.image import ImageRecipe, make_image
from glacier.samples.month_images import MonthImage
from glacier.samples.outlines import (
    debris_file,
    glacier_file,
    glacier_on,
    list_notes,
    outlines_on,
    read_mask,
)
from glacier.samples.quicklooks import write_quick_looks
from glacier.samples.rows import month_address, write_rows
from glacier.samples.sample_set import BandSums, LabelPixels, SampleMonth
from glacier.samples.variety import check_variety
from glacier.settings.labels import Label
from glacier.settings.prepare import Prepare

BASELINE_BANDS = ("green", "red", "nir", "swir1")
"""What the baselines read, as plain reflectance."""


@dataclass(frozen=True)
class MonthTask:
    """What a worker needs to make the samples of one month."""

    record: MonthRecord
    archive: str
    """Address of the region's archive."""
    samples: str
    """Address of the samples."""
    settings: Prepare

    @property
    def month(self) -> date:
        """First day of the month."""
        return date.fromisoformat(f"{self.record.month}-01")

    @property
    def label(self) -> Label:
        """What counts as glacier in this region."""
        return self.settings.label.of(self.record.region)

    @property
    def address(self) -> str:
        """Where it is written what became of the month, after its samples."""
        return month_address(self.samples, self.record.region, self.month)

    def outcome(self, status: Status, reason: str, **facts: Any) -> SampleMonth:
        """What became of the month."""
        record = self.record
        return SampleMonth(
            region=record.region, month=self.month, status=status, reason=reason,
            platforms=record.platforms, **facts,
        )  # fmt: skip


Rows = list[dict[str, Any]]
"""Samples by column of ``rows.SCHEMA``."""


CORRECTED = "months that a person has corrected are labelled by that"
"""Note of such a month."""


def prepare_month(task: MonthTask) -> SampleMonth:
    """Write the samples and quick looks of one month; an expected error becomes a failed row."""
    rows: Rows = []
    pictures: dict[str, str] = {}
    month = task.outcome(task.record.status, task.record.why)
    if task.record.status == "ok":
        try:
            bands, grid = read_archived(task)
            if task.settings.quick_looks:
                stem = f"quicklooks/{task.record.region}/{task.record.month}"
                pictures = write_quick_looks(bands, task.samples, stem)
            rows, month = make_rows(task, bands, grid)
        except GlacierError as error:
            month = task.outcome("failed", f"{type(error).__name__}: {error}")
    if not rows:
        name = f"{task.record.region}_{task.record.month}"
        rows = [month.model_dump(include={"region", "month", "status", "reason"})]
        rows[0] |= {"sample_id": name}
    return write_rows(task.samples, rows, month, pictures)


def make_rows(
    task: MonthTask, bands: dict[str, NDArray[Any]], grid: Grid
) -> tuple[Rows, SampleMonth]:
    """Samples of a month that the archive holds, and what became of it.

    Args:
        task: The month.
        bands: What :func:`read_archived` gives, likewise ``grid``.
        grid: Where the pixels lie.

    Raises:
        GlacierError: The image does not fit the settings.
    """
    snow, most = measure_snow(task, bands, grid), task.settings.label.max_snow_outside
    correction = find_correction(task)
    if snow is not None and snow > most and correction is None:
        reason = f"seasonal_snow: on {snow:.0%} of the ground outside the outlines, over {most:.0%}"
        notes = list_notes([glacier_file(task.label)], grid, task.samples)
        return [], task.outcome("empty", reason, snow_outside=snow, notes=notes)
    image = make_checked_image(bands, task.settings)
    label = make_label(task, bands, image, grid)
    extra = make_extra(bands, extra_bands(task.settings))
    surface = make_surface(task, bands, label, grid)
    if task.settings.layout == "resize":
        size = task.settings.size_px
        resized = [resize_sample(band[None], label, size)[0] for band in extra]
        extra = np.concatenate([np.zeros((0, size, size), np.float32), *resized])
        image, label = resize_sample(image, label, size)
        surface = shrink_classes(surface, size)
    if task.settings.label.unseen == "background":
        image, label = np.nan_to_num(image), np.where(label == labels.IGNORE, 0, label)
    coding = ImageRecipe.of(task.settings).coding
    numbers, extra_numbers = coding.encode(image), Coding.plain(len(extra)).encode(extra)
    month = MonthImage(
        task.record.region, task.month, numbers, coding, label, extra_numbers, surface
    )
    rows = cut_rows(month, task.settings)
    notes = list_notes([glacier_file(task.label), debris_file(task.label)], grid, task.samples)
    return rows, task.outcome(
        "ok",
        "",
        rows=len(rows),
        grid=grid,
        shape=label.shape,
        label_pixels=count_labels(label),
        band_sums=sum_bands(month.image),
        snow_outside=snow,
        clipped=measure_clipped(image, label, task.settings),
        notes=(*notes, CORRECTED) if correction else notes,
    )


def measure_clipped(
    image: NDArray[np.float32], label: NDArray[np.uint8], settings: Prepare
) -> float | None:
    """Share of the labelled pixels that are at the top of the range in some band of reflectance.

    There a band saturates, or the range is too short, and what is brighter looks alike. A step of
    the archive's numbers below counts, since they need not hold the top itself. None
    where bands are scaled by their own maximum, or no pixel is labelled.
    """
    bands = [k for k, name in enumerate(settings.image) if name != "ndsi"]
    known = label != labels.IGNORE
    if settings.scale == "own_maximum" or not bands or not known.any():
        return None
    top = np.float32(settings.reflectance_range[1] - SR_SCALE)
    return round(float((image[bands][:, known] >= top).any(axis=0).mean()), 4)


def count_labels(label: NDArray[np.uint8]) -> LabelPixels:
    """Pixels of a label (H, W) uint8 by what they are."""
    glacier, ground, unknown = (int((label == code).sum()) for code in (1, 0, labels.IGNORE))
    return LabelPixels(glacier=glacier, ground=ground, unknown=unknown)


def sum_bands(image: NDArray[np.float32]) -> BandSums:
    """Sums per band over the seen pixels of (B, H, W) float32, NaN where unseen."""
    values = image[:, np.isfinite(image).all(axis=0)].astype(np.float64)
    return BandSums(
        pixels=values.shape[1],
        sums=tuple(values.sum(axis=1).tolist()),
        squares=tuple((values**2).sum(axis=1).tolist()),
    )


def read_archived(task: MonthTask) -> tuple[dict[str, NDArray[Any]], Grid]:
    """Bands that are needed by name, the class map as ``surface`` where there is one, the grid.

    Raises:
        StoreError: A file is missing or differs from its checksum.
        RasterError: A file cannot be read.
    """
    stem = store.join(task.archive, task.record.month)
    with store.local_copy(f"{stem}.tif", task.record.sha256) as path:
        bands, grid = read_named(path, needed_bands(task.settings))
    if task.record.truth_sha256:
        with store.local_copy(f"{stem}.truth.tif", task.record.truth_sha256) as path:
            bands |= read_named(path)[0]
    return bands, grid


def needed_bands(settings: Prepare) -> set[str] | None:
    """Bands of the archive that a month's samples are made of; None: all, for the pictures."""
    return None if settings.quick_looks else used_bands(settings)


def used_bands(settings: Prepare) -> set[str]:
    """Bands that image, label and baselines are made of, by their Landsat names."""
    colours = {*extra_bands(settings), *LABEL_BANDS.get(settings.label.kind, ())}
    return image_bands(settings) | name_bands(colours)


def make_checked_image(bands: dict[str, NDArray[Any]], settings: Prepare) -> NDArray[np.float32]:
    """The image that networks see, of a month that has something to tell.

    Raises:
        SampleError: The month lacks a band, or a band is one number wherever it was seen.
    """
    used = used_bands(settings)
    if not bands:
        raise SampleError(f"the month holds none of the bands {sorted(used)}")
    image = make_image(bands, ImageRecipe.of(settings))
    check_variety(
        {name: bands[name] for name in sorted(used & set(bands))},
        dict(zip(settings.image, image, strict=True)),
        settings.reflectance_range,
    )
    return image


def extra_bands(settings: Prepare) -> tuple[str, ...]:
    """Bands that baselines read and the image does not hold as plain reflectance."""
    plain = settings.image if settings.scale == "reflectance" else ()
    return tuple(name for name in BASELINE_BANDS if name not in plain)


def make_extra(bands: dict[str, NDArray[Any]], names: tuple[str, ...]) -> NDArray[np.float32]:
    """Reflectance of some bands: (E, H, W) float32, NaN where unseen or not in the archive."""
    shape = next(iter(bands.values())).shape
    missing = np.full(shape, np.nan, np.float32)
    layers = [colour(bands, name) if BAND_OF[name] in bands else missing for name in names]
    return np.stack(layers) if layers else np.zeros((0, *shape), np.float32)


def find_correction(task: MonthTask) -> str | None:
    """Mask of a month that a person has corrected; None of another."""
    mask = task.label.find_correction(task.record.region, task.month)
    return mask if mask is not None and store.exists(store.absolute(mask)) else None


def make_label(
    task: MonthTask, bands: dict[str, NDArray[Any]], image: NDArray[np.float32], grid: Grid
) -> NDArray[np.uint8]:
    """Label of a month: (H, W) uint8, 255 where the image or what the label needs is unseen.

    Raises:
        SampleError: The month lacks a band that the label needs.
        VectorError: The outlines cannot be used.
    """
    settings = task.settings.label
    if (correction := find_correction(task)) is not None:
        label = read_mask(correction, grid)
    elif settings.kind == "truth" or (settings.kind == "outlines" and not task.label.is_drawn):
        label = labels.label_truth(bands["surface"])
    elif settings.kind == "outlines":
        label = glacier_on(settings, task.record.region, task.month, grid, task.samples)
        if task.label.debris_alone:
            label = labels.ignore_ice(label, find_snow(settings, bands))
        label = labels.ignore_margin(label, grid.pixel_m, settings.margin_m)
    elif settings.kind == "ndsi":
        label = find_snow(settings, bands)
    else:
        own = ImageRecipe.of(task.settings)
        picture = own.model_copy(update={"bands": FALSE_COLOUR})
        shown = image if picture == own else make_image(bands, picture)
        low, high = (0, 1) if picture.scale == "own_maximum" else picture.range
        if (low, high) != (0, 1):
            shown = (shown - np.float32(low)) / np.float32(high - low)
        label = labels.label_threshold(shown, settings.threshold)
    unseen = np.isnan(image[0])  # in one band is in all
    np.copyto(label, np.uint8(labels.IGNORE), where=unseen)
    return label


def make_surface(
    task: MonthTask, bands: dict[str, NDArray[Any]], label: NDArray[np.uint8], grid: Grid
) -> NDArray[np.uint8]:
    """Class map of a month, for scores by class.

    With polygons of debris-covered ice it is those within the label's glacier, and clean ice; where
    a mask shows debris alone it is all of it; else the truth, where the archive holds it.

    Returns:
        (H, W) uint8 codes of ``labels.Surface``, 0 unknown.

    Raises:
        VectorError: The polygons cannot be used.
    """
    file = debris_file(task.label)
    if task.label.debris_alone:
        return labels.part_debris(label, np.ones(label.shape, bool))
    if file is None:
        return bands.get("surface", np.zeros_like(label))
    return labels.part_debris(label, outlines_on(file, grid, task.samples).mask == 1)


def find_snow(settings: Label, bands: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """Ice and snow by the thresholds of a label, as :func:`labels.label_ndsi`."""
    green, nir, swir1 = (colour(bands, name) for name in ("green", "nir", "swir1"))
    return labels.label_ndsi(green, nir, swir1, settings.ndsi_above, settings.nir_above)


def measure_snow(task: MonthTask, bands: dict[str, NDArray[Any]], grid: Grid) -> float | None:
    """Share of the seen ground outside the outlines that is under snow, 0..1.

    In such a month ice and seasonal snow look alike, and labels that are made of the image call
    both glacier. None where there are no outlines, no short-wave infrared, or no such ground.
    """
    settings = task.label
    drawn = settings.outlines is not None or (settings.masks and not settings.debris_alone)
    if not drawn or not {"SR_B3", "SR_B5", "SR_B6"} <= set(bands):
        return None
    snow = find_snow(settings, bands)
    ground = glacier_on(settings, task.record.region, task.month, grid, task.samples) == 0
    ground &= snow != labels.IGNORE
    return round(float((snow[ground] == 1).mean()), 4) if ground.any() else None
