"""What a series consists of, and the summary that vouches for its files."""

from __future__ import annotations

from pydantic import Field

from glacier import store
from glacier.seals import Manifest
from glacier.settings.values import Sha256

FORMAT = 2
"""Counts up when the files of a series change for the same maps."""

TABLE, FRONTS, OUTLINES = "area.csv", "fronts.csv", "outlines"
"""Names of the tables and, without their ends, of the outlines."""


class SeriesSummary(Manifest):
    """What a series was made of, ``series.json``; it vouches for the files."""

    format: int = FORMAT
    inputs_sha256: Sha256 = ""
    """Of the maps and settings."""
    says: dict[str, str] = Field(default_factory=dict)
    """Region to what changed there, in a sentence."""


def summary_address(place: str) -> str:
    """Where it lies what a series was made of; written last."""
    return store.join(place, "series.json")
