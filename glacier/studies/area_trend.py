"""Whether the mapped glacier shrank: one value a late summer, one line a set of networks."""

from __future__ import annotations

import calendar
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
from scipy import stats

from glacier.evaluation.metrics import Counts, pool_counts
from glacier.evaluation.results import TrialResult
from glacier.evaluation.scorecard import ImageScore
from glacier.evaluation.verdict import CONFIDENCE
from glacier.studies.judgements import Finding, Variants, Verdict, untestable

WELL_SEEN = 0.8
"""Least share of the ground seen best that an image must show for its area to count."""


def judge_area_trend(variants: Variants) -> Finding:
    """Slope of the mapped area over late summers, beside that of the true area."""
    variant = variants["encoders"]
    encoder = next(iter(variant.trials), "")
    months = variant.sweep.late_summer
    if months is None:
        return untestable(
            "no months are late summer in all regions: none was tested, or they lie on both sides "
            "of the equator."
        )
    images = find_well_seen(variant.trials.get(encoder, ()), months)
    summers = average_summers(images)
    if len({summer.year for summer in summers}) < 3:
        return untestable(
            f"the late-summer images that are well seen are of fewer than 3 years ({len(images)})."
        )
    mapped, true = fit_slope(summers, "mapped"), fit_slope(summers, "true")
    if mapped is None or true is None:
        return untestable("no network mapped two years, so that none can show a change.")
    held: Verdict = "held" if mapped.high is not None and mapped.high < 0 else "not held"
    opposite = mapped.low is not None and mapped.low > 0
    why = (
        f"Mapped by {encoder} in {name_images(images, months)}: {describe_slope(mapped)}; by the "
        f"labels {describe_slope(true)}. One value a year, and a year is only compared with "
        "others that the same networks mapped."
    )
    return Finding(held, why, mapped.percent_a_year, "% a year", mapped.low, mapped.high, opposite)


@dataclass(frozen=True)
class Slope:
    """How fast an area changes, per cent of its mean a year."""

    percent_a_year: float
    low: float | None = None
    """Lower end of its interval; None where there is no spread to take it from."""
    high: float | None = None


def describe_slope(found: Slope) -> str:
    """``-1.20 % a year (-2.00 to -0.40)``."""
    span = "" if found.low is None else f" ({found.low:+.2f} to {found.high:+.2f})"
    return f"{found.percent_a_year:+.2f} % a year{span}"


@dataclass(frozen=True)
class SeenImage:
    """A month's image, all regions together."""

    month: date
    counts: Counts
    folds: frozenset[int]
    """Folds whose networks mapped it."""


def name_images(images: Sequence[SeenImage], months: tuple[int, ...]) -> str:
    """``12 images of August and September 2014 to 2023``."""
    years = [image.month.year for image in images]
    summer = " and ".join(calendar.month_name[month] for month in months)
    return f"{len(images)} images of {summer} {min(years)} to {max(years)}"


def find_well_seen(trials: Iterable[TrialResult], months: tuple[int, ...]) -> list[SeenImage]:
    """The late-summer months that show most of the ground.

    Args:
        trials: Those that mapped it.
        months: Calendar months, 1..12, of late summer.
    """
    dates: dict[date, list[tuple[int, ImageScore]]] = defaultdict(list)
    for trial in trials:
        for image in trial.scorecard.images:
            dates[image.month].append((trial.fold, image))
    images = [
        SeenImage(
            month,
            pool_counts(image.counts for _, image in found),
            frozenset(fold for fold, _ in found),
        )
        for month, found in sorted(dates.items())
    ]
    most = max((image.counts.pixels for image in images), default=0)
    return [
        image
        for image in images
        if image.month.month in months and image.counts.pixels >= WELL_SEEN * most
    ]


@dataclass(frozen=True)
class Summer:
    """The late summer of a year, as one set of networks mapped it."""

    year: int
    folds: frozenset[int]
    mapped: float
    """Glacier's share of the known pixels, mean over the images, 0..1."""
    true: float


def average_summers(images: Sequence[SeenImage]) -> list[Summer]:
    """One value a year, since images of one summer are alike."""
    groups: dict[tuple[int, frozenset[int]], list[Counts]] = defaultdict(list)
    for image in images:
        groups[image.month.year, image.folds].append(image.counts)
    return [
        Summer(
            year,
            folds,
            float(np.mean([(counts.tp + counts.fp) / counts.pixels for counts in found])),
            float(np.mean([counts.glacier_pixels / counts.pixels for counts in found])),
        )
        for (year, folds), found in groups.items()
    ]


def fit_slope(summers: Sequence[Summer], area: Literal["mapped", "true"]) -> Slope | None:
    """Straight lines of one slope through the area of late summers, by least squares.

    The mapped area has a line for each set of networks, since what one network maps too large
    in all its years would else look like a change between them.

    Args:
        summers: Of three years or more.
        area: Which area.

    Returns:
        Slope in per cent of the mean area a year, with its interval (Student's t; None without a
        spread). None where no line has two years.
    """
    lines = [summer.folds if area == "mapped" else frozenset() for summer in summers]
    kinds = list(dict.fromkeys(lines))
    member = np.array([[line == kind for kind in kinds] for line in lines], float)
    years = np.array([summer.year for summer in summers], float)
    shares = np.array([getattr(summer, area) for summer in summers])
    if not shares.any():
        return Slope(0.0)
    within = years - member @ (years @ member / member.sum(axis=0))
    if not (spread := float(within @ within)):
        return None
    values = 100 * shares / shares.mean()
    values -= member @ (values @ member / member.sum(axis=0))
    slope = float(within @ values) / spread
    free = len(summers) - len(kinds) - 1
    if free < 1:
        return Slope(slope)
    rest = values - slope * within
    error = math.sqrt(float(rest @ rest) / free / spread)
    reach = float(stats.t.isf((1 - CONFIDENCE) / 2, free)) * error
    return Slope(slope, slope - reach, slope + reach)
