"""How far a method of one variant lies from the same method of another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from glacier.evaluation.scores import MethodScores
from glacier.evaluation.verdict import SIGNIFICANCE_LEVEL, compare_pairs, correct_holm
from glacier.settings.model import Model
from glacier.studies.variants import Variant

Row = TypeVar("Row", bound=Model)
"""A row of a table, with differences in some of its fields."""

AT_TEST_TIME = {"sweep.test_time_augmentation", "sweep.calibrate", "sweep.joined_rule"}
"""Settings that move no validation score of an epoch."""


@dataclass(frozen=True)
class Difference:
    """A score less the reference's."""

    difference: float
    low: float | None
    """Lower end of its interval; None where there is no spread to take it from."""
    high: float | None
    p: float | None
    """Corrected paired test; None for a plain difference."""
    how: Literal["paired", "plain"]
    """``paired`` over folds with the same units, or ``plain``: of two separate scores."""
    p_holm: float | None = None
    """The same, with Holm's correction for the number of variants; None where it stands alone."""

    @property
    def sure(self) -> bool:
        """Whether the interval excludes zero, and the test does among all variants."""
        if self.p_holm is not None and self.p_holm >= SIGNIFICANCE_LEVEL:
            return False
        return self.low is not None and self.high is not None and self.low * self.high > 0


def pair_scores(
    first: Sequence[float], second: Sequence[float], ratio: float | None = None
) -> Difference:
    """Difference of two scores over the same folds, by the corrected paired test.

    Args:
        first: Score per fold.
        second: The reference's, the same folds in the same order.
        ratio: As in :func:`verdict.corrected_p`.
    """
    (pair,) = compare_pairs({"first": first, "second": second}, ratio)
    return Difference(pair.difference, pair.low, pair.high, pair.p, "paired")


def subtract_scores(first: MethodScores, second: MethodScores) -> Difference:
    """Plain difference of two Dice scores over all test pixels, from their own intervals.

    The intervals are joined as if they were independent, which is cautious where both scores
    come from the same ground.

    Args:
        first: Scores of a method.
        second: Those of the reference.

    Source:
        Zou & Donner 2008, Statistics in Medicine 27 (the method of variance estimates recovery).
    """
    a, b = first.dice_all_test_pixels, second.dice_all_test_pixels
    low = high = None
    if first.dice_interval and second.dice_interval:
        (a_low, a_high), (b_low, b_high) = first.dice_interval, second.dice_interval
        low = a - b - math.hypot(a - a_low, b_high - b)
        high = a - b + math.hypot(a_high - a, b - b_low)
    return Difference(a - b, low, high, None, "plain")


def compare_test(variant: Variant, reference: Variant, method: str) -> Difference | None:
    """Test Dice of a method against the same method in the reference; None where one has none."""
    first, second = variant.test_dice(method), reference.test_dice(method)
    if not first or not second:
        return None
    if variant.shares(reference, "test") and list(first) == list(second):
        return pair_scores(list(first.values()), list(second.values()), variant.ratio("test"))
    return subtract_scores(variant.scored[method], reference.scored[method])


def compare_validation(variant: Variant, reference: Variant, method: str) -> Difference | None:
    """Validation Dice against the reference's; None where that says nothing.

    So it is unless both validate on the same units of the same images, and where a variant
    changes only what is done at test time.
    """
    first, second = variant.validation_dice(method), reference.validation_dice(method)
    late = bool(variant.changes) and set(variant.changes) <= AT_TEST_TIME
    silent = late or not variant.shares(reference, "test", "validation")
    if not first or silent or list(first) != list(second):
        return None
    return pair_scores(list(first.values()), list(second.values()), variant.ratio("validation"))


def correct_column(rows: Sequence[Row], field: str, lost: int = 0) -> list[Row]:
    """The rows with ``p_holm`` in the differences of one field, which are a family together.

    Args:
        rows: Rows, of which some have no difference there.
        field: Name of the field.
        lost: Members of the family that failed.
    """
    found = list(rows)
    compared = {at: value for at, row in enumerate(rows) if (value := getattr(row, field))}
    corrected = correct_holm([value.p for value in compared.values()], len(compared) + lost)
    for (at, value), p in zip(compared.items(), corrected, strict=True):
        found[at] = found[at].model_copy(update={field: replace(value, p_holm=p)})
    return found
