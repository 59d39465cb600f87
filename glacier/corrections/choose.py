"""Which months a person should look at first. No files in here.

A map's probabilities say where it may be wrong, and models that differ say the same by other
means. What a look at a month may mend is measured in km2 of ground, so that a large glacier that is
mapped a little badly counts like a small one that is mapped very badly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Way = Literal["disagreement", "entropy", "diversity", "random"]

WAYS: tuple[Way, ...] = get_args(Way)
"""How months are chosen: by how far models differ in area; by doubtful ground; by that, spread over
regions and seasons; at random. The first is the default, see ``results/corrections``."""

LIKE = 0.5
"""What a month is still worth after one of the same region and calendar month was chosen."""


@dataclass(frozen=True)
class Doubt:
    """What is doubtful in a month's map."""

    region: str
    month: str
    """YYYY-MM."""
    doubtful_km2: float
    """Entropy of the probabilities, in bits, times the ground that was seen: ground of even odds
    counts whole."""
    spread_km2: float
    """Standard deviation of the area over the models; 0 of one model."""

    @property
    def kind(self) -> tuple[str, str]:
        """Region and calendar month."""
        return self.region, self.month[5:]


def measure_entropy(probability: NDArray[np.floating]) -> float:
    """Sum of the entropy of probabilities, in bits; NaN counts as nothing.

    Args:
        probability: Any shape, 0..1.
    """
    known = probability[np.isfinite(probability)].astype(np.float64)
    other = 1 - known
    logs = [
        np.where(share > 0, share * np.log2(np.maximum(share, 1e-300)), 0)
        for share in (known, other)
    ]
    return float(-(logs[0] + logs[1]).sum()) + 0.0


def rank_months(doubts: Sequence[Doubt], way: Way, seed: int = 0) -> list[Doubt]:
    """Months in the order in which they should be looked at.

    Args:
        doubts: One for each month.
        way: How they are chosen.
        seed: Of the random order.
    """
    ordered = sorted(doubts, key=lambda doubt: (doubt.region, doubt.month))
    if way == "random":
        return [ordered[k] for k in np.random.default_rng(seed).permutation(len(ordered))]
    if way == "disagreement":
        return sorted(ordered, key=lambda doubt: (-doubt.spread_km2, -doubt.doubtful_km2))
    if way == "entropy":
        return sorted(ordered, key=lambda doubt: -doubt.doubtful_km2)
    return spread_out(ordered)


def spread_out(doubts: Sequence[Doubt]) -> list[Doubt]:
    """By doubtful ground, each worth less the more months of its kind came before it."""
    left, chosen = list(doubts), list[Doubt]()
    before: dict[tuple[str, str], int] = {}
    while left:
        best = max(left, key=lambda d: d.doubtful_km2 * LIKE ** before.get(d.kind, 0))
        before[best.kind] = before.get(best.kind, 0) + 1
        left.remove(best)
        chosen.append(best)
    return chosen
