"""What one method scores on the test part of one fold, added up image by image.

Networks, their ensemble and the baselines are all scored here, so on the same pixels by the same
arithmetic.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from glacier.evaluation.boundary import Boundary, measure_boundary, pool_boundaries
from glacier.evaluation.calibration import Calibration, Reliability, measure_reliability
from glacier.evaluation.debris import find_debris
from glacier.evaluation.metrics import (
    SIZES_KM2,
    ClassPixels,
    Counts,
    count_by_class,
    count_by_size,
    count_pixels,
    percent_of,
    pool_counts,
)
from glacier.labels import IGNORE, label_truth
from glacier.samples.folds import FoldMasks
from glacier.samples.month_images import MonthImage
from glacier.samples.sample_set import SampleSet, month_key
from glacier.settings.model import Model


class OutlineScore(Model):
    """Agreement of two outlines; None where none was measured."""

    f1: float | None = None
    """Harmonic mean of the shares of both outlines within the tolerance of the other, 0..1."""
    mean_m: float | None = None
    """Mean distance, metres."""
    p95_m: float | None = None
    """95th percentile of the distance, metres."""

    @classmethod
    def of(cls, boundary: Boundary | None) -> OutlineScore:
        """The score of measured distances."""
        if boundary is None:
            return cls()
        return cls(f1=boundary.f1, mean_m=boundary.mean_m, p95_m=boundary.p95_m)


class ImageScore(Model):
    """Score on the test part of one image."""

    region: str
    month: date
    counts: Counts
    debris: Counts | None = None
    """Of glacier under debris alone, see :func:`debris.find_debris`; None where it is not known."""
    outline: OutlineScore = OutlineScore()
    area_error_km2: float = 0.0
    """Predicted less true area."""
    valid_share: float = 1.0
    """Share of the test part that was seen, 0..1."""
    claimed_px: float | None = None
    """Sum of the probabilities over the pixels that count: as much glacier as is claimed, pixels;
    None for a method without probabilities."""

    @property
    def key(self) -> str:
        """``<region>/<YYYY-MM>``."""
        return month_key(self.region, self.month)


class UnitScore(Model):
    """Counts of one independent unit: a block, year, region or image."""

    unit: str
    counts: Counts


class AreaScore(Model):
    """Errors of the mapped area."""

    error_km2: float = 0.0
    """Predicted less true area, mean over the images."""
    error_abs_km2: float = 0.0
    """The same without its sign."""
    error_percent: float | None = None
    """Sum of the errors over the true area; None: there is no true area."""


class MaskScore(Model):
    """How a mask agrees with the truth."""

    counts: Counts
    outline: OutlineScore = OutlineScore()


class TruthScore(Model):
    """Prediction and label of an image against the truth, where the label is not it."""

    region: str
    month: date
    prediction: MaskScore
    label: MaskScore


class Scorecard(Model):
    """Scores of a method on all images of one test part."""

    images: tuple[ImageScore, ...] = ()
    units: tuple[UnitScore, ...] = ()
    tolerance_m: float = 0.0
    """Distance that counts as near: a pixel's longer side."""
    outline: OutlineScore = OutlineScore()
    """Over the boundary pixels of all images."""
    area: AreaScore = AreaScore()
    reliability: Reliability | None = None
    """None for a method without probabilities."""
    sizes: dict[str, Counts] = Field(default_factory=dict)
    """By size of the glacier area, see :func:`metrics.count_by_size`."""
    classes: dict[str, ClassPixels] = Field(default_factory=dict)
    """By surface; empty where no class is known."""
    truth: tuple[TruthScore, ...] = ()
    """An image each where labels are not the truth and it is known; else empty."""

    @property
    def counts(self) -> Counts:
        """Of all images together."""
        return pool_counts(image.counts for image in self.images)


class ScorecardBuilder:
    """Adds up the images of one test part."""

    def __init__(self, samples: SampleSet, masks: FoldMasks, test: Collection[str]) -> None:
        """Begin with nothing.

        Args:
            samples: Description of the samples.
            masks: What the folds keep whole.
            test: Units of the test part.
        """
        self.samples, self.masks, self.test = samples, masks, set(test)
        sides_m = [frame.pixel_sides_m for frame in samples.regions.values()]
        self.tolerance_m = max(side for pair in sides_m for side in pair)
        label = samples.label  # a margin is cut out of the labels of outlines alone
        self.has_outlines = label.kind != "outlines" or not label.margin_m
        self.images: list[ImageScore] = []
        self.units: dict[str, Counts] = {}
        self.boundaries: list[Boundary] = []
        self.reliability: Reliability | None = None
        self.true_km2 = 0.0
        self.sizes: dict[str, Counts] = {}
        self.classes: dict[str, ClassPixels] = {}
        self.truth: list[TruthScore] = []

    def add(
        self,
        image: MonthImage,
        mask: NDArray[np.bool_],
        prediction: NDArray[Any],
        threshold: float = Calibration.threshold,
    ) -> None:
        """Score the prediction for one image.

        Args:
            image: The image and its label.
            mask: (H, W) bool, its test pixels.
            prediction: (H, W) bool, or the probability of glacier.
            threshold: Probability from which a pixel is predicted to be glacier.
        """
        is_soft = prediction.dtype != np.bool_
        predicted = prediction >= threshold if is_soft else prediction
        height_m, width_m = self.samples.regions[image.region].pixel_sides_m
        pixel_km2 = height_m * width_m / 1e6
        counts = count_pixels(predicted, image.label, mask)
        boundary = self.measure_outlines(image, predicted, image.label, mask)
        if boundary:
            self.boundaries.append(boundary)
        self.true_km2 += counts.glacier_pixels * pixel_km2
        debris = find_debris(image, self.samples)
        claimed = None
        if is_soft:
            found = measure_reliability(prediction, image.label, mask)
            self.reliability = found + self.reliability if self.reliability else found
            claimed = sum(found.probability)
        self.images.append(
            ImageScore(
                region=image.region,
                month=image.month,
                counts=counts,
                debris=None
                if debris is None
                else count_pixels(predicted, image.label, mask & debris),
                outline=OutlineScore.of(boundary),
                area_error_km2=counts.area_error_px * pixel_km2,
                valid_share=float(image.seen[mask].mean()),
                claimed_px=claimed,
            )
        )
        self.add_units(image, predicted)
        for size, some in count_by_size(predicted, image.label, mask, pixel_km2).items():
            self.sizes[size] = self.sizes.get(size, Counts()) + some
        if image.surface is not None:
            self.add_surface(image, mask & (image.label != IGNORE), predicted)

    def add_surface(
        self, image: MonthImage, known: NDArray[np.bool_], predicted: NDArray[np.bool_]
    ) -> None:
        """Count by class, and where labels are not the truth, score both against it."""
        assert image.surface is not None
        for name, found in count_by_class(predicted, image.surface, known).items():
            self.classes[name] = self.classes.get(name, ClassPixels()) + found
        if self.samples.classes != "truth" or self.samples.label.kind == "truth":
            return
        truth = label_truth(image.surface)
        prediction, label = (
            MaskScore(
                counts=count_pixels(mask, truth, known),
                outline=OutlineScore.of(self.measure_outlines(image, mask, truth, known)),
            )
            for mask in (predicted, image.label == 1)
        )
        self.truth.append(
            TruthScore(region=image.region, month=image.month, prediction=prediction, label=label)
        )

    def measure_outlines(
        self,
        image: MonthImage,
        predicted: NDArray[np.bool_],
        label: NDArray[np.uint8],
        mask: NDArray[np.bool_],
    ) -> Boundary | None:
        """Distances between two outlines; None where a margin at the outlines is unknown.

        Args:
            image: The image that both are of.
            predicted: (H, W) bool.
            label: (H, W) uint8: 1 glacier, 0 not, 255 unknown.
            mask: (H, W) bool, pixels that count.
        """
        if not self.has_outlines:
            return None
        sides_m = self.samples.regions[image.region].pixel_sides_m
        return measure_boundary(predicted, label, sides_m, self.tolerance_m, mask)

    def add_units(self, image: MonthImage, predicted: NDArray[np.bool_]) -> None:
        """Count the pixels of each test unit of an image."""
        for name, (top, bottom, left, right) in self.masks.rectangles(image).items():
            if name in self.test:
                place = np.s_[top:bottom, left:right]
                counts = count_pixels(predicted[place], image.label[place])
                self.units[name] = self.units.get(name, Counts()) + counts

    def build(self) -> Scorecard:
        """The scores of all images so far."""
        errors = [image.area_error_km2 for image in self.images] or [0.0]
        boundary = pool_boundaries(self.boundaries) if self.has_outlines else None
        return Scorecard(
            images=tuple(self.images),
            units=tuple(
                UnitScore(unit=name, counts=self.units[name]) for name in sorted(self.units)
            ),
            tolerance_m=self.tolerance_m,
            outline=OutlineScore.of(boundary),
            area=AreaScore(
                error_km2=float(np.mean(errors)),
                error_abs_km2=float(np.mean(np.abs(errors))),
                error_percent=percent_of(float(np.sum(errors)), self.true_km2),
            ),
            reliability=self.reliability,
            sizes={name: self.sizes[name] for name in SIZES_KM2 if name in self.sizes},
            classes=self.classes,
            truth=tuple(self.truth),
        )
