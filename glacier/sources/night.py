"""Months in which no scene can be, since the sun stays too low: known without a request."""

from __future__ import annotations

from datetime import date

from rasterio.warp import transform, transform_bounds

from glacier.composite import Empty
from glacier.geo.raster import WGS84, Grid
from glacier.landsat import MAX_SOLAR_ZENITH_DEG, highest_sun
from glacier.sources.source import Source

RESERVE_DEG = 2.0
"""Landsat judges the sun at a scene's centre, which may lie a degree south of a region that it
shows, and passes some minutes off the usual time; so much lower must the sun stay, degrees."""


def predict_night(grid: Grid, month: date) -> Empty | None:
    """Why a month cannot have a scene: the sun is too low at every pass; None where it might.

    It is asked where the sun comes highest, at the edge nearest the equator: a tall region has
    scenes there while the rest lies in the dark.

    Args:
        grid: The region's grid.
        month: First day of the month.
    """
    _, longitude = find_centre(grid)
    sun_deg = highest_sun(find_lowest_latitude(grid), longitude, month)
    if sun_deg < 90 - MAX_SOLAR_ZENITH_DEG - RESERVE_DEG:
        return Empty(f"solar_zenith: sun at most {sun_deg:.1f} deg high")
    return None


def is_dark(source: Source, grid: Grid, month: date) -> bool:
    """Whether a source is not asked for a month of a grid, known to be empty for want of sun."""
    return source.settings.predicts_night and predict_night(grid, month) is not None


def find_lowest_latitude(grid: Grid) -> float:
    """Latitude of a grid that is nearest the equator, degrees."""
    _, south, _, north = transform_bounds(grid.crs, WGS84, *grid.bounds)
    return float(min(max(0.0, south), north))


def find_centre(grid: Grid) -> tuple[float, float]:
    """Latitude and longitude of the middle of a grid, degrees."""
    left, bottom, right, top = grid.bounds
    x, y = (left + right) / 2, (bottom + top) / 2
    (longitude,), (latitude,) = transform(grid.crs, WGS84, [x], [y])
    return latitude, longitude
