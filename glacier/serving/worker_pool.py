"""Processes that map by one model, side by side; one that has ended is replaced."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from glacier.errors import GlacierError
from glacier.serving.answer import Answer, ImageLimits
from glacier.serving.orders import Order
from glacier.serving.process_template import ProcessTemplate
from glacier.serving.served_models import Candidate
from glacier.serving.worker import Worker

TRIES = 3
"""Processes that may turn out to have ended before one begins with an image."""


class WorkerPool:
    """Some processes with the same model."""

    def __init__(self, candidate: Candidate, template: ProcessTemplate, count: int) -> None:
        """Begin with no process; :meth:`start` makes them.

        Args:
            candidate: The model.
            template: What they are forked from.
            count: Processes.
        """
        self.candidate = candidate
        self.workers = tuple(Worker(candidate, template) for _ in range(count))
        self.idle: asyncio.Queue[Worker] = asyncio.Queue()
        self.is_closed = False
        self.in_work = 0
        self.at_rest = asyncio.Event()
        self.at_rest.set()
        self.revivals: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start all processes and wait until each could answer; on an error none is left.

        Raises:
            GlacierError: The model cannot be loaded, or cannot answer.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for worker in self.workers:
                    group.create_task(worker.start())
        except BaseExceptionGroup as errors:
            await self.close()
            raise errors.exceptions[0] from errors
        except BaseException:  # nobody waits for them any more
            await self.close()
            raise
        for worker in self.workers:
            self.idle.put_nowait(worker)

    async def map_image(self, image: Path, folder: Path, limits: ImageLimits) -> Answer:
        """Map a file once a process is free, see :meth:`glacier.serving.worker.Worker.finish`.

        Raises:
            GlacierError: It cannot be mapped, or no process can be started any more.
        """
        order = Order(
            image=str(image), folder=str(folder), pixels=limits.pixels,
            memory_mb=limits.memory_mb, explain=limits.explain,
        )  # fmt: skip
        self.in_work += 1
        self.at_rest.clear()
        try:
            for _ in range(TRIES):
                worker = await self.take()
                try:
                    if not worker.is_alive:
                        await worker.start()
                    if await worker.begin(order):
                        return await worker.finish(order, limits.deadline_s)
                finally:
                    self.give_back(worker)
            raise GlacierError("no process that maps lives long enough to begin; see the log")
        finally:
            self.in_work -= 1
            if not self.in_work:
                self.at_rest.set()

    async def take(self) -> Worker:
        """A process once one is free; one that has ended only where all others are at work."""
        while True:
            worker = await self.idle.get()
            if worker.is_alive or self.idle.empty():
                return worker
            self.give_back(worker)

    def give_back(self, worker: Worker) -> None:
        """Let a process take the next image; one that has ended is started anew before."""
        if worker.is_alive or self.is_closed:
            self.idle.put_nowait(worker)
            return
        task = asyncio.create_task(self.revive(worker))
        self.revivals.add(task)
        task.add_done_callback(self.revivals.discard)

    async def revive(self, worker: Worker) -> None:
        """Start a process anew; where that fails, the next image tries it, and is told why."""
        try:
            with suppress(GlacierError, OSError):
                await worker.start()
        finally:
            self.idle.put_nowait(worker)

    async def finish(self) -> None:
        """Wait until all images are mapped, then end the processes."""
        await self.at_rest.wait()
        await self.close()

    async def close(self) -> None:
        """End the processes, whatever they do."""
        self.is_closed = True
        revivals = tuple(self.revivals)
        for task in revivals:
            task.cancel()
        await asyncio.gather(*revivals, return_exceptions=True)
        await asyncio.gather(*(worker.kill() for worker in self.workers))
