"""Processes that map by one model, side by side; one that has ended is replaced."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from glacier.errors import GlacierError
from glacier.serving.answer import Answer, ImageLimits
from glacier.serving.served_models import Candidate
from glacier.serving.worker import Worker


class WorkerPool:
    """Some processes with the same model."""

    def __init__(self, candidate: Candidate, count: int) -> None:
        """Begin with no process; :meth:`start` makes them.

        Args:
            candidate: The model.
            count: Processes.
        """
        self.candidate = candidate
        self.workers = tuple(Worker(candidate) for _ in range(count))
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
        """Map a file once a process is free, see :meth:`glacier.serving.worker.Worker.map_image`.

        Raises:
            GlacierError: It cannot be mapped, or no process can be started any more.
        """
        self.in_work += 1
        self.at_rest.clear()
        try:
            worker = await self.take()
            try:
                if not worker.is_alive:
                    await worker.start()
                return await worker.map_image(image, folder, limits)
            finally:
                self.give_back(worker)
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
