import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from glacier.evaluation.metrics import Counts
from glacier.evaluation.verdict import (
    POWER,
    SIGNIFICANCE_LEVEL,
    bootstrap_dice,
    compare_pairs,
    correct_holm,
    corrected_p,
    judge,
    spread,
)

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
    assert corrected_p(BASE, BASE) is None
    assert corrected_p([0.9], [0.1]) is None  # one fold says nothing
    assert corrected_p([0.75, 0.75, 0.75], [0.5, 0.5, 0.5]) is None
    assert corrected_p([0.75, 0.65, 0.85], [0.55, 0.45, 0.65]) is None  # but for rounding
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = rng.random((2, 6))
        p = corrected_p(first, second)
        assert 0 < p <= 1 and p == corrected_p(second, first)
        assert p > stats.ttest_rel(first, second).pvalue  # the correction makes it cautious


def test_the_interval_of_a_difference_holds_zero_where_p_is_above_the_level() -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        first, second = 0.7 + 0.02 * rng.normal(size=(2, 5)) + [[0.02], [0.0]]
        (pair,) = compare_pairs({"a": first, "b": second})
        assert pair.difference == pytest.approx((first - second).mean())
        assert pair.p == pair.p_holm == corrected_p(first, second)
        assert (pair.low < 0 < pair.high) == (pair.p > SIGNIFICANCE_LEVEL)
        assert pair.effect == pytest.approx(pair.difference / (first - second).std(ddof=1))


def test_a_difference_as_large_as_is_called_detectable_is_found_four_times_of_five() -> None:
    """Folds that correlate by 1/K, as below."""
    rng, folds, sweeps = np.random.default_rng(8), 5, 400
    sd, found = 0.03, 0
    error = math.sqrt((1 / folds + 1 / (folds - 1)) * sd**2)
    edge = stats.t.isf(SIGNIFICANCE_LEVEL / 2, folds - 1)
    shifts = np.linspace(0, 10, 100_001)  # of the noncentral t distribution
    gap = shifts[np.argmax(stats.nct.sf(edge, folds - 1, shifts) >= POWER)] * error
    steps = sd * np.array([1.0, -1.0, 0.5, -0.5, 0.0]) / np.std([1, -1, 0.5, -0.5, 0], ddof=1)
    assert compare_pairs({"a": steps, "b": 0 * steps})[0].detectable == pytest.approx(gap, rel=1e-4)
    for _ in range(sweeps):
        shared = rng.normal(0, math.sqrt(1 / folds))
        own = rng.normal(0, math.sqrt(1 - 1 / folds), folds)
        # the spread that the folds show is that of their own part
        difference = gap + sd * (shared + own) / math.sqrt(1 - 1 / folds)
        found += corrected_p(difference, np.zeros(folds)) < SIGNIFICANCE_LEVEL
    low, high = stats.binom.ppf([0.005, 0.995], sweeps, POWER)
    assert low <= found <= high


def test_pairs_that_differ_by_the_same_in_every_fold_have_only_a_difference() -> None:
    steps = [0.5, 0.25, 0.75]
    for first, second, gap in (
        ([0.625, 0.375, 0.875], steps, 0.125), (steps, steps, 0), ([0.9], [0.1], 0.8),
    ):  # fmt: skip
        (pair,) = compare_pairs({"a": first, "b": second})
        assert pair.difference == pytest.approx(gap)
        assert pair.p is pair.p_holm is pair.effect is None
        assert pair.low is pair.high is pair.detectable is None


def test_holm_in_closed_form() -> None:
    assert correct_holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert correct_holm([0.6, 0.7]) == [1, 1] and correct_holm([]) == []
    assert correct_holm([None, 0.01, 0.03]) == [None, pytest.approx(0.03), pytest.approx(0.06)]
    assert correct_holm([0.01], planned=4) == [pytest.approx(0.04)]


def test_an_encoder_that_failed_still_counts_among_the_pairs() -> None:
    """One of three failed: the pair that is left is one of three all the same."""
    scores = {"a": [0.9, 0.91, 0.92], "b": [0.8, 0.82, 0.8]}
    (alone,), (planned,) = judge(scores).pairs, judge(scores, planned=3).pairs
    assert alone.p == planned.p == alone.p_holm
    assert planned.p_holm == pytest.approx(3 * alone.p)
    assert planned.detectable > alone.detectable


def test_the_interval_over_units_is_that_of_scipy() -> None:
    rng = np.random.default_rng(3)
    table = rng.integers(50, 400, (25, 3))
    found = bootstrap_dice([Counts(*row) for row in table.tolist()])

    def dice(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, axis: int) -> np.ndarray:
        both = (2 * tp + fp + fn).sum(axis=axis)
        return 2 * tp.sum(axis=axis) / both

    expected = stats.bootstrap(
        tuple(table.T), dice, paired=True, vectorized=True, method="percentile",
        n_resamples=9999, random_state=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    assert found == pytest.approx((expected.low, expected.high), abs=0.003)
    assert found == bootstrap_dice([Counts(*row) for row in table.tolist()])


def test_intervals_over_units_hold_the_truth_about_as_often_as_they_say() -> None:
    """Units whose pixels are all right or all wrong, as alike as those of one block can be."""
    rng, held = np.random.default_rng(6), 0
    for _ in range(100):
        right = rng.random(30) < 0.8
        units = [Counts(tp=100) if ok else Counts(fn=100) for ok in right]
        low, high = bootstrap_dice(units) or (0, 0)
        held += low <= 2 * 0.8 / (2 * 0.8 + 0.2) <= high
    assert 86 <= held


def test_an_interval_at_the_edges() -> None:
    assert bootstrap_dice([Counts(tp=3, fp=1)]) is None and bootstrap_dice([]) is None
    assert bootstrap_dice([Counts(tp=3, fp=2)] * 4) == pytest.approx((0.75, 0.75))
    assert bootstrap_dice([Counts(tn=9)] * 4) == (1, 1)  # no glacier, none called
    low, high = bootstrap_dice([Counts(tn=9), Counts(fp=9)]) or (0, 0)
    assert (low, high) == (0, 1)


def test_equal_scores_have_no_winner() -> None:
    verdict = judge({"b": BASE, "a": BASE, "c": BASE})
    assert verdict.winner is None and verdict.ranked == verdict.unbeaten == ("a", "b", "c")


def test_a_clearly_better_encoder_wins() -> None:
    steps = np.array([0.001, -0.001, 0.002, 0.0, -0.002])
    verdict = judge({"worse": BASE - 0.1 + steps, "best": BASE, "worst": BASE - 0.2 - steps})
    assert verdict.winner == "best" and verdict.unbeaten == ("best",)
    assert [(p.first, p.second) for p in verdict.pairs] == [
        ("best", "worse"), ("best", "worst"), ("worse", "worst"),
    ]  # fmt: skip


def test_the_best_must_differ_from_every_other() -> None:
    noise = np.array([0.01, -0.02, 0.015, -0.01, 0.01])
    verdict = judge({"first": BASE, "close": BASE - noise, "far": BASE - 0.3 + noise / 10})
    assert verdict.winner is None and verdict.unbeaten == ("first", "close")


def test_who_is_shown_to_be_worse_than_any_other_is_beaten() -> None:
    """The best has ragged folds, so that alone the second is told from the last."""
    second = np.array([0.700, 0.701, 0.699, 0.700, 0.700])
    ragged = second + np.array([0.2, -0.15, 0.1, -0.1, 0.05])
    last = second - [0.05, 0.051, 0.049, 0.05, 0.05]
    verdict = judge({"a": ragged, "b": second, "c": last})
    p = {(pair.first, pair.second): pair.p_holm for pair in verdict.pairs}
    assert p["a", "c"] > SIGNIFICANCE_LEVEL > p["b", "c"]
    assert verdict.winner is None and verdict.unbeaten == ("a", "b")


def test_a_validation_part_makes_the_training_part_smaller_and_the_test_more_cautious() -> None:
    """Five folds with a fifth of the rest set aside: the test part is 1/3.2 of the training."""
    first, second = BASE + np.array([0.1, 0.2, 0.3, 0.2, 0.2]), BASE
    t = 0.2 / math.sqrt((1 / 5 + 1 / 3.2) * 0.005)
    assert corrected_p(first, second, 1 / 3.2) == pytest.approx(2 * stats.t.sf(t, 4))
    assert corrected_p(first, second) == corrected_p(first, second, 1 / 4)
    (pair,) = compare_pairs({"a": first, "b": second}, 1 / 3.2)
    assert pair.p == corrected_p(first, second, 1 / 3.2)
    assert pair.high - pair.low > compare_pairs({"a": first, "b": second})[0].high - pair.low


def test_one_encoder_is_the_only_one() -> None:
    verdict = judge({"resnet34": BASE})
    assert (verdict.winner, verdict.unbeaten, verdict.pairs) == (None, ("resnet34",), ())


def test_one_fold_shows_nothing() -> None:
    verdict = judge({"a": [0.9], "b": [0.1]})
    assert (verdict.winner, verdict.unbeaten) == (None, ("a", "b"))


def test_more_comparisons_ask_for_more() -> None:
    """Holm: p = 0.03 is enough for one pair and not for three."""
    steps = np.array([1.0, -1.0, 2.0, 0.5, -2.5])

    def below(p: float, turn: int) -> np.ndarray:
        """Scores whose corrected p against BASE is the one asked for."""
        scale = math.sqrt((1 / 5 + 1 / 4) * steps.var(ddof=1)) * stats.t.isf(p / 2, 4)
        return BASE - 0.05 * (1 + np.roll(steps, turn) / scale)

    assert corrected_p(BASE, below(0.03, 0)) == pytest.approx(0.03)
    assert judge({"best": BASE, "other": below(0.03, 0)}).winner == "best"
    undecided = judge({"best": BASE, "other": below(0.03, 0), "third": below(0.04, 1)})
    assert undecided.winner is None
    assert undecided.pairs[0].p < SIGNIFICANCE_LEVEL <= undecided.pairs[0].p_holm
    decided = judge({"best": BASE, "other": below(0.015, 0), "third": below(0.02, 1)})
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
        fooled += all(stats.ttest_rel(first, other).pvalue < SIGNIFICANCE_LEVEL for other in others)
    assert winners <= stats.binom.ppf(0.99, sweeps, SIGNIFICANCE_LEVEL)
    assert fooled > winners


KEPT = Path(__file__).parents[2] / "results" / "verdict" / "fold_scores.json"


def read_kept() -> list[dict[str, list[float]]]:
    """Fold scores of the seeds 0 to 19, trained once by ``experiments/verdict_seeds.py``."""
    seeds = json.loads(KEPT.read_text())["seeds"]
    assert list(seeds) == [str(seed) for seed in range(20)]
    assert all(len(values) == 5 for scores in seeds.values() for values in scores.values())
    return list(seeds.values())


def test_twins_of_one_network_seldom_have_a_winner() -> None:
    twins = [{name: scores[name] for name in ("twin-a", "twin-b")} for scores in read_kept()]
    assert all(scores["twin-a"] != scores["twin-b"] for scores in twins)  # trained apart
    assert sum(judge(scores).winner is not None for scores in twins) <= 2


def test_a_crippled_network_loses() -> None:
    pairs = [{name: scores[name] for name in ("twin-a", "crippled")} for scores in read_kept()]
    assert sum(judge(scores).winner == "twin-a" for scores in pairs) >= 19
