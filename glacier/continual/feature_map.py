"""A self-organising map: a grid of units over features, on which neighbours are alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 4
"""Units along each side of the map."""
PASSES = 10
"""Times that every feature is shown."""
RATES = (0.5, 0.05)
"""Share of the way to a feature that the nearest unit takes, first and last."""
RADII = (2.0, 0.5)
"""Reach of a step on the grid, units, first and last."""

Features = NDArray[np.float64]
"""(N, F) float64."""


def place_units() -> Features:
    """(SIDE^2, 2): row and column of each unit."""
    return np.argwhere(np.ones((SIDE, SIDE))).astype(float)


def train_map(units: Features | None, features: Features, rng: np.random.Generator) -> Features:
    """Units after all features were shown some times, in an order drawn at random.

    Args:
        units: (SIDE^2, F) to go on from; None: features drawn at random.
        features: What is shown.
        rng: Draws.

    Returns:
        (SIDE^2, F) float64.

    Source:
        Kohonen 1982, Self-organized formation of topologically correct feature maps, Biological
        Cybernetics 43.
    """
    places = place_units()
    if units is None:
        units = features[rng.integers(len(features), size=len(places))]
    units = units.copy()
    order = np.concatenate([rng.permutation(len(features)) for _ in range(PASSES)])
    for share, at in zip(np.linspace(0, 1, len(order)), order, strict=True):
        rate, radius = (first * (last / first) ** share for first, last in (RATES, RADII))
        near = places[find_unit(units, features[at])]
        pull = np.exp(-((places - near) ** 2).sum(axis=1) / (2 * radius**2))
        units += rate * pull[:, None] * (features[at] - units)
    return units


def find_unit(units: Features, feature: NDArray[np.float64]) -> int:
    """The unit nearest to a feature (F,)."""
    return int(((units - feature) ** 2).sum(axis=1).argmin())


def measure_distances(units: Features, features: Features) -> Features:
    """(N, units) Euclidean distance of every feature from every unit."""
    return np.asarray(np.linalg.norm(features[:, None] - units[None], axis=2))


def topographic_error(units: Features, features: Features) -> float:
    """Share of features whose two nearest units are no neighbours on the grid, 0..1.

    Source:
        Kiviluoto 1996, Topology preservation in self-organizing maps, ICNN.
    """
    nearest = measure_distances(units, features).argsort(axis=1)[:, :2]
    places = place_units()
    apart = np.abs(places[nearest[:, 0]] - places[nearest[:, 1]]).max(axis=1)
    return float((apart > 1).mean())


def quantisation_error(units: Features, features: Features) -> float:
    """Mean distance of features from their nearest unit: how new they are to the map."""
    return float(measure_distances(units, features).min(axis=1).mean())


def choose_evenly(
    groups: NDArray[np.int64], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Places of members such that each group has as many as another, where it has them.

    Args:
        groups: (N,) group of each member.
        count: How many are chosen at most.
        rng: Draws which of a group, and who gives way at the end.
    """
    shuffled = rng.permutation(len(groups))
    rank = np.empty(len(groups), np.int64)
    for group in np.unique(groups):
        members = shuffled[groups[shuffled] == group]
        rank[members] = np.arange(len(members))
    order = shuffled[np.argsort(rank[shuffled], kind="stable")]
    return np.sort(order[:count])
