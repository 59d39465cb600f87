from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from scipy import stats

from glacier.evaluation.metrics import Counts
from glacier.evaluation.results import TrialResult
from glacier.studies import area_trend
from glacier.studies.area_trend import SeenImage, Summer
from glacier.studies.variants import Variant
from tests.support.sweeps import make_card, make_image, make_trial
from tests.support.variants import edit_cards, find, make_encoders


def grow(variant: Variant, per_year: int, jitter=(0, 0), years=range(2014, 2024), month=8):
    """Years of late-summer images of 1000 px whose glacier changes by so many pixels a year."""

    def give_images(trial: TrialResult) -> dict:
        ice = {y: 500 + per_year * (y - 2014) + jitter[y % 2] for y in years if y % 3 == trial.fold}
        return {
            "images": tuple(
                make_image(Counts(tp=px, tn=1000 - px), date(year, month, 1))
                for year, px in ice.items()
            )
        }

    return edit_cards(variant, give_images)


@pytest.mark.parametrize(
    ("per_year", "jitter", "verdict"),
    [(-10, (0, 2), "held"), (10, (0, 2), "not held"), (-1, (-99, 99), "not held")],
)
def test_the_slope_of_the_area_decides_on_shrinkage(per_year, jitter, verdict):
    found = find("shrinkage", grow(make_encoders(), per_year, jitter))
    assert (found.verdict, found.unit) == (verdict, "% a year")
    assert found.opposite == (per_year > 0)


def test_the_area_is_taken_in_late_summer_where_the_glacier_lies():
    north = make_encoders()
    south = replace(north, sweep=north.sweep.model_copy(update={"southern": ("a",)}))
    assert find("shrinkage", grow(south, -10)).verdict == "not testable here"  # August is winter
    found = find("shrinkage", grow(south, -10, month=3))
    assert found.verdict == "held" and "February and March" in found.why
    untested = edit_cards(south, lambda trial: {"images": ()})
    assert "none was tested" in find("shrinkage", untested).why


def test_the_slope_is_in_per_cent_of_the_mean_area():
    found = find("shrinkage", grow(make_encoders(), -10))
    assert found.effect == pytest.approx(-100 * 10 / (500 - 45))
    assert found.low == pytest.approx(found.effect) == found.high  # on a line exactly
    assert "resnet34" in found.why
    assert "10 images of August and September 2014 to 2023" in found.why


def test_two_years_show_no_slope():
    found = find("shrinkage", grow(make_encoders(), -10, years=range(2014, 2016)))
    assert found.verdict == "not testable here" and "fewer than 3 years (2)" in found.why


def test_images_under_cloud_and_of_other_seasons_count_for_no_area():
    clear, half = Counts(tp=10, tn=90), Counts(tp=10, tn=40)
    images = [
        (0, make_image(clear, date(2014, 8, 1))),
        (0, make_image(half, date(2015, 8, 1))),
        (0, make_image(clear, date(2015, 3, 1))),
        *((fold, make_image(half, date(2016, 9, 1))) for fold in (1, 2)),  # of one image
    ]
    trials = [
        make_trial("net", fold, 0.5).model_copy(
            update={
                "scorecard": make_card().model_copy(
                    update={"images": tuple(image for k, image in images if k == fold)}
                )
            }
        )
        for fold in range(3)
    ]
    assert area_trend.find_well_seen(trials, (8, 9)) == [
        SeenImage(date(2014, 8, 1), Counts(10, 0, 0, 90), frozenset({0})),
        SeenImage(date(2016, 9, 1), Counts(20, 0, 0, 80), frozenset({1, 2})),
    ]


def summers(mapped, folds, years=range(2014, 2024)) -> list[Summer]:
    return [
        Summer(year, frozenset({fold}), area, 0.5)
        for year, area, fold in zip(years, mapped, folds, strict=True)
    ]


BY_YEAR = [0] * 4 + [1] * 3 + [2] * 3
"""Three folds of neighbouring years."""


def test_what_a_network_maps_too_large_in_all_its_years_is_no_trend():
    biased = 0.5 - 0.03 * np.array(BY_YEAR)
    found = area_trend.fit_slope(summers(biased, BY_YEAR), "mapped")
    assert found.percent_a_year == pytest.approx(0, abs=1e-12)
    assert found.low == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("folds", [[0] * 10, BY_YEAR], ids=["one", "three"])
def test_the_slope_and_its_error_are_those_of_a_model_with_a_line_a_fold(folds):
    rng = np.random.default_rng(3)
    mapped = 0.5 - 0.01 * np.arange(10) + rng.normal(0, 0.02, 10)
    found = area_trend.fit_slope(summers(mapped, folds), "mapped")
    kinds = sorted(set(folds))
    design = np.column_stack([np.arange(10), *[np.array(folds) == kind for kind in kinds]])
    values = 100 * mapped / mapped.mean()
    solution, (rest,), *_ = np.linalg.lstsq(design.astype(float), values)
    free = 10 - design.shape[1]
    error = np.sqrt(rest / free * np.linalg.inv(design.T.astype(float) @ design)[0, 0])
    assert found.percent_a_year == pytest.approx(solution[0])
    assert (found.high - found.low) / 2 == pytest.approx(stats.t.isf(0.025, free) * error)


def test_a_network_a_year_shows_no_change_of_its_area():
    assert area_trend.fit_slope(summers(np.linspace(1, 0.5, 10), range(10)), "mapped") is None
    found = find("shrinkage", grow(make_encoders(), -10, years=range(2014, 2017)))
    assert "mapped two years" in found.why


def test_images_of_one_summer_are_one_value():
    images = [
        SeenImage(date(2014, month, 1), Counts(tp, 0, 0, 100 - tp), frozenset({0}))
        for month, tp in ((8, 20), (9, 40))
    ]
    (summer,) = area_trend.average_summers(images)
    assert (summer.year, summer.folds) == (2014, frozenset({0}))
    assert summer.mapped == pytest.approx(0.3)
