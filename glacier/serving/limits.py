"""How much one client may take of the service: silence, turns in the queue, maps a minute."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from glacier.settings.serve import ServeLimits

WINDOW_S = 60.0
"""Over which a client's maps are counted."""

CLIENTS = 10_000
"""Clients whose maps are counted; beyond it the one that was silent longest is forgotten."""

FIRST_GUESS_S = 5.0
"""Seconds of a map before one was made."""

LATEST = 0.2
"""Weight of the latest map in the running mean of their seconds."""


class DeafClientError(Exception):
    """The client reads nothing of its answer."""


class LimitSilence:
    """Layer that ends requests whose client neither sends nor reads for too long.

    Where nothing else is to be read, it waits for the client's going as long as that takes.
    """

    def __init__(self, app: ASGIApp, limits: ServeLimits) -> None:
        """Guard an application."""
        self.app, self.limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose client keeps moving."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        has_body, begun = True, time.monotonic()

        async def receive_soon() -> Message:
            """The next part of a body, in time."""
            nonlocal has_body
            if not has_body:
                return await receive()
            left_s = self.limits.upload_s - (time.monotonic() - begun)
            wait_s = max(0.0, min(self.limits.idle_s, left_s))
            try:
                async with asyncio.timeout(wait_s):
                    message = await receive()
            except TimeoutError:
                raise explain_slow(left_s > wait_s, self.limits) from None
            has_body = bool(message.get("more_body", False))
            return message

        async def send_soon(message: Message) -> None:
            try:
                async with asyncio.timeout(self.limits.idle_s):
                    await send(message)
            except TimeoutError:
                raise DeafClientError from None

        with suppress(DeafClientError):  # the server ends the connection of half an answer
            await self.app(scope, receive_soon, send_soon)


def explain_slow(was_silent: bool, limits: ServeLimits) -> HTTPException:
    """The refusal of a client that sends too slowly."""
    said = f"the upload took longer than {limits.upload_s:g} s"
    if was_silent:
        said = f"nothing came for {limits.idle_s:g} s"
    return HTTPException(408, f"{said}; send the body again, whole", {"Connection": "close"})


class Places:
    """A number of places, of which each request takes one for as long as it lasts."""

    def __init__(self, total: int, what: str, workers: int = 1) -> None:
        """So many places for something, of which so many are worked on at once."""
        self.total, self.what, self.workers = total, what, workers
        self.taken = 0
        self.mean_s = FIRST_GUESS_S

    @property
    def waiting(self) -> int:
        """How many of those in a place nobody works on yet."""
        return max(0, self.taken - self.workers)

    def check(self) -> None:
        """Refuse one more where all are taken.

        Raises:
            HTTPException: 503, with when to come back.
        """
        if self.taken >= self.total:
            raise HTTPException(
                503,
                f"{self.taken} {self.what}, as many as this service takes; come back later",
                {"Retry-After": str(self.guess_wait_s())},
            )

    @contextmanager
    def take(self) -> Iterator[None]:
        """Have a place for the length of the block.

        Raises:
            HTTPException: 503: there is none.
        """
        self.check()
        self.taken += 1
        begun = time.monotonic()
        try:
            yield
            self.mean_s += LATEST * (time.monotonic() - begun - self.mean_s)
        finally:
            self.taken -= 1

    def guess_wait_s(self) -> int:
        """Seconds after which a place may be free, 1 to 60."""
        return max(1, min(60, math.ceil(self.mean_s / max(1, self.taken))))


class Rates:
    """How many maps each client has asked for within the last minute."""

    def __init__(self, per_minute: int | None) -> None:
        """Allow so many; None: any number."""
        self.per_minute = per_minute
        self.times: OrderedDict[str, deque[float]] = OrderedDict()

    def count(self, client: str) -> None:
        """Count one more.

        Raises:
            HTTPException: 429: it is one too many.
        """
        if self.per_minute is None:
            return
        now = time.monotonic()
        times = self.times.setdefault(client, deque())
        self.times.move_to_end(client)
        while times and times[0] <= now - WINDOW_S:
            times.popleft()
        if len(times) >= self.per_minute:
            wait_s = math.ceil(times[0] + WINDOW_S - now)
            raise HTTPException(
                429,
                f"{len(times)} maps within a minute, and {self.per_minute} are allowed; come back "
                f"in {wait_s} s",
                {"Retry-After": str(max(1, wait_s))},
            )
        times.append(now)
        if len(self.times) > CLIENTS:
            self.times.popitem(last=False)
