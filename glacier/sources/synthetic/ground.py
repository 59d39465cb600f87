"""Synthetic ground on a day: snow, woods, ice and water, their colours and their temperature.

On and off the glacier snow is the same, and debris is hardly darker than rock, so that only place
and shape tell what is ice underneath.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import cv2
import numpy as np
from numpy.typing import NDArray

from glacier.labels import Surface
from glacier.landsat import OPTICAL
from glacier.sources.synthetic.land import Land, glacier_at, surface_at
from glacier.sources.synthetic.sky import Sky
from glacier.sources.synthetic.terrain import Field, Mask

SPECTRA: dict[Surface, tuple[float, ...]] = {
    Surface.ROCK: (0.088, 0.134, 0.147, 0.192, 0.236, 0.206),
    Surface.VEGETATION: (0.025, 0.050, 0.034, 0.290, 0.140, 0.062),
    Surface.WATER: (0.075, 0.125, 0.075, 0.018, 0.007, 0.0065),
    Surface.SNOW: (0.50, 0.545, 0.575, 0.515, 0.018, 0.016),
    Surface.CLEAN_ICE: (0.300, 0.330, 0.315, 0.205, 0.006, 0.0085),
    Surface.DEBRIS_ICE: (0.078, 0.118, 0.128, 0.163, 0.198, 0.172),
    Surface.SNOW_ON_ICE: (0.50, 0.545, 0.575, 0.515, 0.018, 0.016),
}
"""Reflectance of SR_B2..SR_B7 on flat ground in the melting season, unitless.

Source: snow, ice, rock and water lie at the medians of hand-classified Landsat-8/9 pixels of four
North American glaciers (Aberle et al., github.com/RaineyAbe/glacier-snow-cover-mapping, 2021),
less the offset of 0.2 that its file lacks; water between its clear and its silty lake. Debris
(rock, a little darker and wetter) and vegetation (conifers and alder) are drawn by hand.
"""

FRESH_SNOW = (0.98, 0.96, 0.94, 0.83, 0.045, 0.05)
"""Reflectance of cold snow.

Source: medians of clear snow in Landsat-8 scene 005009 of 2015-07-10, Greenland (USGS); a little
more in SWIR, where finer grains are brighter (Dozier 1989, Remote Sensing of Environment 28).
"""

GRAIN_SPREAD = 0.3
"""Standard deviation of the logarithm of snow's SWIR reflectance, by the size of its grains.

Drawn by hand until the NDSI of snow had the spread of that scene's.
"""

DROPLETS = (0.86, 0.84, 0.83, 0.80, 0.53, 0.40)
"""Reflectance of thick cloud of water droplets.

Source: between medians of cloud over the ice of scene 005009 (0.94 in green) and of bright cloud
over the land of scene 008059 of 2019-12-01, Colombia (0.77), where SWIR is highest (0.54, 0.40).
"""

ICE_CLOUD = (0.86, 0.84, 0.83, 0.80, 0.19, 0.20)
"""Reflectance of thick cloud of ice: dark in SWIR, as the darkest 5 % of cloud in scene 005009."""

DIFFUSE = (0.24, 0.20, 0.16, 0.13, 0.09, 0.09)
"""Share of the light that comes from the whole sky, by band: what is left in a shadow.

Drawn by hand: it falls with wavelength as skylight does (Bird & Riordan 1986, J. Climate Appl.
Meteor. 25), less steeply, since slopes light each other.
"""

NOISE, NOISE_SHARE = 0.0015, 0.012
"""Standard deviation of noise in dark ground (reflectance), and as a share of bright ground's."""

LAPSE_K_PER_M = 0.0065
"""Fall of the air's temperature with height. Source: ICAO standard atmosphere."""

CANOPY = 0.55
"""Share of snowy woods that the crowns hide from above."""

MELT = (0.0, 0.0, 0.02, 0.12, 0.36, 0.66, 0.88, 1.0, 0.92, 0.50, 0.12, 0.0)
"""Where the snow line stands at mid-month, from the valley (0) to its highest (1), January on.

North of 40 N; drawn by hand after coastal Alaska, where the line is highest late in August.
"""

SNOW_LINE_SPREAD_M = 75.0
"""Standard deviation from year to year of the snow line at the end of summer."""

TREE_LINE_SHARE = 0.42
"""Height of the tree line between valley floor and equilibrium line."""


@dataclass(frozen=True)
class Site:
    """A region ready to be observed."""

    land: Land
    latitude_deg: float
    longitude_deg: float
    year_key: int
    """Seed of what differs between years."""


@dataclass(frozen=True)
class Season:
    """A day's weather, as far as the ground shows it."""

    year: float
    """Date as a decimal year."""
    snow_line_m: float
    """Elevation above which snow lies."""
    warmth: float
    """-1 in the depth of winter to 1 at the height of summer."""


@dataclass(frozen=True, eq=False)
class Ground:
    """The surface on a day."""

    classes: NDArray[np.uint8]
    """(H, W) uint8 codes of :class:`Surface`."""
    surface_m: Field
    """(H, W) float32 elevation of what is seen, metres."""
    over_line_m: Field
    """(H, W) float32 height over the patchy snow line, metres."""
    wooded: Mask
    """(H, W) bool, woods, under snow or not."""


def season_on(site: Site, day: date) -> Season:
    """Snow line and warmth of a day at a place.

    Towards the equator seasons fade: the snow line stays near its highest. South of it they
    turn by half a year, and the year of snow with them.
    """
    fraction = (day.timetuple().tm_yday - 0.5) / 365.25
    turned = fraction if site.latitude_deg >= 0 else fraction + 0.5
    span = float(np.clip((abs(site.latitude_deg) - 5) / 35, 0.12, 1))
    thaw = float(np.interp(turned % 1, (np.arange(12) + 0.5) / 12, MELT, period=1))
    melt = 1 - span * (1 - thaw)
    spring = int(day.year + turned)  # a new draw in midwinter, when it counts for nothing
    unusual = float(np.random.default_rng([site.year_key, spring]).normal(0, SNOW_LINE_SPREAD_M))
    lowest = site.land.valley_m - 260
    height = max(site.land.equilibrium_m - lowest, 50)
    line = lowest + melt * height + thaw * unusual - 150 * (1 - melt)
    return Season(day.year + fraction, line, span * float(np.cos(2 * np.pi * (turned - 0.56))))


def lay_ground(land: Land, season: Season) -> Ground:
    """What covers each pixel on a day."""
    ice, surface = glacier_at(land, season.year), surface_at(land, season.year)
    water = land.lake & ~ice
    relief_m = max(land.equilibrium_m - land.valley_m, 100)
    scatter = np.float32(min(0.09 * relief_m, 120)) * land.patches
    over_line = surface - np.float32(season.snow_line_m) + scatter * np.where(ice, 0.5, 1)
    steep = cv2.Laplacian(surface, cv2.CV_32F) * np.float32(2.5)  # ridges are blown bare
    snow = over_line - np.where(ice, 0, np.clip(-steep, -40, 60)) > 0
    tree_line = land.valley_m + TREE_LINE_SHARE * relief_m
    wooded = (surface + 0.8 * scatter < tree_line) & (land.vanish_share < 0) & ~land.lake
    classes = np.where(wooded, np.uint8(Surface.VEGETATION), np.uint8(Surface.ROCK))
    classes[water] = Surface.WATER
    classes[snow] = Surface.SNOW
    bare = np.where(land.debris > 0, np.uint8(Surface.DEBRIS_ICE), np.uint8(Surface.CLEAN_ICE))
    np.copyto(classes, bare, where=ice)
    classes[ice & snow] = Surface.SNOW_ON_ICE
    return Ground(classes, surface, over_line, wooded)


def albedo_of(land: Land, ground: Ground, season: Season) -> NDArray[np.float32]:
    """Reflectance of the ground in full sun.

    Snow is old and dirty near the melting snow line and fresh in winter and high above it,
    alike on and off the glacier, so that only place and shape tell the two apart.

    Returns:
        (6, H, W) float32 in the order of ``OPTICAL``.
    """
    table = np.zeros((8, len(OPTICAL)), np.float32)
    for surface, spectrum in SPECTRA.items():
        table[surface] = spectrum
    classes = ground.classes
    snow = (classes == Surface.SNOW) | (classes == Surface.SNOW_ON_ICE)
    hardness = np.clip(-season.warmth * 0.9 + 0.25, 0, 1)
    fresh = np.clip(hardness + (ground.over_line_m - 150) / 1100, 0, 1) * snow
    fresh = fresh.astype(np.float32)
    woods = (CANOPY * (snow & ground.wooded)).astype(np.float32)
    icy = snow | (classes == Surface.CLEAN_ICE)
    texture = 1 + np.where(icy, np.float32(0.03), np.float32(0.09)) * land.grain
    texture += np.where(icy, np.float32(0.05), np.float32(0.10)) * land.patches
    texture += np.where(classes == Surface.CLEAN_ICE, np.float32(0.09), 0) * land.streaks
    texture[classes == Surface.WATER] = 1
    smooth = classes == Surface.DEBRIS_ICE
    texture[smooth] = 1 + 0.6 * (texture[smooth] - 1)
    np.clip(texture, 0.5, 1.5, out=texture)
    image = np.empty((len(OPTICAL), *classes.shape), np.float32)
    for k in range(len(OPTICAL)):
        band = table[:, k][classes]
        band += fresh * np.float32(FRESH_SNOW[k] - SPECTRA[Surface.SNOW][k])
        band += woods * (np.float32(SPECTRA[Surface.VEGETATION][k] * 0.8) - band)
        np.multiply(band, texture, out=image[k])
    grains = np.where(snow, np.exp(np.float32(GRAIN_SPREAD) * land.patches), np.float32(1))
    image[4:] *= grains
    return image


def temperature_of(ground: Ground, season: Season, land: Land, direct: Field) -> Field:
    """Surface temperature, kelvin: (H, W) float32.

    Source: levels of the hand-classified pixels behind ``SPECTRA``; the product reads melting ice
    as 276 K, not 273, since its pixels were 100 m wide and warm ground is near.
    """
    classes = ground.classes
    air = 271 + 8 * season.warmth - LAPSE_K_PER_M * (ground.surface_m - land.equilibrium_m)
    warm = np.zeros((3, 8), np.float32)  # above the air; share of sunlight; highest
    warm[:, Surface.ROCK] = 5, 9, 400
    warm[:, Surface.VEGETATION] = 3, 3, 400
    warm[:, Surface.DEBRIS_ICE] = 1, 5, 400
    warm[:, Surface.CLEAN_ICE] = 2, 0, 276.3
    warm[:, Surface.SNOW] = warm[:, Surface.SNOW_ON_ICE] = 2, 1, 278.2
    warm[:, Surface.WATER] = 3, 0, 287.0
    plus, sunny, highest = (row[classes] for row in warm)
    kelvin = np.minimum(air + plus + sunny * np.minimum(direct, 1.6), highest)
    return np.asarray(cv2.GaussianBlur(kelvin.astype(np.float32), (0, 0), 1.2))


def expose(
    albedo: NDArray[np.float32], direct: Field, sky: Sky, rng: np.random.Generator
) -> dict[str, Field]:
    """Reflectance as the satellite sees it, by band.

    Args:
        albedo: (6, H, W) float32 reflectance in full sun.
        direct: (H, W) float32 direct light over that on flat ground.
        sky: Clouds.
        rng: Generator of the scene.
    """
    # Snow all round lights the shadows of a snowy valley.
    around = np.float32(0.32) * cv2.blur(albedo[1], (31, 31))
    noise = rng.standard_normal(direct.shape, dtype=np.float32)
    image = {}
    for k, name in enumerate(OPTICAL):
        diffuse = np.float32(DIFFUSE[k]) + around * np.float32(min(1, albedo_ratio(k)))
        band = albedo[k] * (direct * (1 - diffuse) + diffuse)
        band = cv2.GaussianBlur(band, (0, 0), 0.45)  # the sensor's own blur
        cloud = np.float32(ICE_CLOUD[k] - DROPLETS[k]) * sky.ice + np.float32(DROPLETS[k])
        band += (cloud * sky.tops - band) * sky.opacity
        band += (np.float32(0.5 * ICE_CLOUD[k]) - 0.5 * band) * sky.haze
        floor = np.float32(NOISE * min(1, 3 * DIFFUSE[k]))
        band += noise * (floor + np.float32(NOISE_SHARE) * band)
        noise = np.roll(noise, (37, 61), (0, 1))  # another band's noise at no cost
        image[name] = band
    return image


def albedo_ratio(band: int) -> float:
    """How much of the light that snow throws back lies in a band: all of it, none in SWIR."""
    return SPECTRA[Surface.SNOW][band] / 0.55
