"""An invented archive that needs no account: Landsat-8 scenes whose truth is known everywhere.

A region's mountains, glacier and seasons follow from (seed, region) alone, so every scene can be
made again at any time and place. The class map and the ice margin are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from glacier.composite import Composite, Empty, Scene, composite_scenes
from glacier.config import Region, Synthetic, digest
from glacier.labels import Surface
from glacier.landsat import (
    CLEAR,
    CLOUD,
    DILATED,
    FILL,
    MAX_SOLAR_ZENITH_DEG,
    SHADOW,
    SNOW,
    ST_OFFSET,
    ST_SCALE,
    WATER,
    CloudProfile,
    digital_number,
    overpass_time,
    sun_position,
)
from glacier.raster import Grid, grid_of_region

Field = NDArray[np.float32]

SPECTRA: dict[Surface, tuple[float, ...]] = {
    Surface.ROCK: (0.10, 0.13, 0.145, 0.19, 0.235, 0.20),
    Surface.VEGETATION: (0.03, 0.06, 0.04, 0.32, 0.16, 0.08),
    Surface.WATER: (0.08, 0.14, 0.10, 0.022, 0.007, 0.006),
    Surface.SNOW: (0.62, 0.66, 0.68, 0.60, 0.030, 0.030),
    Surface.CLEAN_ICE: (0.33, 0.36, 0.34, 0.23, 0.008, 0.009),
    Surface.DEBRIS_ICE: (0.085, 0.11, 0.125, 0.165, 0.21, 0.185),
    Surface.SNOW_ON_ICE: (0.60, 0.64, 0.66, 0.58, 0.028, 0.028),
}
"""Surface reflectance of SR_B2..SR_B7 in flat sunlight, unitless.

Source: within the quartiles of hand-classified Landsat 8 pixels of four North American glaciers
(Aberle et al., glacier-snow-cover-mapping, 2021 season) for rock, water, snow and ice; debris a
little darker than rock; vegetation after common broadleaf spectra (USGS spectral library).
"""

OPTICAL = ("SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7")
CLOUD_REFLECTANCE = (0.62, 0.60, 0.60, 0.62, 0.48, 0.38)
NOISE = 0.008
"""Standard deviation of the sensor and correction noise, reflectance."""
SNOW_CALLED_CLOUD = 0.06
"""Share of clear snow that the quality band calls cloud; CFMask's precision over snowy mountains
is about 0.70. Source: Stillinger et al. 2019, Water Resources Research 55."""
CLOUD_MISSED = 0.14
"""Share of cloud that it misses (recall about 0.86; the same source)."""
RETREAT_PER_YEAR = 0.006
"""Rise of the level of the ice margin a year; about 0.5 % of the glacier's area."""
MARGIN_LEVEL = -0.12
"""Level of the margin some decades before 2014: what has been freed since is bare, or a lake."""
CLOUD_HEIGHT_M = 1200
"""Height of the clouds over the ground, which moves their shadows."""


@dataclass(frozen=True)
class Place:
    """What does not change with the date."""

    elevation_m: Field
    """(H, W) float32."""
    ice_level: Field
    """(H, W) float32; the glacier of a year is where this exceeds the year's level."""
    debris: Field
    """(H, W) float32 0..1, higher where debris covers ice sooner."""
    texture: Field
    """(H, W) float32, mean 0, deviation 1: patchiness of snow and rock."""
    pixel_m: float
    latitude_deg: float
    longitude_deg: float


class SyntheticSource:
    """Invented scenes, 2-4 a month, with clouds, shadows and their quality bits."""

    def __init__(self, settings: Synthetic, profile: CloudProfile, seed: int) -> None:
        """Make scenes by these settings; composites by this cloud profile."""
        self.settings, self.profile, self.seed = settings, profile, seed

    def identity(self, region: Region) -> Any:
        """Settings and seed."""
        return {"settings": self.settings.model_dump(mode="json"), "seed": self.seed, "format": 1}

    def grid(self, region: Region) -> Grid:
        """The region's UTM grid."""
        return grid_of_region(region)

    def months(self, region: Region) -> None:
        """Any month can be made."""
        return

    def rng(self, region: Region, *what: object) -> np.random.Generator:
        """Random numbers that follow from seed, region and purpose alone."""
        key = [self.seed, region.model_dump(mode="json"), [str(part) for part in what]]
        return np.random.default_rng(int(digest(key)[:16], 16))

    def place(self, region: Region) -> Place:
        """The ground of a region, kept for the months to come."""
        key = int(digest([self.seed, region.model_dump(mode="json")])[:16], 16)
        lon, lat = np.mean(np.array(region.polygon), axis=0)
        return make_place(key, self.grid(region), float(lat), float(lon))

    def fetch_month(self, region: Region, month: date) -> Composite | Empty:
        """The month's composite and class map, or Empty where the sun stands too low."""
        scenes = self.fetch_scenes(region, month)
        if not scenes:
            place = self.place(region)
            noon = overpass_time(place.longitude_deg, month.replace(day=15))
            height = 90 - sun_position(place.latitude_deg, place.longitude_deg, noon)[0]
            return Empty(f"solar_zenith: sun {height:.1f} deg high at mid-month")
        return composite_scenes(scenes, self.profile, self.truth(region, month))

    def fetch_scenes(self, region: Region, month: date) -> list[Scene]:
        """Scenes of the passes at which the sun stands high enough."""
        rng, place = self.rng(region, "passes", month), self.place(region)
        fewest, most = self.settings.scenes_per_month
        days = sorted(rng.choice(28, rng.integers(fewest, most + 1), replace=False) + 1)
        scenes = []
        for day in days:
            when = overpass_time(place.longitude_deg, month.replace(day=int(day)))
            sun = sun_position(place.latitude_deg, place.longitude_deg, when)
            if sun[0] <= MAX_SOLAR_ZENITH_DEG:
                classes = class_map(place, month.replace(day=int(day)))
                name = f"LC08_SYNTHETIC_{region.name}_{month:%Y%m}{day:02d}"
                share = self.settings.cloud_share
                bands, qa = render(place, classes, sun, share, self.rng(region, "scene", name))
                scenes.append(Scene(name, when, bands, qa, 90 - sun[0]))
        return scenes

    def truth(self, region: Region, month: date) -> NDArray[np.uint8]:
        """Class map at mid-month: (H, W) uint8 codes of :class:`Surface`."""
        return class_map(self.place(region), month.replace(day=15))


def fractal(rng: np.random.Generator, shape: tuple[int, int], slope: float) -> Field:
    """Noise whose amplitude falls with frequency as f ** -slope; mean 0, deviation 1."""
    rows, cols = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None]
    frequency = np.hypot(rows, cols)
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.standard_normal(shape)) * frequency**-slope
    spectrum[0, 0] = 0
    noise = np.fft.irfft2(spectrum, shape)
    return np.asarray(noise / noise.std(), np.float32)


def main_body(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part of a mask: one glacier, no crumbs."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return mask
    return np.asarray(parts == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])))


def ramp(values: Field, low: float, high: float) -> Field:
    """Smooth step from 0 at ``low`` to 1 at ``high``."""
    x = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float32)


@lru_cache(maxsize=16)
def make_place(key: int, grid: Grid, latitude_deg: float, longitude_deg: float) -> Place:
    """Mountains with one valley, and the glacier that fills it from an icefield.

    The frame's long axis runs from the icefield (0) to the valley's mouth (1).
    """
    rng = np.random.default_rng(key)
    shape = (grid.height, grid.width)
    along, across = np.meshgrid(
        np.linspace(0, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij"
    )
    if rng.random() < 0.5:
        along, across = along[::-1], across[:, ::-1]
    bend = sum(
        rng.normal(0, 0.22 / k) * np.sin(np.pi * k * along + rng.uniform(0, 6)) for k in (1, 2, 3)
    )
    wobble = 0.10 * fractal(rng, shape, 1.6)
    away = np.abs(across - bend) + wobble
    half_width = 0.20 + 0.55 * ramp(np.float32(0.45) - along.astype(np.float32), 0, 0.45)
    mountains = 750 + 1300 * (1 - along) + 380 * fractal(rng, shape, 1.9)
    floor = 30 + 1650 * (1 - along) ** 1.2
    wall = ramp((away / half_width).astype(np.float32), 0.7, 2.0)
    elevation = np.maximum(floor + (mountains - floor) * wall, 15)
    level = np.minimum(1 - away / half_width, (0.78 - along) / 0.35)
    nunataks = ramp((elevation - floor).astype(np.float32), 350, 700)
    level = level + 0.06 * fractal(rng, shape, 1.5) - 0.8 * nunataks
    level[~main_body(level > MARGIN_LEVEL)] = -1
    debris = 0.55 * ramp((away / half_width).astype(np.float32), 0.45, 1.0) + 0.9 * (along - 0.45)
    debris = debris + 0.12 * fractal(rng, shape, 1.4)
    texture = fractal(rng, shape, 1.1)
    fields = [np.asarray(f, np.float32) for f in (elevation, level, debris, texture)]
    height, ice, cover, rough = fields
    return Place(height, ice, cover, rough, grid.pixel_m, latitude_deg, longitude_deg)


def snow_line_m(place: Place, day: date) -> float:
    """Elevation above which snow lies: low in late winter, high in late summer."""
    season = (day.timetuple().tm_yday - 45) / 365 + (0 if place.latitude_deg >= 0 else 0.5)
    unusual = np.random.default_rng([day.year, int(abs(place.latitude_deg) * 100)]).normal(0, 90)
    return float(700 - 950 * np.cos(2 * np.pi * season) + unusual)


def class_map(place: Place, day: date) -> NDArray[np.uint8]:
    """What covers each pixel on a day: (H, W) uint8 codes of :class:`Surface`."""
    years = day.year - 2014 + (day.timetuple().tm_yday - 1) / 365
    threshold = RETREAT_PER_YEAR * years
    ice = place.ice_level > threshold
    once = place.ice_level > MARGIN_LEVEL
    classes = np.full(ice.shape, Surface.ROCK, np.uint8)
    classes[place.elevation_m + 60 * place.texture < 520] = Surface.VEGETATION
    fresh = once & ~ice
    classes[fresh] = Surface.ROCK
    lowest = float(np.quantile(place.elevation_m[once], 0.06)) if once.any() else 0.0
    classes[fresh & (place.elevation_m < lowest)] = Surface.WATER
    patchy = place.elevation_m + 110 * place.texture
    line = snow_line_m(place, day)
    classes[(patchy > line) & (classes != Surface.WATER)] = Surface.SNOW
    classes[ice] = np.where(place.debris[ice] > 0.42, Surface.DEBRIS_ICE, Surface.CLEAN_ICE)
    classes[ice & (patchy > line + 60)] = Surface.SNOW_ON_ICE
    return classes


def illumination(place: Place, sun: tuple[float, float]) -> Field:
    """Light on the slope over light on flat ground, 0.25..1.6, with soft cast shadows."""
    zenith, azimuth = np.radians(sun)
    down, right = np.gradient(place.elevation_m, place.pixel_m)
    east, north = np.sin(azimuth), np.cos(azimuth)
    flat = np.cos(zenith)
    cosine = (flat - np.sin(zenith) * (right * east - down * north)) / np.sqrt(
        1 + down**2 + right**2
    )
    return np.asarray(np.clip(0.3 + 0.7 * cosine / flat, 0.25, 1.6), np.float32)


def render(
    place: Place,
    classes: NDArray[np.uint8],
    sun: tuple[float, float],
    cloud_share: float,
    rng: np.random.Generator,
) -> tuple[dict[str, NDArray[np.uint16]], NDArray[np.uint16]]:
    """One scene of a class map: bands of digital numbers, and QA_PIXEL with its errors."""
    shape = classes.shape
    table = np.zeros((8, len(OPTICAL)), np.float32)
    for surface, spectrum in SPECTRA.items():
        table[surface] = spectrum
    light = illumination(place, sun) * (1 + 0.06 * place.texture)
    image = table[classes].transpose(2, 0, 1) * light
    cover = float(np.clip(rng.beta(1.0, 1.0 / max(cloud_share, 1e-3) - 1 + 1e-3), 0, 1))
    field = fractal(rng, shape, 1.7)
    edge = float(np.quantile(field, 1 - cover))
    opacity = ramp(field, edge - 0.15, edge + 0.25) if cover > 0.01 else np.zeros(shape, np.float32)
    move = round(CLOUD_HEIGHT_M * float(np.tan(np.radians(sun[0]))) / place.pixel_m)
    azimuth = np.radians(sun[1])
    shift = (int(move * np.cos(azimuth)), int(-move * np.sin(azimuth)))
    shade = np.roll(opacity, shift, (0, 1)) * (1 - opacity)
    image = image * (1 - 0.55 * shade)
    image = image * (1 - opacity) + np.array(CLOUD_REFLECTANCE, np.float32)[:, None, None] * opacity
    image += rng.normal(0, NOISE, image.shape).astype(np.float32)
    bands = dict(zip(OPTICAL, digital_number(image), strict=True))
    kelvin = 288 - 0.0065 * place.elevation_m - 14 * (classes >= Surface.SNOW) - 25 * opacity
    bands["ST_B10"] = np.clip((kelvin - ST_OFFSET) / ST_SCALE, 1, 65535).astype(np.uint16)
    qa = quality(classes, opacity > 0.35, shade > 0.5, rng)
    if rng.random() < 0.15:  # the edge of the swath crosses the frame
        rows, cols = np.indices(shape)
        outside = cols + 0.2 * rows < rng.uniform(0, 0.35) * shape[1]
        qa[outside] = FILL
        for band in bands.values():
            band[outside] = 0
    return bands, qa


def quality(
    classes: NDArray[np.uint8],
    cloud: NDArray[np.bool_],
    shade: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.uint16]:
    """QA_PIXEL of a scene, with the errors of real ones: snow called cloud, cloud missed."""
    snow = np.isin(classes, (Surface.SNOW, Surface.SNOW_ON_ICE, Surface.CLEAN_ICE))
    blotches = fractal(rng, cloud.shape, 1.2)
    called = (cloud & (blotches < np.quantile(blotches, 1 - CLOUD_MISSED))) | (
        ~cloud & snow & (blotches > np.quantile(blotches, 1 - SNOW_CALLED_CLOUD))
    )
    near = cv2.dilate(called.astype(np.uint8), np.ones((7, 7), np.uint8)) == 1
    qa = np.zeros(cloud.shape, np.uint16)
    qa[called] |= CLOUD
    qa[near & ~called] |= DILATED
    qa[shade & ~called] |= SHADOW
    qa[snow & ~called & ~shade] |= SNOW
    qa[(classes == Surface.WATER) & ~called] |= WATER
    qa[~near] |= CLEAR
    return qa
