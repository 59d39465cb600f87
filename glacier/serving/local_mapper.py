"""Maps images on this machine, and lets another model take over while it does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from glacier.config import Config
from glacier.serving.answer import Answer, ImageLimits, ServedModel
from glacier.serving.process_template import ProcessTemplate
from glacier.serving.served_models import ModelShelf
from glacier.serving.worker_pool import WorkerPool
from glacier.settings.serve import Serve


class LocalMapper:
    """A ``Mapper`` with processes of its own; it belongs to the loop of events that started it."""

    def __init__(
        self, shelf: ModelShelf, template: ProcessTemplate, pool: WorkerPool, settings: Serve
    ) -> None:
        """Take processes that are ready; :meth:`start` makes them.

        Args:
            shelf: The models that could answer.
            template: What all processes are forked from.
            pool: Processes with the model that answers first.
            settings: Say how many map side by side.
        """
        self.shelf, self.template, self.pool, self.settings = shelf, template, pool, settings
        self.turns = asyncio.Semaphore(settings.workers)
        self.promoting = asyncio.Lock()
        self.leaving: dict[asyncio.Task[None], WorkerPool] = {}

    @classmethod
    async def start(cls, config: Config) -> Self:
        """Start the processes of a run's service, and wait until they could answer.

        Raises:
            ConfigError: ``predict.encoder`` names none that the sweep has.
            StoreError: The sweep or a network of it is missing or damaged.
            GlacierError: The model cannot be loaded, or cannot answer.
        """
        shelf = await asyncio.to_thread(ModelShelf, config)
        first = await asyncio.to_thread(shelf.choose_first)
        template = ProcessTemplate()
        try:
            pool = WorkerPool(first, template, config.serve.processes)
            await pool.start()
        except BaseException:
            await template.close()
            raise
        return cls(shelf, template, pool, config.serve)

    @property
    def model(self) -> ServedModel:
        """What answers now."""
        return self.pool.candidate.served

    async def list_models(self) -> Sequence[ServedModel]:
        """What could answer: the finished sweeps of the run's storage."""
        candidates = await asyncio.to_thread(self.shelf.list_candidates)
        return [candidate.served for candidate in candidates]

    async def promote(self, model_id: str) -> ServedModel:
        """Let another model answer from now on; images in work are finished by the one before.

        Its processes are started beside those that answer, so both have to fit into memory until
        the old ones have ended. Where it cannot answer, all stays as it was.

        Raises:
            ConfigError: There is none of that id.
            GlacierError: It cannot be loaded, or cannot answer.
        """
        async with self.promoting:
            candidate = await asyncio.to_thread(self.shelf.find, model_id)
            if candidate != self.pool.candidate:
                pool = WorkerPool(candidate, self.template, self.settings.processes)
                await pool.start()
                before, self.pool = self.pool, pool
                task = asyncio.create_task(before.finish())
                self.leaving[task] = before
                task.add_done_callback(self.leaving.pop)
            return candidate.served

    async def map_image(self, image: Path, folder: Path, limits: ImageLimits) -> Answer:
        """Map a file in its turn, see ``answer.Mapper``; whose turn comes later, a later model's.

        Raises:
            RasterError: It is no image that the model can map; the message says why.
            OutOfTimeError: It did not end in time; nothing of it goes on.
            GlacierError: Anything else that may be told to who asked.
        """
        async with self.turns:
            return await self.pool.map_image(image, folder, limits)

    async def close(self) -> None:
        """End the processes that it holds."""
        leaving = dict(self.leaving)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        await asyncio.gather(*(pool.close() for pool in (self.pool, *leaving.values())))
        await self.template.close()
