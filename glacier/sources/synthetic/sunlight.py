"""The sun over a surface: cast shadow, light on slopes, and shade."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import cv2
import numpy as np

from glacier.landsat import overpass_time, sun_position
from glacier.sources.synthetic.terrain import Field, Mask

SHADE_LIGHT = 0.25
"""Direct light over that of flat ground in the sun, below which ground counts as shaded."""


@dataclass(frozen=True)
class Sun:
    """Where the sun stands, seen from the ground."""

    zenith_rad: float
    """0 is overhead."""
    azimuth_rad: float
    """Clockwise from grid north."""

    def elevation_deg(self) -> float:
        """Height over the horizon, degrees."""
        return 90 - float(np.degrees(self.zenith_rad))

    def step_towards(self) -> tuple[float, float]:
        """Columns and rows to the pixel that lies one pixel nearer to the sun."""
        return float(np.sin(self.azimuth_rad)), float(-np.cos(self.azimuth_rad))


def sun_at(latitude_deg: float, longitude_deg: float, day: date) -> Sun:
    """The sun at the pass of a day; the map's north is taken for north."""
    when = overpass_time(longitude_deg, day)
    zenith, azimuth = sun_position(latitude_deg, longitude_deg, when)
    return Sun(float(np.radians(zenith)), float(np.radians(azimuth)))


def shift_field(values: Field, columns: float, rows: float, beyond: float) -> Field:
    """The values that lie some columns and rows away from each pixel, bilinear."""
    matrix = np.array([[1, 0, columns], [0, 1, rows]], np.float64)
    height, width = values.shape
    return np.asarray(
        cv2.warpAffine(
            values, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT, borderValue=beyond,
        )
    )  # fmt: skip


def cast_shadow(surface_m: Field, pixel_m: float, sun: Sun) -> Field:
    """Where mountains hide the sun.

    The highest ray through ground further towards the sun is found by doubling the distance:
    ten steps reach over a thousand pixels.

    Args:
        surface_m: (H, W) float32 elevation, metres.
        pixel_m: Side of a pixel, metres.
        sun: The sun.

    Returns:
        (H, W) float32, 0 in the sun to 1 in shadow, with a soft edge.
    """
    columns, rows = sun.step_towards()
    fall_m = pixel_m / float(np.tan(max(sun.zenith_rad, 1e-3)))
    reach_px = (float(surface_m.max()) - float(surface_m.min())) / fall_m
    low = float(surface_m.min()) - 1
    ray = shift_field(surface_m, columns, rows, low) - np.float32(fall_m)
    step = 1
    while step < min(reach_px, max(surface_m.shape) * 1.5):
        further = shift_field(ray, step * columns, step * rows, low - step * fall_m)
        np.maximum(ray, further - np.float32(step * fall_m), out=ray)
        step *= 2
    return np.asarray(np.clip((ray - surface_m) / 12, 0, 1), np.float32)


def light_on_slope(surface_m: Field, pixel_m: float, sun: Sun) -> Field:
    """Direct sunlight on the ground over that on flat ground, shadows not counted.

    Returns:
        (H, W) float32, 0..4; the cap is where grazing light would be all noise.
    """
    kernel = cv2.getDerivKernels(1, 0, 3, normalize=True)
    right = cv2.sepFilter2D(surface_m, cv2.CV_32F, kernel[0], kernel[1]) / pixel_m
    down = cv2.sepFilter2D(surface_m, cv2.CV_32F, kernel[1], kernel[0]) / pixel_m
    columns, rows = sun.step_towards()
    tilt = np.float32(np.tan(sun.zenith_rad))
    cosine = (1 - tilt * (right * np.float32(columns) + down * np.float32(rows))) / np.sqrt(
        1 + right**2 + down**2
    )
    return np.asarray(np.clip(cosine, 0, 4), np.float32)


def find_shade(surface_m: Field, pixel_m: float, sun: Sun) -> Mask:
    """Ground in the shadow of mountains or turned from the sun.

    Returns:
        (H, W) bool, True where less direct light falls than :data:`SHADE_LIGHT`; everywhere
        where the sun is down.
    """
    if sun.elevation_deg() <= 0:
        return np.ones(surface_m.shape, bool)
    light = light_on_slope(surface_m, pixel_m, sun) * (1 - cast_shadow(surface_m, pixel_m, sun))
    return np.asarray(light < SHADE_LIGHT)
