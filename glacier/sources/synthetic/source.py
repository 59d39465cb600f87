"""A synthetic archive that needs no account: Landsat-8 scenes whose truth is known everywhere.

A region's mountains, glaciers and seasons follow from (seed, region) alone, so every scene can be
made again at any time and place. The class map and the ice margin of any day are exact. Land and
ice come from ``terrain``, ``ice`` and ``land``, snow and colours from ``ground``, light, clouds and
the quality band from ``sky``; here they are put together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from glacier.composite import Composite, Empty, Scene, composite_scenes
from glacier.config import Config
from glacier.errors import ConfigError
from glacier.labels import SHADED, Surface
from glacier.landsat import (
    MAX_SOLAR_ZENITH_DEG,
    ST_OFFSET,
    ST_SCALE,
    THERMAL,
    CloudProfile,
    digital_number,
    month_interval,
    overpass_time,
)
from glacier.settings.identity import digest, identity
from glacier.settings.model import RUNTIME_ONLY, TEXT
from glacier.settings.regions import Region
from glacier.settings.synthetic import Synthetic
from glacier.sources.limiter import RequestLimit
from glacier.sources.source import Source
from glacier.sources.synthetic.ground import (
    Ground,
    Site,
    albedo_of,
    expose,
    lay_ground,
    season_on,
    temperature_of,
)
from glacier.sources.synthetic.land import build_land
from glacier.sources.synthetic.sky import (
    Sky,
    apply_fill,
    draw_sky,
    judge_pixels,
    saturate,
    swath_edge,
)
from glacier.sources.synthetic.sunlight import cast_shadow, find_shade, light_on_slope, sun_at
from glacier.sources.synthetic.terrain import Field


@dataclass(frozen=True)
class Observation:
    """A scene and what no satellite tells of it."""

    scene: Scene
    sky: Sky
    ground: Ground
    lit: Field
    """(H, W) float32, light on the ground over that of flat ground in the sun."""


class SyntheticSource(Source):
    """Synthetic scenes with clouds, shadows and their quality bits, and the exact class map."""

    settings: Synthetic

    def __init__(
        self, settings: Synthetic, profile: CloudProfile, seed: int, mask_saturated: bool = False
    ) -> None:
        """Make scenes by these settings; composites by this cloud profile."""
        super().__init__(settings)
        self.profile, self.seed, self.mask_saturated = profile, seed, mask_saturated

    @classmethod
    def from_config(cls, config: Config, limiter: RequestLimit | None = None) -> Self:
        """The source of ``ingest.synthetic`` and the seed."""
        ingest = config.ingest
        return cls(ingest.synthetic, ingest.cloud_profile, config.seed, ingest.mask_saturated)

    def identity(self, region: Region) -> dict[str, Any]:
        """Settings and seed."""
        return {
            "settings": identity(self.settings),
            "seed": self.seed,
            "mask_saturated": self.mask_saturated,
            "format": 4,
        }

    def key(self, region: Region, *what: object) -> int:
        """Seed that follows from seed, region and purpose alone."""
        whole = [self.seed, identity(region, (RUNTIME_ONLY, TEXT)), [str(part) for part in what]]
        return int(digest(whole)[:16], 16)

    def site(self, region: Region) -> Site:
        """The ground of a region; the last few are kept."""
        grid, (latitude, longitude) = self.grid(region), find_centre(region)
        land = build_land(*grid.shape, grid.pixel_m, self.key(region, "land"))
        return Site(land, latitude, longitude, self.key(region, "years"))

    def passes(self, region: Region, month: date) -> list[date]:
        """Days, by local solar time, on which the satellite comes by, whatever the sun."""
        rng = np.random.default_rng(self.key(region, "passes", month))
        fewest, most = self.settings.scenes_per_month
        days = rng.choice(28, int(rng.integers(fewest, most + 1)), replace=False)
        # In the far east 11:00 belongs to the day before by UTC, and to its month.
        early = overpass_time(find_centre(region)[1], month) < month_interval(month)[0]
        first = month + timedelta(days=int(early))
        return [first + timedelta(days=int(day)) for day in sorted(days)]

    def fetch_month(self, region: Region, month: date) -> Composite | Empty:
        """The month's composite and class map, or Empty where the sun stands too low."""
        scenes = self.fetch_scenes(region, month)
        if not scenes:
            suns = [sun_at(*find_centre(region), day) for day in self.passes(region, month)]
            height = max(sun.elevation_deg() for sun in suns)
            return Empty(f"solar_zenith: sun at most {height:.1f} deg high")
        truth = self.truth(region, month)
        return composite_scenes(scenes, self.profile, truth, self.mask_saturated)

    def fetch_scenes(self, region: Region, month: date) -> list[Scene]:
        """Scenes of the passes at which the sun stands high enough; none in deep winter."""
        return [observation.scene for observation in self.observe(region, month)]

    def observe(self, region: Region, month: date) -> list[Observation]:
        """The month's scenes with the clouds and the ground behind them."""
        observations = []
        for day in self.passes(region, month):
            if sun_at(*find_centre(region), day).elevation_deg() >= 90 - MAX_SOLAR_ZENITH_DEG:
                rng = np.random.default_rng(self.key(region, "scene", day))
                name = f"LC08_SYNTHETIC_{region.name}_{day:%Y%m%d}"
                share = self.settings.cloud_share
                observations.append(observe_site(self.site(region), day, name, share, rng))
        return observations

    def truth(self, region: Region, month: date) -> NDArray[np.uint8]:
        """Class map at mid-month: (H, W) uint8 codes of :class:`Surface`, shaded or not."""
        site, day = self.site(region), month.replace(day=15)
        ground = lay_ground(site.land, season_on(site, day))
        sun = sun_at(site.latitude_deg, site.longitude_deg, day)
        shaded = find_shade(ground.surface_m, site.land.pixel_m, sun)
        return ground.classes | shaded * np.uint8(SHADED)


def find_centre(region: Region) -> tuple[float, float]:
    """Latitude and longitude of the middle of a region's frame, degrees.

    Raises:
        ConfigError: The region has no polygon.
    """
    if region.polygon is None:
        raise ConfigError(f"region {region.name} has no polygon, which the synthetic source needs")
    lons, lats = zip(*region.corners(), strict=True)
    return (min(lats) + max(lats)) / 2, (min(lons) + max(lons)) / 2


def observe_site(
    site: Site, day: date, name: str, cloud_share: float, rng: np.random.Generator
) -> Observation:
    """One pass of the satellite.

    Args:
        site: The place.
        day: Day of the pass, by local solar time.
        name: Identifier of the scene.
        cloud_share: Mean share under cloud, 0..1.
        rng: Generator of this scene alone.
    """
    sun = sun_at(site.latitude_deg, site.longitude_deg, day)
    land, season = site.land, season_on(site, day)
    ground = lay_ground(land, season)
    sky = draw_sky(ground.classes.shape, land.pixel_m, sun, cloud_share, rng)
    shadow = cast_shadow(ground.surface_m, land.pixel_m, sun)
    slope = light_on_slope(ground.surface_m, land.pixel_m, sun)
    direct = slope * (1 - shadow) * (1 - sky.shade)
    image = expose(albedo_of(land, ground, season), direct, sky, rng)
    radsat = saturate(image, sun)
    kelvin = temperature_of(ground, season, land, slope * (1 - shadow))
    hidden = np.maximum(sky.opacity, sky.haze)
    kelvin = kelvin * (1 - hidden) + np.float32(258) * hidden
    bands = {band: digital_number(values) for band, values in image.items()}
    bands[THERMAL] = np.clip((kelvin - ST_OFFSET) / ST_SCALE, 1, 65535).astype(np.uint16)
    snowy = np.isin(ground.classes, (Surface.SNOW, Surface.SNOW_ON_ICE, Surface.CLEAN_ICE))
    qa = judge_pixels(image, sky, shadow, snowy, rng)
    apply_fill(bands, qa, radsat, swath_edge(qa.shape, rng))
    when = overpass_time(site.longitude_deg, day)
    scene = Scene(name, when, bands, qa, sun.elevation_deg(), radsat)
    return Observation(scene, sky, ground, direct)
