"""How many requests may be in flight at once: halved when the server refuses, regrown slowly.

Plain threads; across processes the ingest stage puts one limiter into an actor.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Literal, Protocol

Outcome = Literal["ok", "failed", "refused"]
"""``refused``: the server asks for fewer requests (HTTP 429). ``failed``: any other fault."""

REGROW_AFTER = 10
"""Successes in a row that raise the limit by one."""

LEASE_MARGIN_S = 60.0
"""Time over a request's deadline after which its place is taken for lost."""


@dataclass(frozen=True)
class LimiterState:
    """What a limiter has come to."""

    limit: int
    """Requests that may be in flight now."""
    peak_in_flight: int
    """The most that ever were."""
    refusals: int
    """Times that the server asked for fewer."""
    restricted: bool
    """One request at a time until the end of the run."""


class RequestLimit(Protocol):
    """What a source asks before each request, in this process or in another."""

    def acquire(self) -> int:
        """Wait for a free place; returns the ticket to give back."""
        ...

    def release(self, ticket: int, outcome: Outcome) -> None:
        """Give a place back and say how the request went."""
        ...

    def restrict(self) -> None:
        """One request at a time from now on."""
        ...


class Limiter:
    """Additive increase, multiplicative decrease of the requests in flight.

    A place that is not given back, since its process died, is free again once its lease is over:
    until then the server may still be at work on that request.
    """

    def __init__(self, max_limit: int, deadline_s: float = 540.0) -> None:
        """Allow at most so many requests at once.

        Args:
            max_limit: Highest limit, and the first.
            deadline_s: Time after which a request's process gives it up itself; its lease is
                longer by a margin.
        """
        self.max_limit = self.limit = max_limit
        self.lease_s = deadline_s + LEASE_MARGIN_S
        self.restricted = False
        self.peak_in_flight = self.refusals = 0
        self._changed = threading.Condition()
        self._leases: dict[int, float] = {}
        self._issued = self._last_cut = self._successes = 0

    def acquire(self) -> int:
        """Wait until fewer requests than the limit are in flight; returns a ticket."""
        with self._changed:
            while self._count() >= self.limit:
                self._changed.wait(max(0.0, min(self._leases.values()) - time.monotonic()))
            self._issued += 1
            self._leases[self._issued] = time.monotonic() + self.lease_s
            self.peak_in_flight = max(self.peak_in_flight, len(self._leases))
            return self._issued

    def release(self, ticket: int, outcome: Outcome) -> None:
        """Give a place back; a ticket whose lease is over frees none."""
        with self._changed:
            self._leases.pop(ticket, None)
            if outcome == "refused":
                self.slow_down(ticket)
            elif outcome == "ok":
                self._successes += 1
                if self._successes >= REGROW_AFTER and not self.restricted:
                    self.limit, self._successes = min(self.max_limit, self.limit + 1), 0
            self._changed.notify_all()

    def slow_down(self, ticket: int) -> None:
        """Halve the limit, not below 1.

        Refusals come in bursts: of the requests that were under way at the last cut, none
        cuts again.
        """
        with self._changed:
            self.refusals += 1
            self._successes = 0
            if ticket > self._last_cut:
                self.limit, self._last_cut = max(1, self.limit // 2), self._issued

    def restrict(self) -> None:
        """One request at a time until the end of the run."""
        with self._changed:
            self.restricted, self.limit = True, 1

    def state(self) -> LimiterState:
        """What it has come to, from any thread."""
        with self._changed:
            return LimiterState(self.limit, self.peak_in_flight, self.refusals, self.restricted)

    def _count(self) -> int:
        """Requests in flight, without those whose lease is over."""
        now = time.monotonic()
        self._leases = {ticket: end for ticket, end in self._leases.items() if end > now}
        return len(self._leases)
