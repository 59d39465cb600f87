"""Metres of a coordinate system against metres on the ground."""

from __future__ import annotations

import math
from functools import lru_cache

import pyproj

from glacier.errors import RasterError
from glacier.wording import name_coordinates

MAX_SCALE_ERROR = 0.01
"""Most by which a metre of a grid may differ from one on the ground; in a UTM zone it is 0.001."""

STEP_M = 1000.0
"""Distance over which the two are compared."""


def utm_zone(lon_deg: float) -> str:
    """The UTM zone that Landsat's scenes of a longitude lie in, such as ``EPSG:32608``.

    It is a northern zone on both sides of the equator, with negative northings in the south:
    the 10,000 km of a southern zone are no multiple of 30 m, so its pixels would lie 10 m off.
    Nor do Landsat's scenes know the wider zones of Norway and Svalbard. Antarctic scenes (centre
    south of 63 S) come in polar stereographic, so there they are resampled all the same.

    Source:
        USGS, "Why do Landsat scenes in the Southern Hemisphere display negative UTM values?";
        Landsat 8-9 Data Format Control Book (LSDS-1822).
    """
    return f"EPSG:{32601 + int((lon_deg + 180) // 6) % 60}"


def check_scale(crs: str, x: float, y: float, name: str) -> None:
    """Refuse a grid whose metres are not those of the ground, as Web Mercator's are not.

    Args:
        crs: A projected coordinate system in metres.
        x: East of the grid's centre in it.
        y: North of the grid's centre.
        name: The file, for the message.

    Raises:
        RasterError: Along rows or columns the scale is off by more than ``MAX_SCALE_ERROR``, or the
            coordinate system has no place on Earth for the centre.
    """
    factor, area, lon, lat = measure_scale(crs, x, y)
    short = crs if len(crs) < 40 else pyproj.CRS(crs).name
    if not math.isfinite(factor):
        raise RasterError(f"{name}: its centre, {x:.0f} {y:.0f}, is no place on Earth in {short}")
    if abs(factor - 1) > MAX_SCALE_ERROR:
        raise RasterError(
            f"{name}: 1 m on the ground is {factor:.3f} m in {short} at the image's centre, "
            f"{name_coordinates(lat, lon)}, so that areas would be {area:.2f} times the true ones; "
            f"warp it to its UTM zone (gdalwarp -t_srs {utm_zone(lon)} -tr 30 30)"
        )


@lru_cache(maxsize=64)
def measure_scale(crs: str, x: float, y: float) -> tuple[float, float, float, float]:
    """How long a metre on the ground is in a projection, and the longitude and latitude there.

    Args:
        crs: A projected coordinate system in metres.
        x: East of the place in it.
        y: North of the place.

    Returns:
        The factor along rows or along columns, whichever is farther from 1 (not a number where
        the projection has no such place), the factor of areas, longitude and latitude in degrees.
    """
    half = STEP_M / 2
    try:
        to_degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    except pyproj.exceptions.ProjError:
        return math.nan, math.nan, math.nan, math.nan
    xs, ys = (x, x - half, x + half, x, x), (y, y, y, y - half, y + half)
    lons, lats = to_degrees.transform(xs, ys)
    if not all(map(math.isfinite, (*lons, *lats))):
        return math.nan, math.nan, math.nan, math.nan
    geod = pyproj.Geod(ellps="WGS84")
    ground = geod.inv(lons[1::2], lats[1::2], lons[2::2], lats[2::2])[2]
    factors = [STEP_M / metres for metres in ground]
    worst = max(factors, key=lambda factor: abs(math.log(factor)))
    return worst, factors[0] * factors[1], lons[0], lats[0]
