"""One row of the hostile table: an input that somebody made to do harm, and how it is opened.

A row is data: ``vectors``, ``rasters`` and ``sources`` hold some, and another module may hold more.
``files`` makes what is the same in all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Trap:
    """Where a row makes its input, and what nobody may ask or read."""

    folder: Path
    """An empty folder of the row's own."""
    url: str
    """Address on the canary server, of this row alone."""
    secret: Path
    """A file outside the folder that nothing but the row's making may open."""

    def fill(self, words: str) -> str:
        """Words with the address and the file put in for {url} and {secret}."""
        return words.replace("{url}", self.url).replace("{secret}", str(self.secret))


@dataclass(frozen=True)
class Row:
    """A hostile input."""

    kind: str
    """What it is given to: ``vector``, ``raster``, ``scenes`` and so on."""
    name: str
    """The input in words, different for each row."""
    make: Callable[[Trap], Any]
    """Makes the input; what it returns is opened."""
    open: Callable[[Any], Any]
    """Opens it as the product does."""
    harmless: Callable[[Any], bool] | None = None
    """Whether what came out is what a harmless reading gives; None: it has to be refused."""
    names: str = ""
    """What the refusal has to name; empty: the file that ``make`` returned."""
