"""The maps of a region as one self-contained HTML page that works from a file, offline.

Pictures, outlines, numbers, styles and scripts all lie inside it. The template's own script moves
them; without scripts the page still shows the latest map, the chart and the tables.
"""

from __future__ import annotations

import base64
import calendar
import hashlib
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath

import jinja2
import numpy as np
from numpy.typing import NDArray

from glacier.errors import PageError
from glacier.geo.frames import find_corners
from glacier.geo.raster import Grid
from glacier.plots.calendar import (
    EMPTY_FACE,
    EMPTY_HATCH,
    FAILED_FACE,
    OTHER_REASON,
    REASONS,
    SHARES,
)
from glacier.plots.layers import LAYERS
from glacier.plots.maps import EDGE, FOUND
from glacier.reports.area_chart import lay_chart
from glacier.reports.front_chart import lay_fronts
from glacier.reports.mapped import Area, MapDate, MappedRegion, MapYear, Ring
from glacier.reports.templating import data_uri, open_templates
from glacier.wording import join_words

HERE = Path(__file__).parent
LEAFLET = HERE / "vendored" / "leaflet"

MARKS = {"ok": ("", ""), "snowy": ("*", "new snow"), "cloudy": ("C", "too cloudy")}
"""Letter and words of a month that has a picture; the others have those of ``plots.calendar``."""

CHANGE = "change"
"""Name of the layer that is the same in every month."""

LABEL_SHARE = 0.15
"""Room that the name of a year takes below the slider of a phone, as a share of its length."""

Line = list[list[float]]
"""Column and row of each corner."""


@dataclass(frozen=True)
class Leaflet:
    """What the page needs of the library, which asks for no file of its own."""

    script: str
    css: str
    licence: str


@dataclass(frozen=True)
class Tick:
    """A month on the slider."""

    at: float
    """Place from the first, 0, to the last, 1."""
    style: str
    label: str
    """Year that is written below it, or nothing."""


@dataclass(frozen=True)
class Cell:
    """A month in the calendar."""

    index: int
    style: str
    mark: str
    says: str
    counts: bool
    """Whether a year's area comes from it."""


def render_map_page(region: MappedRegion) -> str:
    """The page of a region.

    Raises:
        PageError: No month, a month twice, an unknown layer, or a file that does not lie beside
            the page.
    """
    check_region(region)
    dates = tuple(sorted(region.dates, key=lambda shown: shown.month))
    years = tuple(sorted(region.years, key=lambda year: year.year))
    layers = [name for name in LAYERS if any(name in shown.layers for shown in dates)]
    start, leaflet = choose_start(dates), read_leaflet()
    counts = {month for year in years for month in year.months}
    return load_template(region.level_percent).render(
        region=region,
        dates=dates,
        years=years,
        layers=layers or list(LAYERS)[:1],
        always=[CHANGE] if region.change else [],
        described=LAYERS,
        span=name_span(dates),
        mapped=sum(bool(shown.layers) for shown in dates),
        start=start,
        still=next((name for name in layers if name in dates[start].layers), None),
        still_path=draw_path(place_outline(dates[start], region.grid)),
        ticks=list_ticks(dates),
        calendar=list_rows(dates, counts, region.level_percent),
        marks=list_marks(dates),
        month_names=calendar.month_name,
        chart=lay_chart(years),
        fronts=lay_fronts(region.fronts),
        month_of=find_months(dates, years),
        shares=SHARES,
        outline=FOUND,
        edge=EDGE,
        empty={"face": EMPTY_FACE, "hatch": EMPTY_HATCH, "failed": FAILED_FACE},
        leaflet=leaflet,
        data=encode_data(region, dates, years, start),
        scripts=[leaflet.script, (HERE / "templates" / "map.js").read_text(encoding="utf-8")],
    )


def check_region(region: MappedRegion) -> None:
    """Refuse what a page cannot show.

    Raises:
        PageError: See :func:`render_map_page`.
    """
    months = [shown.month for shown in region.dates]
    if not months:
        raise PageError(f"{region.place}: no month to show; give at least one, a gap will do")
    if twice := {month for month in months if months.count(month) > 1}:
        raise PageError(f"{region.place}: {min(twice):%Y-%m} is there twice; give each month once")
    if odd := {name for shown in region.dates for name in shown.layers} - set(LAYERS):
        raise PageError(
            f"{region.place}: no layer is called {min(odd)}; known: {', '.join(LAYERS)}"
        )
    for path in region.files:
        whole = PurePosixPath(path)
        if ":" in path or "\\" in path or whole.is_absolute() or ".." in whole.parts:
            raise PageError(f"{path} does not lie beside the page; give its path from there")


def choose_start(dates: Sequence[MapDate]) -> int:
    """Place of the month that is shown first: the latest that counts, else with a picture."""
    return max(
        range(len(dates)),
        key=lambda k: (bool(dates[k].layers), dates[k].status == "ok", k),
    )


def read_leaflet() -> Leaflet:
    """The library as it was published, less the names of files that this page has not."""
    script, css, licence = (
        (LEAFLET / name).read_text(encoding="utf-8")
        for name in ("leaflet.js", "leaflet.css", "LICENSE")
    )
    return Leaflet(
        re.sub(r"\n//# sourceMappingURL=.*", "", script),
        re.sub(r"url\([^)]*\)", "none", css),
        licence,
    )


def load_template(level_percent: int) -> jinja2.Template:
    """The page's template, which writes intervals of a level."""
    environment = open_templates()
    filters: dict[str, Callable[..., str]] = {
        "area": lambda area: f"{area.km2:.{count_decimals(area)}f}",
        "facts": lambda shown: describe_date(shown, level_percent),
        "interval": name_interval,
        "remark": name_status,
        "script_hash": hash_script,
        "year_facts": lambda year: describe_year(year, level_percent),
        "year_source": name_source,
    }
    environment.filters |= filters
    return environment.get_template("map.html.j2")


def hash_script(script: str) -> str:
    """A script's name in a content security policy, so that no other one runs."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def name_span(dates: Sequence[MapDate]) -> str:
    """The first and the last month, or the only one."""
    return dates[0].name if len(dates) == 1 else f"{dates[0].name} to {dates[-1].name}"


def count_decimals(area: Area) -> int:
    """Decimals of an area and its interval: three digits, none of them beyond square metres."""
    return min(6, max(0, 2 - math.floor(math.log10(max(area.km2, 1e-6)))))


def name_interval(area: Area) -> str:
    """``94.0 to 100.2``."""
    decimals = count_decimals(area)
    return f"{area.low_km2:.{decimals}f} to {area.high_km2:.{decimals}f}"


def describe_area(area: Area, level_percent: int) -> str:
    """``97.1 km² (90 %: 94.0 to 100.2)``."""
    return f"{area.km2:.{count_decimals(area)}f} km² ({level_percent} %: {name_interval(area)})"


def describe_date(shown: MapDate, level_percent: int) -> str:
    """What is known of a month, in a line."""
    parts = [name_status(shown), describe_area(shown.area, level_percent) if shown.area else ""]
    if shown.layers and shown.seen_share is not None:
        parts.append(f"{100 * shown.seen_share:.0f} % seen")
    return " · ".join(part for part in parts if part)


def name_status(shown: MapDate) -> str:
    """Why a month does not count, or nothing: ``no picture: sun too low``, ``new snow: why``."""
    word = MARKS[shown.status][1] if shown.status in MARKS else ""
    gap = {"failed": "failed"}.get(shown.status, "" if shown.layers else "no picture")
    return ": ".join(part for part in (gap, word, shown.why) if part)


def describe_year(year: MapYear, level_percent: int) -> str:
    """A year in a line."""
    known = describe_area(year.area, level_percent) if year.area else f"a gap, {name_source(year)}"
    return f"{year.year}: {known}"


def name_source(year: MapYear) -> str:
    """Months that a year's area comes from, or why it has none."""
    if year.area:
        names = [f"{month:%B}" if month.year == year.year else f"{month:%B %Y}"
                 for month in sorted(year.months)]  # fmt: skip
        return join_words(names)
    return year.reason or "no month that counts"


def find_months(dates: Sequence[MapDate], years: Sequence[MapYear]) -> dict[int, int | None]:
    """Place of the month that stands for each year from the first to the last; None of none."""
    by_number = {year.year: year for year in years}
    numbers = range(min(by_number, default=0), max(by_number, default=-1) + 1)
    return {number: find_month(dates, by_number.get(number, MapYear(number))) for number in numbers}


def find_month(dates: Sequence[MapDate], year: MapYear) -> int | None:
    """Place of the month seen best, the latest of equals: of those that count, else of the year."""
    pictured = [k for k, shown in enumerate(dates) if shown.layers]
    counted = [k for k in pictured if dates[k].month in year.months]
    usual = [k for k in pictured if dates[k].month.year == year.year]
    return max(counted or usual, key=lambda k: (dates[k].seen_share or 0.0, k), default=None)


def style_date(shown: MapDate) -> str:
    """Class of a month on the slider and in the calendar: what was seen, a gap, or a failure."""
    if shown.status == "failed":
        return "failed"
    if not shown.layers:
        return "gap"
    share = 1.0 if shown.seen_share is None else shown.seen_share
    return f"seen{min(int(share * len(SHARES)), len(SHARES) - 1)}"


def mark_date(shown: MapDate) -> tuple[str, str]:
    """Letter and words of a month in the calendar; none of one that counts."""
    if shown.status in MARKS:
        return MARKS[shown.status]
    if shown.status == "failed":
        return "×", "failed"
    return REASONS.get(shown.reason.partition(":")[0], OTHER_REASON)[:2]


def list_ticks(dates: Sequence[MapDate]) -> list[Tick]:
    """The months along the slider; a year is named at its first month where there is room."""
    ticks: list[Tick] = []
    last_label = -1.0
    for k, shown in enumerate(dates):
        at = k / max(len(dates) - 1, 1)
        is_first = not k or dates[k - 1].month.year < shown.month.year
        label = str(shown.month.year) if is_first and at - last_label >= LABEL_SHARE else ""
        last_label = at if label else last_label
        ticks.append(Tick(round(at, 5), style_date(shown), label))
    return ticks


def list_rows(
    dates: Sequence[MapDate], counts: set[date], level_percent: int
) -> list[tuple[int, list[Cell | None]]]:
    """Rows of the calendar: a year, and its twelve months, None where the page has none.

    Args:
        dates: The months, in order.
        counts: Months that a year's area comes from.
        level_percent: Of the intervals.
    """
    rows: dict[int, list[Cell | None]] = {}
    for k, shown in enumerate(dates):
        facts = describe_date(shown, level_percent)
        says = f"{shown.name}: {facts}" if facts else shown.name
        cell = Cell(k, style_date(shown), mark_date(shown)[0], says, shown.month in counts)
        rows.setdefault(shown.month.year, [None] * 12)[shown.month.month - 1] = cell
    return sorted(rows.items())


def list_marks(dates: Sequence[MapDate]) -> list[tuple[str, str, str]]:
    """Class, letter and words of the months that do not count, each once, by their letters."""
    found = {mark_date(shown): style_date(shown) for shown in dates if shown.status != "ok"}
    return [
        ("seen1" if style.startswith("seen") else style, *mark)
        for mark, style in sorted(found.items())
    ]


def place_outline(shown: MapDate, grid: Grid) -> list[Line]:
    """The lines of an outline in pixels of a grid, without what runs along the grid's edge.

    A glacier that goes on beyond the frame has no margin there.
    """
    rings = [ring for polygon in shown.outline for ring in polygon]
    return [line for ring in rings for line in cut_ring(place_ring(ring, grid), grid)]


def place_ring(ring: Ring, grid: Grid) -> NDArray[np.float64]:
    """Corners in pixels of a grid, to a tenth: (N, 2), column to the right and row down."""
    x, y = np.asarray(ring, np.float64).reshape(len(ring), -1).T[:2]
    columns, rows = (x - grid.left_m) / grid.pixel_m, (grid.top_m - y) / grid.pixel_m
    return np.round(np.stack([columns, rows], axis=1), 1)


def cut_ring(ring: NDArray[np.float64], grid: Grid) -> list[Line]:
    """A closed ring as the lines that do not run along the edge of a grid.

    Args:
        ring: (N, 2) columns and rows, the last corner that of the first.
        grid: Whose edge it is.
    """
    at_edge = np.concatenate([ring == 0, ring == (grid.width, grid.height)], axis=1)
    hidden = (at_edge[1:] & at_edge[:-1]).any(axis=1)
    if hidden.any():
        # Begin behind a hidden side, so that no line is cut in two at the ring's first corner.
        first = int(np.argmax(hidden)) + 1
        ring = np.concatenate([ring[first:-1], ring[: first + 1]])
        hidden = np.roll(hidden, -first)
    ends = np.flatnonzero(hidden)
    starts = [0, *(ends + 1)]
    stops = [*ends, len(ring) - 1]
    return [
        ring[start : stop + 1].tolist()
        for start, stop in zip(starts, stops, strict=True)
        if stop > start
    ]


def draw_path(lines: Sequence[Line]) -> str:
    """Lines as the path of an SVG."""
    return "".join("M" + "L".join(f"{x:g} {y:g}" for x, y in line) for line in lines)


def encode_data(
    region: MappedRegion, dates: Sequence[MapDate], years: Sequence[MapYear], start: int
) -> str:
    """What the page's script reads, as JSON that cannot end the element in which it stands.

    Args:
        region: The region.
        dates: Its months, in order.
        years: Its years, in order.
        start: Place of the month that is shown first.
    """
    grid = region.grid
    months = [place for place in find_months(dates, years).values() if place is not None]
    pictured = [k for k, shown in enumerate(dates) if shown.layers]
    change = region.change
    content = {
        "frame": {
            "width": grid.width, "height": grid.height, "pixel_m": grid.pixel_m,
            "corners": find_corners(grid),
        },
        "start": start,
        "first": next(iter([*months, *pictured]), 0),
        "always": {} if change is None else {
            CHANGE: {
                "picture": data_uri(change.picture),
                "says": f"{CHANGE} from {change.years[0]} to {change.years[1]}",
            }
        },
        "dates": [
            {
                "name": shown.name,
                "facts": describe_date(shown, region.level_percent),
                "gap": not shown.layers,
                "pictures": {name: data_uri(each) for name, each in shown.layers.items()},
                "outline": place_outline(shown, grid),
            }
            for shown in dates
        ],
    }  # fmt: skip
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
