"""Scores of any method on real places: of each image, of each place with the worst first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from glacier.evaluation.boundary import Boundary, measure_boundary, pool_boundaries
from glacier.evaluation.debris import find_debris
from glacier.evaluation.metrics import Counts, count_pixels, percent_of, pool_counts
from glacier.samples.month_images import MonthImage
from glacier.samples.sample_set import SampleSet
from glacier.seals import Manifest
from glacier.settings.model import Model

FORMAT = 1
"""Counts up when the table of scores means another thing."""

TOLERANCE_PX = 2
"""Pixels within which an outline counts as near."""


@dataclass(frozen=True)
class ImageFind:
    """What a method made of one image."""

    region: str
    month: str
    """YYYY-MM."""
    counts: Counts
    debris: Counts | None
    """Of ice under debris alone; None where it is not known."""
    boundary: Boundary
    pixel_km2: float


class Score(Model):
    """How well a method found the glacier of an image, or of a place."""

    region: str
    month: str | None = None
    """YYYY-MM; None: all of the place."""
    images: int = 1
    iou: float | None
    """None where there is no glacier; likewise below."""
    dice: float | None
    precision: float | None
    recall: float | None
    debris_recall: float | None
    """Of ice that the label calls debris, else of the label's glacier that no bright ice or snow
    covers in the image."""
    boundary_mean_m: float | None
    boundary_f1: float | None
    """Share of the outlines that lie within two pixels of each other."""
    true_km2: float
    area_km2: float
    area_error_percent: float | None
    """Area called glacier less that of the label, of the latter; mean over the images of their
    amounts for a place."""
    claimed_percent: float
    """Share of the ground without ice that is called glacier."""


class PlaceTable(Manifest):
    """Scores of one method on all places: ``scores.json``, which vouches for the same as CSV."""

    format: int = FORMAT
    method: str
    ground: str
    """Name of the samples, which changes with the ground truth."""
    iou_mean: float | None
    """Over the places with a glacier, each once; None without any."""
    places: tuple[Score, ...]
    """The worst first; those without any glacier last, the most claimed first."""
    images: tuple[Score, ...]


def judge_image(
    image: MonthImage,
    found: NDArray[np.bool_],
    samples: SampleSet,
) -> ImageFind:
    """Hold what a method found against the label of an image.

    Args:
        image: With its label.
        found: (H, W) bool, called glacier.
        samples: Description of the samples.
    """
    debris, pixel_m = find_debris(image, samples), samples.regions[image.region].pixel_sides_m
    tolerance_m = TOLERANCE_PX * max(pixel_m)
    return ImageFind(
        region=image.region,
        month=f"{image.month:%Y-%m}",
        counts=count_pixels(found, image.label),
        debris=None if debris is None else count_pixels(found, image.label, debris),
        boundary=measure_boundary(found, image.label, pixel_m, tolerance_m),
        pixel_km2=pixel_m[0] * pixel_m[1] / 1e6,
    )


def score_finds(finds: Sequence[ImageFind], is_image: bool) -> Score:
    """Scores of one image, or of all images of a place together."""
    counts = pool_counts(find.counts for find in finds)
    debris = pool_counts(find.debris for find in finds if find.debris is not None)
    boundary = pool_boundaries([find.boundary for find in finds])
    has_ice = counts.glacier_pixels > 0
    errors = [
        percent_of(find.counts.area_error_px, find.counts.glacier_pixels)
        for find in finds
        if find.counts.glacier_pixels
    ]
    known = [error for error in errors if error is not None]
    ground = counts.fp + counts.tn
    return Score(
        region=finds[0].region,
        month=finds[0].month if is_image else None,
        images=len(finds),
        iou=counts.iou if has_ice else None,
        dice=counts.dice if has_ice else None,
        precision=counts.precision if has_ice else None,
        recall=counts.recall if has_ice else None,
        debris_recall=debris.recall if debris.glacier_pixels else None,
        boundary_mean_m=boundary.mean_m if has_ice else None,
        boundary_f1=boundary.f1 if has_ice else None,
        true_km2=sum(f.counts.glacier_pixels * f.pixel_km2 for f in finds) / len(finds),
        area_km2=sum((f.counts.tp + f.counts.fp) * f.pixel_km2 for f in finds) / len(finds),
        area_error_percent=(
            None if not known else known[0] if is_image else float(np.mean(np.abs(known)))
        ),
        claimed_percent=100 * counts.fp / ground if ground else 0.0,
    )


def make_table(method: str, ground: str, finds: Iterable[ImageFind]) -> PlaceTable:
    """Scores of all images and places of a method.

    Args:
        method: What the scores are of.
        ground: Name of the samples.
        finds: Of each image.
    """
    ordered = sorted(finds, key=lambda find: (find.region, find.month))
    places = [
        score_finds(list(group), is_image=False)
        for _, group in groupby(ordered, key=lambda find: find.region)
    ]
    places.sort(key=lambda s: (s.iou is None, s.iou or 0.0, -s.claimed_percent, s.region))
    known = [place.iou for place in places if place.iou is not None]
    return PlaceTable(
        method=method,
        ground=ground,
        iou_mean=float(np.mean(known)) if known else None,
        places=tuple(places),
        images=tuple(score_finds([find], is_image=True) for find in ordered),
    )
