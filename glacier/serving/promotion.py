"""Which model was promoted, in a file that all replicas of a service see and a later one finds."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from glacier.errors import GlacierError
from glacier.progress import say
from glacier.serving.answer import Mapper
from glacier.serving.registered import RegistryWatch
from glacier.settings.model import Model
from glacier.store import replace_file

FILE = "model.json"

LOOK_S = 1.0
"""Time between two looks at what another replica has promoted, seconds."""


class Promoted(Model):
    """What the file holds."""

    id: str
    changes: int = 0
    """How often the registry of the run had let another version serve by then; 0 without one."""


class Promotion:
    """The choice of a model that the processes of a service share.

    Who chose last decides: a person by the service, or the registry of ``predict.registry``.
    """

    def __init__(self, folder: Path, mapper: Mapper, watch: RegistryWatch) -> None:
        """Let a mapper follow the choice in a folder that is there."""
        self.path, self.mapper, self.watch = folder / FILE, mapper, watch
        self.followed = ""
        """Id that this process has heeded last."""
        self.said = ""
        """What was wrong last."""

    def write(self, model_id: str) -> None:
        """Tell the others what a person chose."""
        self.followed = model_id
        self.keep(Promoted(id=model_id, changes=self.watch.count_changes()))

    def keep(self, chosen: Promoted) -> None:
        """Write the file."""
        replace_file(self.path, chosen.model_dump_json().encode())

    def read(self) -> Promoted:
        """The choice; that of no model where none was made."""
        try:
            return Promoted.model_validate_json(self.path.read_bytes())
        except (OSError, ValidationError):
            return Promoted(id="")

    def choose(self) -> str:
        """Id of the model that is to answer; nothing where nobody has chosen one.

        Raises:
            GlacierError: The registry cannot be read, or its model cannot be found.
        """
        chosen = self.read()
        if (newer := self.watch.find_newer(chosen.changes)) is not None:
            chosen = Promoted(id=newer.id, changes=newer.changes)
            self.keep(chosen)
        return chosen.id

    async def follow(self) -> None:
        """Promote what was chosen, now and whenever another process changes it."""
        while True:
            await self.follow_once()
            await asyncio.sleep(LOOK_S)

    async def follow_once(self) -> None:
        """Promote what was chosen, if that is news; a model that is gone is said and left."""
        wanted = ""
        try:
            wanted = await run_in_threadpool(self.choose)
            if wanted not in ("", self.followed):
                self.followed = wanted
                if wanted != self.mapper.model.id:
                    await self.mapper.promote(wanted)
        except GlacierError as error:
            self.complain(f"serve: model {wanted or 'of the registry'} cannot answer: {error}")

    def complain(self, sentence: str) -> None:
        """Say what is wrong, once."""
        if sentence != self.said:
            say(sentence)
        self.said = sentence
