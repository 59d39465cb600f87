"""Shapley values, exact and fitted, and LIME: what is known of simple games."""

import numpy as np
import pytest

from glacier.explaining.lime import fit_line
from glacier.explaining.shapley import draw_sets, share_exactly, share_fitted


def test_a_game_without_cooperation_pays_each_its_own() -> None:
    worth = np.array([0.5, -1.0, 2.0])
    shares = share_exactly(lambda there: 3 + float(worth @ there), 3)
    np.testing.assert_allclose(shares.values, worth)
    assert (shares.nobody, shares.everybody) == (3, 4.5) and abs(shares.gap) < 1e-12


def test_who_works_together_shares_alike() -> None:
    """The glove game of the textbooks: one left glove, two right ones."""
    shares = share_exactly(lambda there: float(there[0] and (there[1] or there[2])), 3)
    np.testing.assert_allclose(shares.values, [2 / 3, 1 / 6, 1 / 6])


@pytest.mark.parametrize("seed", range(5))
def test_shares_add_up_whatever_the_game(seed: int) -> None:
    table = np.random.default_rng(seed).normal(size=2**5)
    for shares in (
        share_exactly(lambda there: table[int(there @ 2 ** np.arange(5))], 5),
        share_fitted(lambda there: float(np.sin(there @ np.arange(12))), 12, 64, seed),
    ):
        assert abs(shares.gap) < 1e-9


def test_the_fit_comes_to_the_exact_values() -> None:
    rng = np.random.default_rng(0)
    alone, pairs = rng.normal(size=9), np.triu(rng.normal(size=(9, 9)), 1)

    def value(there: np.ndarray) -> float:
        return float(there @ alone + there @ pairs @ there)

    exact = alone + (pairs.sum(axis=0) + pairs.sum(axis=1)) / 2
    found = share_fitted(value, 9, 2000, 0)
    np.testing.assert_allclose(found.values, exact, atol=0.1)


def test_sets_come_with_what_they_lack() -> None:
    sets = draw_sets(10, 50, np.random.default_rng(0))
    np.testing.assert_array_equal(sets[:50], ~sets[50:])
    assert sets.any(axis=1).all() and not sets.all(axis=1).any()


def test_lime_finds_the_slopes_of_a_line() -> None:
    slopes = np.array([3.0, 0, -2.0, 0, 0, 1.0])
    line = fit_line(lambda there: float(slopes @ there), 6, 400, 0)
    np.testing.assert_allclose(line.values, slopes, atol=0.1)
    assert line.r2 > 0.99
    assert fit_line(lambda _: 1.0, 6, 50, 0).r2 == 0.0
