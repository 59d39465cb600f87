"""How lists of names stand in sentences and messages."""

from __future__ import annotations

from collections.abc import Sequence


def join_words(words: Sequence[str], link: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``, or with another link."""
    return f" {link} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def shorten_list(names: Sequence[str], most: int) -> str:
    """Names with commas between, the first of many and the number of the others."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
