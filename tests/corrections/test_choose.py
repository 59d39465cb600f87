"""Which months a person should look at first."""

from dataclasses import replace

import numpy as np
import pytest

from glacier.corrections.choose import WAYS, Doubt, measure_entropy, rank_months

DOUBTS = [
    Doubt("alps", "2019-08", 3.0, 0.1),
    Doubt("alps", "2020-08", 2.9, 0.4),
    Doubt("alps", "2020-09", 1.4, 0.0),
    Doubt("ridge", "2020-08", 2.0, 0.2),
]


def name(doubts: list[Doubt]) -> list[str]:
    return [f"{doubt.region} {doubt.month}" for doubt in doubts]


def test_even_odds_are_a_bit_and_sure_or_unseen_ground_none() -> None:
    assert measure_entropy(np.array([0.5, 0.5, 0, 1, np.nan])) == 2
    assert measure_entropy(np.array([0.25])) == pytest.approx(2 - 0.75 * np.log2(3))
    assert measure_entropy(np.array([])) == 0


def test_by_entropy_doubtful_ground_comes_first() -> None:
    assert name(rank_months(DOUBTS, "entropy")) == [
        "alps 2019-08", "alps 2020-08", "ridge 2020-08", "alps 2020-09",
    ]  # fmt: skip


def test_by_default_what_the_models_differ_in_comes_first() -> None:
    assert WAYS[0] == "disagreement"
    assert name(rank_months(DOUBTS, "disagreement"))[:2] == ["alps 2020-08", "ridge 2020-08"]


def test_where_there_is_one_model_doubtful_ground_decides() -> None:
    alone = [replace(doubt, spread_km2=0) for doubt in DOUBTS]
    assert rank_months(alone, "disagreement") == rank_months(alone, "entropy")


def test_diversity_takes_another_place_before_a_second_august() -> None:
    """2.9 is worth 1.45 after the first August of that place, and 2.0 comes before it."""
    assert name(rank_months(DOUBTS, "diversity")) == [
        "alps 2019-08", "ridge 2020-08", "alps 2020-08", "alps 2020-09",
    ]  # fmt: skip


def test_chance_is_of_the_seed_and_of_no_order() -> None:
    drawn = rank_months(DOUBTS, "random", seed=3)
    assert drawn == rank_months(DOUBTS[::-1], "random", seed=3)
    orders = {tuple(name(rank_months(DOUBTS, "random", seed))) for seed in range(200)}
    assert len(orders) == 24


@pytest.mark.parametrize("way", WAYS)
def test_no_way_loses_a_month(way: str) -> None:
    assert sorted(name(rank_months(DOUBTS, way))) == sorted(name(DOUBTS))  # type: ignore[arg-type]
    assert rank_months([], way) == []  # type: ignore[arg-type]
