"""The errors that a run expects, and that become a row instead of a dead job.

Every message names the thing, its value and the remedy. Anything else that is raised is a
defect and stops the job.
"""

from __future__ import annotations

from typing import Self


class GlacierError(Exception):
    """Base of every error that the product raises on purpose."""


class ConfigError(GlacierError, ValueError):
    """The configuration cannot be used; found before any work is done."""


class RasterError(GlacierError, OSError):
    """A raster file is missing, damaged, of the wrong kind or larger than allowed."""


class VectorError(GlacierError, OSError):
    """A file of outlines is missing, damaged or lacks what the labels need."""


class StoreError(GlacierError, OSError):
    """A stored file is missing, incomplete or differs from its checksum."""


class DamagedError(StoreError):
    """A stored file is gone, cut, changed or of another version: what made it can make it again."""

    address = ""
    """Of the file."""

    @classmethod
    def of(cls, address: str, why: str) -> Self:
        """The error of a file, with why it cannot be used."""
        error = cls(f"{address} is damaged: {why}; the same command makes it again")
        error.address = address
        return error


class SourceError(GlacierError, OSError):
    """A source could not deliver a month that it should have."""

    repeats = 0
    """Requests that were sent again, in vain."""


class SampleError(GlacierError, ValueError):
    """A month cannot be turned into samples as asked."""


class SeriesError(GlacierError, ValueError):
    """A series of areas, or the maps that it is made of, cannot be measured as asked."""


class WeightsError(GlacierError, OSError):
    """Encoder weights or a model file cannot be had or do not fit the network."""


class ExportError(GlacierError, RuntimeError):
    """A model cannot be written as another program's file, or such a file answers otherwise."""


class TrainingError(GlacierError, ArithmeticError):
    """A trial cannot go on, such as when its loss is not a number."""


class SweepError(GlacierError, RuntimeError):
    """Too many trials of a sweep have failed for a comparison."""


class PageError(GlacierError, ValueError):
    """A page cannot be made of what it is to show."""


class OutOfTimeError(GlacierError, TimeoutError):
    """Work did not end in the time that it was given."""


class FilmError(GlacierError, RuntimeError):
    """The program that encodes films made none; the pictures are there as they were."""


class Occupied(Exception):
    """Another run works in a folder, and this one is to leave then; the job has not failed."""
