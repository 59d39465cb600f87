"""Trained models that are passed on: what a folder or a web address offers, as ``models.json``.

A shared model is one file: the finished sweep of a run, without its images, as a small storage of
its own, so that whatever maps with a run's models maps with it.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, Field, ValidationError

from glacier import seals, store
from glacier.errors import ConfigError, DamagedError
from glacier.releases.web import WEB, stream
from glacier.settings.model import STORED, Model
from glacier.settings.months import Month
from glacier.settings.values import BareName, Name, Sha256
from glacier.wording import nearest

FORMAT = 1
"""Counts up when the form of ``models.json`` or of a shared model changes."""

INDEX = "models.json"
"""Name of the list, beside the files that it names."""

MAX_INDEX = 16 * 2**20
"""Largest list that is read, bytes."""

MAX_TEXT = 2**20
"""Largest card that is read, bytes."""

MAX_SENTENCE = 2000
"""Most letters of a sentence of the list."""


class SharedModel(Model):
    """A model that is offered."""

    name: Name
    made: AwareDatetime
    licence: Annotated[str, Field(min_length=1, max_length=80)]
    """Under which the weights are passed on, such as ``CC-BY-4.0``."""
    sentence: Annotated[str, Field(max_length=MAX_SENTENCE)]
    """What the comparison found, in plain words."""
    warning: Annotated[str, Field(max_length=MAX_SENTENCE)] = ""
    """What the licence of the labels forbids; empty: nothing."""
    encoders: tuple[BareName, ...]
    folds: int = Field(ge=1)
    bands: tuple[BareName, ...]
    pixel_m: tuple[float, float]
    """Shortest and longest side of a pixel on the ground, metres."""
    regions: tuple[Name, ...]
    """That it learned from."""
    first: Month
    last: Month
    sensors: tuple[str, ...] = ()
    sweep: BareName
    """Name of the sweep's folder within."""
    bytes: int = Field(ge=1)
    """Of the file."""
    unpacked: int = Field(ge=1)
    """Bytes of all files in it."""
    sha256: Sha256
    """Of the file."""
    card_sha256: Sha256
    """Of the card."""

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{self.name}.tar"

    @property
    def card(self) -> str:
        """Name of its card for people, Markdown."""
        return f"{self.name}.md"


class Release(Model):
    """All models of one place: ``models.json``."""

    format: int = FORMAT
    models: tuple[SharedModel, ...] = ()

    def find(self, name: str, address: str) -> SharedModel:
        """A model by its name.

        Raises:
            ConfigError: There is none.
        """
        names = [model.name for model in self.models]
        if name not in names:
            raise ConfigError(
                f"{address} offers no model {name!r:.80}; it has {', '.join(names) or 'none'}"
                f"{nearest(name, names)}"
            )
        return self.models[names.index(name)]


def read_release(address: str) -> Release:
    """What a folder or a web address offers.

    Raises:
        DamagedError: Its list is damaged, or of another version.
        StoreError: There is no list, or it cannot be read.
    """
    place = store.join(address, INDEX)
    body = seals.break_seal(place, read_text(place, MAX_INDEX))
    try:
        found = Release.model_validate_json(body, context=STORED)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DamagedError.of(place, f"no list of models ({where}: {first['msg']})") from error
    if found.format != FORMAT:
        raise DamagedError.of(place, f"format {found.format}: this version reads {FORMAT}")
    return found


def read_card(address: str, model: SharedModel) -> str:
    """The card of a model for people.

    Raises:
        DamagedError: It is not the one that the list names.
        StoreError: It cannot be read.
    """
    place = store.join(address, model.card)
    data = read_text(place, MAX_TEXT)
    store.compare_checksums(place, store.checksum(data), model.card_sha256)
    return data.decode(errors="replace")


def read_text(address: str, max_bytes: int) -> bytes:
    """A small file of a folder, an object store or the web.

    Raises:
        StoreError: It cannot be read, or is too large.
    """
    if address.startswith(WEB):
        return b"".join(stream(address, max_bytes))
    store.check_file(address, max_bytes)
    return store.read_bytes(address)


def copy_file(address: str, model: SharedModel, path: Path) -> None:
    """Bring a model's file here.

    Args:
        address: Folder or web address of the release.
        model: The model.
        path: Where the file shall lie.

    Raises:
        DamagedError: It is not the file that the list names.
        StoreError: It cannot be read, or is larger than the list says.
    """
    place = store.join(address, model.file)
    if not place.startswith(WEB):
        store.check_file(place, model.bytes)
        with store.local_copy(place, model.sha256) as found:
            shutil.copyfile(found, path)
        return
    hashed = hashlib.sha256()
    with path.open("xb") as file:
        for chunk in stream(place, model.bytes):
            hashed.update(chunk)
            file.write(chunk)
    store.compare_checksums(place, hashed.hexdigest(), model.sha256)
