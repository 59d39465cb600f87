"""Text from data or a configuration within Markdown: it shows itself and is nothing else."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

MARKS = re.compile(
    r"[\\`*\[\]{}]|(?<![^\W_])_|_(?![^\W_])|[<>&|~$@]|(?<=:)/(?=/)|(?<=www)\.", re.IGNORECASE
)
"""Signs that begin or end emphasis, code, a link, a picture, attributes, HTML, an entity, a cell,
a strike or a formula, or that make a bare address a link. Within a word ``_`` is a letter."""

BEGIN = re.compile(r"[#+=:-]|\d+[.)]")
"""What makes a line a heading, a list, a rule or a definition where it begins with it."""

ENTITIES = "<>&|~$@/=:"
"""Signs that not every reader of Markdown lets a backslash escape."""


def escape(text: str) -> str:
    """A text as Markdown that every reader shows as it is, on one line.

    No link, picture, HTML, heading, list, cell, fence or emphasis can be begun or ended in it;
    line breaks, other control signs and those that turn the direction of writing become spaces.

    Args:
        text: Of whatever origin.

    Returns:
        Safe within a line, a cell, a link's text or a picture's text. Equal to the text where
        that holds letters, digits and usual punctuation.

    Source:
        CommonMark 0.31.2, sections 2.4 and 2.5; GitHub Flavored Markdown 0.29, tables and
        autolinks.
    """
    line = " ".join("".join(map(blank_control, text)).split())
    line = MARKS.sub(lambda match: escape_sign(match[0]), line)
    if begins := BEGIN.match(line):
        last = begins.end() - 1
        return f"{line[:last]}{escape_sign(line[last])}{line[begins.end() :]}"
    return line


def blank_control(letter: str) -> str:
    """A letter; a space where it is none but controls, breaks or turns the line."""
    return " " if unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") else letter


def escape_sign(sign: str) -> str:
    """A sign that stands for itself alone."""
    return f"&#{ord(sign)};" if sign in ENTITIES else f"\\{sign}"


def write_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table.

    Args:
        columns: What stands above.
        rows: A cell a column, already Markdown.
    """
    return [join_cells(columns), "|" + "---|" * len(columns), *map(join_cells, rows)]


def join_cells(cells: Sequence[str]) -> str:
    """A row of a table."""
    return "| " + " | ".join(cells) + " |"
