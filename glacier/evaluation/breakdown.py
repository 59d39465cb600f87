"""Where a method errs: by class of the surface, size of the ice, season, and what was seen.

Everything here adds up what the scorecards of all folds hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from glacier.evaluation.metrics import SIZES_KM2, Facts, pool_counts

SEEN_SHARES = {"below 50 %": 0.5, "50 to 80 %": 0.8, "80 to 95 %": 0.95, "95 % and more": np.inf}
"""Classes of the share of a test part that was seen and is labelled, by their upper end."""

CLEAR_SHARE = 0.95
"""Share from which an image counts as clear."""

NEW_SNOW_SHARE = 0.05
"""Share of the ground outside the outlines under snow from which it is called new snow."""

LATE_SUMMER = {"north": (8, 9), "south": (2, 3)}
"""Months when the least seasonal snow lies on the ice, by hemisphere."""


def break_down(parts: Sequence[Facts]) -> Facts:
    """Scores of one method by all that its scorecards tell apart.

    Args:
        parts: Scorecards of all folds, as ``Scorecard.as_dict`` gives them.

    Returns:
        ``by_class``: surface to its ``pixels``, those ``called`` glacier, and their ``share``.
        ``by_size``: size class to ``iou`` and true glacier ``pixels``. ``by_month``: calendar
        month (1..12) to ``dice`` and number of ``images``. ``by_region``, ``by_seen``: the same
        by region and by the share of the test part that was seen. ``against_truth``: see
        :func:`compare_with_truth`.
    """
    tested = [row for part in parts for row in part.get("tested", [])]
    return {
        "by_class": pool_classes([part.get("classes") or {} for part in parts]),
        "by_size": pool_sizes([part.get("sizes") or {} for part in parts]),
        "by_region": pool_rows(tested, lambda row: row["region"]),
        "by_month": pool_rows(tested, lambda row: int(row["month"][5:7])),
        "by_seen": pool_rows(tested, name_share),
        "against_truth": compare_with_truth([row for p in parts for row in p.get("truth", [])]),
    }


def pool_classes(found: Sequence[Mapping[str, Facts]]) -> dict[str, Facts]:
    """Pixels of each surface over all folds, and the share of them that is called glacier."""
    names = dict.fromkeys(name for classes in found for name in classes)
    pooled = {}
    for name in names:
        pixels, called = (
            sum(classes[name][what] for classes in found if name in classes)
            for what in ("pixels", "called")
        )
        pooled[name] = {"pixels": pixels, "called": called, "share": called / pixels}
    return pooled


def pool_sizes(found: Sequence[Mapping[str, Facts]]) -> dict[str, Facts]:
    """IoU by the size of the glacier area, over all folds."""
    pooled = {}
    for name in SIZES_KM2:
        rows = [sizes[name] for sizes in found if name in sizes]
        if rows:
            counts = pool_counts(rows)
            pooled[name] = {"iou": counts.iou, "pixels": counts.tp + counts.fn}
    return pooled


def pool_rows(rows: Sequence[Facts], key: Callable[[Facts], Any]) -> dict[Any, Facts]:
    """Dice of all images of a kind together, by kind, in the order of the kinds."""
    groups: dict[Any, list[Facts]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    order = list(SEEN_SHARES)
    kinds = sorted(groups, key=lambda kind: order.index(kind) if kind in order else kind)
    return {
        kind: {
            "dice": pool_counts(groups[kind]).dice,
            "images": len({(row["region"], row["month"]) for row in groups[kind]}),
        }
        for kind in kinds
    }


def name_share(row: Facts) -> str:
    """The class that the share of seen pixels of an image belongs to."""
    return next(name for name, below in SEEN_SHARES.items() if row["valid_share"] < below)


def compare_with_truth(rows: Sequence[Facts]) -> Facts | None:
    """What a method and its labels are worth where labels are not the truth.

    Args:
        rows: An image each: ``month``, and counts and outline of ``answer`` and ``label``
            against the truth.

    Returns:
        ``answer`` and ``label``: Dice against the truth over all images; ``answer_boundary_m``
        and ``label_boundary_m``: mean distance of their outlines from the true one, metres, mean
        over the test parts of the images; ``years``: the two Dice by year. None without rows.
    """
    if not rows:
        return None
    years = sorted({row["month"][:4] for row in rows})
    means = {
        f"{name}_boundary_m": mean_known([row[name]["boundary_mean_m"] for row in rows])
        for name in ("answer", "label")
    }
    return {
        **score_both(rows),
        **means,
        "years": {year: score_both([r for r in rows if r["month"][:4] == year]) for year in years},
    }


def score_both(rows: Sequence[Facts]) -> dict[str, float]:
    """Dice of the answers and of the labels against the truth."""
    return {name: pool_counts([row[name] for row in rows]).dice for name in ("answer", "label")}


def late_summer_months(regions: Sequence[Facts]) -> tuple[int, ...] | None:
    """Calendar months, 1..12, of late summer where the regions lie.

    Args:
        regions: The configuration's regions, as plain values.

    Returns:
        None where a region does not say where it lies, or they lie on both sides of the equator.
    """
    corners = [region["polygon"] for region in regions]
    south = {bool(np.mean([lat for _, lat in polygon]) < 0) for polygon in corners if polygon}
    if not all(corners) or len(south) != 1:
        return None
    return LATE_SUMMER["south" if south.pop() else "north"]


def measure_late_summer(
    parts: Sequence[Facts], months: tuple[int, ...], snow: Mapping[tuple[str, str], float | None]
) -> Facts | None:
    """How far the outlines of clear late-summer images lie from those of the labels.

    Args:
        parts: Scorecards of all folds.
        months: Calendar months, 1..12, of late summer.
        snow: Region and first day of a month to the share of the ground outside the outlines
            under snow, 0..1; None where nobody knows.

    Returns:
        Number of ``images`` and mean distance ``boundary_mean_m``, metres, each image's mean
        counted once; ``snowless``: the same of those with less than ``NEW_SNOW_SHARE``, None
        without any. None where there is no clear image.
    """
    clear = [
        row
        for part in parts
        for row in part.get("tested", [])
        if int(row["month"][5:7]) in months and row["valid_share"] >= CLEAR_SHARE
    ]
    shares = [snow.get((row["region"], row["month"])) for row in clear]
    snowless = [
        row
        for row, share in zip(clear, shares, strict=True)
        if share is not None and share < NEW_SNOW_SHARE
    ]
    found = mean_distance(clear)
    return found and found | {"snowless": mean_distance(snowless)}


def mean_distance(rows: Sequence[Facts]) -> Facts | None:
    """Number of ``images`` and the mean of their ``boundary_mean_m``, metres; None of none."""
    distance = mean_known([row["boundary_mean_m"] for row in rows])
    return None if distance is None else {"images": len(rows), "boundary_mean_m": distance}


def mean_known(values: Sequence[float | None]) -> float | None:
    """Their mean; None without any, or where one is not known."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None
