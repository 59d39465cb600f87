import math

import pytest

from glacier.studies.differences import subtract_scores
from tests.support.variants import make_variant


def score(dice: float, interval: tuple[float, float] | None):
    """Scores of a method with this Dice over all test pixels."""
    values = {"dice_all_test_pixels": dice, "dice_interval": interval}
    return make_variant().scored["net"].model_copy(update=values)


def test_other_units_are_compared_plainly_by_the_intervals_of_both():
    found = subtract_scores(score(0.9, (0.87, 0.92)), score(0.8, (0.75, 0.84)))
    assert found.difference == pytest.approx(0.1)
    assert found.low == pytest.approx(0.1 - math.hypot(0.03, 0.04))
    assert found.high == pytest.approx(0.1 + math.hypot(0.02, 0.05))
    assert (found.p, found.how, found.sure) == (None, "plain", True)


def test_a_score_without_an_interval_leaves_the_difference_without_one():
    found = subtract_scores(score(0.9, None), score(0.8, (0.75, 0.84)))
    assert (found.low, found.high, found.sure) == (None, None, False)
