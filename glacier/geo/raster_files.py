"""Opening GeoTIFFs that anybody may have made: by one driver, within bounds, and nothing else."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Interleaving
from rasterio.io import DatasetReader

from glacier.errors import RasterError
from glacier.geo.declared import check_sidecars
from glacier.geo.found_files import explain_unsafe
from glacier.geo.gdal import NO_NETWORK, RASTER
from glacier.geo.tiff_directories import explain_directories

MAX_BYTES = 2 * 1024**3
"""Largest raster, decoded, that is opened: bytes of all its bands."""

MAX_STREAMED_BYTES = 64 * 1024**3
"""The same of one that is read a few rows at a time: 200 megapixels in many bands."""

MAX_FILE_BYTES = 2 * MAX_BYTES
"""Largest file: decoded pixels with overviews take a third more than without."""

MAX_BANDS = 1000
"""Most bands; hyperspectral images have some hundred."""

PLAIN_BYTES = 1 << 25
"""So much may be decoded of any file, however small."""

MAX_RATIO = 10_000
"""Decoded bytes for each that a larger file stores: a tile of 256 x 256 px without data takes up
23 bytes of 131,072 in our own archive."""

INDEX_BYTES = 6
"""Of a file for the place and length of each block, at the least, also of one that is nowhere."""

MAX_BLOCK_RATIO = 100
"""Of a single block, which is decoded whole for its first pixel: programs write small ones."""

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of a TIFF, small or large, of either byte order.

Source: TIFF 6.0, section 2; BigTIFF design.
"""


@contextmanager
def safe_open(
    path: str | Path, max_bytes: int = MAX_BYTES, within: str | Path | None = None
) -> Iterator[DatasetReader]:
    """Open a GeoTIFF that a user named, without letting it reach anything else.

    Only a regular local file with a TIFF signature is opened, by the GeoTIFF driver alone: no VRT,
    no virtual file system, no network. Its size is checked before a pixel is decoded.

    Args:
        path: Local file.
        max_bytes: Largest decoded size, bytes.
        within: Folder that it has to lie in, since it was found there; None: it was named itself.

    Raises:
        RasterError: It is no plain GeoTIFF, too large, changed by a file beside it, or damaged.
    """
    text = str(path)
    check_file(text, within)
    check_sidecars(text)
    try:
        with (
            rasterio.Env(**RASTER, **NO_NETWORK),
            rasterio.open(text, driver="GTiff", sharing=False) as source,
        ):
            check_size(source, max_bytes, os.path.getsize(text))
            yield source
    except (rasterio.errors.RasterioError, UnicodeDecodeError) as error:  # a name is not UTF-8
        raise RasterError(f"cannot read {text}: {error}") from error


def check_file(text: str, within: str | Path | None) -> None:
    """Refuse what is no regular file with a TIFF signature, or lies elsewhere than it was found.

    Raises:
        RasterError: With the reason.
    """
    if any(mark in text for mark in ("/vsi", "://", "<", "\0")) or text.startswith("MEM:"):
        raise RasterError(f"{text!r} is not the path of a local file")
    if reason := explain_unsafe(text, *([] if within is None else [within])):
        raise RasterError(f"{text} {reason}")
    if reason := explain_large(text):
        raise RasterError(f"{text} {reason}")
    with open(text, "rb") as file:
        if file.read(4) not in SIGNATURES:
            raise RasterError(f"{text} is not a GeoTIFF (its first bytes say so)")
        file.seek(0)
        if reason := explain_directories(file):
            raise RasterError(f"{text} has {reason}")


def explain_large(path: str | Path) -> str:
    """Why a file that is there has too many bytes to be read; nothing where it has not."""
    size = os.path.getsize(path)
    too_large = size > MAX_FILE_BYTES
    return f"has {size} bytes, at most {MAX_FILE_BYTES} are read: cut it" if too_large else ""


def check_size(
    source: DatasetReader, max_bytes: int = MAX_BYTES, file_bytes: int | None = None
) -> None:
    """Refuse a raster that would fill the memory.

    Args:
        source: The open raster.
        max_bytes: Largest decoded size, bytes.
        file_bytes: Size of its file; None: unknown, as on the web, where blocks have to be small.

    Raises:
        RasterError: It decodes to more bytes than allowed, or than its file can hold of an
            image, or holds numbers that NumPy lacks or that are complex.
    """
    if source.count > MAX_BANDS:
        raise RasterError(f"{source.name} has {source.count} bands, at most {MAX_BANDS} are read")
    block, whole, blocks = measure_blocks(source)
    what = (
        f"{source.count} bands of {source.height} x {source.width}, blocks of "
        f"{source.block_shapes[0]}"
    )
    for size, most_bytes in ((block, min(MAX_BYTES, max_bytes)), (whole, max_bytes)):
        if size > most_bytes:
            raise RasterError(
                f"{source.name} decodes to {size} bytes ({what}), more than the {most_bytes} "
                "allowed"
            )
    stored = max(0, (file_bytes or 0) - INDEX_BYTES * blocks)
    most = {"a block of it": MAX_BLOCK_RATIO * stored, "it": MAX_RATIO * stored}
    for part, size in (("a block of it", block), ("it", whole if file_bytes is not None else 0)):
        if size > max(PLAIN_BYTES, most[part]):
            raise RasterError(
                f"{source.name} stores {stored} bytes, and {part} decodes to {size} ({what}), as "
                "no image does; write it anew with small blocks (gdal_translate -co TILED=YES)"
            )


def measure_blocks(source: DatasetReader) -> tuple[int, int, int]:
    """Bytes of the largest block and of all bands when they are decoded, and how many blocks.

    Raises:
        RasterError: NumPy has no such number type (GDAL's complex integers), or it is complex.
    """
    try:
        kinds = [np.dtype(kind) for kind in source.dtypes]
    except TypeError as error:
        raise RasterError(f"{source.name}: {error}") from error
    if any(kind.kind not in "uif" for kind in kinds):
        raise RasterError(f"{source.name} holds {source.dtypes[0]}; wanted real numbers")
    pixel = sum(kind.itemsize for kind in kinds)
    apart = source.interleaving == Interleaving.band
    held = max(kind.itemsize for kind in kinds) if apart else pixel
    largest = max(math.prod(shape) for shape in source.block_shapes)
    high, wide = source.block_shapes[0]
    blocks = math.ceil(source.height / high) * math.ceil(source.width / wide)
    whole = source.height * source.width * pixel
    return int(largest * held), int(whole), blocks * (source.count if apart else 1)
