"""An image and who waits for it -> a map, made in a process of its own; the loop only waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request

from glacier.errors import GlacierError, OutOfTimeError
from glacier.serving.answer import Answer, ImageLimits, Mapper
from glacier.serving.bodies import GONE
from glacier.serving.kept_maps import BEAT_S, FILES, KeptMap, KeptMaps
from glacier.serving.meters import Meters
from glacier.serving.problems import DEFECT, explain_error, make_problem
from glacier.settings.serve import Serve

T = TypeVar("T")


class MapWork:
    """Makes maps, for clients who wait and for those who come back."""

    def __init__(self, mapper: Mapper, kept: KeptMaps, settings: Serve, meters: Meters) -> None:
        """Have a mapper make maps that are kept."""
        self.mapper, self.kept, self.limits, self.meters = mapper, kept, settings.limits, meters
        self.turn = asyncio.Semaphore(settings.workers)
        self.tasks: dict[str, asyncio.Task[None]] = {}
        """Id of a map to who makes it in the background."""

    async def make_now(self, kept: KeptMap, image: Path, explain: bool = False) -> KeptMap:
        """Make a map that a client waits for; of one that cannot be made nothing is kept.

        Args:
            kept: The map.
            image: Its image.
            explain: Say also which band decides.

        Raises:
            GlacierError: Why it could not be made.
        """
        deadline_s = self.limits.deadline_s
        try:
            async with asyncio.timeout(deadline_s):
                answer = await self.make(kept, image, deadline_s, explain)
        except BaseException as error:
            self.kept.drop(kept)
            if isinstance(error, TimeoutError) and not isinstance(error, GlacierError):
                raise OutOfTimeError(
                    f"no map after {deadline_s:g} s; send a smaller image, or ask with the header "
                    "Prefer: respond-async and come back for it"
                ) from error
            raise
        return self.finish(kept, answer)

    def make_later(
        self, kept: KeptMap, image: Path, held: ExitStack, explain: bool = False
    ) -> None:
        """Make a map while its client does something else.

        Args:
            kept: The map.
            image: Its image.
            held: What to give back at the end: the image's folder, and a place in the queue.
            explain: Say also which band decides.
        """
        task = asyncio.create_task(self.make_alone(kept, image, held, explain), name=kept.id)
        self.tasks[kept.id] = task
        task.add_done_callback(lambda _: self.tasks.pop(kept.id, None))

    async def make_alone(self, kept: KeptMap, image: Path, held: ExitStack, explain: bool) -> None:
        """Make a map and write down what became of it."""
        with held:
            try:
                work = self.make(kept, image, self.limits.job_deadline_s, explain)
                answer = await self.while_wanted(kept, work)
            except Exception as error:
                problem = make_problem(500, DEFECT)
                if isinstance(error, GlacierError):
                    problem = explain_error(error)
                values = {"status": "failed", "problem": problem, "finished": datetime.now(UTC)}
                self.kept.save(kept.model_copy(update=values))
                if not isinstance(error, GlacierError):
                    raise
                return
            if answer is not None:
                self.finish(kept, answer)

    async def while_wanted(self, kept: KeptMap, work: Awaitable[Answer]) -> Answer | None:
        """Wait for a map until somebody, here or in another process, has dropped it."""
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait({task}, timeout=BEAT_S))[0]:
                if not await run_in_threadpool(self.kept.beat, kept):
                    return None
            return task.result()
        finally:
            await end_task(task)

    async def make(self, kept: KeptMap, image: Path, deadline_s: float, explain: bool) -> Answer:
        """Have the map made, and count it.

        Raises:
            GlacierError: It could not be made.
        """
        limits = ImageLimits(self.limits.pixels, self.limits.memory_mb, deadline_s, explain)
        try:
            async with self.turn:
                now = {"status": "running", "started": datetime.now(UTC)}
                self.kept.save(kept.model_copy(update=now))
                answer = await self.mapper.map_image(image, self.kept.place(kept, FILES), limits)
        except BaseException as error:
            self.meters.maps.labels(name_outcome(error)).inc()
            raise
        self.meters.count_map(answer)
        return answer

    def finish(self, kept: KeptMap, answer: Answer) -> KeptMap:
        """Write down that a map is made."""
        kept = self.kept.read(kept.id) or kept
        values = {"status": "successful", "answer": answer, "finished": datetime.now(UTC)}
        return self.kept.save(kept.model_copy(update=values))

    async def dismiss(self, kept: KeptMap) -> None:
        """Stop the work on a map, and remove it."""
        if task := self.tasks.get(kept.id):
            await end_task(task)
        await run_in_threadpool(self.kept.drop, kept)

    async def close(self) -> None:
        """Stop all work in the background."""
        for task in list(self.tasks.values()):
            await end_task(task)


def name_outcome(error: BaseException) -> str:
    """How an image that was not mapped is counted."""
    if isinstance(error, asyncio.CancelledError):
        return "given up"
    return type(error).__name__ if isinstance(error, GlacierError) else "fault"


async def end_task(task: asyncio.Future[T]) -> None:
    """Cancel a task and wait until it has ended; whatever it says then is of no use."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()


async def until_gone(request: Request, work: Awaitable[T]) -> T:
    """What some work returns; it is cancelled as soon as the client has hung up.

    Args:
        request: Whose body was read whole.
        work: What the client waits for.

    Raises:
        HTTPException: The client has gone.
    """
    task = asyncio.ensure_future(work)
    going = asyncio.create_task(await_going(request))
    try:
        await asyncio.wait({task, going}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise HTTPException(GONE, "the client has gone")
        return task.result()
    finally:
        await end_task(going)
        if not task.done():
            await end_task(task)


async def await_going(request: Request) -> None:
    """Wait until the client has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
