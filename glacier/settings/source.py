"""What the settings of every source share, and what those of every service do.

A source says its own traits here, so that nobody asks for its name.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from glacier.settings.model import RUNTIME_ONLY, Model


class SourceSettings(Model):
    """What the settings of every source tell of it, so that nobody compares its name."""

    grows: ClassVar[bool] = False
    """Scenes appear as they are taken and processed, so that a young month is made anew."""
    knows_truth: ClassVar[bool] = False
    """The class of the surface is known at every pixel."""
    brings_grid: ClassVar[bool] = False
    """Its files say where the pixels lie, so that a region needs no polygon."""
    takes_new_months: ClassVar[bool] = True
    """A further month is put into the archive that is there; else its files name the archive, and a
    new one makes another."""
    predicts_night: ClassVar[bool] = True
    """A month without sun is known to be empty before the source is asked for it."""

    @property
    def uses_frames(self) -> bool:
        """The polygon of a region, where it has one, says where its pixels lie."""
        return True

    @property
    def inapplicable(self) -> dict[str, str]:
        """Fields of ``Ingest`` that cannot act on the source, each with why."""
        return {}

    @property
    def files(self) -> dict[str, str | None]:
        """Local files that it reads beside scenes, by field; None where the field is not set."""
        return {}

    @property
    def reader(self) -> str:
        """What reads by these settings: a key of ``sources.readers.SOURCES``."""
        raise NotImplementedError

    @property
    def service(self) -> Service | None:
        """Settings of the service that the source waits for; None: it computes, or reads files."""
        return None


class Service(SourceSettings):
    """What all sources have in common that wait for a server."""

    quota: ClassVar[str] = "the service's quota"
    """What is used up where it restricts us, as messages name it."""

    in_flight: Annotated[int, RUNTIME_ONLY] = Field(16, ge=1, le=40)
    """Most requests at once, over all workers; Earth Engine allows a project 40."""
    actors: Annotated[int, RUNTIME_ONLY] = Field(4, ge=1, le=40)
    """Most worker processes that share the requests; no more than there are cores, and more as
    these come."""
    deadline_s: Annotated[float, RUNTIME_ONLY] = Field(330.0, gt=0, le=3600)
    """Longest wait for an answer, seconds; Earth Engine gives up after 300 itself."""

    @property
    def service(self) -> Service:
        """These."""
        return self
