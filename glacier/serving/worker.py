"""A process that maps, as the service holds it: asked, timed, ended and cleaned up after."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from glacier.errors import GlacierError, OutOfTimeError, RasterError
from glacier.serving.answer import Answer
from glacier.serving.orders import KINDS, MEMORY, Order, Reply
from glacier.serving.process_template import Fork, ProcessTemplate, undisturbed
from glacier.serving.served_models import Candidate

LOADING_S = 600.0
"""Longest that a process may take to load a model and to try it, seconds."""

MAX_LINE = 1 << 20
"""Longest reply, bytes; an answer with all that its model says takes up some thousand."""


class EndedError(Exception):
    """A process ended, or said something that is no reply, before it answered."""


class LateError(Exception):
    """A process did not answer in time."""


class Worker:
    """One process with one model; it does one thing at a time."""

    def __init__(self, candidate: Candidate, template: ProcessTemplate) -> None:
        """Begin with no process; :meth:`start` makes one.

        Args:
            candidate: The model.
            template: What the process is forked from.
        """
        self.candidate, self.template = candidate, template
        self.fork: Fork | None = None
        self.pipe: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.is_sound = False
        """Whether it said all that it had to, and so waits for an order."""
        self.code: int | None = None
        """How its last process ended; None: nobody knows."""

    @property
    def name(self) -> str:
        """Id of its model."""
        return self.candidate.served.id

    @property
    def pid(self) -> int | None:
        """Of its process; None: it has none."""
        return self.fork.pid if self.fork else None

    @property
    def is_alive(self) -> bool:
        """Whether there is a process that could take an order."""
        return self.is_sound and self.pipe is not None and not self.pipe[0].at_eof()

    async def start(self) -> None:
        """Start the process and wait until it could answer.

        Raises:
            GlacierError: The model cannot be loaded, or cannot answer.
            OutOfTimeError: It took too long.
        """
        await self.kill()
        try:
            await undisturbed(self.begin_process())
            await self.send(self.candidate.model_dump_json())
            reply = await self.hear_within(LOADING_S)
            self.is_sound = not reply.kind
            if reply.kind:
                kind = KINDS.get(reply.kind, GlacierError)
                raise kind(f"{self.name} cannot answer: {reply.message}")
        except LateError as error:
            await self.kill()
            raise OutOfTimeError(f"{self.name} was not loaded within {LOADING_S:g} s") from error
        except EndedError as error:
            await self.kill()
            raise GlacierError(
                f"the process that loads {self.name} {self.tell_end()}; see the log"
            ) from error
        except BaseException:
            await self.kill()
            raise

    async def begin_process(self) -> None:
        """Have a process with a socket to it.

        Raises:
            GlacierError: None can be started.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self.fork = await self.template.fork(theirs)
        except BaseException:
            ours.close()
            raise
        self.pipe = await asyncio.open_connection(sock=ours, limit=MAX_LINE)

    async def begin(self, order: Order) -> bool:
        """Have an order begun; false where the process had ended before, so that another may."""
        self.is_sound = False
        try:
            await self.send(order.model_dump_json())
            await self.hear()
        except EndedError:
            await self.kill()
            return False
        except BaseException:
            await self.kill()
            raise
        return True

    async def finish(self, order: Order, deadline_s: float) -> Answer:
        """The answer to an order that has begun; else no work goes on and its folder is empty.

        Raises:
            RasterError: It is no image that can be mapped, or its process did not survive it.
            OutOfTimeError: It did not end in time.
            GlacierError: Anything else that can be told.
            RuntimeError: A defect.
        """
        name = Path(order.image).name
        try:
            reply = await self.hear_within(deadline_s)
            self.is_sound = not reply.is_last
            if reply.answer is None:
                raise explain_refusal(reply, name, order.memory_mb)
        except LateError as error:
            await self.leave(order)
            raise OutOfTimeError(
                f"{name} was not mapped within {deadline_s:g} s: cut it into parts, or ask for it "
                "in the background"
            ) from error
        except EndedError as error:
            await self.leave(order)
            raise RasterError(
                f"{name} cannot be mapped: the process that read it {self.tell_end()}"
            ) from error
        except BaseException:  # also where nobody waits for the answer any more
            await self.leave(order)
            raise
        return reply.answer

    async def leave(self, order: Order) -> None:
        """End what is still at work, and leave nothing of it in the folder of the answer."""
        if not self.is_sound:
            await self.kill()
        for file in Path(order.folder).iterdir():
            file.unlink(missing_ok=True)

    async def send(self, line: str) -> None:
        """Send a line.

        Raises:
            EndedError: Nobody reads it.
        """
        assert self.pipe is not None
        try:
            self.pipe[1].write(line.encode() + b"\n")
            await self.pipe[1].drain()
        except OSError as error:
            raise EndedError from error

    async def hear(self) -> Reply:
        """The next reply.

        Raises:
            EndedError: There is none.
        """
        assert self.pipe is not None
        try:
            return Reply.model_validate_json(await self.pipe[0].readline())
        except (OSError, ValueError) as error:  # it is gone, or that is no reply
            raise EndedError from error

    async def hear_within(self, most_s: float) -> Reply:
        """The next reply, within a time.

        Raises:
            LateError: There was none in time.
            EndedError: There will be none.
        """
        try:
            async with asyncio.timeout(most_s):
                return await self.hear()
        except TimeoutError as error:
            raise LateError from error

    async def kill(self) -> None:
        """End the process now, and wait until it is gone, also where the waiting is cancelled."""
        self.is_sound = False
        if self.fork is not None:
            await undisturbed(self.end(self.fork))

    async def end(self, fork: Fork) -> None:
        """End a process, and let go of it."""
        self.code = await self.template.end(fork)
        if self.pipe is not None:
            self.pipe[1].close()
        self.fork = self.pipe = None

    def tell_end(self) -> str:
        """How the process ended, in words."""
        is_signal = self.code is not None and self.code < 0
        return f"was ended by signal {-self.code}" if is_signal and self.code else "ended"


def explain_refusal(reply: Reply, name: str, memory_mb: int) -> Exception:
    """The error of a reply that is no answer."""
    if reply.kind in KINDS:
        return KINDS[reply.kind](reply.message)
    if reply.kind == MEMORY:
        return RasterError(
            f"{name} cannot be mapped within {memory_mb} MB of memory: cut it into parts, "
            "or write it anew with small blocks (gdal_translate -co TILED=YES)"
        )
    return RuntimeError(f"a defect mapped {name}: {reply.message}; see the log")
