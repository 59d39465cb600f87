"""How names, and lists of them, stand in sentences and messages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence


def join_words(words: Sequence[str], link: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``, or with another link."""
    return f" {link} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def shorten_list(names: Sequence[str], most: int) -> str:
    """Names with commas between, the first of many and the number of the others."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def name_coordinates(latitude_deg: float, longitude_deg: float) -> str:
    """A point as people say it, such as ``58.50 N 134.50 W``; longitudes may run on past 180."""
    east = (longitude_deg + 180) % 360 - 180
    return f"{abs(latitude_deg):.2f} {'NS'[latitude_deg < 0]} {abs(east):.2f} {'EW'[east < 0]}"


def nearest(name: str, known: Sequence[str]) -> str:
    """``; did you mean ...`` with the nearest known name, or all of a few, or nothing."""
    if close := difflib.get_close_matches(name, known, n=1, cutoff=0.5):
        return f"; did you mean {close[0]}?"
    return f"; known: {', '.join(known)}" if len(known) <= 12 else ""


def name_place(name: str, synthetic: bool = False, title: str | None = None) -> str:
    """A region's name as people write it: ``gorner_west`` -> ``Gorner West``.

    Args:
        name: Identifier of a region; one of an inventory stays a code, in capitals.
        synthetic: Its scenes are made up, which its name then says.
        title: What people call it; None: made from the identifier.
    """
    if title:
        shown = title
    elif re.match(r"rgi\d|g\d{3}", name):
        shown = name.upper()
    else:
        shown = " ".join(word.capitalize() for word in re.split("[-_]+", name) if word)
    return f"Synthetic {shown}" if synthetic else shown
