"""How variants serve their worst region, and all regions alike, against the first variant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from glacier.evaluation.metrics import Counts
from glacier.evaluation.scorecard import ImageScore
from glacier.markdown import escape, write_table
from glacier.settings.model import Model
from glacier.studies.differences import Difference, correct_column, pair_scores
from glacier.studies.sentences import describe_difference
from glacier.studies.variants import Variant

COLUMNS = ("variant", "encoder", "worst region", "its IoU", "difference", "mean IoU", "difference")
"""Columns of the page's table."""

RegionScores = Mapping[int, Mapping[str, float]]
"""Fold to region to IoU."""


class RegionRow(Model):
    """One encoder of one variant."""

    variant: str
    encoder: str
    region: str
    """As people call the region with the lowest IoU, mean over the folds."""
    worst_iou: float
    """IoU of the worst region of each fold, mean over the folds."""
    mean_iou: float
    """Mean over the regions, each counted once, then over the folds."""
    worst: Difference | None = None
    """The first less the reference's; None of the reference itself, likewise the next."""
    mean: Difference | None = None


def list_region_rows(variants: Sequence[Variant], lost: int = 0) -> list[RegionRow]:
    """A row per variant and encoder where training was told of regions.

    Args:
        variants: The variants, of which the first is the reference.
        lost: Encoders of variants that failed, which were to be compared as well.

    Returns:
        Empty where no variant has ``sweep.fairness``, or a fold tests fewer than two regions.
    """
    if all(variant.settings.fairness.kind == "none" for variant in variants):
        return []
    rows = [
        make_region_row(variant, variants[0], encoder)
        for variant in variants
        for encoder in variant.trials
    ]
    found = [row for row in rows if row]
    return correct_column(correct_column(found, "worst", lost), "mean", lost)


def make_region_row(variant: Variant, reference: Variant, encoder: str) -> RegionRow | None:
    """What an encoder scores by region; None where a fold tests fewer than two."""
    own, theirs = (score_regions(each, encoder) for each in (variant, reference))
    if not own or any(len(regions) < 2 for regions in own.values()):
        return None
    comparable = variant is not reference and variant.shares(reference, "test")
    comparable &= list(own) == list(theirs)

    def subtract(summary: Callable[[RegionScores], list[float]]) -> Difference | None:
        if not comparable:
            return None
        return pair_scores(summary(own), summary(theirs), variant.ratio("test"))

    return RegionRow(
        variant=variant.name,
        encoder=encoder,
        region=variant.config.place(find_worst(own)),
        worst_iou=float(np.mean(list_lowest(own))),
        mean_iou=float(np.mean(list_means(own))),
        worst=subtract(list_lowest),
        mean=subtract(list_means),
    )


def score_regions(variant: Variant, encoder: str) -> RegionScores:
    """IoU of an encoder by fold and region, over the test pixels of the regions with known ice."""
    found = {
        trial.fold: pool_regions(trial.scorecard.images)
        for trial in variant.trials.get(encoder, ())
    }
    return {
        fold: {name: c.iou for name, c in regions.items() if c.glacier_pixels}
        for fold, regions in found.items()
    }


def pool_regions(images: Sequence[ImageScore]) -> dict[str, Counts]:
    """Region to the counts of its images."""
    found: dict[str, Counts] = defaultdict(Counts)
    for image in images:
        found[image.region] += image.counts
    return found


def list_lowest(scores: RegionScores) -> list[float]:
    """The lowest IoU of a region, fold by fold."""
    return [min(regions.values()) for regions in scores.values()]


def list_means(scores: RegionScores) -> list[float]:
    """The mean IoU of the regions, fold by fold."""
    return [float(np.mean(list(regions.values()))) for regions in scores.values()]


def find_worst(scores: RegionScores) -> str:
    """The region with the lowest IoU, mean over the folds that test it."""
    by_region = defaultdict(list)
    for regions in scores.values():
        for name, iou in regions.items():
            by_region[name].append(iou)
    return min(by_region, key=lambda name: (np.mean(by_region[name]), name))


def conclude_regions(rows: Sequence[RegionRow], reference: str) -> str:
    """Which variants are shown to serve the worst region better, or that none is."""
    kinds: dict[str, list[str]] = {"raises": [], "lowers": [], "is not shown to change": []}
    for row in rows:
        if row.worst is not None:
            way = "raises" if row.worst.difference > 0 else "lowers"
            name = f"{row.variant} ({row.worst.difference:+.3f})"
            kinds[way if row.worst.sure else "is not shown to change"].append(name)
    parts = [f"{way} it: {', '.join(names)}" for way, names in kinds.items() if names]
    if not parts:
        return f"No variant can be compared with {reference} by its worst region."
    gain = "" if kinds["raises"] else "No gain. "
    return f"{gain}IoU of the worst region against {reference}. What {'; what '.join(parts)}."


def write_regions(rows: Sequence[RegionRow], reference: str) -> list[str]:
    """The page's part on the worst region; empty where there is none."""
    if not rows:
        return []
    return [
        "## The worst region",
        "",
        *write_table(COLUMNS, map(format_row, rows)),
        "",
        f"Test parts, fold by fold: the IoU of the region that is served worst, and the mean over "
        f"the regions, each counted once; differences to {reference} are paired over the folds "
        "(corrected paired test, 95 % interval; p among all variants by Holm's correction). The "
        "region that is named has the lowest IoU, mean over the folds; a fold's own worst may be "
        "another.",
        "",
    ]


def format_row(row: RegionRow) -> tuple[str, ...]:
    """A row of the table."""
    told = [describe_difference(found) for found in (row.worst, row.mean)]
    cells = (f"{row.worst_iou:.3f}", told[0], f"{row.mean_iou:.3f}", told[1])
    return (row.variant, escape(row.encoder), escape(row.region), *cells)
