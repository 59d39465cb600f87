"""Fronts as distances from where they were, so that glaciers can be compared."""

import pytest

from glacier.reports.front_chart import MOST_LINES, lay_fronts
from glacier.reports.mapped import FrontSeries


def test_a_retreat_goes_down_and_a_gap_breaks_the_line() -> None:
    front = FrontSeries("a", {2016: 900.0, 2014: 1000.0, 2015: 950.0, 2018: 1050.0})
    chart = lay_fronts([front])
    assert chart is not None
    (curve,) = chart.curves
    assert [point.says for point in curve.points] == [
        "a, 2014: +0 m", "a, 2015: -50 m", "a, 2016: -100 m", "a, 2018: +50 m",
    ]  # fmt: skip
    heights = [point.y for point in curve.points]
    assert heights[2] > heights[1] > heights[0] > heights[3]  # down the page is a retreat
    assert heights[2] - heights[1] == pytest.approx(heights[1] - heights[0], abs=0.2)
    assert len(curve.links) == 2 and chart.left_out == 0
    assert "0" in [label for _, label in chart.lines]


def test_of_many_lines_those_are_shown_that_moved_farthest() -> None:
    fronts = [FrontSeries(str(k), {2014: 0.0, 2015: 10.0 * k}) for k in range(MOST_LINES + 3)]
    chart = lay_fronts(fronts)
    assert chart is not None and chart.left_out == 3
    assert [curve.name for curve in chart.curves] == [str(k) for k in range(3, MOST_LINES + 3)]
    assert len({curve.colour for curve in chart.curves}) == MOST_LINES


def test_one_year_is_no_change() -> None:
    assert lay_fronts([FrontSeries("a", {2014: 5.0}), FrontSeries("b", {})]) is None
    still = lay_fronts([FrontSeries("a", {2014: 5.0, 2015: 5.0})])
    assert still is not None and still.curves[0].points[0].y == still.curves[0].points[1].y
