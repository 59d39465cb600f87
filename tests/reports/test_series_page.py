"""What a region's series says in words, and what its page is given."""

from datetime import date

import pytest

from glacier.evaluation.trend import Trend
from glacier.geo.raster import Grid
from glacier.mapping.area import MapArea
from glacier.mapping.maps import MapRecord
from glacier.mapping.month_view import MonthView
from glacier.mapping.region_series import RegionSeries, YearArea
from glacier.mapping.seasons import MonthFacts, Season, YearChoice
from glacier.mapping.uncertainty import AreaErrors, judge_area
from glacier.reports.map_page import render_map_page
from glacier.reports.series_page import draw_region, tell_change
from tests.support.sweeps import make_config

GRID = Grid("EPSG:32608", 500_000, 6_500_000, 100, 40, 40)


def measure(area_km2: float) -> MapArea:
    return MapArea(area_km2, 1.0, 0.94, 20.0, 0.5)


def view(month: date, **changes) -> MonthView:
    record = {"region": "a", "name": f"{month:%Y-%m}", "status": "ok", "grid": GRID} | changes
    area = measure(8.0) if record["status"] == "ok" else None
    return MonthView(MapRecord(**record), 0.0, area)


def make_series(areas: dict[int, float], trend: Trend | None = None) -> RegionSeries:
    """A region with these areas by year; 2020 is a gap, and its August was hidden."""
    days = {year: date(year, 8, 1) for year in areas}
    views = {year: view(day) for year, day in days.items()}
    gap = view(date(2020, 8, 1), status="empty", reason="all_masked", grid=None)
    facts = [MonthFacts(month=day, status="ok", seen_share=0.94) for day in days.values()]
    facts.append(MonthFacts(month=gap.month, status="empty", reason="all_masked"))
    choices = [YearChoice(year=y, month=day, why="clear") for y, day in days.items()]
    choices.append(YearChoice(year=2020, gap="empty", why="2020-08 is empty (all_masked)"))
    years = tuple(
        YearArea(choice, views[choice.year], measure(areas[choice.year]),
                 judge_area(measure(areas[choice.year]), [], AreaErrors()))
        for choice in choices if choice.month
    )  # fmt: skip
    return RegionSeries(
        "a", (*views.values(), gap), tuple(facts), Season((8, 9)), tuple(choices), years, trend,
        None,
    )  # fmt: skip


SLOPE = Trend(-0.4, 9.0, 2016.5, 6, 0.1, -0.7, -0.1, 0.01)


@pytest.mark.parametrize(
    ("areas", "trend", "words"),
    [
        ({}, None, "A: no month of late summer is clear enough to say how large the glacier is."),
        ({2014: 10.0}, None, "A covers 10.0 km² (9.5 to 10.5) in 2014."),
        ({2014: 10.0, 2015: 10.5}, None,
         "From 2014 to 2015 the mapped area of A went from 10.0 km² (9.5 to 10.5) to 10.5 km² "
         "(10.0 to 11.0), a change within its uncertainty; 2 years with an area are too few to "
         "tell a trend from chance."),
        ({2014: 10.0, 2019: 8.0}, SLOPE,
         "From 2014 to 2019 A lost 2.0 km², from 10.0 km² (9.5 to 10.5) to 8.0 km² (7.5 to 8.5); "
         "it shrinks by more than chance (-0.40 km² a year, -0.70 to -0.10)."),
        ({2014: 10.0, 2019: 9.0}, Trend(-0.2, 9.5, 2016.5, 6, 0.1, -0.5, 0.1, 0.2),
         "From 2014 to 2019 the mapped area of A went from 10.0 km² (9.5 to 10.5) to 9.0 km² "
         "(8.5 to 9.5), a change within its uncertainty; a trend is not shown (-0.20 km² a year, "
         "-0.50 to +0.10)."),
    ],
)  # fmt: skip
def test_the_first_sentence_is_plain(
    areas: dict[int, float], trend: Trend | None, words: str
) -> None:
    assert tell_change("A", make_series(areas, trend)) == words


def test_a_page_has_every_month_and_year_with_the_reason_of_each_gap() -> None:
    config = make_config(["resnet18"])
    region = draw_region(config, make_series({2014: 10.0, 2019: 8.0}, SLOPE), ["area.csv", "x"])
    assert [(year.year, year.area and year.area.km2) for year in region.years] == [
        (2014, 10.0), (2019, 8.0), (2020, None),
    ]  # fmt: skip
    assert region.years[-1].reason == "2020-08 is empty (all_masked)"
    assert [day.status for day in region.dates] == ["ok", "ok", "empty"]
    assert region.dates[-1].reason == "all_masked" and region.files.keys() == {"area.csv"}
    assert any("half a pixel along the outline" in note for note in region.notes)
    assert any("94%" in note for note in region.notes)
    page = render_map_page(region)
    assert region.summary.split(";")[0].replace(" km²", "") in page.replace("\u00a0km²", "")


def test_a_month_that_does_not_count_says_why() -> None:
    series = make_series({2014: 10.0})
    snowy = series.facts[0].model_copy(update={"snow_outside": 0.5})
    found = RegionSeries(**{**vars(series), "facts": (snowy, *series.facts[1:])})
    first = draw_region(make_config(["resnet18"]), found, []).dates[0]
    assert first.status == "snowy" and "snow on 50.0%" in first.why
