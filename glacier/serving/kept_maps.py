"""Maps that were asked for, made or still in work, each in a folder of its own until it is old.

All that is known of one lies in its folder, so every process that shares the folder can tell of it.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError
from starlette.exceptions import HTTPException

from glacier.serving.answer import CLASSES, OUTLINES, PROBABILITY, Answer
from glacier.serving.problems import Problem, make_problem
from glacier.settings.model import Model
from glacier.settings.serve import ServeLimits

RECORD = "map.json"
"""What is known of a map, in its folder."""

FILES = "files"
"""Folder of its files, in it."""

ID = re.compile(r"[0-9a-f]{32}")
"""Of a map; drawn at random, so that nobody finds those of others."""

SILENT_S = 60.0
"""Longest silence of whoever works on a map, seconds; then it is taken for dead."""

BEAT_S = 5.0
"""Time between two signs of life, seconds."""

KEPT_SHARE = 0.9
"""Of the maps that stay where there are too many, so that they are not looked through each time."""

Status = Literal["accepted", "running", "successful", "failed", "dismissed"]
"""Source: statusCode.yaml of OGC API - Processes 1.0."""

Output = Literal["outlines", "class", "probability"]
"""The files of a map, as they are asked for."""

OUTPUTS: dict[Output, tuple[str, str]] = {
    "outlines": (OUTLINES, "application/geo+json"),
    "class": (CLASSES, "image/tiff; application=geotiff; profile=cloud-optimized"),
    "probability": (PROBABILITY, "image/tiff; application=geotiff; profile=cloud-optimized"),
}
"""Name and kind of each."""

UNDONE = ("accepted", "running")


class KeptMap(Model):
    """What became of one image."""

    id: str
    owner: str
    """Key of the client who asked."""
    status: Status = "accepted"
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None
    answer: Answer | None = None
    """None: it is not made, or not yet."""
    problem: Problem | None = None
    """Why it was not made."""

    @property
    def is_done(self) -> bool:
        """Whether nothing will change any more."""
        return self.status not in UNDONE


class KeptMaps:
    """The maps of a folder."""

    def __init__(self, folder: Path, limits: ServeLimits) -> None:
        """Keep maps in a folder that is there."""
        self.folder, self.limits = folder, limits

    def begin(self, owner: str) -> KeptMap:
        """A new one, for whoever asks; the oldest go where there are too many."""
        if len(os.listdir(self.folder)) >= self.limits.keep:
            self.drop_old(int(self.limits.keep * KEPT_SHARE))
        kept = KeptMap(id=secrets.token_hex(16), owner=owner, created=datetime.now(UTC))
        self.place(kept, FILES).mkdir(parents=True, mode=0o700)
        self.save(kept)
        return kept

    def place(self, kept: KeptMap, *names: str) -> Path:
        """Its folder, or what lies in it."""
        return self.folder.joinpath(kept.id, *names)

    def save(self, kept: KeptMap) -> KeptMap:
        """Write down what is known of one; nothing where it was dropped meanwhile."""
        record = self.place(kept, RECORD)
        beside = record.with_suffix(f".{secrets.token_hex(4)}.tmp")
        with suppress(FileNotFoundError):
            beside.write_text(kept.model_dump_json(), encoding="utf-8")
            beside.rename(record)
        return kept

    def beat(self, kept: KeptMap) -> bool:
        """Say that somebody works on one; returns whether it is still wanted."""
        try:
            os.utime(self.place(kept, RECORD))
        except FileNotFoundError:
            return False
        return True

    def find(self, wanted: str, owner: str) -> KeptMap:
        """The map of an id, for whoever asked for it.

        Raises:
            HTTPException: 404: there is none, or somebody else's.
        """
        kept = self.read(wanted) if ID.fullmatch(wanted) else None
        if kept is None or kept.owner != owner:
            raise HTTPException(
                404,
                f"no map {wanted[:40]!r}; it was never there, was removed, or was older than "
                f"{self.limits.keep_h:g} h; ask for it again with POST /maps",
            )
        return kept

    def read(self, name: str) -> KeptMap | None:
        """The map of a folder; None where it is none, or is just being removed."""
        record = self.folder / name / RECORD
        try:
            kept = KeptMap.model_validate_json(record.read_bytes())
            silent_s = time.time() - record.stat().st_mtime
        except (OSError, ValidationError):
            return None
        if kept.is_done or silent_s < SILENT_S:
            return kept
        problem = make_problem(503, "the process that worked on it has ended; ask for it again")
        return kept.model_copy(update={"status": "failed", "problem": problem})

    def list_all(self) -> list[KeptMap]:
        """All, the newest first."""
        found = [self.read(name) for name in os.listdir(self.folder) if ID.fullmatch(name)]
        kept = [one for one in found if one is not None]
        return sorted(kept, key=lambda one: (one.created, one.id), reverse=True)

    def list_of(self, owner: str) -> Iterator[KeptMap]:
        """Those that a client asked for, the newest first."""
        return (kept for kept in self.list_all() if kept.owner == owner)

    def drop(self, kept: KeptMap) -> None:
        """Remove one, with its files."""
        self.place(kept, RECORD).unlink(missing_ok=True)  # first: whoever works on it looks there
        shutil.rmtree(self.place(kept), ignore_errors=True)

    def drop_old(self, most: int) -> None:
        """Remove those that are too old, and the oldest beyond so many."""
        oldest = time.time() - self.limits.keep_h * 3600
        for k, kept in enumerate(self.list_all()):
            if kept.is_done and (k >= most or kept.created.timestamp() < oldest):
                self.drop(kept)
