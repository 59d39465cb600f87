"""What a region's series says: its first sentence, and what its page of maps shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from glacier.config import Config
from glacier.evaluation.verdict import SIGNIFICANCE_LEVEL
from glacier.geo.map_strips import read_reduced
from glacier.geo.raster import Grid
from glacier.mapping.change import Change
from glacier.mapping.month_view import MonthView
from glacier.mapping.region_series import RegionSeries, YearArea
from glacier.mapping.seasons import Gap, MonthFacts, judge_month
from glacier.plots.animation import AnimatedYear
from glacier.plots.layers import MAX_SIDE_PX, LayerPicture, draw_codes
from glacier.reports.mapped import (
    Area,
    ChangeClass,
    ChangePicture,
    FrontSeries,
    MapDate,
    MappedRegion,
    MapYear,
    Status,
)

KINDS = {
    "outlines.gpkg": "outlines of all months, for QGIS and OGGM",
    "outlines.parquet": "the same as GeoParquet",
    "area.csv": "area, snow and its line of every month and year",
    "fronts.csv": "where each glacier ends along its centre line, month by month",
}
"""Files that a page names, and what is in them."""

ANSWERS = {
    "tested": "what the same models got wrong on years whose truth is known",
    "ensemble": "how far the models differ from each other",
    "half_pixel": "half a pixel along the outline",
}
"""Where an interval comes from, in words."""

CHANGES = {
    Change.LOST: ("lost", "#d55e00"),
    Change.GAINED: ("gained", "#0072b2"),
    Change.KEPT: ("kept", "#8ec7e8"),
    Change.NEVER: ("never glacier", "#f2efe9"),
    Change.UNSEEN: ("not seen in one of the two", ""),
}
"""What became of ground, in words and in colours that people with any colour vision tell apart.
Those of lost and gained are of Okabe & Ito; what was not seen is clear, and hatched by the page."""

STATUS: dict[Gap, Status] = {
    "": "ok", "absent": "ok", "snowy": "snowy", "cloudy": "cloudy", "empty": "empty",
    "failed": "failed",
}  # fmt: skip
"""What a month's verdict is on its page."""

NOTES = (
    "A year is one month of late summer without new snow, and areas are compared on the pixels "
    "that all years saw. A pixel that nobody saw is never called ground.",
    "The interval of a trend is at 95 %, all others at 90 %. Ten years that happen to look "
    "independent of each other are tested less strictly than others; see results/trend.",
)


def tell_change(place: str, series: RegionSeries) -> str:
    """What changed, in one plain sentence."""
    years = series.years
    if not years:
        return f"{place}: no month of late summer is clear enough to say how large the glacier is."
    first, last = years[0], years[-1]
    if len(years) == 1:
        return f"{place} covers {show_area(first)} in {first.choice.year}."
    if not (is_shown(series) or lie_apart(first, last)):
        return (
            f"From {first.choice.year} to {last.choice.year} the mapped area of {place} went from "
            f"{show_area(first)} to {show_area(last)}, a change within its uncertainty; "
            f"{tell_trend(series)}."
        )
    grew = last.area.area_km2 >= first.area.area_km2
    change = abs(last.area.area_km2 - first.area.area_km2)
    return (
        f"From {first.choice.year} to {last.choice.year} {place} {'gained' if grew else 'lost'} "
        f"{change:.1f} km², from {show_area(first)} to {show_area(last)}; {tell_trend(series)}."
    )


def is_shown(series: RegionSeries) -> bool:
    """Whether a trend is more than chance."""
    trend = series.trend
    return trend is not None and trend.p is not None and trend.p <= SIGNIFICANCE_LEVEL


def lie_apart(first: YearArea, last: YearArea) -> bool:
    """Whether two years have no area in common that both may have had."""
    one, other = first.uncertainty.interval, last.uncertainty.interval
    return one.high_km2 < other.low_km2 or other.high_km2 < one.low_km2


def show_area(year: YearArea) -> str:
    """``91.2 km² (89.0 to 93.1)``."""
    interval = year.uncertainty.interval
    return f"{year.area.area_km2:.1f} km² ({interval.low_km2:.1f} to {interval.high_km2:.1f})"


def tell_trend(series: RegionSeries) -> str:
    """Whether the change is more than chance, as a clause."""
    trend = series.trend
    if trend is None or trend.p is None or trend.low is None or trend.high is None:
        return f"{len(series.years)} years with an area are too few to tell a trend from chance"
    numbers = f"{trend.slope:+.2f} km² a year, {trend.low:+.2f} to {trend.high:+.2f}"
    if not is_shown(series):
        return f"a trend is not shown ({numbers})"
    return f"it {'grows' if trend.slope > 0 else 'shrinks'} by more than chance ({numbers})"


def draw_region(
    config: Config, series: RegionSeries, files: Sequence[str], change: LayerPicture | None = None
) -> MappedRegion:
    """All that a page shows of a region.

    Args:
        config: The run.
        series: The region.
        files: Names of the files beside the page.
        change: What changed between its years, as :func:`draw_change` draws it.
    """
    place = config.place(series.region)
    areas = {year.choice.month: to_area(year) for year in series.years}
    dates = tuple(
        draw_date(view, facts, series, areas.get(view.month))
        for view, facts in zip(series.views, series.facts, strict=True)
    )
    measured = {year.choice.year: year for year in series.years}
    years = tuple(
        MapYear(
            choice.year,
            (choice.month,) if choice.month else (),
            to_area(measured[choice.year]) if choice.year in measured else None,
            choice.why if choice.gap else "",
        )
        for choice in series.choices
    )
    sources = {year.uncertainty.answer for year in series.years}
    notes = [f"The interval of an area is {ANSWERS[source]}." for source in sorted(sources)]
    if (areas_km2 := series.change) is not None:
        first, last = series.years[0].choice, series.years[-1].choice
        notes.append(
            f"From {first.year} to {last.year} {areas_km2.lost_km2:.1f} km² were lost, "
            f"{areas_km2.gained_km2:.1f} km² gained and {areas_km2.kept_km2:.1f} km² kept; of "
            f"{areas_km2.unseen_km2:.1f} km² nobody knows, since one of the two did not show them."
        )
    if series.years:
        notes.append(f"All years saw {series.years[0].area.seen_share:.0%} of the frame together.")
    return MappedRegion(
        place=place,
        summary=tell_change(place, series),
        grid=find_grid(series),
        dates=dates,
        years=years,
        change=describe_change(series, change) if change else None,
        fronts=list_fronts(series),
        notes=(*notes, *NOTES),
        files={name: words for name in files if (words := describe_file(name))},
        is_synthetic=config.ingest.chosen.knows_truth,
    )


def draw_change(path: Path) -> LayerPicture:
    """The picture of a change map, a GeoTIFF of codes of :class:`glacier.mapping.change.Change`.

    Raises:
        RasterError: It cannot be read.
    """
    colours = {int(code): colour for code, (_, colour) in CHANGES.items() if colour}
    return draw_codes(read_reduced(path, MAX_SIDE_PX), colours)


def describe_change(series: RegionSeries, picture: LayerPicture) -> ChangePicture:
    """What a picture of the change of a region shows; of two years or more."""
    assert series.change is not None
    classes = tuple(
        ChangeClass(words, colour, getattr(series.change, f"{code.name.lower()}_km2"))
        for code, (words, colour) in CHANGES.items()
    )
    ends = series.years[0].choice.year, series.years[-1].choice.year
    return ChangePicture(ends, picture, classes)


def list_fronts(series: RegionSeries) -> tuple[FrontSeries, ...]:
    """Where each glacier of a region ended in its years, along the centre lines."""
    fronts: dict[str, dict[int, float]] = {}
    for year in series.years:
        for line, front in year.view.fronts.items():
            known = fronts.setdefault(line, {})
            if front.position_m is not None:
                known[year.choice.year] = front.position_m
    return tuple(FrontSeries(line, positions) for line, positions in fronts.items())


def list_animated(series: RegionSeries) -> list[AnimatedYear]:
    """Images and outlines of a region's years for a moving picture; none of fewer than two."""
    years = []
    for year in series.years:
        layers = year.view.layers
        picture = layers.get("true colour") or layers.get("false colour")
        if picture is not None:
            rings = [ring for polygon in year.view.rings for ring in polygon]
            years.append(AnimatedYear(str(year.choice.year), picture, rings))
    return years if len(years) > 1 else []


def find_grid(series: RegionSeries) -> Grid:
    """The grid of a region that has a map."""
    return next(view.record.grid for view in series.views if view.record.grid)


def describe_file(name: str) -> str:
    """What is in a file beside a page; nothing of one that it does not name."""
    if name.startswith("change-"):
        return "what was lost, gained and kept between the two months, as GeoTIFF"
    if name.startswith("years-"):
        form = ", as a film" if name.endswith(".mp4") else ""
        return f"images and outlines of all years, moving{form}; hatched in grey: not seen"
    return KINDS.get(name, "")


def to_area(year: YearArea) -> Area:
    """A year's area with the interval that counts."""
    interval = year.uncertainty.interval
    return Area(year.area.area_km2, interval.low_km2, interval.high_km2)


def draw_date(
    view: MonthView, facts: MonthFacts, series: RegionSeries, area: Area | None
) -> MapDate:
    """A month as its page shows it."""
    gap, why = judge_month(facts, series.season)
    status = STATUS[gap]
    has_map = view.area is not None
    return MapDate(
        month=view.month,
        status=status,
        reason="" if status == "ok" else why if has_map else view.record.reason,
        layers=view.layers,
        outline=view.rings,
        area=area,
        seen_share=view.area.seen_share if view.area else None,
    )
