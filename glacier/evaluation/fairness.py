"""Whether a method serves all alike: by region, hemisphere, season and sensor, the worst first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from glacier.evaluation.metrics import pool_counts
from glacier.evaluation.scorecard import ImageScore
from glacier.evaluation.verdict import CONFIDENCE, RESAMPLES
from glacier.settings.model import Model

Kind = Literal["region", "hemisphere", "season", "sensor"]
"""By what images are told apart."""

SEASONS = ("winter", "spring", "summer", "autumn")
"""Of the north, from December on."""

Ends = tuple[float, float]
"""Lower and upper end of an interval."""


class GroupScores(Model):
    """What a method scores on the images of one group."""

    kind: Kind
    name: str
    images: int
    iou: float
    """Over the pixels of all its images."""
    iou_interval: Ends | None
    """At 95 %, by drawing images anew; None of a single one."""
    area_error: float | None
    """Predicted less true area, over the true one; None: there is no ice."""
    area_interval: Ends | None
    """Likewise."""
    calibration: float | None
    """Mean probability less the share of ice (calibration in the large), -1..1: 0.02 claims two
    pixels of a hundred too many; None of a method without probabilities."""
    calibration_interval: Ends | None
    """Likewise."""


def compare_groups(
    images: Sequence[ImageScore],
    southern: Collection[str],
    sensors: Mapping[str, str],
) -> tuple[GroupScores, ...]:
    """Scores by group, of every kind that has two or more; in each the worst first.

    Args:
        images: Those that a method was tested on.
        southern: Regions south of the equator.
        sensors: Key of an image to what took it; of none that is not known.
    """
    kinds: dict[Kind, Callable[[ImageScore], str]] = {
        "region": lambda image: image.region,
        "hemisphere": lambda image: "south" if image.region in southern else "north",
        "season": lambda image: name_season(image, southern),
        "sensor": lambda image: sensors.get(image.key, ""),
    }
    found: list[GroupScores] = []
    for kind, name in kinds.items():
        groups = defaultdict(list)
        for image in images:
            if image.counts.pixels and (own := name(image)):
                groups[own].append(image)
        if len(groups) > 1:
            scores = [score_group(kind, own, counts) for own, counts in groups.items()]
            found += sorted(scores, key=lambda group: (group.iou, group.name))
    return tuple(found)


def name_season(image: ImageScore, southern: Collection[str]) -> str:
    """The season of an image where it was taken."""
    quarter = image.month.month % 12 // 3
    return SEASONS[(quarter + 2 * (image.region in southern)) % 4]


def score_group(kind: Kind, name: str, images: Sequence[ImageScore]) -> GroupScores:
    """Scores of the images of one group, by their counts."""
    whole = pool_counts(image.counts for image in images)
    claimed = [image.claimed_px for image in images if image.claimed_px is not None]
    is_soft, has_ice = len(claimed) == len(images), whole.glacier_pixels > 0
    drawn = draw_images(images) if len(images) > 1 else None
    return GroupScores(
        kind=kind,
        name=name,
        images=len(images),
        iou=whole.iou,
        iou_interval=find_ends(drawn.iou) if drawn else None,
        area_error=whole.area_error_px / whole.glacier_pixels if has_ice else None,
        area_interval=find_ends(drawn.area_error) if drawn and has_ice else None,
        calibration=(sum(claimed) - whole.glacier_pixels) / whole.pixels if is_soft else None,
        calibration_interval=find_ends(drawn.calibration) if drawn and is_soft else None,
    )


@dataclass(frozen=True)
class Drawn:
    """Scores of images drawn anew, (n,) each."""

    iou: NDArray[np.float64]
    area_error: NDArray[np.float64]
    """Of the draws that hold ice."""
    calibration: NDArray[np.float64]
    """Of no meaning where an image has no probabilities."""


def draw_images(images: Sequence[ImageScore]) -> Drawn:
    """Scores of as many images, drawn with replacement, by their counts."""
    parts = np.array(
        [(i.counts.tp, i.counts.fp, i.counts.fn, i.counts.tn, i.claimed_px or 0) for i in images]
    )
    share = np.full(len(images), 1 / len(images))
    draws = np.random.default_rng(0).multinomial(len(images), share, RESAMPLES)
    tp, fp, fn, tn, claimed = (draws @ parts).T.astype(float)
    either, true = tp + fp + fn, tp + fn
    return Drawn(
        iou=np.where(either > 0, tp / np.maximum(either, 1), 1.0),
        area_error=(fp - fn)[true > 0] / true[true > 0],
        calibration=(claimed - true) / (either + tn),
    )


def find_ends(values: NDArray[np.float64]) -> Ends:
    """Percentile interval of drawn values."""
    low, high = np.quantile(values, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return float(low), float(high)
