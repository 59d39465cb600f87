"""Which model the registry of ``predict.registry`` lets serve while a service runs."""

from __future__ import annotations

import time
from dataclasses import dataclass

from glacier import store
from glacier.config import Config
from glacier.registry.ledger import Ledger
from glacier.serving.served_models import choose_candidate
from glacier.training.saved import find_mapping_sweep

LOOK_S = 5.0
"""Time between two looks at a registry, seconds; it may lie in an object store."""


@dataclass(frozen=True)
class Registered:
    """A model, and how far the registry had come when it was chosen."""

    id: str
    changes: int
    """How often the registry had let another version serve."""


class RegistryWatch:
    """What the registry of a run says, looked at again and again."""

    def __init__(self, config: Config) -> None:
        """Watch the registry that ``predict.registry`` names, if it names one."""
        self.config, name = config, config.predict.registry
        self.ledger = None if name is None else Ledger(store.absolute(config.storage), name)
        self.due_s = 0.0
        """When it is looked at next, on the clock of ``time.monotonic``."""

    def count_changes(self) -> int:
        """How often the registry has let another version serve; 0 without one.

        Raises:
            GlacierError: It cannot be read.
        """
        return 0 if self.ledger is None else self.ledger.read().changes

    def find_newer(self, changes: int) -> Registered | None:
        """The model that serves, where the registry has changed it since; else None.

        None as well where the registry was looked at just now.

        Args:
            changes: How often it had when somebody last chose a model.

        Raises:
            GlacierError: The registry cannot be read, or its model cannot be found.
        """
        if self.ledger is None or time.monotonic() < self.due_s:
            return None
        self.due_s = time.monotonic() + LOOK_S
        now = self.count_changes()
        if now <= changes:
            return None
        serving = choose_candidate(self.config, find_mapping_sweep(self.config))
        return Registered(serving.served.id, now)
