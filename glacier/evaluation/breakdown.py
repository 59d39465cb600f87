"""Where a method errs: by class of the surface, size of the ice, season, and what was seen.

Everything here adds up what the scorecards of all folds hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from typing import TypeVar

import numpy as np

from glacier.evaluation.metrics import SIZES_KM2, ClassPixels, Counts, pool_counts
from glacier.evaluation.scorecard import ImageScore, MaskScore, Scorecard, TruthScore
from glacier.settings.model import Model

SEEN_SHARES = {"below 50 %": 0.5, "50 to 80 %": 0.8, "80 to 95 %": 0.95, "95 % and more": np.inf}
"""Classes of the share of a test part that was seen and is labelled, by their upper end."""

SEEN_ORDER = list(SEEN_SHARES)

CLEAR_SHARE = 0.95
"""Share from which an image counts as clear."""

NEW_SNOW_SHARE = 0.05
"""Share of the ground outside the outlines under snow from which it is called new snow."""

LATE_SUMMER = {"north": (8, 9), "south": (2, 3)}
"""Months when the least seasonal snow lies on the ice, by hemisphere."""

Kind = TypeVar("Kind", int, str)


class ClassScore(Model):
    """One surface: its pixels, and those predicted to be glacier."""

    pixels: int
    predicted: int
    share: float
    """Of the pixels that is predicted to be glacier, 0..1."""


class SizeScore(Model):
    """Glacier areas of one size."""

    iou: float
    pixels: int
    """True glacier pixels."""


class GroupScore(Model):
    """Images of one kind together."""

    dice: float
    images: int
    iou: float | None
    """None where no ice is known."""


class TruthDice(Model):
    """Dice against the truth."""

    prediction: float
    label: float


class TruthComparison(TruthDice):
    """What a method and its labels are worth where labels are not the truth."""

    prediction_boundary_m: float | None
    """Mean distance of the predicted outlines from the true ones, mean over the images, metres."""
    label_boundary_m: float | None
    """The same of the labels' outlines."""
    years: dict[str, TruthDice]


class SummerOutlines(Model):
    """How far outlines lie from those of the labels."""

    images: int
    boundary_mean_m: float
    """Mean over the images, each counted once, metres."""


class LateSummer(SummerOutlines):
    """The same in clear late-summer images."""

    snowless: SummerOutlines | None
    """Of those with less than ``NEW_SNOW_SHARE``; None without any."""


class Breakdown(Model):
    """Scores of one method by all that its scorecards tell apart."""

    by_class: dict[str, ClassScore]
    by_size: dict[str, SizeScore]
    by_region: dict[str, GroupScore]
    by_month: dict[int, GroupScore]
    """By calendar month, 1..12."""
    by_seen: dict[str, GroupScore]
    """By the share of the test part that was seen."""
    against_truth: TruthComparison | None


def break_down(cards: Sequence[Scorecard]) -> Breakdown:
    """Scores of one method by all that its scorecards, one a fold, tell apart."""
    images = [image for card in cards for image in card.images]
    return Breakdown(
        by_class=pool_classes([card.classes for card in cards]),
        by_size=pool_sizes([card.sizes for card in cards]),
        by_region=pool_images(images, lambda image: image.region, sorted),
        by_month=pool_images(images, lambda image: image.month.month, sorted),
        by_seen=pool_images(images, name_share, lambda kinds: sorted(kinds, key=SEEN_ORDER.index)),
        against_truth=compare_with_truth([row for card in cards for row in card.truth]),
    )


def pool_classes(found: Sequence[Mapping[str, ClassPixels]]) -> dict[str, ClassScore]:
    """Pixels of each surface over all folds, and the share of them predicted to be glacier."""
    pooled: dict[str, ClassPixels] = {}
    for classes in found:
        for name, pixels in classes.items():
            pooled[name] = pooled.get(name, ClassPixels()) + pixels
    return {
        name: ClassScore(pixels=found.pixels, predicted=found.predicted, share=found.share)
        for name, found in pooled.items()
    }


def pool_sizes(found: Sequence[Mapping[str, Counts]]) -> dict[str, SizeScore]:
    """IoU by the size of the glacier area, over all folds."""
    pooled = {}
    for name in SIZES_KM2:
        rows = [sizes[name] for sizes in found if name in sizes]
        if rows:
            counts = pool_counts(rows)
            pooled[name] = SizeScore(iou=counts.iou, pixels=counts.glacier_pixels)
    return pooled


def pool_images(
    images: Sequence[ImageScore],
    kind: Callable[[ImageScore], Kind],
    order: Callable[[Sequence[Kind]], list[Kind]],
) -> dict[Kind, GroupScore]:
    """Dice of all images of a kind together, by kind, in an order of the kinds."""
    groups: dict[Kind, list[ImageScore]] = defaultdict(list)
    for image in images:
        groups[kind(image)].append(image)
    return {name: score_group(groups[name]) for name in order(list(groups))}


def score_group(images: Sequence[ImageScore]) -> GroupScore:
    """Dice and IoU of images of one kind together."""
    counts = pool_counts(image.counts for image in images)
    return GroupScore(
        dice=counts.dice,
        images=len({image.key for image in images}),
        iou=counts.iou if counts.glacier_pixels else None,
    )


def name_share(image: ImageScore) -> str:
    """The class that the share of seen pixels of an image belongs to."""
    return next(name for name, below in SEEN_SHARES.items() if image.valid_share < below)


def compare_with_truth(rows: Sequence[TruthScore]) -> TruthComparison | None:
    """What a method and its labels are worth against the truth; None without rows."""
    if not rows:
        return None
    years = sorted({row.month.year for row in rows})
    both = score_both(rows)
    return TruthComparison(
        prediction=both.prediction,
        label=both.label,
        prediction_boundary_m=mean_known([row.prediction.outline.mean_m for row in rows]),
        label_boundary_m=mean_known([row.label.outline.mean_m for row in rows]),
        years={str(y): score_both([row for row in rows if row.month.year == y]) for y in years},
    )


def score_both(rows: Sequence[TruthScore]) -> TruthDice:
    """Dice of the predictions and of the labels against the truth."""

    def dice(masks: Sequence[MaskScore]) -> float:
        return pool_counts(mask.counts for mask in masks).dice

    return TruthDice(
        prediction=dice([row.prediction for row in rows]), label=dice([row.label for row in rows])
    )


def late_summer_months(
    regions: Collection[str], southern: Collection[str]
) -> tuple[int, ...] | None:
    """Calendar months, 1..12, of late summer where regions lie.

    Args:
        regions: Their names.
        southern: Regions south of the equator, others among them.

    Returns:
        None where they lie on both sides of the equator, or there are none.
    """
    sides = {"south" if name in southern else "north" for name in regions}
    return LATE_SUMMER[sides.pop()] if len(sides) == 1 else None


def measure_late_summer(
    cards: Sequence[Scorecard],
    months: tuple[int, ...],
    snow: Mapping[tuple[str, date], float | None],
) -> LateSummer | None:
    """How far the outlines of clear late-summer images lie from those of the labels.

    Args:
        cards: Scorecards of all folds.
        months: Calendar months, 1..12, of late summer.
        snow: Region and first day of a month to the share of the ground outside the outlines
            under snow, 0..1; None where nobody knows.

    Returns:
        None where there is no clear image.
    """
    clear = [
        image
        for card in cards
        for image in card.images
        if image.month.month in months and image.valid_share >= CLEAR_SHARE
    ]
    shares = [snow.get((image.region, image.month)) for image in clear]
    snowless = [
        image
        for image, share in zip(clear, shares, strict=True)
        if share is not None and share < NEW_SNOW_SHARE
    ]
    found = mean_distance(clear)
    if found is None:
        return None
    return LateSummer(
        images=found.images,
        boundary_mean_m=found.boundary_mean_m,
        snowless=mean_distance(snowless),
    )


def mean_distance(images: Sequence[ImageScore]) -> SummerOutlines | None:
    """Mean distance of the outlines of images; None of none."""
    distance = mean_known([image.outline.mean_m for image in images])
    if distance is None:
        return None
    return SummerOutlines(images=len(images), boundary_mean_m=distance)


def mean_known(values: Sequence[float | None]) -> float | None:
    """Their mean; None without any, or where one is not known."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None
