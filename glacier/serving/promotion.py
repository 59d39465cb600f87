"""Which model was promoted, in a file that all replicas of a service see and a later one finds."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from glacier.errors import GlacierError
from glacier.progress import say
from glacier.serving.answer import Mapper
from glacier.settings.model import Model
from glacier.store import replace_file

FILE = "model.json"

LOOK_S = 1.0
"""Time between two looks at what another replica has promoted, seconds."""


class Promoted(Model):
    """What the file holds."""

    id: str


class Promotion:
    """The choice of a model that the processes of a service share."""

    def __init__(self, folder: Path, mapper: Mapper) -> None:
        """Let a mapper follow the choice in a folder that is there."""
        self.path, self.mapper = folder / FILE, mapper
        self.followed = ""
        """Id that this process has heeded last."""

    def write(self, model_id: str) -> None:
        """Tell the others."""
        self.followed = model_id
        replace_file(self.path, Promoted(id=model_id).model_dump_json().encode())

    def read(self) -> str:
        """Id of the chosen model; nothing where none was."""
        try:
            return Promoted.model_validate_json(self.path.read_bytes()).id
        except (OSError, ValidationError):
            return ""

    async def follow(self) -> None:
        """Promote what was chosen, now and whenever another process changes it."""
        while True:
            await self.follow_once()
            await asyncio.sleep(LOOK_S)

    async def follow_once(self) -> None:
        """Promote what was chosen, if that is news; a model that is gone is said and left."""
        wanted = await run_in_threadpool(self.read)
        if wanted in ("", self.followed):
            return
        self.followed = wanted
        try:
            if wanted != self.mapper.model.id:
                await self.mapper.promote(wanted)
        except GlacierError as error:
            say(f"serve: model {wanted} was chosen and cannot answer: {error}")
