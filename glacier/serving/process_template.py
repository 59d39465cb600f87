"""The process that all processes that map are forked from, as the service holds it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from glacier.errors import GlacierError

T = TypeVar("T")

MOST_WORDS = 64
"""Bytes of what it says at once, at the most."""


@dataclass(frozen=True)
class Fork:
    """A process that was forked."""

    pid: int
    parent: Process | None
    """The one that it was forked from."""


class ProcessTemplate:
    """One process with all imports done; it is asked for one thing at a time."""

    def __init__(self) -> None:
        """Begin with no process; the first fork starts it."""
        self.process: Process | None = None
        self.control: socket.socket | None = None
        self.asking = asyncio.Lock()

    @property
    def is_alive(self) -> bool:
        """Whether there is such a process; all that were forked from it end with it."""
        return self.process is not None and self.process.returncode is None

    async def fork(self, place: socket.socket) -> Fork:
        """Start a process that takes orders from a socket.

        Raises:
            GlacierError: There is none to fork from, nor can one be started.
        """
        async with self.asking:
            if not self.is_alive:
                await self.start()
            return Fork(await self.ask(b"fork", [place.fileno()]), self.process)

    async def end(self, fork: Fork) -> int | None:
        """End a process and wait until it is gone; returns how it ended, as ``Popen.returncode``.

        Its pid is nobody else's for as long as the one lives that it was forked from, and it does
        not outlive that one; None then: nobody knows.
        """
        async with self.asking:
            if self.process is not fork.parent or not self.is_alive:
                return None
            with suppress(ProcessLookupError):
                os.kill(fork.pid, signal.SIGKILL)
            with suppress(GlacierError):
                return await self.ask(b"%d" % fork.pid)
        return None

    async def ask(self, words: bytes, places: Sequence[int] = ()) -> int:
        """The number that it answers.

        Raises:
            GlacierError: It has ended.
        """
        assert self.control is not None
        try:
            socket.send_fds(self.control, [words], places)
            return int(await self.hear())
        except OSError as error:
            raise GlacierError(f"no process that maps can be started: {error}") from error

    async def start(self) -> None:
        """Start it, and wait until all is imported.

        Raises:
            GlacierError: It ended before.
        """
        self.drop()
        self.control, theirs = socket.socketpair()
        self.control.setblocking(False)
        own = str(os.getpid())
        paths = os.pathsep.join(path for path in sys.path if path)
        with theirs:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "glacier.serving.map_process", own, stdin=theirs.fileno(),
                start_new_session=True, env={**os.environ, "PYTHONPATH": paths},
            )  # fmt: skip
        await self.hear()

    async def hear(self) -> bytes:
        """What it says next.

        Raises:
            GlacierError: Nothing, since it has ended.
        """
        assert self.control is not None
        words = await asyncio.get_running_loop().sock_recv(self.control, MOST_WORDS)
        if not words:
            raise GlacierError("the process that maps are forked from ended; see the log")
        return words

    def drop(self) -> None:
        """Let go of it, and of all that were forked from it: they end with their sockets."""
        if self.process is not None and self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.kill()
        if self.control is not None:
            self.control.close()
        self.process = self.control = None

    async def close(self) -> None:
        """End it, and wait until it is gone."""
        process = self.process
        self.drop()
        if process is not None:
            await process.wait()


async def undisturbed(work: Coroutine[Any, Any, T]) -> T:
    """The result of short work that is not to be broken off; a cancellation comes after it."""
    task, cancelled = asyncio.ensure_future(work), False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
        except Exception:
            break
    if cancelled:
        raise asyncio.CancelledError
    return task.result()
