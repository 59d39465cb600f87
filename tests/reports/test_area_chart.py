"""The area chart: round lines around all values, each year in its place, gaps left open."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from glacier.reports.area_chart import BOTTOM, LEFT, MAX_STEPS, RIGHT, TOP, lay_chart, list_ticks
from glacier.reports.mapped import Area, MapYear


@settings(derandomize=True, deadline=None)
@given(low=st.floats(0, 1e4), span=st.floats(0, 1e4))
def test_lines_are_even_and_hold_all_values(low, span):
    ticks = list_ticks(low, low + span)
    assert 2 <= len(ticks) <= MAX_STEPS + 2
    slack = 1e-6 * (ticks[-1] - ticks[0])
    assert ticks[0] <= low + slack and low + span <= ticks[-1] + slack
    steps = np.diff(ticks)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6)
    assert f"{steps[0]:.0e}"[0] in "125"


def test_lines_are_those_that_a_person_would_draw():
    assert list_ticks(84.3, 91.8) == [84, 86, 88, 90, 92]
    assert list_ticks(0.02, 0.11) == [0.02, 0.04, 0.06, 0.08, 0.1, 0.12]


def test_a_gap_is_a_column_without_an_area_and_breaks_the_line():
    years = [MapYear(2017, (), Area(4, 3, 5)), MapYear(2014, (), Area(8, 7, 9)),
             MapYear(2015, (), Area(7, 6, 8))]  # fmt: skip
    chart = lay_chart(years)
    assert [column.year.year for column in chart.columns] == [2014, 2015, 2016, 2017]
    assert [column.y is None for column in chart.columns] == [False, False, True, False]
    assert len(chart.links) == 1
    first, *_, last = chart.columns
    assert LEFT < first.x < last.x < RIGHT
    assert TOP <= first.high_y < first.y < first.low_y < last.low_y <= BOTTOM
    assert chart.lines[0][1] == "2"


def test_names_of_many_years_leave_room_for_each_other():
    chart = lay_chart([MapYear(year, (), Area(1, 1, 1)) for year in range(1984, 2024)])
    places = [column.x for column in chart.columns if column.named]
    assert min(np.diff(places)) >= 36


def test_without_an_area_there_is_no_chart():
    assert lay_chart([]) is None and lay_chart([MapYear(2014, (), None, "cloud")]) is None
