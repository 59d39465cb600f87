"""Landsat Collection 2 Level 2: band names, scale, quality bits, months, and the sun.

Source of scales, bits and valid ranges: USGS Landsat 8-9 Collection 2 Level 2 Science Product
Guide (LSDS-1619); the bit table also stands in the STAC ``classification:bitfields`` of USGS.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

CloudProfile = Literal["strict", "standard", "ice", "notebook"]

SR_SCALE = 2.75e-5
SR_OFFSET = -0.2
ST_SCALE = 0.00341802
ST_OFFSET = 149.0
NODATA = 0

OPTICAL = ("SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7")
THERMAL = "ST_B10"
BANDS = (*OPTICAL, THERMAL)
"""Archive order of the bands that a composite may hold."""

BAND_OF = {
    "blue": "SR_B2",
    "green": "SR_B3",
    "red": "SR_B4",
    "nir": "SR_B5",
    "swir1": "SR_B6",
    "swir2": "SR_B7",
}
"""Colour names used in configurations, and the Landsat-8 bands behind them."""

FILL, DILATED, CIRRUS, CLOUD, SHADOW, SNOW, CLEAR, WATER = (1 << bit for bit in range(8))

QA_MASK: dict[CloudProfile, int] = {
    "strict": FILL | DILATED | CIRRUS | CLOUD | SHADOW,
    "standard": FILL | DILATED | CLOUD | SHADOW,
    "ice": FILL | CLOUD | SHADOW,
    "notebook": CLOUD | SHADOW,
}
"""QA_PIXEL bits that hide a pixel, by cloud profile.

What each costs over snow, of the pixels with the snow bit in one Alaskan scene of March:

- ``strict`` hid 34.5 %: bright snow is often taken for cirrus, and the rim of rock and snow for
  cloud, around which the dilation goes on.
- ``standard`` keeps cirrus, and with it thin cloud that dims the ground; it hid 1.0 %.
- ``ice`` keeps dilated cloud too and hid none, at the price of hazy cloud edges.
- ``notebook`` is the published experiment's and hides what ``ice`` does; fill is still no data
  there, since its DN is 0.
"""

SATURATED_OPTICAL = sum(1 << band - 1 for band in range(2, 8))
"""QA_RADSAT bits of the bands SR_B2 to SR_B7: bit n - 1 for band n.

Source: USGS Landsat 8-9 Collection 2 Level 2 Science Product Guide (LSDS-1619).
"""

QA_FLAGS = ("fill", "dilated", "cirrus", "cloud", "shadow", "snow", "clear", "water")
"""Names of QA_PIXEL bits 0 to 7."""

COUNT_BLOCK_PX = 1 << 22
"""Pixels that are counted at once: OpenCV counts in float32, which is exact up to 2**24."""


def count_qa(qa_pixel: NDArray[np.uint16]) -> NDArray[np.int64]:
    """How often each QA_PIXEL value occurs; every question about flags is a sum over these.

    Args:
        qa_pixel: Any shape, uint16.

    Returns:
        (65536,) int64, pixels with the value of the position.
    """
    flat, counts = np.ascontiguousarray(qa_pixel).reshape(1, -1), np.zeros(1 << 16, np.int64)
    for start in range(0, flat.size, COUNT_BLOCK_PX):
        block = flat[:, start : start + COUNT_BLOCK_PX]
        found = cv2.calcHist([block], [0], None, [1 << 16], [0, 1 << 16])
        counts += found.ravel().astype(np.int64)
    return counts


def qa_shares(qa_pixel: NDArray[np.uint16]) -> dict[str, float]:
    """Shares of a scene's quality flags.

    Args:
        qa_pixel: Any shape, uint16 QA_PIXEL values.

    Returns:
        Flag name (``QA_FLAGS``) to share, 0..1: ``fill`` of all pixels, the others of the pixels
        that are not fill; NaN where there is none.
    """
    counts, values = count_qa(qa_pixel), np.arange(1 << 16)
    valid = counts[(values & FILL) == 0].sum()
    shares = {"fill": float(1 - valid / counts.sum()) if counts.any() else np.nan}
    for bit, flag in enumerate(QA_FLAGS[1:], start=1):
        flagged = counts[(values & (1 << bit) != 0) & (values & FILL == 0)].sum()
        shares[flag] = float(flagged / valid) if valid else np.nan
    return shares


def band_scale(band: str) -> tuple[float, float]:
    """Scale and offset from digital number to reflectance (unitless) or temperature (kelvin).

    Args:
        band: Landsat band name such as ``SR_B4`` or ``ST_B10``.
    """
    return (ST_SCALE, ST_OFFSET) if band.startswith("ST_") else (SR_SCALE, SR_OFFSET)


def reflectance(dn: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Surface reflectance of digital numbers; no data becomes NaN.

    Args:
        dn: Any shape, uint16, 0 where there is no data.

    Returns:
        Same shape, float32, unitless (0.2 is 20 %); bright snow may exceed 1.
    """
    values = dn.astype(np.float32)
    values *= np.float32(SR_SCALE)
    values += np.float32(SR_OFFSET)
    np.copyto(values, np.float32(np.nan), where=dn == NODATA)
    return values


def digital_number(values: NDArray[np.floating], band: str = OPTICAL[0]) -> NDArray[np.uint16]:
    """Digital numbers of surface reflectance, the inverse of :func:`reflectance`.

    Args:
        values: Any shape, reflectance, or kelvin for a thermal band; NaN where there is no data.
        band: Landsat band name, which decides the scale.

    Returns:
        Same shape, uint16, clipped to 1..65535; 0 where the input is not finite.
    """
    finite = np.isfinite(values)
    scale, offset = band_scale(band)
    scaled = np.rint((np.where(finite, values, 0.0) - offset) / scale)
    return np.where(finite, np.clip(scaled, 1, 65535), NODATA).astype(np.uint16)


def is_clear(qa_pixel: NDArray[np.uint16], profile: CloudProfile) -> NDArray[np.bool_]:
    """Where a QA_PIXEL band shows the ground under a cloud profile.

    Args:
        qa_pixel: Any shape, uint16 QA_PIXEL values (fill is 1).
        profile: Which bits hide a pixel.
    """
    return np.asarray((qa_pixel & np.uint16(QA_MASK[profile])) == 0)


def months_between(first: date, last: date) -> list[date]:
    """First days of every month from ``first`` to ``last``, both included."""
    count = (last.year - first.year) * 12 + last.month - first.month + 1
    start = first.year * 12 + first.month - 1
    return [date(k // 12, k % 12 + 1, 1) for k in range(start, start + count)]


def month_interval(month: date) -> tuple[datetime, datetime]:
    """Half-open UTC interval [first instant of the month, first instant of the next)."""
    following = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    start, end = (datetime(d.year, d.month, 1, tzinfo=UTC) for d in (month, following))
    return start, end


PRODUCT_ID = re.compile(r"L[A-Z]\d\d_(?:[A-Z0-9]{4}_)?\d{6}_(\d{8})(?!\d)")
"""Satellite, level, path and row, and date of acquisition.

Source: USGS, Landsat Collection 2 product identifiers; Earth Engine's ids leave the level out.
"""


def find_acquired(scene_id: str) -> date | None:
    """Day on which a Landsat scene was taken, by its id; None where the id does not tell."""
    found = PRODUCT_ID.search(scene_id)
    try:
        return datetime.strptime(found[1], "%Y%m%d").date() if found else None
    except ValueError:
        return None


SETTLED_DAYS = 60
"""Scenes of a month are all in the catalogues so many days after its end.

Source: USGS, Landsat Collection 2: Tier 1 takes 14 to 26 days; the rest is reserve.
"""


def is_settled(month: date) -> bool:
    """Whether all scenes of a month can be expected in the catalogues by now."""
    return (datetime.now(UTC) - month_interval(month)[1]).days > SETTLED_DAYS


MAX_SOLAR_ZENITH_DEG = 76.0
"""Level-2 reflectance is not made for scenes with the sun lower than this.

Source: USGS Landsat 8-9 Collection 2 Level 2 product guide.
"""


def sun_position(latitude_deg: float, longitude_deg: float, when: datetime) -> tuple[float, float]:
    """Solar zenith and azimuth, in degrees, at a place and UTC time.

    Args:
        latitude_deg: North positive.
        longitude_deg: East positive.
        when: Time of observation, UTC.

    Returns:
        Zenith (0 is overhead) and azimuth (clockwise from north), without refraction;
        good to 0.1 degree.

    Source:
        Astronomical Almanac, low-precision formulas for the Sun (section C), 1950 to 2050.
    """
    cos, sin = np.cos, np.sin
    days = (when - datetime(2000, 1, 1, 12, tzinfo=UTC)).total_seconds() / 86400
    g = np.radians(357.528 + 0.9856003 * days)  # mean anomaly
    ecliptic = np.radians(280.460 + 0.9856474 * days + 1.915 * sin(g) + 0.020 * sin(2 * g))
    tilt = np.radians(23.439 - 4e-7 * days)
    right_ascension = np.arctan2(cos(tilt) * sin(ecliptic), cos(ecliptic))
    declination = np.arcsin(sin(tilt) * sin(ecliptic))
    sidereal = np.radians(280.46062 + 360.98564737 * days + longitude_deg)
    hour_angle = sidereal - right_ascension
    latitude = np.radians(latitude_deg)
    cos_zenith = sin(latitude) * sin(declination) + cos(latitude) * cos(declination) * cos(
        hour_angle
    )
    east = -cos(declination) * sin(hour_angle)
    north = cos(latitude) * sin(declination) - sin(latitude) * cos(declination) * cos(hour_angle)
    azimuth = np.degrees(np.arctan2(east, north)) % 360
    return float(np.degrees(np.arccos(np.clip(cos_zenith, -1, 1)))), float(azimuth)


def overpass_time(longitude_deg: float, day: date) -> datetime:
    """UTC time at which Landsat sees a high northern place: about 11:00 local solar time.

    Args:
        longitude_deg: East positive.
        day: Calendar day of the pass, by local solar time.
    """
    local = datetime(day.year, day.month, day.day, 11, 0, tzinfo=UTC)
    return local - timedelta(hours=longitude_deg / 15)


def highest_sun(latitude_deg: float, longitude_deg: float, month: date) -> float:
    """Highest elevation of the sun, degrees, at which Landsat can see a place in a month.

    Args:
        latitude_deg: North positive.
        longitude_deg: East positive.
        month: First day of the month.
    """
    start, end = month_interval(month)
    days = [month + timedelta(days=day) for day in range((end - start).days)]
    zeniths = [
        sun_position(latitude_deg, longitude_deg, overpass_time(longitude_deg, day))[0]
        for day in days
    ]
    return 90 - min(zeniths)
