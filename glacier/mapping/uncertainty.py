"""How far the true area may be from a mapped one: three answers, and which of them counts.

- ``tested``: what the same models got wrong on images whose truth is known. It is the only one
  that knows of errors that all models share, such as debris that none of them sees.
- ``ensemble``: how far the models differ from each other.
- ``half_pixel``: the area within half a pixel of the outline, a convention without a probability.

The first counts where enough was tested; else the wider of the others, since both leave out errors
that it has.

Errors of one glacier are alike: the debris that a network misses in one year it misses in the next.
So a glacier that was tested itself has its own years, and any other has the tested glaciers, each
of which counts once, however many of its years were tested.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from glacier.evaluation.metrics import Counts, pool_counts
from glacier.evaluation.scorecard import ImageScore
from glacier.mapping.area import MapArea

AREA_CONFIDENCE = 0.9
"""Share of the intervals of areas that should hold the true area."""

MIN_MODELS = 3
"""Fewest models that tell how far models differ: of two the interval reaches 11 times as far as
they lie apart."""

MIN_TESTED = 3
"""Fewest tested years of a glacier, or tested glaciers, whose errors make an interval. It is wide
where they are few, 3.4 standard deviations each way of three; the other two are not."""

Values = NDArray[np.float64]

Source = Literal["tested", "ensemble", "half_pixel"]


UNKNOWN_ERRORS = "; errors that all models share are not in it, so it may well be too narrow"
"""Said of an interval that no test stands behind."""


@dataclass(frozen=True)
class AreaErrors:
    """Errors that say how wrong an area may be."""

    groups: tuple[tuple[float, ...], ...] = ()
    """log(mapped / true area): those of one group are alike, groups are independent."""
    kind: Literal["years", "glaciers"] = "years"
    """What a group is: a year of the glacier at hand, or all years of another one."""


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
    """None where fewer than ``MIN_TESTED`` years or glaciers were tested."""
    answer: Source
    """Name of the one that counts."""
    interval: Interval
    """That one."""
    why: str
    """Why it is that one."""


def judge_area(area: MapArea, members_km2: Sequence[float], errors: AreaErrors) -> AreaUncertainty:
    """All intervals of one area, and the one that counts.

    Args:
        area: As mapped.
        members_km2: Area by each model alone, on the same pixels; empty: only one mapped.
        errors: As of :func:`choose_errors`.
    """
    half_pixel = interval_from_outline(area)
    ensemble = interval_from_models(members_km2)
    tested = interval_from_tests(area.area_km2, errors.groups)
    count = len(errors.groups)
    few = f"only {count} of the {MIN_TESTED} tested {errors.kind} that an interval takes, and "
    answer: tuple[Source, Interval, str]
    if tested is not None:
        why = f"{count} tested {errors.kind} show also the errors that all models share"
        answer = "tested", tested, why
    elif ensemble is None:
        why = few + f"fewer than {MIN_MODELS} models"
        answer = "half_pixel", half_pixel, why + UNKNOWN_ERRORS
    elif ensemble.width_km2 > half_pixel.width_km2:
        why = few + "the models differ by more than half a pixel of the outline"
        answer = "ensemble", ensemble, why + UNKNOWN_ERRORS
    else:
        why = few + "the models differ by less than half a pixel of the outline"
        answer = "half_pixel", half_pixel, why + UNKNOWN_ERRORS
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


def interval_from_tests(area_km2: float, groups: Sequence[Sequence[float]]) -> Interval | None:
    """The mapped area by the errors that were made where the truth is known.

    From 19 groups on it lies between ordered errors, as in conformal prediction, and supposes
    nothing but that the group at hand is like those tested. Fewer have no such interval at 90 %;
    theirs supposes a normal distribution, and is the wider the fewer they are.

    Args:
        area_km2: As mapped.
        groups: As ``AreaErrors.groups``, none of them empty.

    Returns:
        Corrected for the mean error, so the mapped area may lie outside. None for fewer than
        ``MIN_TESTED`` groups.

    Source:
        Vovk, Gammerman & Shafer 2005, Algorithmic Learning in a Random World, chapter 2; with
        groups Lee, Barber & Willett 2023, Distribution-free inference with hierarchical data.
    """
    if len(groups) < MIN_TESTED:
        return None
    errors = np.concatenate([np.asarray(group, float) for group in groups])
    shares = np.concatenate([np.full(len(group), 1 / len(group)) for group in groups])
    low, high = order_next(errors, shares) or predict_next(errors, shares)
    return Interval(area_km2 * math.exp(-high), area_km2 * math.exp(-low))


def order_next(errors: Values, shares: Values) -> tuple[float, float] | None:
    """Ordered errors between which those of one more group lie with ``AREA_CONFIDENCE``.

    Args:
        errors: (N,) of all groups.
        shares: (N,) what each counts; 1 for a group together.

    Returns:
        None where the groups are too few.
    """
    outside = (1 - AREA_CONFIDENCE) / 2 * (float(shares.sum()) + 1) + 1e-9
    if outside < 1:
        return None
    ends = []
    for sign in (1, -1):
        order = np.argsort(sign * errors, kind="stable")
        # The new group's own error may lie beyond all others, and counts as one of them.
        within = 1 + np.cumsum(shares[order]) - shares[order] <= outside
        ends.append(float(errors[order][within][-1]))
    return ends[0], ends[1]


def predict_next(values: Values, shares: Values | None = None) -> tuple[float, float]:
    """Where one value of one more group lies with ``AREA_CONFIDENCE``, if all are normal.

    Args:
        values: (N,) of two groups or more.
        shares: (N,) what each counts; 1 for a group together. None: each is a group.

    Source:
        Hahn & Meeker 1991, Statistical Intervals, chapter 4. With groups the variance is that
        between and within them, and the degrees of freedom are those of the groups alone, which
        errs to the wide side.
    """
    shares = np.ones(len(values)) if shares is None else shares
    count = float(shares.sum())
    mean = float(np.average(values, weights=shares))
    variance = float((shares * (values - mean) ** 2).sum()) / (count - 1)
    edge = float(stats.t.isf((1 - AREA_CONFIDENCE) / 2, count - 1))
    reach = edge * math.sqrt(variance * (1 + 1 / count))
    return mean - reach, mean + reach


def choose_errors(errors: Mapping[str, Sequence[float]], region: str) -> AreaErrors:
    """Which errors tell how wrong the areas of a region may be.

    Args:
        errors: As of :func:`group_log_errors`.
        region: Its name.

    Returns:
        Of its own years, where enough of them were tested, else of all tested glaciers.
    """
    own = errors.get(region, ())
    if len(own) >= MIN_TESTED or set(errors) <= {region}:
        return AreaErrors(tuple((error,) for error in own))
    return AreaErrors(tuple(tuple(errors[name]) for name in sorted(errors)), "glaciers")


def group_log_errors(images: Iterable[ImageScore]) -> dict[str, tuple[float, ...]]:
    """Errors of the mapped area where the truth is known.

    Args:
        images: Scores on test parts, by models that never saw them, against labels that are the
            truth or outlines. Of months like those that the area is of: clouds and snow in
            others make other errors.

    Returns:
        Region to log(mapped / true area) of each of its years, in order, since images of one year
        are alike. Years without mapped or true glacier have none, and are left out.
    """
    years: dict[tuple[str, int], list[Counts]] = defaultdict(list)
    for image in images:
        years[image.region, image.month.year].append(image.counts)
    found: dict[str, tuple[float, ...]] = {}
    for region, year in sorted(years):
        counts = pool_counts(years[region, year])
        if counts.glacier_pixels and counts.tp + counts.fp:
            error = math.log((counts.tp + counts.fp) / counts.glacier_pixels)
            found[region] = (*found.get(region, ()), error)
    return found
