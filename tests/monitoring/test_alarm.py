"""Which months are unlike their season: levels in closed form, and months changed in known ways."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from glacier.monitoring.alarm import (
    Reference,
    find_level,
    judge_month,
    learn_reference,
    mark_season,
)
from glacier.monitoring.sketch import MonthSketch
from tests.support.sketches import BANDS, make_sketch, make_years

SHARE = 0.05


@pytest.fixture(scope="module")
def usual() -> Reference:
    """Nine years of the same place, twelve months each."""
    return learn_reference(make_years(range(2011, 2020)), 0)


def change(sketch: MonthSketch, how: Callable[[np.ndarray], np.ndarray]) -> MonthSketch:
    return replace(sketch, values=how(sketch.values).astype(np.float32))


def test_a_level_is_the_score_that_the_wanted_share_exceeds() -> None:
    scores = np.arange(1.0, 20.0)
    assert find_level(scores, 0.05) == 19 and find_level(scores[::-1], 0.1) == 18
    assert find_level(np.append(scores, np.nan), 0.05) == 19
    assert find_level(scores[:18], 0.05) is None  # a new score is the largest of 19 once in 19


def test_false_alarms_are_as_many_as_asked_of_months_like_the_others() -> None:
    rng = np.random.default_rng(1)
    drawn = rng.standard_t(2, (4000, 61))  # long tails, as snowfalls have
    found = [row[0] > find_level(row[1:], SHARE) for row in drawn]  # type: ignore[operator]
    assert np.mean(found) == pytest.approx(3 / 61, abs=0.01)


def test_no_month_is_judged_by_its_neighbours_nor_by_itself() -> None:
    months = make_years(range(2014, 2017))
    chosen = mark_season(date(2015, 1, 1), months, 1)
    names = [f"{sketch.month:%Y-%m}" for sketch, is_in in zip(months, chosen, strict=True) if is_in]
    assert names == ["2014-01", "2014-02", "2015-12", "2016-01", "2016-02", "2016-12"]


def test_a_year_like_the_others_raises_no_more_alarms_than_asked(usual: Reference) -> None:
    new = make_years(range(2020, 2024))
    alarms = [judge_month(sketch, usual, SHARE).status == "alarm" for sketch in new]
    assert sum(alarms) <= 5  # of 48: more come once in a hundred times
    count, judged = usual.count_false_alarms(SHARE)
    assert judged == 108 and count <= 0.1 * judged


DISTURBED = {
    "gain": (lambda v: 1.2 * v, "bright", "input"),
    "offset": (lambda v: v + 0.02, "level", "input"),
    "offset of Sentinel": (lambda v: v + 0.1, "level", "input"),
    "haze": (
        lambda v: v + np.array([0.06, 0.045, 0.035, 0.02, 0.008, 0.004])[:, None], "level", "input"
    ),
    "two bands swapped": (lambda v: v[[0, 1, 3, 2, 4, 5]], "", "input"),
    "snow": (lambda v: 0.3 * v + 0.6, "dark", "input"),
    "another place": (lambda v: v[:, ::-1], "", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", DISTURBED)
def test_what_is_wrong_with_an_image_is_an_alarm_that_says_so(usual: Reference, name: str) -> None:
    how, trait, kind = DISTURBED[name]
    found = judge_month(change(make_sketch(date(2020, 8, 1)), how), usual, SHARE)
    assert found.status == "alarm"
    assert any(finding.trait.name.startswith(trait) for finding in found.findings[:4])
    assert found.findings[0].trait.kind == (kind or found.findings[0].trait.kind)


def test_an_offset_is_told_in_reflectance(usual: Reference) -> None:
    sketch = make_sketch(date(2020, 8, 1))
    before = judge_month(sketch, usual, SHARE)
    after = judge_month(change(sketch, lambda v: v + 0.05), usual, SHARE)
    level = {f.trait.name: f.value for f in after.findings}["level_swir1"]
    assert level - {f.trait.name: f.value for f in before.findings}["level_swir1"] == pytest.approx(
        0.05, abs=1e-5
    )
    assert f"swir1 is {level:.3f} brighter in reflectance" in map(str, after.findings)


def test_a_map_unlike_its_season_is_an_alarm_though_the_image_is_not(usual: Reference) -> None:
    sketch = make_sketch(date(2020, 8, 1))
    lost = replace(sketch, glacier=np.where(np.arange(sketch.glacier.size) % 2, sketch.glacier, 0))
    found = judge_month(lost, usual, SHARE)
    assert found.status == "alarm" and found.findings[0].trait.name == "area"
    assert str(found.findings[0]).endswith("% less of the ground is called glacier")


def test_a_bad_reference_year_is_an_alarm_by_the_others_and_hides_nothing() -> None:
    months = make_years(range(2011, 2020))
    bad = [change(s, lambda v: v + 0.1) if s.month.year == 2015 else s for s in months]
    reference = learn_reference(bad, 0)
    found = {s.month: judge_month(s, reference, SHARE).score for s in reference.sketches}
    worst = sorted(found, key=lambda month: -(found[month] or 0))[:12]
    assert {month.year for month in worst} == {2015}


def test_what_cannot_be_judged_says_why(usual: Reference) -> None:
    sketch = make_sketch(date(2020, 8, 1))
    cloudy = change(sketch, lambda v: np.where(np.arange(v.shape[1]) % 5, np.nan, v))
    assert judge_month(cloudy, usual, SHARE).why.startswith("too little of the ground was seen")
    short = replace(sketch, bands=BANDS[:3], values=sketch.values[:3])
    assert "it has the bands blue, green, red, and the" in judge_month(short, usual, SHARE).why
    few = learn_reference(make_years((2018, 2019)), 0)
    found = judge_month(sketch, few, SHARE)
    assert found.status == "not judged" and found.score is None
    assert found.why == "2 reference months of its season, and 3 are needed"
    summers = learn_reference([s for s in make_years(range(2011, 2020)) if s.month.month == 8], 0)
    found = judge_month(sketch, summers, SHARE)
    assert found.status == "not judged" and found.score is not None
    assert found.why == "9 reference months are too few for so few false alarms"
