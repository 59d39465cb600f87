"""What a region's series says in words, and what its page is given."""

from dataclasses import replace
from datetime import date
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from glacier.evaluation.trend import Trend
from glacier.geo.raster import Grid
from glacier.geo.raster_rows import ByteBand, write_cog
from glacier.mapping.area import MapArea
from glacier.mapping.change import Change, ChangedAreas
from glacier.mapping.front import Front
from glacier.mapping.maps import MapRecord
from glacier.mapping.month_view import MonthView
from glacier.mapping.region_series import RegionSeries, YearArea
from glacier.mapping.seasons import MonthFacts, Season, YearChoice
from glacier.mapping.uncertainty import AreaErrors, judge_area
from glacier.reports.map_page import render_map_page
from glacier.reports.series_page import CHANGES, draw_change, draw_region, tell_change
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


def test_a_page_has_the_change_and_the_fronts_of_its_years(tmp_path: Path) -> None:
    path = tmp_path / "change.tif"
    with write_cog(path, GRID, ByteBand("change", 255), {}) as out:
        out.write(np.full(GRID.shape, Change.LOST, np.uint8))
    series = make_series({2014: 10.0, 2019: 8.0})
    first, last = series.years
    fronts = ({"a": Front(900.0)}, {"a": Front(850.0), "b": Front(None, "unseen")})
    years = tuple(
        replace(year, view=replace(year.view, fronts=found))
        for year, found in zip((first, last), fronts, strict=True)
    )
    series = replace(series, years=years, change=ChangedAreas(2.0, 0.0, 8.0, 5.0, 1.0))
    region = draw_region(make_config(["resnet18"]), series, [], draw_change(path))
    assert region.change is not None and region.change.years == (2014, 2019)
    assert region.change.picture.size_px == GRID.shape
    assert {each.words: each.km2 for each in region.change.classes} == {
        "lost": 2.0, "gained": 0.0, "kept": 8.0, "never glacier": 5.0,
        "not seen in one of the two": 1.0,
    }  # fmt: skip
    assert {front.line: front.positions_m for front in region.fronts} == {
        "a": {2014: 900.0, 2019: 850.0}, "b": {},
    }  # fmt: skip
    assert "whatever the month" in render_map_page(region)


SIGHT = {
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
    "usual": np.eye(3),
}
"""Linear red, green and blue to what a person without one kind of cone sees of it.

Source: Machado, Oliveira & Fernandes 2009, IEEE TVCG 15(6), 1291-1298, severity 1.
"""


@pytest.mark.parametrize("sight", SIGHT)
def test_colours_of_change_are_told_apart_with_any_colour_vision(sight: str) -> None:
    colours = [colour for _, colour in CHANGES.values() if colour]
    values = np.array([list(bytes.fromhex(colour[1:])) for colour in colours]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(SIGHT[sight]).T, 0, 1)
    shown = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    assert min(np.linalg.norm(a - b) for a, b in combinations(shown, 2)) > 0.25
