"""A self-organising map and what is kept by it."""

import numpy as np
import pytest

from glacier.continual.feature_map import (
    SIDE,
    choose_evenly,
    find_unit,
    place_units,
    quantisation_error,
    topographic_error,
    train_map,
)
from glacier.continual.learn import Stream, learn_task
from glacier.continual.som import MapReplay
from tests.support.streams import make_strategy, make_tasks


def draw_features(count: int, seed: int) -> np.ndarray:
    """Features on a square, the kind of thing that a map can be laid on."""
    return np.random.default_rng(seed).uniform(0, 1, (count, 2))


def test_a_map_keeps_neighbours_near() -> None:
    features = draw_features(300, 0)
    units = train_map(None, features, np.random.default_rng(1))
    assert topographic_error(units, features) < 0.1
    shuffled = np.random.default_rng(2).permutation(units)
    assert topographic_error(shuffled, features) > 0.4


def test_neighbours_on_the_grid_are_nearer_than_others() -> None:
    units = train_map(None, draw_features(300, 0), np.random.default_rng(1))
    places = place_units()
    apart = np.linalg.norm(units[:, None] - units[None], axis=2)
    steps = np.abs(places[:, None] - places[None]).max(axis=2)
    means = [apart[steps == step].mean() for step in range(1, SIDE)]
    assert means == sorted(means)


def test_a_feature_moves_its_unit_towards_itself() -> None:
    units = train_map(None, draw_features(100, 0), np.random.default_rng(0))
    assert find_unit(units, units[5]) == 5
    assert quantisation_error(units, draw_features(100, 1)) < 0.25
    assert quantisation_error(units, draw_features(100, 1) + 3) > 2


def test_what_is_far_from_the_map_is_new() -> None:
    strategy, tasks = make_strategy("som", steps=30, rate=1e-2), make_tasks(3)
    assert isinstance(strategy, MapReplay)
    learn_task(strategy, tasks[0])
    strategy.before_task(tasks[1])  # the opposite of the first
    strategy.before_task(tasks[2])  # like the first
    noted = strategy.notes()
    assert noted["novelty_2"] > 1.3 * noted["novelty_3"]


def test_groups_are_kept_evenly() -> None:
    groups = np.array([0] * 50 + [1] * 5 + [2] * 2)
    chosen = choose_evenly(groups, 12, np.random.default_rng(0))
    assert np.bincount(groups[chosen]).tolist() == [5, 5, 2]
    assert len(set(chosen.tolist())) == 12
    assert len(choose_evenly(groups, 100, np.random.default_rng(0))) == len(groups)
    assert len(choose_evenly(groups, 0, np.random.default_rng(0))) == 0


@pytest.mark.parametrize("budget", [0, 600, 4000])
def test_map_and_chips_share_the_budget(budget: int) -> None:
    strategy = make_strategy("som", budget_bytes=budget)
    Stream(strategy, make_tasks(2)).run()
    map_bytes = SIDE**2 * 8 * 4
    assert strategy.memory_bytes() <= max(budget, map_bytes)
