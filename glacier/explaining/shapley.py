"""Shapley values: exact over the few bands of an image, and fitted over its many patches.

Source:
    Lundberg and Lee 2017, A Unified Approach to Interpreting Model Predictions, for the fit
    (KernelSHAP); Covert and Lee 2021 for its pairs of a set and what it lacks.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import factorial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_EXACT = 7
"""Most players of which all sets are asked for: 128."""

Value = Callable[[NDArray[np.bool_]], float]
"""(K,) bool, which players are there -> what they come to together."""


class Shares(NamedTuple):
    """What each player adds."""

    values: NDArray[np.float64]
    """(K,)."""
    nobody: float
    """What comes out where none is there."""
    everybody: float
    """What comes out where all are."""

    @property
    def gap(self) -> float:
        """What the shares lack of the difference that they are of; 0 but for rounding."""
        return self.everybody - self.nobody - float(self.values.sum())


def share_exactly(value: Value, count: int) -> Shares:
    """Shapley values by all sets of players.

    Args:
        value: What sets come to; asked 2 ** count times.
        count: Players, at most ``MOST_EXACT``.
    """
    worth = {}
    for size in range(count + 1):
        for members in combinations(range(count), size):
            there = np.zeros(count, bool)
            there[list(members)] = True
            worth[members] = value(there)
    values = np.zeros(count)
    for members, whole in worth.items():
        weight = factorial(len(members) - 1) * factorial(count - len(members)) if members else 0
        for player in members:
            rest = tuple(other for other in members if other != player)
            values[player] += weight / factorial(count) * (whole - worth[rest])
    return Shares(values, worth[()], worth[tuple(range(count))])


def share_fitted(value: Value, count: int, samples: int, seed: int) -> Shares:
    """Shapley values by a fit to drawn sets; exact where there are few players.

    Args:
        value: What sets come to.
        count: Players.
        samples: Drawn sets, each with what it lacks: so many pairs as half of it.
        seed: Of the draw.
    """
    if count <= MOST_EXACT:
        return share_exactly(value, count)
    nobody, everybody = value(np.zeros(count, bool)), value(np.ones(count, bool))
    sets = draw_sets(count, samples // 2, np.random.default_rng(seed)).astype(float)
    found = np.array([value(there > 0) for there in sets]) - nobody
    whole = everybody - nobody
    left = sets[:, :-1] - sets[:, -1:]  # the last share is what the others leave
    values, *_ = np.linalg.lstsq(left, found - sets[:, -1] * whole, rcond=None)
    return Shares(np.append(values, whole - values.sum()), nobody, everybody)


def draw_sets(count: int, pairs: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Sets whose sizes come as often as Shapley's kernel weighs them: (2 * pairs, count) bool."""
    sizes = np.arange(1, count)
    weights = 1 / (sizes * (count - sizes))
    drawn = rng.choice(sizes, pairs, p=weights / weights.sum())
    sets = np.stack([rng.permutation(count) < size for size in drawn])
    return np.concatenate([sets, ~sets])
