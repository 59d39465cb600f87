"""Landsat 4 to 9: bands by wavelength, bits of saturation, and whose scenes make a month."""

from datetime import date

import pytest

from glacier.landsat import BANDS, SATURATED_OPTICAL
from glacier.satellites import LETTER, choose_satellites, own_bands, saturated_bits


@pytest.mark.parametrize("satellite", LETTER)
def test_every_band_of_the_archive_has_one_of_its_own(satellite: int) -> None:
    names = own_bands(satellite)
    assert tuple(names) == BANDS and len(set(names.values())) == len(BANDS)


def test_bands_of_thematic_mappers_are_those_of_the_same_wavelength() -> None:
    """Blue 0.45-0.52, green 0.52-0.60, red 0.63-0.69, near infrared 0.76-0.90, short-wave 1.55-1.75
    and 2.08-2.35 micrometres: bands 1, 2, 3, 4, 5 and 7."""
    assert list(own_bands(5).values()) == [f"SR_B{n}" for n in (1, 2, 3, 4, 5, 7)] + ["ST_B6"]


def test_the_thermal_band_is_not_among_those_that_saturate() -> None:
    assert saturated_bits(7) == 0b1011111
    assert saturated_bits(8) == saturated_bits(None) == SATURATED_OPTICAL == 0b1111110


@pytest.mark.parametrize(
    ("wanted", "month", "chosen"),
    [
        ((8,), date(1990, 1, 1), (8,)),  # it has no scene then, and that is said
        ((5, 4), date(2020, 1, 1), (4, 5)),
        ((9, 8, 7, 5), date(2013, 3, 1), (5, 7)),
        ((9, 8, 7, 5), date(2013, 4, 1), (8, 9)),
    ],
)
def test_a_month_is_of_one_generation(
    wanted: tuple[int, ...], month: date, chosen: tuple[int, ...]
) -> None:
    assert choose_satellites(wanted, month) == chosen
