"""The directories of a TIFF, counted without a library: GDAL reads each of them to open a file."""

from __future__ import annotations

import struct
from typing import BinaryIO

MAX_DIRECTORIES = 256
"""Images, overviews and masks of a file; a cloud-optimised GeoTIFF has some twenty."""

MAX_ENTRIES = 4096
"""Of a directory; a GeoTIFF has some twenty."""


def explain_directories(file: BinaryIO) -> str:
    """Why the directories of an open TIFF must not be read; nothing where they may.

    Args:
        file: The file, at its begin.

    Source:
        TIFF 6.0, section 2; BigTIFF design.
    """
    head = file.read(16)
    order = "<" if head.startswith(b"II") else ">"
    large = head[2:4] in (b"+\0", b"\0+")
    place, number, entry = ("Q", "Q", 20) if large else ("I", "H", 12)
    try:
        (at,) = struct.unpack_from(order + place, head, 8 if large else 4)
        for _ in range(MAX_DIRECTORIES + 1):
            if at == 0:
                return ""
            file.seek(at)
            (count,) = unpack(file, order + number)
            if count > MAX_ENTRIES:
                return f"a directory of {count} entries, at most {MAX_ENTRIES} are read"
            file.seek(at + struct.calcsize("=" + number) + count * entry)
            (at,) = unpack(file, order + place)
    except (struct.error, OverflowError, ValueError):
        return "a directory that is not all there; it is damaged or cut short"
    return f"more than {MAX_DIRECTORIES} directories, or a circle of them; write it anew"


def unpack(file: BinaryIO, kind: str) -> tuple[int, ...]:
    """Numbers at the place of an open file.

    Raises:
        struct.error: It ends before them.
    """
    return struct.unpack(kind, file.read(struct.calcsize("=" + kind.lstrip("<>"))))
