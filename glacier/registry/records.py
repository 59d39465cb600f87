"""What a registry holds: every version of a model, and every decision on which of them serves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from pydantic import AwareDatetime, Field

from glacier.errors import ConfigError
from glacier.registry.gate import Judgement
from glacier.settings.learn import Strategy
from glacier.settings.model import Model
from glacier.settings.values import BareName, Name, Sha256

FORMAT = 1
"""Counts up when a registry's form changes."""

GATE = "the gate"
"""Who decided where no person did."""

Kind = Literal["first", "promoted", "refused", "waits", "rolled back"]


class LearnedData(Model):
    """What a version learned from."""

    samples: BareName
    """Name of their folder in the storage, below ``samples``."""
    sha256: Sha256
    """Of what became of every month of them."""
    regions: tuple[Name, ...]
    first: str
    """First month with an image, YYYY-MM."""
    last: str
    images: int
    """Months with an image, of all regions."""
    fresh: tuple[str, ...] = ()
    """Those of them, ``<region>/<YYYY-MM>``, that the version before had not seen, or not so."""


class NewGround(Model):
    """Test pixels that are new to both models: nothing is decided by them."""

    serving_iou: float
    candidate_iou: float


class Version(Model):
    """A finished sweep that served, or was to serve."""

    id: int = Field(ge=1)
    made: AwareDatetime
    model: str
    """Address of the sweep's folder, or its place below the storage: ``sweeps/<name>-<hash>``."""
    sha256: Sha256
    """Of its ``sweep.json``, which vouches for all that it found."""
    encoders: tuple[BareName, ...]
    """Whose networks answer; the mean of several."""
    follows: int | None = None
    """The version whose weights it went on from."""
    strategy: Strategy | None = None
    """What it trained on; None: a sweep of its own, from new weights."""
    data: LearnedData
    judgement: Judgement | None = None
    """What the gate found; None of a first version."""
    new_ground: NewGround | None = None


class Entry(Model):
    """A decision."""

    at: AwareDatetime
    kind: Kind
    version: int
    """That it is about."""
    by: str
    """A person's name, or ``the gate``."""
    why: str
    serving: int
    """Version that serves from then on."""


class Registry(Model):
    """All versions and decisions; nothing is ever taken away or changed."""

    format: int = FORMAT
    name: Name
    versions: tuple[Version, ...]
    history: tuple[Entry, ...]

    @property
    def serving(self) -> Version:
        """The version that serves."""
        return self.find(self.history[-1].serving)

    @property
    def changes(self) -> int:
        """How often another version has come to serve, the first one included."""
        served = [entry.serving for entry in self.history]
        return 1 + sum(one != other for one, other in pairwise(served))

    def find(self, number: int) -> Version:
        """A version by its number.

        Raises:
            ConfigError: There is none.
        """
        for version in self.versions:
            if version.id == number:
                return version
        there = ", ".join(str(version.id) for version in self.versions)
        raise ConfigError(f"registry {self.name} has no version {number}; it has {there}")

    def last_entry(self, number: int) -> Entry:
        """The last decision about a version."""
        return [entry for entry in self.history if entry.version == number][-1]

    @property
    def waiting(self) -> Version | None:
        """The newest version that waits for a person, if what serves is still what it follows."""
        found = [v for v in self.versions if self.last_entry(v.id).kind == "waits"]
        return found[-1] if found and found[-1].follows == self.serving.id else None

    def find_earlier(self) -> Version:
        """The version that served before the one that serves was promoted.

        Raises:
            ConfigError: None did.
        """
        served: list[int] = []
        for entry in self.history:
            if entry.serving in served:
                del served[served.index(entry.serving) + 1 :]
            else:
                served.append(entry.serving)
        if len(served) < 2:
            raise ConfigError(f"registry {self.name}: nothing served before version {served[-1]}")
        return self.find(served[-2])

    def extends(self, earlier: Registry) -> bool:
        """Whether it is an earlier state and what was added to it."""
        return (
            self.name == earlier.name
            and begins_with(self.versions, earlier.versions)
            and begins_with(self.history, earlier.history)
        )


def begins_with(longer: Sequence[object], shorter: Sequence[object]) -> bool:
    """Whether a sequence begins with another."""
    return list(longer[: len(shorter)]) == list(shorter)
