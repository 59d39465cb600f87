"""A process that maps, as the service holds it: asked, timed, ended and cleaned up after."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from pathlib import Path

from glacier.errors import GlacierError, OutOfTimeError, RasterError
from glacier.serving.answer import Answer, ImageLimits
from glacier.serving.orders import KINDS, MEMORY, Order, Reply
from glacier.serving.served_models import Candidate

LOADING_S = 600.0
"""Longest that a process may take to load a model and to try it, seconds."""

ENDING_S = 2.0
"""Longest that is waited for the end of a process whose pipe has ended, seconds."""

MAX_LINE = 1 << 20
"""Longest reply, bytes; an answer with all that its model says takes up some thousand."""


class EndedError(Exception):
    """A process ended, or said something that is no reply, before it answered."""


class LateError(Exception):
    """A process did not answer in time."""


class Worker:
    """One process with one model; it does one thing at a time."""

    def __init__(self, candidate: Candidate) -> None:
        """Begin with no process; :meth:`start` makes one.

        Args:
            candidate: The model.
        """
        self.candidate = candidate
        self.process: Process | None = None
        self.is_sound = False
        """Whether it said all that it had to, and so waits for an order."""

    @property
    def name(self) -> str:
        """Id of its model."""
        return self.candidate.served.id

    @property
    def is_alive(self) -> bool:
        """Whether there is a process that could take an order."""
        if not self.is_sound or self.process is None or self.process.stdout is None:
            return False
        return self.process.returncode is None and not self.process.stdout.at_eof()

    async def start(self) -> None:
        """Start the process and wait until it could answer.

        Raises:
            GlacierError: The model cannot be loaded, or cannot answer.
            OutOfTimeError: It took too long.
        """
        paths = os.pathsep.join(path for path in sys.path if path)
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "glacier.serving.map_process", str(os.getpid()),
            stdin=PIPE, stdout=PIPE, limit=MAX_LINE, start_new_session=True,
            env={**os.environ, "PYTHONPATH": paths},
        )  # fmt: skip
        self.is_sound = False
        try:
            reply = await self.ask_within(self.candidate.model_dump_json(), LOADING_S)
            self.is_sound = not reply.kind
            if reply.kind:
                raise KINDS.get(reply.kind, GlacierError)(
                    f"{self.name} cannot answer: {reply.message}"
                )
        except BaseException as error:
            await self.kill()
            raise self.explain_start(error) from error

    def explain_start(self, error: BaseException) -> BaseException:
        """What is told of a model that was not loaded."""
        if isinstance(error, LateError):
            return OutOfTimeError(f"{self.name} was not loaded within {LOADING_S:g} s")
        if isinstance(error, EndedError):
            return GlacierError(
                f"the process that loads {self.name} {self.tell_end()}; see the log"
            )
        return error

    async def map_image(self, image: Path, folder: Path, limits: ImageLimits) -> Answer:
        """Map a file; whatever goes wrong, no work goes on and the folder is empty.

        Raises:
            RasterError: It is no image that can be mapped, or its process did not survive it.
            OutOfTimeError: It did not end in time.
            GlacierError: Anything else that can be told.
            RuntimeError: A defect.
        """
        order = Order(
            image=str(image), folder=str(folder), pixels=limits.pixels, memory_mb=limits.memory_mb
        )
        self.is_sound = False
        try:
            reply = await self.ask_within(order.model_dump_json(), limits.deadline_s)
            self.is_sound = not reply.is_last
            if reply.answer is None:
                raise explain_refusal(reply, image.name, limits)
        except LateError as error:
            await self.leave(folder)
            raise OutOfTimeError(
                f"{image.name} was not mapped within {limits.deadline_s:g} s: cut it into parts, "
                "or ask for it in the background"
            ) from error
        except EndedError as error:
            await self.leave(folder)
            raise RasterError(
                f"{image.name} cannot be mapped: the process that read it {self.tell_end()}"
            ) from error
        except BaseException:  # also where nobody waits for the answer any more
            await self.leave(folder)
            raise
        return reply.answer

    async def leave(self, folder: Path) -> None:
        """End what is still at work, and leave nothing of it in the folder of the answer."""
        if not self.is_sound:
            await self.kill()
        for file in folder.iterdir():
            file.unlink(missing_ok=True)

    async def ask_within(self, line: str, most_s: float) -> Reply:
        """The reply to a line, within a time.

        Raises:
            LateError: There was none in time.
            EndedError: There will be none.
        """
        try:
            async with asyncio.timeout(most_s):
                return await self.ask(line)
        except TimeoutError as error:
            raise LateError from error

    async def ask(self, line: str) -> Reply:
        """Send a line and wait for the reply to it.

        Raises:
            EndedError: There was none.
        """
        assert self.process is not None and self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(line.encode() + b"\n")
            await self.process.stdin.drain()
            found = await self.process.stdout.readline()
            return Reply.model_validate_json(found)
        except (OSError, ValueError) as error:  # it is gone, or that is no reply
            with suppress(TimeoutError):  # so that its end is known
                async with asyncio.timeout(ENDING_S):
                    await self.process.wait()
            raise EndedError from error

    async def kill(self) -> None:
        """End the process now, and wait until it is gone, also where the waiting is cancelled."""
        if self.process is None:
            return
        self.is_sound = False
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.kill()
        gone = asyncio.ensure_future(self.process.wait())
        while not gone.done():
            with suppress(asyncio.CancelledError):
                await asyncio.shield(gone)

    def tell_end(self) -> str:
        """How the process ended, in words."""
        code = self.process.returncode if self.process else None
        return f"was ended by signal {-code}" if code is not None and code < 0 else "ended"


def explain_refusal(reply: Reply, name: str, limits: ImageLimits) -> Exception:
    """The error of a reply that is no answer."""
    if reply.kind in KINDS:
        return KINDS[reply.kind](reply.message)
    if reply.kind == MEMORY:
        return RasterError(
            f"{name} cannot be mapped within {limits.memory_mb} MB of memory: cut it into parts, "
            "or write it anew with small blocks (gdal_translate -co TILED=YES)"
        )
    return RuntimeError(f"a defect mapped {name}: {reply.message}; see the log")
