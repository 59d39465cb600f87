"""What a raster says of its own numbers: where there is no data, and their scale and offset.

GDAL takes the first of what hides a pixel (a declared number, a mask band, alpha) and leaves the
others; here all of them hide. What stands in a file beside the raster is not read, since guarded
opening lists no folder, so a file beside it that would change the numbers is refused.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window

from glacier.errors import RasterError
from glacier.landsat import NODATA, band_scale, digital_number

SIDECAR_WORDS = re.compile(rb"<(NoDataValue|Scale|Offset|ColorInterp(?=>\s*Alpha))\b")
"""Entries of GDAL's ``.aux.xml`` that change what numbers mean; statistics, the rest, do not."""

MEASURED = ("SR_", "ST_")
"""How the names of bands begin that are measurements."""

MAX_SIDECAR_BYTES = 1 << 20
"""So much of an ``.aux.xml`` is looked at."""


def check_sidecars(path: str) -> None:
    """Refuse a raster whose numbers a file beside it would change.

    Raises:
        RasterError: There is a mask, a number for no data, a scale or an offset beside it.
    """
    found = []
    if os.path.isfile(f"{path}.msk"):
        found.append(f"a mask in {path}.msk")
    if os.path.isfile(f"{path}.aux.xml"):
        with open(f"{path}.aux.xml", "rb") as file:
            words = {word.decode() for word in SIDECAR_WORDS.findall(file.read(MAX_SIDECAR_BYTES))}
        found += [f"{word} in {path}.aux.xml" for word in sorted(words)]
    if found:
        raise RasterError(
            f"{path} has {', '.join(found)}, which is not read: put it into the file "
            f"(gdal_translate --config GDAL_TIFF_INTERNAL_MASK YES {path} new.tif) and remove what "
            "lies beside it"
        )


def find_hidden(
    source: DatasetReader,
    place: int,
    raw: NDArray[Any],
    window: Window | None = None,
    mapped: Collection[int] = (),
) -> NDArray[np.bool_] | None:
    """Pixels of a band where a raster itself says that there is no data, in whatever way.

    GDAL calls the fourth of four 8-bit bands alpha by itself; a band that is known to be a
    measurement hides nothing of the others.

    Args:
        source: The open raster.
        place: Position of the band, from 1.
        raw: (H, W) numbers of the band as they are stored.
        window: Where they were read; None: all of it.
        mapped: Positions of bands that the configuration calls measurements, beside those whose
            own names do.

    Returns:
        (H, W) bool; None where the raster declares nothing of the kind.
    """
    alphas = [at for at in find_alphas(source) if at != place and at not in mapped]
    ways = list(ways_to_hide(source, place, raw, window, alphas))
    if np.issubdtype(raw.dtype, np.floating) and not np.isfinite(raw).all():
        ways.append(~np.isfinite(raw))
    return np.logical_or.reduce(ways) if ways else None


def find_alphas(source: DatasetReader) -> Iterator[int]:
    """Positions, from 1, of the bands that say how opaque the others are."""
    bands = zip(source.colorinterp, source.descriptions, strict=True)
    for at, (meaning, name) in enumerate(bands, start=1):
        if meaning == ColorInterp.alpha and not (name or "").startswith(MEASURED):
            yield at


def ways_to_hide(
    source: DatasetReader,
    place: int,
    raw: NDArray[Any],
    window: Window | None,
    alphas: Iterable[int],
) -> Iterator[NDArray[np.bool_]]:
    """What each declaration hides of a band, (H, W) bool: number, mask band, alpha."""
    number = source.nodatavals[place - 1]
    if number is not None:
        yield raw == (raw.dtype.type(number) if raw.dtype.kind == "f" else number)
    flags = source.mask_flag_enums[place - 1]
    own = MaskFlags.all_valid not in flags and MaskFlags.alpha not in flags
    if own and flags != [MaskFlags.nodata]:
        yield source.read_masks(place, window=window) == 0
    for at in alphas:
        yield source.read(at, window=window) == 0


def hides_only_zeros(source: DatasetReader, place: int) -> bool:
    """Whether the whole numbers of a band are 0 where the raster hides it, as the archive's are."""
    declared = source.nodatavals[place - 1] in (None, NODATA)
    flags = source.mask_flag_enums[place - 1]
    masked = MaskFlags.per_dataset in flags or ColorInterp.alpha in source.colorinterp
    return declared and not masked and np.dtype(source.dtypes[place - 1]).kind != "f"


def declared_scale(source: DatasetReader, place: int) -> tuple[float, float] | None:
    """Scale and offset that a raster declares for a band; None where it declares none.

    Raises:
        RasterError: They are no numbers to scale by.
    """
    scale, offset = source.scales[place - 1], source.offsets[place - 1]
    if not (math.isfinite(scale) and math.isfinite(offset)) or scale == 0:
        raise RasterError(
            f"{source.name}, band {place}: declares scale {scale} and offset {offset}; remove them "
            "(gdal_edit.py -unsetscale -unsetoffset) or set numbers"
        )
    return None if (scale, offset) == (1, 0) else (scale, offset)


def same_scale(first: tuple[float, float], second: tuple[float, float]) -> bool:
    """Whether two pairs of scale and offset are equal but for the last digits."""
    pairs = zip(first, second, strict=True)
    return all(math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12) for a, b in pairs)


def read_as_landsat(
    source: DatasetReader,
    place: int,
    name: str,
    raw: NDArray[Any],
    window: Window | None = None,
) -> NDArray[Any]:
    """A named band with 0 where its raster hides it, in Landsat's numbers where it is scaled.

    Args:
        source: The open raster.
        place: Position of the band, from 1.
        name: Its name; ``SR_*`` and ``ST_*`` are measurements.
        raw: (H, W) as stored.
        window: Where they were read; None: all of it.

    Returns:
        (H, W): the stored numbers, or uint16 Landsat numbers of the values that a declared scale
        other than Landsat's makes of them.

    Raises:
        RasterError: A band that is no measurement declares a scale.
    """
    scale = declared_scale(source, place)
    measured = name.startswith(MEASURED)
    if scale is not None and not measured:
        raise RasterError(
            f"{source.name}: band {name} declares scale {scale[0]:g} and offset {scale[1]:g}, and "
            "is no measurement; remove them (gdal_edit.py -unsetscale -unsetoffset)"
        )
    plain = scale is None or same_scale(scale, band_scale(name))
    if plain and hides_only_zeros(source, place):
        return raw
    hidden = find_hidden(source, place, raw, window)
    if plain:
        if hidden is not None:
            raw[hidden] = NODATA
        return raw
    assert scale is not None  # else it were plain
    values = raw.astype(np.float64) * scale[0] + scale[1]
    if hidden is not None:
        values[hidden] = np.nan
    return digital_number(values, name)
