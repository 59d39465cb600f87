"""The synthetic archive: deterministic, known truth, Landsat's encoding, colours and errors."""

import re
from datetime import date
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from glacier.composite import Composite, Empty
from glacier.errors import ConfigError
from glacier.geo.raster import burn, trace
from glacier.geo.raster_files import safe_open
from glacier.indices import normalised_difference
from glacier.labels import (
    GLACIER,
    SHADED,
    Surface,
    label_ndsi,
    label_threshold,
    label_truth,
    surface_of,
)
from glacier.landsat import (
    CIRRUS,
    CLEAR,
    CLOUD,
    DILATED,
    FILL,
    MAX_SOLAR_ZENITH_DEG,
    OPTICAL,
    SHADOW,
    SNOW,
    ST_OFFSET,
    ST_SCALE,
    WATER,
    reflectance,
)
from glacier.settings.regions import Region
from glacier.settings.synthetic import Synthetic
from glacier.sources.synthetic.land import FIRST_YEAR, glacier_at, surface_at
from glacier.sources.synthetic.sky import CEILING, saturate
from glacier.sources.synthetic.source import Observation, SyntheticSource, find_centre
from glacier.sources.synthetic.sunlight import (
    Sun,
    cast_shadow,
    find_shade,
    light_on_slope,
    sun_at,
)
from glacier.sources.synthetic.terrain import build_relief, fractal_noise, sum_downstream

CORNERS = ((-134.62, 58.42), (-134.42, 58.42), (-134.42, 58.59), (-134.62, 58.59))
MENDENHALL = Region(name="mendenhall", polygon=CORNERS, pixel_m=120)
SOUTHERN = tuple((lon + 61.0, lat - 108.0) for lon, lat in CORNERS)
PATAGONIA = Region(name="patagonia", polygon=SOUTHERN, pixel_m=120)
SNOWY = (Surface.SNOW, Surface.SNOW_ON_ICE, Surface.CLEAN_ICE)
SEEDS = (3, 7, 42)


def source(seed: int = 42, **settings: object) -> SyntheticSource:
    return SyntheticSource(Synthetic(**settings), "ice", seed)


def truth_of(year: int, month: int = 8, seed: int = 42, region: Region = MENDENHALL) -> np.ndarray:
    return surface_of(source(seed).truth(region, date(year, month, 1)))


def glacier_of(year: int, seed: int = 42) -> np.ndarray:
    return label_truth(truth_of(year, seed=seed)) == 1


@lru_cache
def observations() -> tuple[Observation, ...]:
    """Three seasons of three glaciers, looked at once for all tests."""
    return tuple(
        o
        for seed in SEEDS
        for month in (3, 5, 7, 8)
        for o in source(seed).observe(MENDENHALL, date(2018, month, 1))
    )


def test_a_month_is_the_same_however_often_and_in_whatever_order_it_is_made() -> None:
    first = source()
    made = {m: first.fetch_month(MENDENHALL, date(2015, m, 1)) for m in (7, 3, 9)}
    for month in sorted(made):
        again = source().fetch_month(MENDENHALL, date(2015, month, 1))
        assert isinstance(again, Composite)
        for band, values in made[month].bands.items():
            np.testing.assert_array_equal(values, again.bands[band])
        np.testing.assert_array_equal(made[month].truth, again.truth)


@pytest.mark.parametrize("other", [{"seed": 7}, {"name": "else"}])
def test_another_seed_or_name_is_another_glacier(other: dict) -> None:
    region = MENDENHALL.model_copy(update={"name": other.get("name", "mendenhall")})
    there = label_truth(truth_of(2015, seed=other.get("seed", 42), region=region)) == 1
    here = glacier_of(2015)
    assert (there & here).sum() / (there | here).sum() < 0.8


def test_december_and_january_are_always_empty_and_july_never_for_the_sun() -> None:
    """Ten years; a month without sun makes no scene, so that this takes no time."""
    for year in range(2014, 2024):
        for month in (12, 1):
            first = date(year, month, 1)
            assert source().passes(MENDENHALL, first)
            assert source().fetch_scenes(MENDENHALL, first) == []
            result = source().fetch_month(MENDENHALL, first)
            assert isinstance(result, Empty) and result.reason.startswith("solar_zenith: sun at")
        corner = find_centre(MENDENHALL)
        suns = [sun_at(*corner, day) for day in source().passes(MENDENHALL, date(year, 7, 1))]
        assert min(sun.elevation_deg() for sun in suns) > 90 - MAX_SOLAR_ZENITH_DEG
    assert isinstance(source().fetch_month(MENDENHALL, date(2019, 7, 1)), Composite)


def test_seasons_turn_south_of_the_equator() -> None:
    def snow_share(month: int) -> float:
        truth = truth_of(2016, month, region=PATAGONIA)
        return float(np.isin(truth, (Surface.SNOW, Surface.SNOW_ON_ICE)).mean())

    assert snow_share(9) > snow_share(2) + 0.2
    assert source().grid(PATAGONIA).crs.startswith("EPSG:326")


def test_the_season_runs_on_over_the_turn_of_the_year() -> None:
    """Neither hemisphere's snow line jumps when the calendar or the year of snow turns."""
    from glacier.sources.synthetic.ground import season_on

    for region in (MENDENHALL, PATAGONIA):
        site = source().site(region)
        days = [date.fromordinal(date(2015, 1, 1).toordinal() + k) for k in range(800)]
        lines = [season_on(site, day).snow_line_m for day in days]
        assert max(abs(a - b) for a, b in pairwise(lines)) < 40
        highest = [max(lines[k : k + 365]) for k in (0, 400)]
        assert highest[0] != highest[1]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_glacier_shrinks_every_year_within_its_former_margin(seed: int) -> None:
    masks = [glacier_of(year, seed) for year in range(2014, 2024)]
    for older, younger in pairwise(masks):
        assert not (younger & ~older).any()
        assert younger.sum() < older.sum()
    assert 0.03 < 1 - masks[-1].sum() / masks[0].sum() < 0.09
    assert 0.1 < masks[0].mean() < 0.75


@pytest.mark.parametrize("seed", SEEDS)
def test_ice_goes_from_the_lower_margin_and_a_lake_takes_its_place(seed: int) -> None:
    before, after = glacier_of(2014, seed), glacier_of(2023, seed)
    land = source(seed).site(MENDENHALL).land
    assert np.median(land.bed_m[before & ~after]) < np.median(land.bed_m[after])
    water = [(truth_of(year, seed=seed) == Surface.WATER).sum() for year in (2014, 2018, 2023)]
    assert 0 < water[0] <= water[1] <= water[2] and water[0] < water[2]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_surface_lies_where_it_belongs(seed: int) -> None:
    truth, land = truth_of(2018, seed=seed), source(seed).site(MENDENHALL).land
    assert set(np.unique(truth)) == {int(surface) for surface in Surface}
    height = {s: np.median(land.bed_m[truth == s]) for s in Surface}
    assert height[Surface.VEGETATION] < height[Surface.SNOW]
    assert height[Surface.DEBRIS_ICE] < height[Surface.CLEAN_ICE] < height[Surface.SNOW_ON_ICE]
    debris = (truth == Surface.DEBRIS_ICE).sum() / np.isin(truth, GLACIER).sum()
    assert 0.003 < debris < 0.3


@pytest.mark.parametrize("seed", range(6))
def test_more_than_half_of_the_ice_gathers_snow_and_a_lake_lies_below(seed: int) -> None:
    """Glaciers in balance have 0.5 to 0.7 of their area above the equilibrium line."""
    land = source(seed).site(MENDENHALL).land
    ice = glacier_at(land, FIRST_YEAR)
    assert 0.5 < (surface_at(land, FIRST_YEAR)[ice] > land.equilibrium_m).mean() < 0.7
    water_km2 = (truth_of(2018, seed=seed) == Surface.WATER).sum() * 0.12**2
    assert 0.5 < water_km2 < 15


def test_snow_comes_and_goes_but_the_glacier_stays() -> None:
    march, august = truth_of(2015, 3), truth_of(2015, 8)
    snow = [np.isin(t, (Surface.SNOW, Surface.SNOW_ON_ICE)).mean() for t in (march, august)]
    assert snow[0] > 0.9 and snow[1] < snow[0] - 0.25
    margins = [np.isin(t, GLACIER) for t in (march, august)]
    assert (margins[0] & margins[1]).sum() / (margins[0] | margins[1]).sum() > 0.98


def test_truth_does_not_know_the_clouds() -> None:
    july = date(2016, 7, 1)
    maps = [source(cloud_share=share).truth(MENDENHALL, july) for share in (0.0, 1.0)]
    np.testing.assert_array_equal(*maps)


def test_scenes_speak_landsat() -> None:
    fill_seen = False
    for scene in (o.scene for o in observations()):
        fill = scene.qa_pixel == FILL
        fill_seen |= bool(fill.any())
        for band in scene.bands.values():
            assert band.dtype == np.uint16
            np.testing.assert_array_equal(band == 0, fill)
        assert scene.acquired.year == 2018 and scene.sun_elevation_deg >= 14
        assert {*OPTICAL, "ST_B10"} == set(scene.bands)
        assert scene.qa_radsat is not None and scene.qa_radsat.dtype == np.uint16
        assert not scene.qa_radsat[fill].any()
    assert fill_seen


def test_a_saturated_band_stays_at_the_sensor_s_ceiling_and_sets_its_bit() -> None:
    """With the sun 30 degrees high a surface may look twice as bright as overhead."""
    bands = {"SR_B2": [0.5, 2.5, 3.0], "SR_B6": [0.1, 2.0, 2.6]}
    image = {name: np.array([values], np.float32) for name, values in bands.items()}
    qa = saturate(image, Sun(np.radians(60), 0.0))
    assert qa.tolist() == [[0, 1 << 1, 1 << 1 | 1 << 5]]
    np.testing.assert_allclose(image["SR_B2"], [[0.5, 2 * CEILING, 2 * CEILING]], rtol=1e-6)
    np.testing.assert_allclose(image["SR_B6"], [[0.1, 2.0, 2 * CEILING]], rtol=1e-6)


def test_green_exceeds_one_over_spring_snow_and_hardly_saturates() -> None:
    """As in real scenes of this sensor, whose range goes beyond what snow sends back."""
    bright, snow, saturated, seen = 0, 0, 0, 0
    for o in observations():
        if o.scene.acquired.month <= 5:
            clear = np.isin(o.ground.classes, SNOWY) & (o.sky.opacity == 0)
            clear &= o.scene.qa_pixel != FILL
            bright += int((reflectance(o.scene.bands["SR_B3"])[clear] > 1).sum())
            snow += int(clear.sum())
            saturated += int((o.scene.qa_radsat > 0).sum())
            seen += clear.size
    assert 0.05 < bright / snow < 0.3
    assert saturated / seen < 1e-4


def test_quality_bits_agree_with_each_other() -> None:
    """As in real scenes: one main class, clear only without cloud, confidences that fit."""
    for scene in (o.scene for o in observations()):
        qa = scene.qa_pixel[scene.qa_pixel != FILL]
        assert not (qa & FILL).any()
        exclusive = sum((qa & bit > 0).astype(int) for bit in (CLOUD, SNOW, WATER))
        assert exclusive.max() <= 1
        assert not ((qa & CLOUD > 0) & (qa & (DILATED | SHADOW) > 0)).any()
        np.testing.assert_array_equal(qa & CLEAR > 0, qa & (CLOUD | DILATED) == 0)
        for bit, shift in ((CLOUD, 8), (SHADOW, 10), (SNOW, 12), (CIRRUS, 14)):
            confidence = (qa >> shift) & 3
            np.testing.assert_array_equal(confidence == 3, qa & bit > 0)
            assert confidence.min() >= 1


def test_the_snow_bit_lies_over_snow() -> None:
    flagged = np.concatenate([
        o.ground.classes[o.scene.qa_pixel & SNOW > 0] for o in observations()
    ])  # fmt: skip
    assert np.isin(flagged, SNOWY).mean() > 0.9


def test_the_cloud_flag_errs_over_snow_as_often_as_cfmask() -> None:
    """Precision 0.70 and recall 0.86 on snowy mountains, over many scenes."""
    hits = alarms = missed = 0
    for seed in range(6):
        for month in (3, 4, 5, 6):
            for o in source(seed).observe(MENDENHALL, date(2020, month, 1)):
                qa = o.scene.qa_pixel
                snowy = np.isin(o.ground.classes, SNOWY) & (qa != FILL)
                flag, cloud = (qa & CLOUD > 0) & snowy, o.sky.cloudy() & snowy
                hits += int((flag & cloud).sum())
                alarms += int((flag & ~cloud).sum())
                missed += int((~flag & cloud).sum())
    assert hits / (hits + alarms) == pytest.approx(0.70, abs=0.06)
    assert hits / (hits + missed) == pytest.approx(0.86, abs=0.03)


def test_passes_lie_in_their_month_by_utc_on_both_sides_of_the_date_line() -> None:
    for lon in (-179.9, 0.0, 179.5):
        corners = ((lon, 60.0), (lon + 0.1, 60.0), (lon + 0.1, 60.1))
        region = Region(name="there", polygon=corners, pixel_m=300)
        made = source(scenes_per_month=(12, 12)).fetch_scenes(region, date(2019, 2, 1))
        assert {(s.acquired.year, s.acquired.month) for s in made} == {(2019, 2)}


def test_the_number_of_scenes_and_the_clouds_are_settings() -> None:
    july = date(2014, 7, 1)
    assert len(source(scenes_per_month=(1, 1)).fetch_scenes(MENDENHALL, july)) == 1
    shares = {}
    for share in (0.0, 0.35, 1.0):
        made = source(scenes_per_month=(12, 12), cloud_share=share).observe(MENDENHALL, july)
        shares[share] = np.mean([o.sky.cloudy().mean() for o in made])
    assert shares[0.0] == 0 and 0.15 < shares[0.35] < 0.55 and shares[1.0] > 0.95


def test_mountains_shade_what_lies_behind_them() -> None:
    ridge = np.zeros((64, 64), np.float32)
    ridge[:, 30:34] = 500
    low_in_the_east = Sun(np.radians(60), np.radians(90))
    shade = cast_shadow(ridge, 30, low_in_the_east)
    length_px = 500 * np.tan(np.radians(60)) / 30
    assert (shade[32, 34:] == 0).all()
    assert abs((shade[32, :30] > 0.5).sum() - length_px) <= 2
    hidden = find_shade(ridge, 30, low_in_the_east)  # and the slope that is turned away
    assert abs(hidden[32, :30].sum() - length_px) <= 2 and not hidden[32, 36:].any()
    assert find_shade(ridge, 30, Sun(np.radians(95), 0)).all()
    light = light_on_slope(np.tile(np.arange(64, dtype=np.float32) * 30, (64, 1)), 30, Sun(0.5, 0))
    np.testing.assert_allclose(light[8:-8, 8:-8], 2**-0.5, rtol=1e-4)


def test_the_class_map_flags_what_lies_in_shade_in_mid_month() -> None:
    june, october = (source().truth(MENDENHALL, date(2018, month, 1)) for month in (6, 10))
    shaded = [(classes & SHADED > 0) for classes in (june, october)]
    assert 0 < shaded[0].mean() < 0.02 < 0.08 < shaded[1].mean() < 0.3
    seen = source(cloud_share=0.0).observe(MENDENHALL, date(2018, 10, 1))
    nearest = min(seen, key=lambda o: abs(o.scene.acquired.day - 15))
    nir = reflectance(nearest.scene.bands["SR_B5"])
    snow = np.isin(surface_of(october), SNOWY)
    assert np.nanmedian(nir[snow & shaded[1]]) < 0.6 * np.nanmedian(nir[snow & ~shaded[1]])


def test_shadows_are_dark_but_not_black_and_bright_snow_exceeds_one() -> None:
    march = source(cloud_share=0.0).observe(MENDENHALL, date(2018, 3, 1))
    red = np.concatenate([reflectance(k.scene.bands["SR_B4"]).ravel() for k in march])
    lit = np.concatenate([k.lit.ravel() for k in march])
    snow = np.concatenate([np.isin(k.ground.classes, SNOWY).ravel() for k in march])
    assert 0.1 < np.nanmedian(red[snow & (lit < 0.02)]) < 0.6
    assert np.nanmax(red[snow]) > 1


def overlap(label: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    return float((label & truth & where).sum() / ((label | truth) & where).sum())


def test_no_threshold_maps_a_glacier_in_spring() -> None:
    """Seasonal snow is as bright as the glacier's: the task is honest."""
    scores = {"grey": [], "ndsi": []}
    for o in observations():
        clear = (o.sky.opacity < 0.01) & (o.scene.qa_pixel != FILL)
        if o.scene.acquired.month > 5 or clear.mean() < 0.3:
            continue
        bands = {b: reflectance(o.scene.bands[b]) for b in OPTICAL}
        truth = label_truth(o.ground.classes) == 1
        picture = np.stack([bands[b] for b in ("SR_B5", "SR_B4", "SR_B3")])
        scores["grey"].append(overlap(label_threshold(picture, 128) == 1, truth, clear))
        ndsi = label_ndsi(bands["SR_B3"], bands["SR_B5"], bands["SR_B6"], 0.4, 0.11)
        scores["ndsi"].append(overlap(ndsi == 1, truth, clear))
    assert np.mean(scores["grey"]) < 0.65 and np.mean(scores["ndsi"]) < 0.65


@pytest.mark.parametrize("seed", SEEDS)
def test_the_outline_gives_the_mask_back(seed: int) -> None:
    grid = source().grid(MENDENHALL)
    for surfaces in (GLACIER, (Surface.WATER,), (Surface.DEBRIS_ICE,)):
        mask = np.isin(truth_of(2014, seed=seed), surfaces)
        np.testing.assert_array_equal(burn(trace(mask, grid), grid) == 1, mask)


@pytest.mark.parametrize(
    ("lon", "lat", "side_deg", "pixel_m"),
    [
        (10.0, 46.0, 0.02, 30.0),
        (-70.0, -79.9, 0.1, 30.0),
        (179.8, 83.5, 0.15, 30.0),
        (30.0, 0.1, 0.1, 90.0),
        (86.9, 27.9, 0.4, 250.0),
    ],
)
def test_any_place_and_size_has_a_glacier(
    lon: float, lat: float, side_deg: float, pixel_m: float
) -> None:
    far = lon + side_deg * (0.2 if abs(lat) < 60 else 1)
    corners = ((lon, lat), (far, lat), (far, lat + side_deg), (lon, lat + side_deg))
    region = Region(name="somewhere", polygon=corners, pixel_m=pixel_m)
    months = [source().fetch_month(region, date(2018, month, 1)) for month in (1, 7)]
    made = [month for month in months if isinstance(month, Composite)]
    assert made
    for composite in made:
        assert composite.truth is not None and composite.n_obs.shape == composite.truth.shape
        assert 0.01 < (label_truth(composite.truth) == 1).mean() < 0.95


def test_a_region_without_a_polygon_is_refused() -> None:
    with pytest.raises(ConfigError, match="region nowhere has no polygon"):
        find_centre(Region(name="nowhere"))


def test_rivers_leave_and_noise_is_standard() -> None:
    relief = build_relief((40, 60), 100.0, np.random.default_rng(1))
    outlets = relief.tree.levels[0]
    total = sum_downstream(relief.tree, np.ones(2400))
    assert total[outlets].sum() == 2400  # every cell's water leaves
    z = relief.bed_m.ravel()
    assert (z >= z[relief.tree.parent] - 1e-3).mean() > 0.95
    noise = fractal_noise((50, 70), np.random.default_rng(2), 20, 0.6)
    assert noise.dtype == np.float32
    assert abs(noise.mean()) < 1e-4 and noise.std() == pytest.approx(1, abs=1e-3)


REAL_CLASSES = {
    1: (Surface.SNOW, Surface.SNOW_ON_ICE),
    3: (Surface.CLEAN_ICE,),
    4: (Surface.ROCK,),
    5: (Surface.WATER,),
}


@lru_cache
def summer() -> tuple[Observation, ...]:
    return tuple(
        o
        for seed in SEEDS
        for month in (6, 7, 8)
        for o in source(seed, cloud_share=0.2).observe(MENDENHALL, date(2021, month, 1))
    )


def median_of(surfaces: tuple[Surface, ...], band: str, low: float, high: float) -> float:
    """Median of clear pixels in June to August whose light lies in a range."""
    values = []
    for o in summer():
        seen = (o.sky.opacity + o.sky.haze < 0.02) & (o.scene.qa_pixel != FILL)
        seen &= np.isin(o.ground.classes, surfaces) & ~o.ground.wooded
        seen &= (o.lit > low) & (o.lit <= high)
        dn = o.scene.bands[band]
        values.append((dn * ST_SCALE + ST_OFFSET if band == "ST_B10" else reflectance(dn))[seen])
    return float(np.median(np.concatenate(values)))


def test_rock_snow_ice_and_water_look_like_hand_classified_pixels(real_data: Path) -> None:
    """Class medians lie within the quartiles of the real pixels, band by band."""
    import pandas as pd

    table = pd.read_csv(real_data / "glacier_point_spectra" / "Landsat_training_data.csv")
    for code, surfaces in REAL_CLASSES.items():
        rows = table[table["class"] == code]
        for band in (*OPTICAL, "ST_B10"):
            real = rows[band] - 0.2  # the file lacks the offset
            if band == "ST_B10":
                real = rows[band] / 2.75e-5 * ST_SCALE + ST_OFFSET
            low, high = np.nanpercentile(real, [25, 75])
            median = median_of(surfaces, band, 0.7, 9)
            assert low <= median <= high, (surfaces, band, median, low, high)


def test_shadowed_snow_is_about_as_dark_as_real(real_data: Path) -> None:
    import pandas as pd

    table = pd.read_csv(real_data / "glacier_point_spectra" / "Landsat_training_data.csv")
    for band in OPTICAL[:4]:
        low, high = np.nanpercentile(table[table["class"] == 2][band] - 0.2, [10, 90])
        assert low <= median_of(REAL_CLASSES[1], band, -1, 0.45) <= high


def ndsi_of(bands: dict[str, np.ndarray]) -> np.ndarray:
    return normalised_difference(reflectance(bands["SR_B3"]), reflectance(bands["SR_B6"]))


def read_scene(folder: Path, path_row: str) -> dict[str, np.ndarray]:
    """Files of a real scene by the names of their bands."""
    bands = {}
    for path in folder.glob(f"LC08_L2SP_{path_row}_*/*.TIF"):
        with safe_open(path) as file:
            bands[re.split(r"_T\d_", path.stem)[1]] = file.read(1)
    return bands


def largest_gap(first: np.ndarray, second: np.ndarray) -> float:
    """Kolmogorov-Smirnov distance: largest difference of the two cumulative shares."""
    from scipy.stats import ks_2samp

    return float(ks_2samp(first, second).statistic)


def test_ndsi_of_snow_and_cloud_is_spread_as_over_greenland(real_data: Path) -> None:
    """Cumulative shares differ nowhere by more than 0.3 from a real scene's; medians fit.

    What differs: the real scene shows an ice sheet in July at 500 m a pixel, told apart by its
    quality bits; ours shows mountains in March to May, told apart by what is known to be there.
    Over bright ice real cloud is a little brighter in green (NDSI 0.46 against 0.42 at the
    median), and thin cloud that the bits miss gives real snow a longer tail below 0.8.
    """
    real = read_scene(real_data / "landsat_c2l2", "005009")
    qa = real["QA_PIXEL"]
    seen = (qa & FILL == 0) & (real["SR_B3"] > 0) & (real["SR_B6"] > 0)
    snow = ndsi_of(real)[seen & (qa & SNOW > 0) & (qa & (CLOUD | SHADOW) == 0)]
    cloud = ndsi_of(real)[seen & (qa & CLOUD > 0)]
    made_snow, made_cloud = [], []
    for o in observations():
        if o.scene.acquired.month <= 5:
            filled, ndsi = o.scene.qa_pixel == FILL, ndsi_of(o.scene.bands)
            classes, cloudy = o.ground.classes, o.sky.cloudy()
            snowy = np.isin(classes, (Surface.SNOW, Surface.SNOW_ON_ICE)) & ~o.ground.wooded
            made_snow.append(ndsi[snowy & (o.lit > 0.5) & ~cloudy & ~filled])
            made_cloud.append(ndsi[cloudy & ~filled])
    for ours, theirs in ((made_snow, snow), (made_cloud, cloud)):
        low, high = np.quantile(theirs, [0.1, 0.9])
        assert low < np.median(np.concatenate(ours)) < high
        assert largest_gap(np.concatenate(ours), theirs) < 0.3
