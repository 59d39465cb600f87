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

from glacier.evaluation.breakdown import late_summer_months
from glacier.evaluation.metrics import Counts, Facts, pool_counts
from glacier.evaluation.verdict import CONFIDENCE
from glacier.studies.judgements import Finding, Variants, Verdict, untestable
from glacier.studies.variants import Difference

WELL_SEEN = 0.8
"""Least share of the ground seen best that an image must show for its area to count."""


def judge_shrinkage(variants: Variants) -> Finding:
    """Slope of the mapped area over late summers, beside that of the true area."""
    variant = variants["encoders"]
    encoder = next(iter(variant.trials), "")
    months = late_summer_months(variant.sweep["config"]["regions"])
    if months is None:
        return untestable("the regions do not say which months are late summer there.")
    rows = (
        row | {"fold": trial["fold"]}
        for trial in variant.trials.get(encoder, [])
        for row in trial["tested"]
    )
    summers, images = average_summers(well_seen(rows, months))
    if len({summer.year for summer in summers}) < 3:
        return untestable(
            f"the late-summer images that are well seen are of fewer than 3 years ({images})."
        )
    mapped = fit_slope(summers, "mapped")
    true = fit_slope(summers, "true")
    if mapped is None or true is None:
        return untestable("no network mapped two years, so that none can show a change.")
    held: Verdict = "held" if mapped.high is not None and mapped.high < 0 else "not held"
    years = [summer.year for summer in summers]
    spans = ["" if found.low is None else f" ({found.low:+.2f} to {found.high:+.2f})"
             for found in (mapped, true)]  # fmt: skip
    summer = " and ".join(calendar.month_name[month] for month in months)
    opposite = mapped.low is not None and mapped.low > 0
    why = (
        f"Mapped by {encoder} in {images} images of {summer} "
        f"{min(years)} to {max(years)}: {mapped.difference:+.2f} % a year{spans[0]}; by the "
        f"labels {true.difference:+.2f} % a year{spans[1]}. One value a year, and a year is only "
        "compared with others that the same networks mapped."
    )
    return Finding(held, why, mapped.difference, "% a year", mapped.low, mapped.high, opposite)


@dataclass(frozen=True)
class SeenImage:
    """A month's image, all regions together."""

    month: date
    counts: Counts
    folds: frozenset[int]
    """Folds whose networks mapped it."""


def well_seen(rows: Iterable[Facts], months: tuple[int, ...]) -> list[SeenImage]:
    """The late-summer months that show most of the ground.

    Args:
        rows: Test counts by region and month, and their ``fold``.
        months: Calendar months, 1..12, of late summer.
    """
    dates: dict[date, list[Facts]] = defaultdict(list)
    for row in rows:
        dates[date.fromisoformat(row["month"])].append(row)
    images = [
        SeenImage(month, pool_counts(found), frozenset(row["fold"] for row in found))
        for month, found in sorted(dates.items())
    ]
    most = max((known_px(image.counts) for image in images), default=0)
    return [
        image
        for image in images
        if image.month.month in months and known_px(image.counts) >= WELL_SEEN * most
    ]


def known_px(counts: Counts) -> int:
    """Pixels that were seen and labelled."""
    return counts.tp + counts.fp + counts.fn + counts.tn


@dataclass(frozen=True)
class Summer:
    """The late summer of a year, as one set of networks mapped it."""

    year: int
    folds: frozenset[int]
    mapped: float
    """Glacier's share of the known pixels, mean over the images, 0..1."""
    true: float


def average_summers(images: Sequence[SeenImage]) -> tuple[list[Summer], int]:
    """One value a year, since images of one summer are alike; and the number of images."""
    groups: dict[tuple[int, frozenset[int]], list[Counts]] = defaultdict(list)
    for image in images:
        groups[image.month.year, image.folds].append(image.counts)
    summers = [
        Summer(
            year,
            folds,
            float(np.mean([(c.tp + c.fp) / known_px(c) for c in found])),
            float(np.mean([(c.tp + c.fn) / known_px(c) for c in found])),
        )
        for (year, folds), found in groups.items()
    ]
    return summers, len(images)


def fit_slope(summers: Sequence[Summer], area: Literal["mapped", "true"]) -> Difference | None:
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
        return Difference(0.0, None, None, None, "plain")
    within = years - member @ (years @ member / member.sum(axis=0))
    if not (spread := float(within @ within)):
        return None
    values = 100 * shares / shares.mean()
    values -= member @ (values @ member / member.sum(axis=0))
    slope = float(within @ values) / spread
    free = len(summers) - len(kinds) - 1
    if free < 1:
        return Difference(slope, None, None, None, "plain")
    rest = values - slope * within
    error = math.sqrt(float(rest @ rest) / free / spread)
    reach = float(stats.t.isf((1 - CONFIDENCE) / 2, free)) * error
    return Difference(slope, slope - reach, slope + reach, None, "plain")
