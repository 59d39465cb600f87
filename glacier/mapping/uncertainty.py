"""How far the true area may be from a mapped one: three answers, and which of them counts.

- ``tested``: what the same models got wrong on images whose truth is known. It is the only one
  that knows of errors that all models share, such as debris that none of them sees.
- ``ensemble``: how far the models differ from each other.
- ``half_pixel``: the area within half a pixel of the outline, a convention without a probability.

The first counts where enough images were tested; else the wider of the others, since both leave
out errors that it has.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from glacier.evaluation.metrics import Counts, pool_counts
from glacier.evaluation.scorecard import ImageScore
from glacier.mapping.area import MapArea

AREA_CONFIDENCE = 0.9
"""Share of the intervals of areas that should hold the true area."""

MIN_MODELS = 3
"""Fewest models that tell how far models differ: of two the interval reaches 11 times as far as
they lie apart."""

MIN_TESTED = 5
"""Fewest tested years whose errors make an interval."""

Source = Literal["tested", "ensemble", "half_pixel"]


@dataclass(frozen=True)
class Interval:
    """Where the true area may lie."""

    low_km2: float
    high_km2: float

    @property
    def width_km2(self) -> float:
        """How wide it is."""
        return self.high_km2 - self.low_km2


@dataclass(frozen=True)
class AreaUncertainty:
    """All intervals of one area, and the one that counts."""

    half_pixel: Interval
    ensemble: Interval | None
    """None for fewer than ``MIN_MODELS``."""
    tested: Interval | None
    """None where fewer than ``MIN_TESTED`` years were tested."""
    answer: Source
    """Name of the one that counts."""
    interval: Interval
    """That one."""
    why: str
    """Why it is that one."""


def judge_area(
    area: MapArea, members_km2: Sequence[float], log_errors: Sequence[float]
) -> AreaUncertainty:
    """All intervals of one area, and the one that counts.

    Args:
        area: As mapped.
        members_km2: Area by each model alone, on the same pixels; empty: only one mapped.
        log_errors: As of :func:`list_log_errors`.
    """
    half_pixel = interval_from_outline(area)
    ensemble = interval_from_models(members_km2)
    tested = interval_from_tests(area.area_km2, log_errors)
    few = f"only {len(log_errors)} of the {MIN_TESTED} tested years that an interval takes, and "
    answer: tuple[Source, Interval, str]
    if tested is not None:
        why = f"{len(log_errors)} tested years show also the errors that all models share"
        answer = "tested", tested, why
    elif ensemble is None:
        answer = "half_pixel", half_pixel, few + f"fewer than {MIN_MODELS} models"
    elif ensemble.width_km2 > half_pixel.width_km2:
        why = few + "the models differ by more than half a pixel of the outline"
        answer = "ensemble", ensemble, why
    else:
        why = few + "the models differ by less than half a pixel of the outline"
        answer = "half_pixel", half_pixel, why
    return AreaUncertainty(half_pixel, ensemble, tested, *answer)


def interval_from_outline(area: MapArea) -> Interval:
    """The area with half a pixel less and half a pixel more along its outline."""
    return Interval(
        max(0.0, area.area_km2 - area.half_pixel_km2), area.area_km2 + area.half_pixel_km2
    )


def interval_from_models(members_km2: Sequence[float]) -> Interval | None:
    """Where the truth lies if it is one more draw from what the models are drawn from.

    It does not become narrow with their number, as an interval of their mean would: models that
    learned from the same labels err together. Least and greatest of few models would hold one
    more in (M - 1) / (M + 1) of cases only, in half of them of three.

    Args:
        members_km2: (M,) area by each model.

    Returns:
        None for fewer than ``MIN_MODELS``.

    Source:
        Hahn & Meeker 1991, Statistical Intervals, chapter 4 (prediction interval, normal).
    """
    if len(members_km2) < MIN_MODELS:
        return None
    low, high = predict_next(np.asarray(members_km2, float))
    return Interval(max(0.0, low), max(0.0, high))


def interval_from_tests(area_km2: float, log_errors: Sequence[float]) -> Interval | None:
    """The mapped area by the errors that were made where the truth is known.

    From 19 years on it lies between ordered errors, as in conformal prediction, and supposes
    nothing but that the year at hand is like those tested. Fewer have no such interval at 90 %;
    theirs supposes a normal distribution, and is the wider the fewer they are.

    Args:
        area_km2: As mapped.
        log_errors: (N,) log(mapped / true area), a tested year each.

    Returns:
        Corrected for the mean error, so the mapped area may lie outside. None for fewer than
        ``MIN_TESTED``.

    Source:
        Vovk, Gammerman & Shafer 2005, Algorithmic Learning in a Random World, chapter 2.
    """
    count = len(log_errors)
    if count < MIN_TESTED:
        return None
    errors = np.sort(np.asarray(log_errors, float))
    outside = math.floor((1 - AREA_CONFIDENCE) / 2 * (count + 1) + 1e-9)
    low, high = (
        (float(errors[outside - 1]), float(errors[-outside])) if outside else predict_next(errors)
    )
    return Interval(area_km2 * math.exp(-high), area_km2 * math.exp(-low))


def predict_next(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, float]:
    """Where one more normal value lies with ``AREA_CONFIDENCE``, beside two or more."""
    count = len(values)
    edge = float(stats.t.isf((1 - AREA_CONFIDENCE) / 2, count - 1))
    reach = edge * float(values.std(ddof=1)) * math.sqrt(1 + 1 / count)
    return float(values.mean()) - reach, float(values.mean()) + reach


def list_log_errors(images: Iterable[ImageScore]) -> list[float]:
    """Errors of the mapped area where the truth is known.

    Args:
        images: Scores on test parts, by models that never saw them, against labels that are the
            truth or outlines. Of months like those that the area is of: snow in other months
            makes other errors.

    Returns:
        log(mapped / true area) of each region and year, in order, since images of one year are
        alike. Those without mapped or true glacier have none, and are left out.
    """
    years: dict[tuple[str, int], list[Counts]] = defaultdict(list)
    for image in images:
        years[image.region, image.month.year].append(image.counts)
    pooled = [pool_counts(years[key]) for key in sorted(years)]
    return [
        math.log((counts.tp + counts.fp) / counts.glacier_pixels)
        for counts in pooled
        if counts.glacier_pixels and counts.tp + counts.fp
    ]
