"""What one method scores on the test part of one fold, added up image by image.

Networks, their ensemble and the baselines are all scored here, so on the same pixels by the same
arithmetic.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glacier.config import FoldKind
from glacier.evaluation.boundary import Boundary, measure_boundary, pool_boundaries
from glacier.evaluation.calibration import Calibration, Reliability, measure_reliability
from glacier.evaluation.metrics import (
    SIZES_KM2,
    Counts,
    count_by_class,
    count_by_size,
    count_pixels,
    percent_of,
)
from glacier.labels import IGNORE, label_truth
from glacier.samples.dataset import MonthImage, pixel_sides
from glacier.samples.folds import unit_rectangles


class Scorecard:
    """Scores of a method on the images of one test part."""

    def __init__(self, summary: dict[str, Any], kind: FoldKind, test: Collection[str]) -> None:
        """Begin with nothing.

        Args:
            summary: Description of the samples.
            kind: What the folds keep whole.
            test: Units of the test part.
        """
        self.summary, self.kind, self.test = summary, kind, set(test)
        sides = [side for region in summary["regions"] for side in pixel_sides(summary, region)]
        self.tolerance_m = max(sides)
        label = summary["label"]  # a margin is cut out of the labels of outlines alone
        self.has_outlines = label["kind"] != "outlines" or not label.get("margin_m")
        self.rows: list[dict[str, Any]] = []
        self.units: dict[str, Counts] = {}
        self.boundaries: list[Boundary] = []
        self.reliability: Reliability | None = None
        self.true_km2 = 0.0
        self.sizes: dict[str, Counts] = {}
        self.classes: dict[str, dict[str, int]] = {}
        self.against_truth: list[dict[str, Any]] = []

    def add(
        self,
        image: MonthImage,
        part: NDArray[np.bool_],
        answer: NDArray[Any],
        threshold: float = Calibration.threshold,
    ) -> None:
        """Score the answer for one image.

        Args:
            image: The image and its label.
            part: (H, W) bool, its test pixels.
            answer: (H, W) bool, or the probability of glacier.
            threshold: Probability from which a pixel is called glacier.
        """
        soft = answer.dtype != np.bool_
        predicted = answer >= threshold if soft else answer
        sides_m = pixel_sides(self.summary, image.region)
        pixel_km2 = sides_m[0] * sides_m[1] / 1e6
        counts = count_pixels(predicted, image.label, part)
        boundary = self.measure_outlines(predicted, image.label, sides_m, part)
        if boundary:
            self.boundaries.append(boundary)
        self.true_km2 += (counts.tp + counts.fn) * pixel_km2
        if soft:
            found = measure_reliability(answer, image.label, part)
            self.reliability = found + self.reliability if self.reliability else found
        self.rows.append(
            {
                "region": image.region,
                "month": image.month.isoformat(),
                **asdict(counts),
                **describe_boundary(boundary),
                "area_error_km2": counts.area_error_px * pixel_km2,
                "valid_share": float(np.isfinite(image.image[:, part]).all(axis=0).mean()),
            }
        )
        self.add_units(image, predicted)
        for size, some in count_by_size(predicted, image.label, part, pixel_km2).items():
            self.sizes[size] = self.sizes.get(size, Counts()) + some
        if image.surface is not None:
            self.add_surface(image, part & (image.label != IGNORE), predicted)

    def add_surface(
        self, image: MonthImage, known: NDArray[np.bool_], predicted: NDArray[np.bool_]
    ) -> None:
        """Count by class, and where labels are not the truth, score both against it."""
        assert image.surface is not None
        for name, found in count_by_class(predicted, image.surface, known).items():
            sums = self.classes.setdefault(name, {"pixels": 0, "called": 0})
            self.classes[name] = {what: sums[what] + found[what] for what in sums}
        if self.summary["classes"] != "truth" or self.summary["label"]["kind"] == "truth":
            return
        truth, sides_m = label_truth(image.surface), pixel_sides(self.summary, image.region)
        self.against_truth.append(
            {
                "region": image.region,
                "month": image.month.isoformat(),
                **{
                    name: asdict(count_pixels(mask, truth, known))
                    | describe_boundary(self.measure_outlines(mask, truth, sides_m, known))
                    for name, mask in (("answer", predicted), ("label", image.label == 1))
                },
            }
        )

    def measure_outlines(
        self,
        predicted: NDArray[np.bool_],
        label: NDArray[np.uint8],
        sides_m: tuple[float, float],
        part: NDArray[np.bool_],
    ) -> Boundary | None:
        """Distances between two outlines; None where a margin at the outlines is unknown.

        Args:
            predicted: (H, W) bool.
            label: (H, W) uint8: 1 glacier, 0 not, 255 unknown.
            sides_m: Height and width of a pixel, metres.
            part: (H, W) bool, pixels that count.
        """
        if not self.has_outlines:
            return None
        return measure_boundary(predicted, label, sides_m, self.tolerance_m, part)

    def add_units(self, image: MonthImage, predicted: NDArray[np.bool_]) -> None:
        """Count the pixels of each test unit of an image."""
        shape, (rows, cols) = image.label.shape, self.summary["blocks"]
        boxes = unit_rectangles(
            self.kind, image.region, image.month, (shape[0], shape[1]), (rows, cols)
        )
        for name, (top, bottom, left, right) in boxes.items():
            if name in self.test:
                place = np.s_[top:bottom, left:right]
                counts = count_pixels(predicted[place], image.label[place])
                self.units[name] = self.units.get(name, Counts()) + counts

    def as_dict(self) -> dict[str, Any]:
        """All scores, for JSON.

        Returns:
            ``tested``, a row an image: region, month, counts, boundary, area error, and the
            share of the part that was seen.
            ``units``, a row an independent unit: its counts. ``boundary``, over the boundary
            pixels of all images: ``tolerance_m`` (a pixel's longer side), F1, precision,
            recall, distances in metres; None with a margin. ``area``: mean error of an image,
            signed and absolute, km2, and the sum of errors in per cent of the true area (None:
            no true area).
            ``calibration``: the error and sums by bin; None for a method without
            probabilities. ``sizes``: counts by size of the glacier area
            (:func:`metrics.count_by_size`). ``classes``: by surface its pixels, and those called
            glacier; empty where no class is known. ``truth``, where labels are not it: a row an
            image, counts and outline of the ``answer`` and of the ``label`` against the truth.
        """
        errors = [row["area_error_km2"] for row in self.rows] or [0.0]
        boundary = describe_boundary(
            pool_boundaries(self.boundaries) if self.has_outlines else None
        )
        return {
            "tested": self.rows,
            "units": [{"unit": name, **asdict(self.units[name])} for name in sorted(self.units)],
            "boundary": {"tolerance_m": self.tolerance_m, **boundary},
            "area": {
                "area_error_km2": float(np.mean(errors)),
                "area_error_abs_km2": float(np.mean(np.abs(errors))),
                "area_error_percent": percent_of(float(np.sum(errors)), self.true_km2),
            },
            "calibration": self.reliability.as_dict() if self.reliability else None,
            "sizes": {name: asdict(self.sizes[name]) for name in SIZES_KM2 if name in self.sizes},
            "classes": self.classes,
            "truth": self.against_truth,
        }


def describe_boundary(boundary: Boundary | None) -> dict[str, float | None]:
    """F1 and distances of outlines by the names that reports use; None where none was measured."""
    measures = ("f1", "mean_m", "p95_m")
    return {f"boundary_{name}": getattr(boundary, name, None) for name in measures}
