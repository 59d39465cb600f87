"""What every method scores at every place, where no fold trains on the places that it tests."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np

from glacier.evaluation.comparison import Kind
from glacier.evaluation.metrics import Counts, percent_of, pool_counts
from glacier.evaluation.scorecard import ImageScore
from glacier.mapping.uncertainty import MIN_TESTED, interval_from_tests
from glacier.reports.groups import list_tested
from glacier.settings.model import Model
from glacier.studies.variants import Variant

WITH_RULE = " with the rule on NDSI"
"""After the name of a network beside which a rule speaks."""


class PlaceRow(Model):
    """One method at one place."""

    variant: str
    method: str
    kind: Kind
    title: str
    """The method as tables name it."""
    is_rule: bool
    """It is a threshold on bands or indices, and not the one that makes the labels."""
    place: str
    """As people call it."""
    images: int
    iou: float | None
    """Over the pixels of all images; None where no ice is known, likewise the next three."""
    debris_recall: float | None
    """Of ice that the label calls debris, else of the label's glacier that no bright ice or snow
    covers in the image."""
    boundary_mean_m: float | None
    """Mean over the images, metres."""
    area_error_percent: float | None
    """Mean over the images of its amount, of the label's area."""
    claimed_percent: float
    """Share of the ground without ice that is called glacier."""
    area_percent: dict[str, float]
    """Month, YYYY-MM, to the area called glacier less the label's, of the latter, in percent."""
    areas_held: int | None
    """Images whose label's area lies in the 90 % interval that the errors in the other images make
    of the mapped one; None where they are too few for an interval."""


def list_place_rows(variants: Sequence[Variant]) -> list[PlaceRow]:
    """A row per variant, method and place; simple methods once, since they are the same in all.

    Args:
        variants: The variants, of which the first is the reference.

    Returns:
        Empty where the folds of a variant are not regions.
    """
    if any(variant.settings.folds.kind != "by_region" for variant in variants):
        return []
    return [
        make_place_row(variant, method, region, list(images))
        for variant in variants
        for method, tested in list_tested(variant.sweep).items()
        if variant is variants[0] or variant.kind(method) != "baseline"
        for region, images in groupby(sorted(tested, key=region_of), key=region_of)
    ]


def region_of(image: ImageScore) -> str:
    """The region that an image is of."""
    return image.region


def make_place_row(
    variant: Variant, method: str, region: str, images: Sequence[ImageScore]
) -> PlaceRow:
    """What a method scores at a place."""
    counts = pool_counts(image.counts for image in images)
    debris = pool_counts(image.debris for image in images if image.debris is not None)
    has_ice = counts.glacier_pixels > 0
    distances = [image.outline.mean_m for image in images if image.outline.mean_m is not None]
    areas = {
        f"{image.month:%Y-%m}": error
        for image in sorted(images, key=lambda image: image.month)
        if (found := image.counts).glacier_pixels
        and (error := percent_of(found.area_error_px, found.glacier_pixels)) is not None
    }
    ground = counts.fp + counts.tn
    is_joined = variant.settings.joined_rule != "none" and variant.kind(method) != "baseline"
    return PlaceRow(
        variant=variant.name,
        method=method,
        kind=variant.kind(method),
        title=variant.scored[method].title + (WITH_RULE if is_joined else ""),
        is_rule=method in variant.rival_rules,
        place=variant.config.place(region),
        images=len(images),
        iou=counts.iou if has_ice else None,
        debris_recall=debris.recall if debris.glacier_pixels else None,
        boundary_mean_m=float(np.mean(distances)) if has_ice and distances else None,
        area_error_percent=float(np.mean(np.abs(list(areas.values())))) if areas else None,
        claimed_percent=100 * counts.fp / ground if ground else 0.0,
        area_percent=areas,
        areas_held=count_held([image.counts for image in images]),
    )


def count_held(images: Sequence[Counts]) -> int | None:
    """Images whose true area lies in an interval made of the errors in the others.

    So would someone fare who has drawn the glacier in those, and has the map alone of this one.

    Args:
        images: Pixels of each image.

    Returns:
        None where too few others make an interval, or an area is 0.
    """
    areas = [(counts.tp + counts.fp, counts.glacier_pixels) for counts in images]
    if len(areas) <= MIN_TESTED or any(0 in pair for pair in areas):
        return None
    errors = [(math.log(mapped / true),) for mapped, true in areas]
    held = 0
    for at, (mapped, true) in enumerate(areas):
        found = interval_from_tests(mapped, errors[:at] + errors[at + 1 :])
        held += found is not None and found.low_km2 <= true <= found.high_km2
    return held


Methods = Mapping[tuple[str, str], Mapping[str, PlaceRow]]
"""Variant and method to place to what it scores there."""


def group_methods(rows: Sequence[PlaceRow]) -> Methods:
    """The rows by method, in their order."""
    found: dict[tuple[str, str], dict[str, PlaceRow]] = defaultdict(dict)
    for row in rows:
        found[row.variant, row.method][row.place] = row
    return found


def mean_iou(places: Mapping[str, PlaceRow]) -> float:
    """IoU of a method over the places with known ice, each counted once; 0 without any."""
    known = [row.iou for row in places.values() if row.iou is not None]
    return float(np.mean(known)) if known else 0.0


def conclude_places(rows: Sequence[PlaceRow]) -> str:
    """How the best network stands to the rules on unseen ground, in a sentence or two.

    Returns:
        Empty where no network or no rule was scored.
    """
    methods = sorted(group_methods(rows).values(), key=mean_iou, reverse=True)
    networks = [m for m in methods if next(iter(m.values())).kind == "encoder"]
    rules = [m for m in methods if next(iter(m.values())).is_rule]
    if not networks or not rules:
        return ""
    best, rule = networks[0], rules[0]
    below = [
        f"{place} ({row.iou:.3f}; {other.title} {other.iou:.3f})"
        for place, row in best.items()
        if (other := find_best(rules, place)) is not None
        and row.iou is not None
        and other.iou is not None
        and row.iou <= other.iou
    ]
    first, second = (next(iter(method.values())) for method in (best, rule))
    gain = mean_iou(best) - mean_iou(rule)
    where = "no rule is better anywhere"
    if below:
        where = f"a rule is as good or better at {', '.join(below)}"
    return (
        f"On ground that no network saw, {first.title} ({first.variant}) has the highest mean IoU "
        f"over the places, {mean_iou(best):.3f}; the best rule, {second.title}, "
        f"{mean_iou(rule):.3f} ({gain:+.3f}); {where}. The network is named by these same "
        "scores, so its lead is flattered."
    )


def find_best(methods: Sequence[Mapping[str, PlaceRow]], place: str) -> PlaceRow | None:
    """The method that is best at a place; None where none was scored there."""
    found = [row for method in methods if (row := method.get(place)) and row.iou is not None]
    return max(found, key=lambda row: row.iou or 0.0, default=None)
