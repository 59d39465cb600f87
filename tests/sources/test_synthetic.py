"""The invented archive: deterministic, known truth, Landsat's encoding and quality bits."""

from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from glacier.composite import Composite, Empty
from glacier.config import Region, Synthetic
from glacier.labels import GLACIER, Surface
from glacier.landsat import CLOUD, FILL, SNOW, reflectance
from glacier.raster import burn, trace
from glacier.sources.synthetic import OPTICAL, SyntheticSource

CORNERS = ((-134.62, 58.42), (-134.42, 58.42), (-134.42, 58.59), (-134.62, 58.59))
MENDENHALL = Region(name="mendenhall", polygon=CORNERS, pixel_m=150)
PATAGONIA = Region(
    name="patagonia", polygon=tuple((lon + 61.0, lat - 108.0) for lon, lat in CORNERS), pixel_m=150
)


def source(seed: int = 42, **settings: object) -> SyntheticSource:
    return SyntheticSource(Synthetic(**settings), "ice", seed)


def glacier_of(year: int, seed: int = 42) -> np.ndarray:
    return np.isin(source(seed).truth(MENDENHALL, date(year, 8, 1)), GLACIER)


def test_a_month_is_the_same_however_often_and_in_whatever_order_it_is_made() -> None:
    first = source()
    months = [date(2015, month, 1) for month in (7, 3, 9)]
    made = {month: first.fetch_month(MENDENHALL, month) for month in months}
    for month in sorted(months):
        again = source().fetch_month(MENDENHALL, month)
        assert isinstance(again, Composite)
        for band, values in made[month].bands.items():
            np.testing.assert_array_equal(values, again.bands[band])
        np.testing.assert_array_equal(made[month].truth, again.truth)


@pytest.mark.parametrize("other", [{"seed": 7}, {"name": "else"}])
def test_another_seed_or_name_is_another_glacier(other: dict) -> None:
    region = MENDENHALL.model_copy(update={"name": other.get("name", "mendenhall")})
    truth = np.isin(source(other.get("seed", 42)).truth(region, date(2015, 8, 1)), GLACIER)
    here = glacier_of(2015)
    assert (truth & here).sum() / (truth | here).sum() < 0.8


def test_december_and_january_are_empty_and_july_is_not() -> None:
    for year in (2014, 2019, 2023):
        for month in (12, 1):
            result = source().fetch_month(MENDENHALL, date(year, month, 1))
            assert isinstance(result, Empty) and result.reason.startswith("solar_zenith")
        assert isinstance(source().fetch_month(MENDENHALL, date(year, 7, 1)), Composite)


def test_seasons_turn_south_of_the_equator() -> None:
    def snow_share(month: int) -> float:
        truth = source().truth(PATAGONIA, date(2016, month, 1))
        return float(np.isin(truth, (Surface.SNOW, Surface.SNOW_ON_ICE)).mean())

    assert snow_share(9) > snow_share(2) + 0.2
    assert source().grid(PATAGONIA).crs.startswith("EPSG:327")


def test_the_glacier_shrinks_every_year_within_its_former_margin() -> None:
    masks = [glacier_of(year) for year in range(2014, 2024)]
    for older, younger in pairwise(masks):
        assert not (younger & ~older).any()
        assert younger.sum() < older.sum()
    assert 0.02 < 1 - masks[-1].sum() / masks[0].sum() < 0.3
    assert 0.1 < masks[0].mean() < 0.7


def test_snow_comes_and_goes_but_the_glacier_stays() -> None:
    march, august = (source().truth(MENDENHALL, date(2015, m, 1)) for m in (3, 8))
    snow = [np.isin(t, (Surface.SNOW, Surface.SNOW_ON_ICE)).mean() for t in (march, august)]
    assert snow[0] > 0.8 > snow[1]
    margins = [np.isin(t, GLACIER) for t in (march, august)]
    assert (margins[0] & margins[1]).sum() / (margins[0] | margins[1]).sum() > 0.98


def test_scenes_speak_landsat() -> None:
    region = MENDENHALL
    fill_seen = False
    for month in range(4, 10):
        for scene in source().fetch_scenes(region, date(2016, month, 1)):
            fill = scene.qa_pixel == FILL
            fill_seen |= bool(fill.any())
            for band in scene.bands.values():
                assert band.dtype == np.uint16
                np.testing.assert_array_equal(band == 0, fill)
            assert scene.acquired.month == month and scene.sun_elevation_deg >= 14
            assert {*OPTICAL, "ST_B10"} == set(scene.bands)
    assert fill_seen


def test_the_number_of_scenes_and_the_clouds_are_settings() -> None:
    july = date(2014, 7, 1)
    assert len(source(scenes_per_month=(1, 1)).fetch_scenes(MENDENHALL, july)) == 1
    shares = []
    for share in (0.05, 0.9):
        scenes = source(scenes_per_month=(12, 12), cloud_share=share).fetch_scenes(MENDENHALL, july)
        shares.append(np.mean([(s.qa_pixel & CLOUD > 0).mean() for s in scenes]))
    assert shares[0] < 0.2 < 0.6 < shares[1]


def test_snow_shines_and_swir_tells_it_from_cloud() -> None:
    (scene,) = source(scenes_per_month=(1, 1), cloud_share=0.01).fetch_scenes(
        MENDENHALL, date(2015, 4, 1)
    )
    snow = scene.qa_pixel & SNOW > 0
    assert snow.mean() > 0.5
    green, swir = (np.median(reflectance(scene.bands[b])[snow]) for b in ("SR_B3", "SR_B6"))
    assert green > 0.4 and (green - swir) / (green + swir) > 0.6


def test_a_threshold_on_brightness_is_no_map_of_a_glacier_in_spring() -> None:
    """Seasonal snow is as bright as the glacier's: the task is honest."""
    truth = source().truth(MENDENHALL, date(2015, 4, 1))
    bright = np.isin(truth, (Surface.SNOW, Surface.SNOW_ON_ICE, Surface.CLEAN_ICE))
    ice = np.isin(truth, GLACIER)
    assert (bright & ice).sum() / (bright | ice).sum() < 0.5


def test_the_outline_gives_the_mask_back() -> None:
    mask = glacier_of(2014)
    grid = source().grid(MENDENHALL)
    np.testing.assert_array_equal(burn(trace(mask, grid), grid) == 1, mask)


def test_rock_snow_ice_and_water_look_like_hand_classified_pixels(real_data: Path) -> None:
    """The spectra lie within the quartiles of the real pixels, band by band."""
    import pandas as pd

    from glacier.sources.synthetic import SPECTRA

    table = pd.read_csv(real_data / "glacier_point_spectra" / "Landsat_training_data.csv")
    pairs = {1: Surface.SNOW, 3: Surface.CLEAN_ICE, 4: Surface.ROCK, 5: Surface.WATER}
    for code, surface in pairs.items():
        rows = table[table["class"] == code]
        for band, value in zip(OPTICAL, SPECTRA[surface], strict=True):
            low, high = np.nanpercentile(rows[band] - 0.2, [25, 75])
            assert low <= value <= high, (surface.name, band, value, low, high)
