"""Landsat 4 to 9: which band is where, what says that one is saturated, and who makes a month.

The archive names every band as Landsat 8 does, by its wavelength.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from glacier.landsat import BANDS

LETTER = {4: "T", 5: "T", 7: "E", 8: "C", 9: "C"}
"""Second letter of the names of their scenes, such as ``LT05``: the instruments.

Source: Landsat Collection 2 Level 2 Science Product Guides (LSDS-1618, LSDS-1619).
"""

MAPPER_BANDS = {
    "SR_B2": "SR_B1",
    "SR_B3": "SR_B2",
    "SR_B4": "SR_B3",
    "SR_B5": "SR_B4",
    "SR_B6": "SR_B5",
    "SR_B7": "SR_B7",
    "ST_B10": "ST_B6",
}
"""The archive's bands as Landsat 4, 5 and 7 name them (Thematic Mapper, and its successor)."""

FIRST_OF_8 = date(2013, 4, 1)
"""First whole month of Landsat 8. Landsat 5 had ended, Landsat 7 went on with gaps."""


def is_mapper(satellite: int | None) -> bool:
    """Whether a satellite is one of the first generation, 4, 5 or 7; one that is unknown is not."""
    return satellite in (4, 5, 7)


def own_bands(satellite: int | None) -> dict[str, str]:
    """The archive's bands, each with the name that a satellite gives it."""
    return MAPPER_BANDS if is_mapper(satellite) else {name: name for name in BANDS}


def saturated_bits(satellite: int | None) -> int:
    """QA_RADSAT bits of the reflective bands of the archive: bit n - 1 for band n.

    Source:
        Landsat Collection 2 Level 2 Science Product Guides (LSDS-1618, LSDS-1619).
    """
    names = own_bands(satellite).values()
    return sum(1 << int(name[-1]) - 1 for name in names if name.startswith("SR_"))


def choose_satellites(wanted: Iterable[int], month: date) -> tuple[int, ...]:
    """Those of the wanted satellites whose scenes make a month: one generation, never both.

    Their bands are of other widths, so that a median of both would be of neither. Where both are
    wanted, 8 and 9 make every month from :data:`FIRST_OF_8` on, and the others those before.

    Args:
        wanted: Numbers of satellites.
        month: Its first day.
    """
    numbers = sorted(set(wanted))
    earlier = tuple(filter(is_mapper, numbers))
    later = tuple(number for number in numbers if not is_mapper(number))
    return later if later and (month >= FIRST_OF_8 or not earlier) else earlier
