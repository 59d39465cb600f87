"""The months of a region -> its area by year, how sure that is, and what changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from glacier import store
from glacier.evaluation.trend import Trend, fit_trend
from glacier.geo.map_strips import read_class_strips
from glacier.geo.raster_rows import ByteBand, write_cog
from glacier.mapping.area import ComparedAreas, MapArea, StackedRows, measure_areas
from glacier.mapping.area_table import AreaRow, FrontRow
from glacier.mapping.change import Change, ChangedAreas, map_change, measure_change
from glacier.mapping.maps import CLASSES, MapRecord
from glacier.mapping.month_view import MonthView
from glacier.mapping.seasons import (
    MonthFacts,
    Season,
    YearChoice,
    choose_months,
    judge_month,
)
from glacier.mapping.uncertainty import (
    AreaErrors,
    AreaUncertainty,
    Interval,
    judge_area,
)

NO_FRONT = {
    "": "",
    "unseen": "the glacier was last seen before a pixel that nobody saw, or beside the map",
    "beyond_line": "there is glacier as far as the line goes",
    "upside_down": "the line begins on ground and ends on glacier; it has to begin above",
}
"""Why the position of a front is not known, in words."""


@dataclass(frozen=True)
class YearArea:
    """A year's area on the pixels that all years saw."""

    choice: YearChoice
    view: MonthView
    area: MapArea
    uncertainty: AreaUncertainty


@dataclass(frozen=True)
class RegionSeries:
    """What came of a region's months."""

    region: str
    views: tuple[MonthView, ...]
    """All months, in order."""
    facts: tuple[MonthFacts, ...]
    """Of each of them."""
    season: Season
    choices: tuple[YearChoice, ...]
    """Every year, gaps included."""
    years: tuple[YearArea, ...]
    """Those that have an area."""
    trend: Trend | None
    """Of the areas, km2 a year; None for fewer than two years."""
    change: ChangedAreas | None
    """Between the first and the last of the years; None for fewer than two."""


def measure_region(
    views: Sequence[MonthView], folder: str, season: Season, tested: AreaErrors
) -> RegionSeries:
    """Area by year of a region, its trend and its change.

    Args:
        views: Its months.
        folder: Address of its maps.
        season: Which months may stand for a year.
        tested: As of :func:`uncertainty.choose_errors`.

    Raises:
        StoreError: A map is missing or damaged.
    """
    views = sorted(views, key=lambda view: view.month)
    facts = tuple(state_facts(view) for view in views)
    choices = tuple(choose_months(facts, season))
    by_month = {view.month: view for view in views}
    used = [(choice, by_month[choice.month]) for choice in choices if choice.month]
    years: tuple[YearArea, ...] = ()
    change = None
    if used:
        compared, change = compare_maps([view.record for _, view in used], folder)
        years = tuple(
            YearArea(choice, view, area, judge_area(area, member_areas(view.record, area), tested))
            for (choice, view), area in zip(used, compared.common, strict=True)
        )
    trend = fit_trend([y.choice.year for y in years], [y.area.area_km2 for y in years])
    region = views[0].record.region
    return RegionSeries(region, tuple(views), facts, season, choices, years, trend, change)


def state_facts(view: MonthView) -> MonthFacts:
    """What is known of a month before its area counts."""
    record = view.record
    return MonthFacts(
        month=view.month,
        status=record.status,
        reason=record.reason,
        seen_share=view.area.seen_share if view.area else None,
        snow_outside=view.snow_outside,
    )


@contextmanager
def open_class_maps(records: Sequence[MapRecord], folder: str) -> Iterator[list[Path]]:
    """Local paths of some class maps of a region, for as long as the block lasts.

    Raises:
        StoreError: One is missing or damaged.
    """
    with ExitStack() as stack:
        names = [f"{record.name}{CLASSES}" for record in records]
        yield [
            stack.enter_context(store.local_copy(store.join(folder, name), record.files[name]))
            for name, record in zip(names, records, strict=True)
        ]


def compare_maps(
    records: Sequence[MapRecord], folder: str
) -> tuple[ComparedAreas, ChangedAreas | None]:
    """Areas of some maps of a region, and what changed from the first to the last of them."""
    grid = records[0].grid
    assert grid is not None  # each has a map
    with open_class_maps(records, folder) as paths:
        strips = (StackedRows(rows) for rows in read_class_strips(paths))
        compared = measure_areas(strips, (grid.pixel_m, grid.pixel_m))
        if len(paths) < 2:
            return compared, None
        ends = read_class_strips([paths[0], paths[-1]])
        changes = (map_change(before, after) for before, after in ends)
        return compared, measure_change(changes, grid.pixel_km2)


def write_change(series: RegionSeries, folder: str, path: Path) -> None:
    """Write what became of each pixel from the first to the last of a region's years.

    Args:
        series: Of two years or more.
        folder: Address of its maps.
        path: Local file of a new GeoTIFF: uint8 codes of :class:`change.Change`, 255 unseen.

    Raises:
        StoreError: A map is missing or damaged.
    """
    ends = [series.years[0].view.record, series.years[-1].view.record]
    grid, tags = ends[0].grid, {code.name.lower(): str(int(code)) for code in Change}
    assert grid is not None  # each has a map
    tags |= {"first": ends[0].name, "last": ends[1].name}
    with (
        open_class_maps(ends, folder) as paths,
        write_cog(path, grid, ByteBand("change", int(Change.UNSEEN)), tags) as out,
    ):
        for before, after in read_class_strips(paths):
            out.write(map_change(before, after))


def member_areas(record: MapRecord, area: MapArea) -> list[float]:
    """The area by each model alone; nothing where models mapped different ground.

    Their shares are of all that they saw, resized or not, so they scale the area at hand.
    """
    used, pixels = record.models, record.pixels
    if pixels is None or not pixels.glacier or len({model.asked_px for model in used}) != 1:
        return []
    together = pixels.glacier / (pixels.glacier + pixels.ground)
    shares = [model.glacier_px / model.asked_px for model in used if model.asked_px]
    return [area.area_km2 * share / together for share in shares]


def list_rows(series: RegionSeries) -> Iterator[AreaRow]:
    """The table of a region: a row for every month, then one for every year."""
    for view, facts in zip(series.views, series.facts, strict=True):
        gap, why = judge_month(facts, series.season)
        area = view.area
        yield AreaRow(
            region=series.region,
            kind="month",
            year=view.month.year,
            month=view.month,
            status=view.record.status,
            gap=gap,
            why=why,
            area_km2=area.area_km2 if area else None,
            seen_share=area.seen_share if area else None,
            most_km2=area.most_km2 if area else None,
            outline_km=area.outline_km if area else None,
            snow_outside=view.snow_outside,
            snow_share=view.snow.share,
            snow_line_m=view.snow.line_m,
        )
    measured = {year.choice.year: year for year in series.years}
    for choice in series.choices:
        yield describe_year(series.region, choice, measured.get(choice.year))


def list_front_rows(series: RegionSeries) -> Iterator[FrontRow]:
    """The table of the fronts of a region: a row for each centre line and month with a map."""
    chosen = {choice.month for choice in series.choices}
    lines = dict.fromkeys(line for view in series.views for line in view.fronts)
    for line in lines:
        for view, facts in zip(series.views, series.facts, strict=True):
            if (front := view.fronts.get(line)) is None:
                continue
            yield FrontRow(
                region=series.region,
                line=line,
                year=view.month.year,
                month=view.month,
                stands_for_year=view.month in chosen,
                gap=judge_month(facts, series.season)[0],
                front_m=front.position_m,
                why=NO_FRONT[front.why],
            )


def describe_year(region: str, choice: YearChoice, year: YearArea | None) -> AreaRow:
    """The row of a year; a gap where it has no area."""
    base = AreaRow(
        region=region, kind="year", year=choice.year, month=choice.month,
        status="ok" if year else "empty", gap=choice.gap, why=choice.why,
    )  # fmt: skip
    if year is None:
        return base
    area, found = year.area, year.uncertainty
    cells = {
        "area_km2": area.area_km2,
        "answer": found.answer,
        "answer_why": found.why,
        "seen_share": area.seen_share,
        "most_km2": area.most_km2,
        "outline_km": area.outline_km,
        "snow_outside": year.view.snow_outside,
        "snow_share": year.view.snow.share,
        "snow_line_m": year.view.snow.line_m,
    }
    cells |= name_ends("", found.interval) | name_ends("half_pixel_", found.half_pixel)
    cells |= name_ends("ensemble_", found.ensemble) | name_ends("tested_", found.tested)
    return base.model_copy(update=cells)


def name_ends(prefix: str, interval: Interval | None) -> dict[str, float]:
    """The cells of an interval."""
    if interval is None:
        return {}
    return {f"{prefix}low_km2": interval.low_km2, f"{prefix}high_km2": interval.high_km2}
