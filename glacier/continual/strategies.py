"""The strategies by name, with what is known of each without running it. No torch in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from glacier.errors import ConfigError
from glacier.wording import nearest

if TYPE_CHECKING:
    from glacier.continual.strategy import Strategy


@dataclass(frozen=True)
class Entry:
    """A strategy."""

    home: str
    """Module of this folder and class in it."""
    title: str
    """As pages name it."""
    uses_budget: bool = False
    """What it keeps of earlier tasks grows with the budget."""
    knows_task: bool = False
    """It is told at the test, too, which task an image is of; others are not."""
    strengths: tuple[float, ...] = (1.0,)
    """Weights of its own term of the loss that are tried, as learning rates are."""


PENALTIES = (0.1, 3.0, 100.0)
"""Strengths of a quadratic penalty, whose scale nobody knows before."""

STRATEGIES = {
    "naive": Entry("naive:Naive", "naive fine-tuning"),
    "joint": Entry("joint:Joint", "joint training"),
    "ewc": Entry("ewc:Ewc", "EWC", strengths=PENALTIES),
    "online_ewc": Entry("online_ewc:OnlineEwc", "online EWC", strengths=PENALTIES),
    "mas": Entry("mas:Mas", "MAS", strengths=(1e-3, 1e-2, 0.1)),
    "replay": Entry("replay:Replay", "experience replay", uses_budget=True),
    "der": Entry("der:DarkReplay", "DER++", uses_budget=True, strengths=(0.01, 0.1)),
    "som": Entry("som:MapReplay", "replay by a map (SOM)", uses_budget=True),
    "generative": Entry("generative:GenerativeReplay", "generative replay", uses_budget=True),
    "lwf": Entry("lwf:Distillation", "distillation (LwF)", strengths=(0.3, 3.0)),
    "progressive": Entry("progressive:Progressive", "progressive network", knows_task=True),
    "pathnet": Entry("pathnet:PathNet", "PathNet", knows_task=True),
    "reptile": Entry("reptile:Reptile", "Reptile, then naive"),
    "maml": Entry("maml:Maml", "MAML, then naive"),
    "hebbian": Entry("hebbian:Hebbian", "Hebbian head"),
}
"""Name in a configuration to the strategy. A new one is a file in this folder and a line here."""

FLOOR, CEILING = "naive", "joint"
"""What forgets, and what may keep all: every other strategy is put between the two."""


def choose_strategies(names: Sequence[str]) -> list[str]:
    """The wanted strategies, in the order of the table, with floor and ceiling among them.

    Args:
        names: Of a configuration; none: all.

    Raises:
        ConfigError: One is unknown.
    """
    for name in names:
        if name not in STRATEGIES:
            raise ConfigError(
                f"continual.strategies: no strategy {name!r}{nearest(name, list(STRATEGIES))} "
                f"There are {', '.join(STRATEGIES)}"
            )
    wanted = {*(names or STRATEGIES), FLOOR, CEILING}
    return [name for name in STRATEGIES if name in wanted]


def load_strategy(name: str) -> type[Strategy]:
    """The class of a strategy, which torch comes with."""
    module, _, kind = STRATEGIES[name].home.partition(":")
    found: type[Strategy] = getattr(import_module(f"glacier.continual.{module}"), kind)
    return found
