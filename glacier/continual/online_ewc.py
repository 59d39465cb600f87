"""Online EWC: one spring a weight, whatever the number of tasks, that slackens with time."""

from __future__ import annotations

from glacier.continual.chips import TaskChips
from glacier.continual.ewc import Ewc
from glacier.continual.importance import clone_weights
from glacier.continual.strategy import Tensors

DECAY = 0.9
"""What is left of an importance after each later task. Source: Schwarz et al. 2018, who search
from 0.7 to 1."""


class OnlineEwc(Ewc):
    """One penalty around the latest weights, by a Fisher information that runs on and decays.

    Source:
        Schwarz et al. 2018, Progress & Compress, ICML.
    """

    def after_task(self, task: TaskChips) -> None:
        """Let the springs slacken, and add those of the task."""
        found = self.measure(task)
        if self.springs:
            found = add_decayed(self.springs[0][0], found)
        self.springs = [(found, clone_weights(self.net))]


def add_decayed(before: Tensors, new: Tensors) -> Tensors:
    """What is left of earlier importances, and new ones."""
    return {name: DECAY * before[name] + value for name, value in new.items()}
