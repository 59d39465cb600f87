"""How a month differs from the same season of other years, trait by trait. No files in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glacier.monitoring.sketch import MonthSketch, Values
from glacier.monitoring.two_sample import find_bandwidth, measure_discrepancy

MIN_SHARE = 0.5
"""Share of the places, or of the windows, that both a month and its references must have seen."""

BINS = 10
"""Of a histogram, of equally many reference values each; they are frozen there."""

ENDS = (2.0, 98.0)
"""Percentiles that stand for the darkest and for the brightest ground."""

Row = NDArray[np.float64]


@dataclass(frozen=True)
class Trait:
    """One way in which a month can differ."""

    name: str
    floor: float
    """Difference below which it is not worth a word, in the trait's own unit."""
    words: str
    """What it says: ``{size}`` stands for how far it lies off, ``{way}`` for where to, ``{ratio}``
    for how many times as much it is."""
    kind: str
    """``input``, ``data`` or ``prediction``."""
    ways: tuple[str, str] = ("more", "less")
    """Above what is usual, and below."""

    def tell(self, value: float) -> str:
        """How a month differs in it, in words."""
        ratio = float(np.exp(np.clip(value, -20, 20)))
        return self.words.format(size=abs(value), way=self.ways[value < 0], ratio=ratio)


LIGHT = ("brighter", "darker")


def list_traits(bands: Sequence[str]) -> list[Trait]:
    """All traits of months of bands by these colours, in the order of :func:`compare_month`."""
    level, dark, bright = (
        [Trait(f"{name}_{c}", floor, f"{what.format(c)} is {{size:.3f}} {{way}} in reflectance",
               "input", LIGHT) for c in bands]
        for name, floor, what in (
            ("level", 0.002, "{}"),
            ("dark", 0.002, "{} of the darkest ground"),
            ("bright", 0.005, "{} of the brightest ground"),
        )
    )  # fmt: skip
    tint = [
        Trait(f"tint_{one}_{other}", 0.002, f"{one} beside {other} is {{size:.3f}} {{way}}",
              "input", LIGHT)
        for one, other in pairwise(bands)
    ]  # fmt: skip
    return [
        *level, *dark, *bright, *tint,
        Trait("histogram", 0.005, "the values are spread {way} otherwise than usual (Hellinger "
              "distance {size:.2f})", "input"),
        Trait("features", 0.002, "to the network the ground looks {way} like its season than usual "
              "(squared discrepancy {size:.2f})", "input", ("less", "more")),
        Trait("stripes", 0.05, "rows or columns differ {ratio:.1f} times as much", "data"),
        Trait("area", 0.002, "{size:.1%} {way} of the ground is called glacier", "prediction"),
        Trait("confidence", 0.005, "the models are {way} sure by {size:.2f}", "prediction"),
        Trait("model_spread", 0.002, "the models differ {way}, by {size:.3f} of the ground",
              "prediction"),
    ]  # fmt: skip


def compare_month(month: MonthSketch, references: Sequence[MonthSketch]) -> Row | None:
    """How a month differs from others of its season.

    Level: median difference from the typical value of each place, on the half of the places that
    changes least. Contrast: logarithm of the ratio of the spreads.

    Args:
        month: The month.
        references: Of the same region and bands, R of them.

    Returns:
        (J,) a value for each trait, NaN where it cannot be told; None where too few places were
        seen by both.
    """
    stack = np.stack([reference.values for reference in references])
    typical = find_middle(stack)
    changes = find_middle(np.abs(stack - typical)).mean(axis=0)
    both = np.isfinite(month.values).all(axis=0) & np.isfinite(typical).all(axis=0)
    if both.mean() < MIN_SHARE:
        return None
    calm = both & (changes <= np.median(changes[both]))
    level = np.median((month.values - typical)[:, calm], axis=1)
    now, usual = month.values[:, both], typical[:, both]
    dark, bright = np.percentile(now, ENDS, axis=1) - np.percentile(usual, ENDS, axis=1)
    tint = np.median(np.diff(usual - now, axis=0), axis=1)
    return np.array(
        [
            *level,
            *dark,
            *bright,
            *tint,
            measure_histograms(now, stack[:, :, both]),
            compare_features(month.features, [r.features for r in references]),
            np.log(month.stripes / find_middle(np.array([r.stripes for r in references]))),
            compare_maps(month.glacier, [r.glacier for r in references]),
            compare_maps(month.confidence, [r.confidence for r in references]),
            month.model_spread - find_middle(np.array([r.model_spread for r in references])),
        ]
    )


def find_middle(stack: NDArray[Any]) -> NDArray[Any]:
    """Median over the first axis of what is known; NaN where nothing is."""
    ordered, known = np.sort(stack, axis=0), np.isfinite(stack).sum(axis=0)  # NaN comes last
    if not len(stack):
        return np.full(stack.shape[1:], np.nan, stack.dtype)
    below, above = (
        np.take_along_axis(ordered, np.maximum(rank, 0)[None], axis=0)[0]
        for rank in ((known - 1) // 2, known // 2)
    )
    return np.asarray(below + (above - below) / 2)


def measure_histograms(values: Values, references: Values) -> float:
    """Mean over the bands of the Hellinger distance between the histograms of a month and others.

    Args:
        values: (B, N) of the month, all seen.
        references: (R, B, N), NaN where nothing was seen; the bins are theirs.
    """
    found = []
    for band, others in zip(values, references.transpose(1, 0, 2), strict=True):
        known = others[np.isfinite(others)]
        edges = np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])
        one, other = (
            np.bincount(np.searchsorted(edges, some), minlength=BINS) / some.size
            for some in (band, known)
        )
        found.append(np.sqrt(max(0.0, 1 - np.sqrt(one * other).sum())))
    return float(np.mean(found))


def compare_features(features: Values, references: Sequence[Values]) -> float:
    """How far what a network makes of a month lies from what it makes of others.

    Only windows that the month shows are compared, so that clouds do not change the ground.

    Args:
        features: (T, D) of the month, NaN where a window was not seen.
        references: The same of others. The kernel is as wide as theirs lie apart.

    Returns:
        The squared discrepancy, 0..2; NaN where it cannot be told.
    """
    seen = np.isfinite(features).all(axis=1)
    same = [other[seen] for other in references if other.shape == features.shape]
    if not seen.any() or seen.mean() < MIN_SHARE or not same:
        return float("nan")
    usual = np.concatenate(same)
    usual = usual[np.isfinite(usual).all(axis=1)]
    width = find_bandwidth(usual)
    if not np.isfinite(width):
        return float("nan")
    return measure_discrepancy(features[seen], usual, width)


def compare_maps(values: Values, references: Sequence[Values]) -> float:
    """Mean difference of a map from the mean of others, over the places that both saw."""
    others = np.stack(references)
    known = np.isfinite(others).sum(axis=0)
    usual = np.where(known > 0, np.nansum(others, axis=0) / np.maximum(known, 1), np.nan)
    difference = values - usual
    seen = np.isfinite(difference)
    return float(difference[seen].mean()) if seen.any() else float("nan")
