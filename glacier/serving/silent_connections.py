"""Connections on which no request comes are ended, as uvicorn does after the first one alone."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol


def make_protocol(idle_s: float) -> type[asyncio.Protocol]:
    """What reads requests, and waits so long for the head of one.

    Args:
        idle_s: Longest time without a whole head while none is answered, seconds.
    """
    base: Any = AutoHTTPProtocol

    class PatientProtocol(base):  # type: ignore[misc]
        """Looks now and then whether a request has come since the last look."""

        def connection_made(self, transport: asyncio.Transport) -> None:
            """Begin to look."""
            super().connection_made(transport)
            self.answered: object = None
            self.look = self.loop.call_later(idle_s, self.end_if_silent)

        def connection_lost(self, error: Exception | None) -> None:
            """Look no more."""
            self.look.cancel()
            super().connection_lost(error)

        def end_if_silent(self) -> None:
            """End the connection where the same request was the last one for too long."""
            is_free = self.cycle is None or self.cycle.response_complete
            if is_free and self.cycle is self.answered:
                self.transport.close()
                return
            self.answered = self.cycle if is_free else self
            self.look = self.loop.call_later(idle_s, self.end_if_silent)

    return PatientProtocol
