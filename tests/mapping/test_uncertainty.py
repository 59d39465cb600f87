import math
from collections.abc import Iterable
from datetime import date

import numpy as np
import pytest

from glacier.evaluation.metrics import Counts
from glacier.evaluation.scorecard import ImageScore
from glacier.mapping.area import MapArea
from glacier.mapping.uncertainty import (
    AREA_CONFIDENCE,
    MIN_TESTED,
    AreaErrors,
    Interval,
    choose_errors,
    group_log_errors,
    interval_from_models,
    interval_from_outline,
    interval_from_tests,
    judge_area,
)

AREA = MapArea(10.0, 0.0, 1.0, 20.0, 0.3)


def test_half_a_pixel_each_way_and_never_below_nothing() -> None:
    assert interval_from_outline(AREA) == Interval(9.7, 10.3)
    assert interval_from_outline(MapArea(0.1, 0, 1, 1, 0.3)).low_km2 == 0


def test_one_more_model_in_closed_form() -> None:
    """Three models: Student's t with two degrees of freedom has a closed form."""
    found, below = interval_from_models([9.0, 10.0, 11.0]), (1 + AREA_CONFIDENCE) / 2
    reach = (2 * below - 1) / math.sqrt(2 * below * (1 - below)) * math.sqrt(4 / 3)
    assert found is not None and found.high_km2 == pytest.approx(10 + reach)
    assert found.low_km2 == pytest.approx(10 - reach)
    assert interval_from_models([9.0, 11.0]) is None


def test_the_next_model_lies_within_as_often_as_said() -> None:
    rng = np.random.default_rng(0)
    for count in (3, 6):
        hits = []
        for draws in rng.normal(50, 2, (600, count + 1)):
            found = interval_from_models(draws[:-1].tolist())
            assert found is not None
            hits.append(found.low_km2 <= draws[-1] <= found.high_km2)
        assert np.mean(hits) == pytest.approx(AREA_CONFIDENCE, abs=0.04)


def alone(errors: Iterable[float]) -> list[tuple[float]]:
    """Each error as a group of its own."""
    return [(float(error),) for error in errors]


@pytest.mark.parametrize("count", [MIN_TESTED, 5, 19, 60])
def test_the_true_area_lies_within_at_least_as_often_as_said(count: int) -> None:
    """Also where the models are off by 8 % in the mean, which no spread of theirs shows."""
    rng = np.random.default_rng(count)
    hits = []
    for errors in rng.normal(0.08, 0.05, (600, count + 1)):
        found = interval_from_tests(20 * math.exp(errors[-1]), alone(errors[:-1]))
        assert found is not None
        hits.append(found.low_km2 <= 20 <= found.high_km2)
    assert AREA_CONFIDENCE - 0.04 < np.mean(hits) < AREA_CONFIDENCE + 0.05


@pytest.mark.parametrize("count", [4, 24])
def test_the_area_of_another_glacier_lies_within_as_often_as_said(count: int) -> None:
    """Ten years of a glacier err alike, so as independent years they would promise too much."""
    rng = np.random.default_rng(count)
    held, naive = [], []
    for _ in range(400):
        glaciers = rng.normal(0, 0.05, (count + 1, 1)) + rng.normal(0, 0.01, (count + 1, 10))
        *tested, new = glaciers.tolist()
        for groups, hits in ((tested, held), (alone(np.ravel(tested)), naive)):
            found = interval_from_tests(20 * math.exp(new[0]), groups)
            assert found is not None
            hits.append(found.low_km2 <= 20 <= found.high_km2)
    assert AREA_CONFIDENCE - 0.03 < np.mean(held) < AREA_CONFIDENCE + 0.06
    assert np.mean(naive) < np.mean(held) - 0.01


def test_each_glacier_counts_once_however_many_years_were_tested() -> None:
    errors = np.linspace(-0.1, 0.2, 24)
    for groups in (alone(errors[:8]), alone(errors)):
        many = [group * (1 + k % 3) for k, group in enumerate(groups)]
        assert interval_from_tests(10.0, many) == pytest.approx(interval_from_tests(10.0, groups))


def test_few_tested_years_make_a_wide_interval() -> None:
    errors = [-0.02, -0.01, 0.0, 0.01, 0.02]
    widths = []
    for repeats in (1, 2, 3):
        found = interval_from_tests(10.0, alone(errors * repeats))
        assert found is not None
        widths.append(found.width_km2)
    assert widths == sorted(widths, reverse=True)
    assert interval_from_tests(10.0, alone(errors[:2])) is None


def test_nineteen_years_are_bounded_by_their_worst() -> None:
    found = interval_from_tests(10.0, alone(np.linspace(-0.1, 0.2, 19)))
    assert found is not None
    assert (found.low_km2, found.high_km2) == pytest.approx(
        (10 * math.exp(-0.2), 10 * math.exp(0.1))
    )


def test_one_answer_and_why() -> None:
    years = AreaErrors(((0.01,), (0.02,), (-0.01,), (0.0,), (0.03,)))
    tested = judge_area(AREA, [9.9, 10.1], years)
    assert tested.answer == "tested" and tested.interval == tested.tested
    assert tested.why.startswith("5 tested years")
    wide = judge_area(AREA, [8.0, 12.0, 10.0], AreaErrors())
    assert wide.answer == "ensemble" and wide.interval == wide.ensemble
    narrow = judge_area(AREA, [10.0, 10.01, 10.0], AreaErrors(((0.1, 0.2),), "glaciers"))
    assert narrow.answer == "half_pixel" and narrow.interval == narrow.half_pixel
    assert "only 1 of the 3 tested glaciers" in narrow.why and narrow.tested is None
    bare = judge_area(AREA, [], AreaErrors())
    assert "fewer than 3 models" in bare.why and bare.why.endswith("may well be too narrow")


def test_a_glacier_is_judged_by_its_own_years_or_by_other_glaciers() -> None:
    errors = {"b": [0.1, 0.2, 0.3], "a": [0.4], "c": [0.5, 0.6]}
    assert choose_errors(errors, "b") == AreaErrors(((0.1,), (0.2,), (0.3,)), "years")
    everyone = AreaErrors(((0.4,), (0.1, 0.2, 0.3), (0.5, 0.6)), "glaciers")
    assert choose_errors(errors, "new") == choose_errors(errors, "a") == everyone
    assert choose_errors({"a": [0.4]}, "a") == AreaErrors(((0.4,),), "years")
    assert choose_errors({"a": [0.4] * 9}, "new") == AreaErrors(((0.4,) * 9,), "glaciers")
    assert choose_errors({}, "a") == AreaErrors()


def test_errors_of_tested_years() -> None:
    def score(region: str, month: date, counts: Counts) -> ImageScore:
        return ImageScore(region=region, month=month, counts=counts)

    found = group_log_errors(
        [
            score("b", date(2019, 8, 1), Counts(tp=80, fp=30, fn=20)),
            score("a", date(2020, 8, 1), Counts(tp=90, fp=0, fn=10)),
            score("b", date(2019, 9, 1), Counts(tp=100, fp=0, fn=0)),
            score("b", date(2018, 9, 1), Counts(tp=50, fp=0, fn=50)),
            score("c", date(2019, 8, 1), Counts(tn=100)),
            score("c", date(2020, 8, 1), Counts(fn=9, tn=100)),
        ]
    )
    assert sorted(found) == ["a", "b"]
    assert found["a"] == pytest.approx((math.log(0.9),))
    assert found["b"] == pytest.approx((math.log(0.5), math.log(210 / 200)))
