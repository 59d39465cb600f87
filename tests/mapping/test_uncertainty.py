import math
from datetime import date

import numpy as np
import pytest

from glacier.evaluation.metrics import Counts
from glacier.evaluation.scorecard import ImageScore
from glacier.mapping.area import MapArea
from glacier.mapping.uncertainty import (
    AREA_CONFIDENCE,
    MIN_TESTED,
    Interval,
    interval_from_models,
    interval_from_outline,
    interval_from_tests,
    judge_area,
    list_log_errors,
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


@pytest.mark.parametrize("count", [MIN_TESTED, 19, 60])
def test_the_true_area_lies_within_at_least_as_often_as_said(count: int) -> None:
    """Also where the models are off by 8 % in the mean, which no spread of theirs shows."""
    rng = np.random.default_rng(count)
    hits = []
    for errors in rng.normal(0.08, 0.05, (600, count + 1)):
        found = interval_from_tests(20 * math.exp(errors[-1]), errors[:-1].tolist())
        assert found is not None
        hits.append(found.low_km2 <= 20 <= found.high_km2)
    assert AREA_CONFIDENCE - 0.04 < np.mean(hits) < AREA_CONFIDENCE + 0.05


def test_few_tested_years_make_a_wide_interval() -> None:
    errors = [-0.02, -0.01, 0.0, 0.01, 0.02]
    widths = []
    for repeats in (1, 2, 3):
        found = interval_from_tests(10.0, errors * repeats)
        assert found is not None
        widths.append(found.width_km2)
    assert widths == sorted(widths, reverse=True)
    assert interval_from_tests(10.0, errors[:4]) is None


def test_nineteen_years_are_bounded_by_their_worst() -> None:
    errors = np.linspace(-0.1, 0.2, 19)
    found = interval_from_tests(10.0, errors.tolist())
    assert found is not None
    assert (found.low_km2, found.high_km2) == pytest.approx(
        (10 * math.exp(-0.2), 10 * math.exp(0.1))
    )


def test_one_answer_and_why() -> None:
    tested = judge_area(AREA, [9.9, 10.1], [0.01, 0.02, -0.01, 0.0, 0.03])
    assert tested.answer == "tested" and tested.interval == tested.tested
    wide = judge_area(AREA, [8.0, 12.0, 10.0], [])
    assert wide.answer == "ensemble" and wide.interval == wide.ensemble
    narrow = judge_area(AREA, [10.0, 10.01, 10.0], [0.1])
    assert narrow.answer == "half_pixel" and narrow.interval == narrow.half_pixel
    assert "only 1 of the 5 tested years" in narrow.why and narrow.tested is None
    assert judge_area(AREA, [], []).why.endswith("and fewer than 3 models")


def test_errors_of_tested_years() -> None:
    def score(region: str, month: date, counts: Counts) -> ImageScore:
        return ImageScore(region=region, month=month, counts=counts)

    found = list_log_errors(
        [
            score("b", date(2019, 8, 1), Counts(tp=80, fp=30, fn=20)),
            score("a", date(2020, 8, 1), Counts(tp=90, fp=0, fn=10)),
            score("b", date(2019, 9, 1), Counts(tp=100, fp=0, fn=0)),
            score("c", date(2019, 8, 1), Counts(tn=100)),
            score("c", date(2020, 8, 1), Counts(fn=9, tn=100)),
        ]
    )
    assert found == pytest.approx([math.log(0.9), math.log(210 / 200)])
