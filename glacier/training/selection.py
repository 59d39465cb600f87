"""The scores that choose the epoch whose weights are kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glacier.errors import TrainingError
from glacier.evaluation.metrics import Counts


class Selection(NamedTuple):
    """Scores on the split that chooses the checkpoint; None where nothing chooses."""

    val_dice_loss: float | None = None
    """Pooled soft Dice loss."""
    val_dice: float | None = None
    val_iou: float | None = None

    @classmethod
    def of(cls, sums: NDArray[np.float64], counts: Counts) -> Selection:
        """Of all pixels of a split: sum of p y, of p and of y, and the counts.

        Blank where no ice is known, so that the loss would be the same in every epoch.

        Raises:
            TrainingError: The network's answers are not numbers, so no loss comes of them.
        """
        if not sums[2]:
            return cls()
        loss = soft_dice_loss(sums)
        if not np.isfinite(loss):
            raise TrainingError(
                f"the loss on the split that chooses the epoch is {loss}; lower sweep.learning_rate"
            )
        return cls(loss, counts.dice, counts.iou)


def soft_dice_loss(sums: NDArray[np.float64]) -> float:
    """1 - 2 sum(p y) / (sum(p) + sum(y)) from the three sums over all pixels of a part."""
    overlap, predicted, true = (float(s) for s in sums)
    return 1 - 2 * overlap / max(predicted + true, 1e-7)
