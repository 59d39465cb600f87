"""Variants from several training seeds: the luck of training, and what other ground would show."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from glacier.studies.page import write_page
from glacier.studies.seeds import explain_seeds, list_seed_rows
from glacier.studies.variants import Variant
from tests.support.variants import clear_fold, make_variant, move_units, summarise_study

RANDOM = {
    42: [0.60, 0.50, 0.70, 0.40],
    43: [0.62, 0.49, 0.72, 0.41],
    44: [0.59, 0.52, 0.69, 0.43],
}
"""Training seed to Dice by fold."""

GAIN = {42: [0.05, 0.06, 0.05, 0.04], 43: [0.04, 0.05, 0.06, 0.06], 44: [0.06, 0.06, 0.05, 0.04]}
"""What another start brings everywhere."""


def repeat(name: str, dice: dict[int, Sequence[float]]) -> dict[int, Variant]:
    """A variant from several training seeds."""
    return {
        seed: replace(make_variant(name, {"net": list(folds)}), sha256=f"{name} from {seed}")
        for seed, folds in dice.items()
    }


def add(dice: dict[int, list[float]], gain: dict[int, list[float]]) -> dict[int, list[float]]:
    return {seed: list(np.add(dice[seed], gain[seed])) for seed in dice}


def test_the_luck_of_training_is_the_spread_between_the_seeds_means() -> None:
    (row,) = list_seed_rows({"random": repeat("random", RANDOM)}, "random", "test")
    means = [np.mean(folds) for folds in RANDOM.values()]
    assert (row.variant, row.encoder, row.seeds) == ("random", "net", 3)
    assert row.dice_mean == pytest.approx(np.mean(means), abs=1e-3)  # of whole pixels
    assert row.dice_sd == pytest.approx(np.std(means, ddof=1), abs=1e-3)
    assert row.over_seeds is row.over_folds is None
    assert explain_seeds(row, "random").startswith("random, net, 3 seeds: mean Dice 0.5")


def test_a_gain_has_an_interval_over_seeds_and_a_corrected_one_over_folds() -> None:
    repeats = {"random": repeat("random", RANDOM), "start": repeat("start", add(RANDOM, GAIN))}
    row = list_seed_rows(repeats, "random", "test")[1]
    first, second = (
        np.array([list(v.test_dice("net").values()) for v in repeats[name].values()])
        for name in ("start", "random")
    )
    gain = first - second
    by_seed = stats.ttest_1samp(gain.mean(axis=1), 0)
    assert row.over_seeds and row.over_folds
    for found in (row.over_seeds, row.over_folds):
        assert found.difference == pytest.approx(gain.mean())
    assert row.over_seeds.p == pytest.approx(by_seed.pvalue)
    span = by_seed.confidence_interval(0.95)
    assert (row.over_seeds.low, row.over_seeds.high) == pytest.approx((span.low, span.high))
    by_fold = gain.mean(axis=0)
    ratio = repeats["random"][42].ratio("test")
    error = np.sqrt((1 / 4 + ratio) * by_fold.var(ddof=1))
    assert row.over_folds.p == pytest.approx(2 * stats.t.sf(by_fold.mean() / error, 3))
    assert explain_seeds(row, "random").endswith(
        "above random, more than luck of the training and shown for other folds, too."
    )


def test_a_gain_at_one_place_alone_is_not_said_of_others() -> None:
    one_place = {
        seed: [0.0, 0.0, 0.2 + luck, 0.0]
        for seed, luck in zip(RANDOM, (0, 0.02, 0.01), strict=True)
    }
    repeats = {"random": repeat("random", RANDOM), "start": repeat("start", add(RANDOM, one_place))}
    row = list_seed_rows(repeats, "random", "test")[1]
    assert row.over_seeds and row.over_seeds.sure
    assert row.over_folds and not row.over_folds.sure
    assert "more than luck of the training and not shown for other folds" in explain_seeds(
        row, "random"
    )


def test_noise_is_within_the_luck_of_the_training() -> None:
    noise = {42: [0.02] * 4, 43: [-0.03] * 4, 44: [0.02] * 4}
    repeats = {"random": repeat("random", RANDOM), "start": repeat("start", add(RANDOM, noise))}
    row = list_seed_rows(repeats, "random", "test")[1]
    assert row.over_seeds and not row.over_seeds.sure
    assert "within the luck of the training" in explain_seeds(row, "random")


def test_seeds_that_lack_a_fold_or_test_other_units_are_not_compared() -> None:
    random, start = repeat("random", RANDOM), repeat("start", add(RANDOM, GAIN))
    lame = {**start, 43: clear_fold(start[43], 1)}
    assert [
        r.variant for r in list_seed_rows({"random": random, "start": lame}, "random", "test")
    ] == ["random"]
    moved = {seed: move_units(variant) for seed, variant in start.items()}
    row = list_seed_rows({"random": random, "start": moved}, "random", "test")[1]
    assert row.seeds == 3 and row.over_seeds is None
    alone = {"random": random, "start": {42: start[42]}}
    assert [row.variant for row in list_seed_rows(alone, "random", "test")] == ["random"]


def test_the_page_has_a_part_on_seeds_where_something_was_repeated() -> None:
    repeats = {"plain": repeat("plain", RANDOM), "start": repeat("start", add(RANDOM, GAIN))}
    variants = [found[42] for found in repeats.values()]
    page = write_page(summarise_study(*variants, repeats=repeats), "picture")
    assert "## Other training seeds" in page
    assert "| start | net | 3 | 0.60" in page
    assert "training seeds" not in write_page(summarise_study(*variants), "picture")
