import math

import numpy as np
import pytest
from scipy import stats

from glacier.verdict import LEVEL, corrected_p, judge, spread

BASE = np.array([0.71, 0.64, 0.69, 0.75, 0.66])


def test_spread_in_closed_form() -> None:
    assert spread([0.2, 0.4, 0.6]) == pytest.approx((0.4, 0.2))  # ddof 1
    assert spread([0.7]) == (0.7, 0.0)


def test_the_p_value_of_a_case_by_hand() -> None:
    """Differences 0.1, 0.2, 0.3, 0.2, 0.2: mean 0.2, variance 0.005, and 1/5 + 1/4 before it.

    So t = 0.2 / sqrt(0.45 * 0.005). Student's distribution with 4 degrees of freedom is
    1/2 + 3/8 t/s (1 - t^2 / (12 s^2)) with s^2 = 1 + t^2 / 4.
    """
    t = 0.2 / math.sqrt(0.45 * 0.005)
    s = math.sqrt(1 + t**2 / 4)
    below = 0.5 + 3 / 8 * t / s * (1 - t**2 / (12 * s**2))
    found = corrected_p(BASE + np.array([0.1, 0.2, 0.3, 0.2, 0.2]), BASE)
    assert found == pytest.approx(2 * (1 - below), rel=1e-9)
    assert found == pytest.approx(0.0135, abs=1e-4)


def test_p_values_at_the_edges() -> None:
    assert corrected_p(BASE, BASE) == 1
    assert corrected_p([0.9], [0.1]) == 1  # one fold says nothing
    assert corrected_p([0.75, 0.75, 0.75], [0.5, 0.5, 0.5]) == 0
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = rng.random((2, 6))
        p = corrected_p(first, second)
        assert 0 < p <= 1 and p == corrected_p(second, first)
        assert p > stats.ttest_rel(first, second).pvalue  # the correction makes it cautious


def test_equal_scores_have_no_winner() -> None:
    verdict = judge({"b": BASE, "a": BASE, "c": BASE})
    assert verdict.winner is None
    assert verdict.sentence.startswith("No difference found between the encoders: a leads")


def test_a_clearly_better_encoder_wins() -> None:
    steps = np.array([0.001, -0.001, 0.002, 0.0, -0.002])
    verdict = judge({"worse": BASE - 0.1 + steps, "best": BASE, "worst": BASE - 0.2 - steps})
    assert verdict.winner == "best"
    assert verdict.sentence == (
        "best is best: mean test Dice 0.690 ± 0.043 over 5 folds, 0.100 above worse."
    )


def test_the_best_must_differ_from_every_other() -> None:
    noise = np.array([0.01, -0.02, 0.015, -0.01, 0.01])
    verdict = judge({"first": BASE, "close": BASE - noise, "far": BASE - 0.3 + noise / 10})
    assert verdict.winner is None
    assert "first leads" in verdict.sentence and "above close" in verdict.sentence


def test_one_encoder_is_the_only_one() -> None:
    verdict = judge({"resnet34": BASE})
    assert verdict.winner == "resnet34" and "the only encoder" in verdict.sentence


def test_more_comparisons_ask_for_more() -> None:
    """Holm: p = 0.03 is enough against one other encoder and not against two."""
    steps = np.array([1.0, -1.0, 2.0, 0.5, -2.5])

    def below(p: float, turn: int) -> np.ndarray:
        """Scores whose corrected p against BASE is the one asked for."""
        scale = math.sqrt((1 / 5 + 1 / 4) * steps.var(ddof=1)) * stats.t.isf(p / 2, 4)
        return BASE - 0.05 * (1 + np.roll(steps, turn) / scale)

    assert corrected_p(BASE, below(0.03, 0)) == pytest.approx(0.03)
    assert judge({"best": BASE, "other": below(0.03, 0)}).winner == "best"
    undecided = judge({"best": BASE, "other": below(0.03, 0), "third": below(0.04, 1)})
    assert undecided.winner is None
    shown = float(undecided.sentence.rpartition("p = ")[2].rstrip(")."))
    assert shown >= LEVEL  # the p that is shown is the one that was judged by
    decided = judge({"best": BASE, "other": below(0.02, 0), "third": below(0.04, 1)})
    assert decided.winner == "best"


@pytest.mark.parametrize("encoders", [2, 3])
def test_equals_seldom_have_a_winner(encoders: int) -> None:
    """200 sweeps of equal encoders, whose folds share training data as in K folds.

    The differences between two encoders correlate by 1/K between folds, which is what the
    correction is made for; the plain paired test is fooled by it far more often.
    """
    rng, folds, sweeps = np.random.default_rng(2026), 5, 200
    winners = fooled = 0
    for _ in range(sweeps):
        shared = rng.normal(0, math.sqrt(1 / folds), (encoders, 1))
        own = rng.normal(0, math.sqrt(1 - 1 / folds), (encoders, folds))
        scores = 0.7 + 0.02 * (shared + own)
        dice = {f"e{k}": row for k, row in enumerate(scores)}
        winners += judge(dice).winner is not None
        first, *others = sorted(scores, key=lambda row: -row.mean())
        fooled += all(stats.ttest_rel(first, other).pvalue < LEVEL for other in others)
    assert winners <= stats.binom.ppf(0.99, sweeps, LEVEL)
    assert fooled > winners
