"""Clouds, and the quality band that half understands them.

CFMask calls bright snow cloud and misses the edges of clouds; ``judge_pixels`` does both, by as
much as was measured on snowy mountains.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from glacier.landsat import CIRRUS, CLEAR, CLOUD, DILATED, FILL, SHADOW, SNOW, WATER
from glacier.sources.synthetic.sunlight import Sun
from glacier.sources.synthetic.terrain import Field, Mask, fractal_noise

PRECISION, RECALL = 0.70, 0.86
"""Of CFMask's cloud flag over snowy mountains: share of it that is cloud, share of cloud it has.

Source: Stillinger et al. 2019, Water Resources Research 55, on 26 Landsat-8 scenes.
"""

ALARMS, MAX_ALARMS = 2.0, 0.6
"""False alarms are drawn for by this much more, since under much cloud there is too little clear
snow for them; and the largest share of clear snow that one scene may lose to them."""

CLOUD_OPACITY = 0.35
"""A pixel whose light is hidden by more than this share counts as cloud."""

TOPS_SPREAD = 0.06
"""Standard deviation of the brightness of a scene's cloud tops, as a share."""

ICE_SHARE = (0.2, 1.0)
"""Share of ice in cloud tops; each scene draws one, and patches differ from it.

Both drawn by hand until the NDSI of cloud had the median and spread of scene 005009 (Greenland).
"""

CLOUD_TOP_M = (900.0, 3200.0)
"""Heights of cloud over the ground, metres; each scene draws one."""

DILATION_PX = 3
"""Pixels around a cloud that get the dilated bit. Source: LSDS-1619, CFMask."""

SWATH_EDGE_SHARE = 0.15
"""Share of scenes whose swath ends within the frame."""

CEILING = 1.2107
"""Brightest a band can be at the sensor: reflectance times the sine of the sun's height.

Source: ``REFLECTANCE_MAXIMUM_BAND_n`` of Landsat-8 Level-1 metadata. Snow seldom reaches it: band
for band, no pixel of 137,000 in scene 005009 (Greenland), though green exceeds 1 in a fifth of the
clear snow; four bands of one cloudy pixel of 181,000 in scene 008059 (Colombia).
"""

LOW, MEDIUM, HIGH = 1, 2, 3
CONFIDENCE_SHIFT = {"cloud": 8, "shadow": 10, "snow": 12, "cirrus": 14}
"""First of the two confidence bits. Source: USGS LSDS-1619, QA_PIXEL."""


@dataclass(frozen=True, eq=False)
class Sky:
    """Clouds over a scene; fields are (H, W) float32."""

    opacity: Field
    """Share of the ground's light that cloud replaces by its own, 0..1."""
    haze: Field
    """The same for thin high cloud."""
    shade: Field
    """Share of direct sunlight that clouds keep from the ground, 0..1."""
    tops: Field
    """Brightness of the clouds' tops over that of the mean cloud."""
    ice: Field
    """Share of ice, not droplets, in the clouds' tops, 0..1."""

    def cloudy(self) -> Mask:
        """(H, W) bool, true cloud."""
        return np.asarray(self.opacity > CLOUD_OPACITY)


def draw_sky(
    shape: tuple[int, int], pixel_m: float, sun: Sun, mean_share: float, rng: np.random.Generator
) -> Sky:
    """Clouds of one scene: cumulus to overcast, thin cloud, and their shadows on the ground.

    Args:
        shape: Height and width, pixels.
        pixel_m: Side of a pixel, metres.
        sun: The sun, which says where the shadows fall.
        mean_share: Mean over many scenes of the share under cloud, 0..1.
        rng: Generator of the scene.
    """
    share = draw_share(mean_share, rng)
    field = fractal_noise(shape, rng, min(5000 / pixel_m, max(shape)), 0.62)
    edge = float(np.quantile(field[::3, ::3], 1 - share)) if share < 1 else -9.0
    opacity = np.clip((field - edge) / 0.30, 0, 1) ** 0.7 if share > 0 else np.zeros_like(field)
    thin = fractal_noise(shape, rng, min(9000 / pixel_m, max(shape)), 0.45)
    strength = float(rng.choice([0.0, 0.08, 0.20], p=[0.5, 0.3, 0.2])) * min(mean_share * 3, 1)
    away_px = float(rng.uniform(*CLOUD_TOP_M) * np.tan(sun.zenith_rad)) / pixel_m
    columns, rows = sun.step_towards()
    shift = np.array([[1, 0, away_px * columns], [0, 1, away_px * rows]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    shade = cv2.warpAffine(  # clouds beyond the frame are those within, mirrored
        opacity.astype(np.float32), shift, shape[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT
    )
    return Sky(
        opacity.astype(np.float32),
        (np.float32(strength) * np.clip(thin * 0.6 + 0.4, 0, 1)).astype(np.float32),
        np.asarray(np.clip(0.9 * cv2.blur(shade, (3, 3)), 0, 1), np.float32),
        1 + np.float32(TOPS_SPREAD) * np.clip(field, -2, 2),
        np.clip(np.float32(0.2) * thin + np.float32(rng.uniform(*ICE_SHARE)), 0, 1),
    )


def draw_share(mean_share: float, rng: np.random.Generator) -> float:
    """Share of a scene under cloud: many scenes almost clear, many almost closed."""
    if mean_share in (0.0, 1.0):
        return mean_share
    return float(np.round(rng.beta(1.3 * mean_share, 1.3 * (1 - mean_share)), 3))


def choose_worst(score: Field, among: Mask, count: int) -> Mask:
    """The pixels with the highest scores among some, so many of them."""
    chosen = np.zeros(among.shape, bool)
    available = int(np.count_nonzero(among))
    count = min(count, available)
    if count <= 0:
        return chosen
    values = score[among]
    limit = np.partition(values, available - count)[available - count]
    chosen[among] = values >= limit
    return chosen


def flag_cloud(sky: Sky, bright: Field, snowy: Mask, rng: np.random.Generator) -> Mask:
    """The cloud flag, with false alarms on bright snow and lost edges of cloud.

    Args:
        sky: The clouds.
        bright: (H, W) float32 how bright the ground is seen, reflectance.
        snowy: (H, W) bool, ground of snow and clean ice.
        rng: Generator of the scene.
    """
    true = sky.cloudy()
    blotches = fractal_noise(true.shape, rng, 40, 0.7)
    thin = np.float32(0.25) * blotches - sky.opacity
    missed = choose_worst(thin, true, round(float(1 - RECALL) * np.count_nonzero(true)))
    over_snow = int(np.count_nonzero(true & snowy))
    clear_snow = snowy & ~true
    alarms = round(ALARMS * RECALL * over_snow * (1 / PRECISION - 1) * rng.uniform(0.7, 1.3))
    alarms = min(alarms, round(MAX_ALARMS * np.count_nonzero(clear_snow)))
    false = choose_worst(bright + np.float32(0.35) * blotches, clear_snow, alarms)
    return np.asarray((true & ~missed) | false)


def judge_pixels(
    image: dict[str, Field], sky: Sky, shadow: Field, snowy: Mask, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """QA_PIXEL as CFMask would set it.

    Snow and water are told from the image itself by CFMask's spectral tests, so that they have
    its errors in shadow and on debris too.

    Args:
        image: ``SR_B3``..``SR_B6`` as (H, W) float32 reflectance.
        sky: The clouds.
        shadow: (H, W) float32 0..1 share of direct light that mountains keep away.
        snowy: (H, W) bool, ground of snow and clean ice.
        rng: Generator of the scene.

    Source:
        Tests: Zhu & Woodcock 2012, Remote Sensing of Environment 118. Bits: USGS LSDS-1619.
    """
    green, red, nir, swir = (image[f"SR_B{band}"] for band in (3, 4, 5, 6))
    cloud = flag_cloud(sky, nir, snowy, rng)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * DILATION_PX + 1,) * 2)
    near = (cv2.dilate(cloud.astype(np.uint8), kernel) > 0) & ~cloud
    dim = (np.maximum(sky.shade, np.float32(0.5) * shadow) > 0.4) & ~cloud
    ndsi_above = (green - swir) > 0.15 * np.maximum(green + swir, 0.01)
    snow = ndsi_above & (nir > 0.11) & (green > 0.10) & ~cloud & ~dim
    greenness = (nir - red) / np.maximum(nir + red, 0.02)
    wet = ((greenness < 0.01) & (nir < 0.11)) | ((greenness < 0.1) & (nir < 0.05))
    water = wet & ~cloud & ~dim & ~snow
    thin = (sky.haze > 0.09) | (snow & (nir > 0.95))
    bits = {DILATED: near, CIRRUS: thin, CLOUD: cloud, SHADOW: dim, SNOW: snow, WATER: water}
    qa = np.where(cloud | near, 0, CLEAR).astype(np.uint16)
    for bit, where in bits.items():
        qa |= where.astype(np.uint16) * np.uint16(bit)
    hazy = ~cloud & (sky.opacity > 0.08)
    levels = {
        "cloud": np.where(cloud, HIGH, np.where(hazy, MEDIUM, LOW)),
        "shadow": np.where(dim, HIGH, LOW),
        "snow": np.where(snow, HIGH, LOW),
        "cirrus": np.where(thin, HIGH, LOW),
    }
    for name, level in levels.items():
        qa |= level.astype(np.uint16) << np.uint16(CONFIDENCE_SHIFT[name])
    return qa


def saturate(image: dict[str, Field], sun: Sun) -> NDArray[np.uint16]:
    """Cut each band at what the sensor can hold, in place.

    Reflectance at the ground stands for that at the sensor, which over snow is much the same.

    Args:
        image: ``SR_B<n>`` to (H, W) float32 reflectance.
        sun: The sun; the lower it stands, the brighter a surface may be.

    Returns:
        QA_RADSAT: (H, W) uint16, bit n - 1 where band n was cut.
    """
    limit = np.float32(CEILING / np.cos(sun.zenith_rad))
    qa = np.zeros(next(iter(image.values())).shape, np.uint16)
    for name, band in image.items():
        if band.max() >= limit:
            qa |= (band >= limit).astype(np.uint16) << np.uint16(int(name.removeprefix("SR_B")) - 1)
            np.minimum(band, limit, out=band)
    return qa


def swath_edge(shape: tuple[int, int], rng: np.random.Generator) -> Mask | None:
    """Pixels outside the swath, for the few scenes that end within the frame."""
    if rng.random() >= SWATH_EDGE_SHARE:
        return None
    side, lean = (1 if rng.random() < 0.5 else -1), 0.19  # the orbit's lean from north
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    across = (columns + lean * rows) / (shape[1] + lean * shape[0])
    edge = rng.uniform(0.05, 0.4)
    return np.asarray(across < edge if side > 0 else across > 1 - edge)


def apply_fill(
    bands: dict[str, NDArray[np.uint16]],
    qa_pixel: NDArray[np.uint16],
    qa_radsat: NDArray[np.uint16],
    outside: Mask | None,
) -> None:
    """Set pixels outside the swath to no data, in place."""
    if outside is None:
        return
    for band in (*bands.values(), qa_radsat):
        band[outside] = 0
    qa_pixel[outside] = FILL
