"""The page of maps: all of it is in the file, gaps say why, and it moves as its reader wants."""

import json
import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import numpy as np
import pytest

from glacier.errors import PageError
from glacier.geo.raster import Grid, trace
from glacier.plots.layers import draw_codes, draw_layers
from glacier.reports.map_page import (
    choose_start,
    cut_ring,
    find_months,
    hash_script,
    list_ticks,
    name_interval,
    name_source,
    read_leaflet,
    render_map_page,
)
from glacier.reports.mapped import (
    Area,
    ChangeClass,
    ChangePicture,
    FrontSeries,
    MapDate,
    MappedRegion,
    MapYear,
)
from tests.support.browser import CHROMIUM, Browser

GRID = Grid("EPSG:32608", 520_000, 6_500_000, 100, 40, 60)
EVIL = "</script><script>alert('x')</script>&\"'<b>"
WINTER = "solar_zenith: sun at most 5.1 deg high"


def make_date(month: date, columns: int) -> MapDate:
    """A month whose glacier is the first columns of the grid."""
    glacier = np.zeros(GRID.shape, bool)
    glacier[10:30, :columns] = True
    shade = np.where(glacier, np.float32(0.8), np.float32(0.1) + np.float32(0.01) * month.month)
    colours = dict.fromkeys(("red", "green", "blue", "nir", "swir1"), shade.astype(np.float32))
    layers = draw_layers(colours, np.where(glacier, np.uint8(254), np.uint8(0)))
    outline = [polygon["coordinates"] for polygon in trace(glacier, GRID)]
    km2 = float(glacier.sum() * GRID.pixel_km2)
    return MapDate(month, "ok", "", layers, outline, Area(km2, km2 - 1, km2 + 1), 0.9)


def make_region() -> MappedRegion:
    """Two years: summers with a glacier that shrinks, a winter of gaps, snow, and a failure."""
    dates = [
        make_date(date(2020, 7, 1), 40), make_date(date(2020, 8, 1), 39),
        replace(make_date(date(2020, 10, 1), 39), status="snowy", reason="snow on half of the ice"),
        MapDate(date(2020, 12, 1), "empty", WINTER),
        MapDate(date(2021, 5, 1), "failed", "RasterError: cut short"),
        make_date(date(2021, 7, 1), 36), make_date(date(2021, 8, 1), 35),
    ]  # fmt: skip
    years = (
        MapYear(2020, (date(2020, 8, 1),), dates[1].area),
        MapYear(2021, (date(2021, 7, 1), date(2021, 8, 1)), dates[6].area),
        MapYear(2022, (), None, "no clear late summer"),
    )
    fronts = (FrontSeries("A", {2020: 500.0, 2021: 380.0}), FrontSeries("B", {2020: 90.0}))
    return MappedRegion("Mendenhall", "It lost 8 km² in a year.", GRID, tuple(dates), years,
                        change=make_change(), fronts=fronts,
                        files={"maps/area 1.csv": "areas"})  # fmt: skip


def make_change() -> ChangePicture:
    """Some lost, most never glacier, the south not seen."""
    codes = np.zeros(GRID.shape, np.uint8)
    codes[10:20, 30:40], codes[30:] = 2, 255
    classes = (
        ChangeClass("lost", "#d55e00", 1.0), ChangeClass("never glacier", "#f2efe9", 17.0),
        ChangeClass("not seen in one of the two", "", 6.0),
    )  # fmt: skip
    return ChangePicture((2020, 2021), draw_codes(codes, {2: "#d55e00", 0: "#f2efe9"}), classes)


@pytest.fixture(scope="module")
def page() -> str:
    return render_map_page(make_region())


def read_data(page: str) -> dict:
    """What the page's script reads."""
    return json.loads(
        re.search('<script type="application/json" id="data">(.*?)</script>', page)[1]
    )


class Elements(HTMLParser):
    """Names and attributes of all elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_nothing_of_the_page_lies_elsewhere(page):
    for tag, attributes in Elements(page).found:
        for name in ("src", "href", "action", "poster", "srcset", "data"):
            address = attributes.get(name) or "#"
            assert address.startswith(("data:", "#", "./")), (tag, name, address)
    assert "./maps/area%201.csv" in page
    style = re.search("<style>(.*?)</style>", page, re.DOTALL)[1]
    assert set(re.findall(r"url\(.", style)) == {"url(#"} and "@import" not in style
    assert "sourceMappingURL" not in page
    policy = re.search('Content-Security-Policy" content="([^"]*)"', page)[1].replace("&#39;", "'")
    scripts = re.findall("<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 2
    hashes = " ".join(map(hash_script, scripts))
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {hashes}"
    )


def test_hostile_names_are_text():
    region = make_region()
    odd = MapDate(date(2022, 1, 1), "failed", EVIL)
    region = replace(
        region, place=EVIL, summary=EVIL, notes=(EVIL,), credits=(EVIL,),
        dates=(*region.dates, odd),
        years=(*region.years, MapYear(2023, (), None, EVIL)), files={"a'\"<b>.csv": EVIL},
        fronts=tuple(FrontSeries(EVIL + end, {2020: 1.0, 2021: 2.0}) for end in "ab"),
    )  # fmt: skip
    page = render_map_page(region)
    assert "<script>alert" not in page and "<b>" not in re.sub("<b>(?:Keys|[−0])", "", clear(page))
    assert [tag for tag, _ in Elements(page).found].count("script") == 3
    assert EVIL in read_data(page)["dates"][-1]["facts"]


def clear(page: str) -> str:
    """A page without its scripts and the elements that the script fills."""
    page = re.sub("<script.*?</script>", "", page, flags=re.DOTALL)
    return re.sub('<b id="[a-z]+"></b>', "", page).replace("<b></b>", "")


def test_every_month_and_year_is_there_without_a_script_too(page):
    region = make_region()
    page = clear(page)
    for shown in region.dates:
        assert f'<th scope="row"><time datetime="{shown.month:%Y-%m}">{shown.name}</time>' in page
        assert page.count(f'aria-label="{shown.name}') == 1
    for words in (
        "no picture: sun too low: sun at most 5.1 deg high",
        "failed: RasterError: cut short",
        "new snow: snow on half of the ice",
        "no clear late summer",
    ):
        assert f'<td class="text">{words}</td>' in page
    assert page.count('<figure class="still">') == 1
    assert "August 2021: 7.00 km² (90 %: 6.00 to 8.00) · 90 % seen" in page
    assert '<td class="text">July and August</td>' in page


def test_months_go_by_date_whatever_their_order(page):
    region = make_region()
    assert (
        render_map_page(replace(region, dates=region.dates[::-1], years=region.years[::-1])) == page
    )


def test_the_outline_lies_on_the_edges_of_pixels_and_not_along_the_frame(page):
    data = read_data(page)
    (line,) = data["dates"][0]["outline"]
    places = {tuple(corner) for corner in line}
    assert {(0, 10), (40, 10), (40, 30), (0, 30)} == places and len(line) == 4
    assert {line[0][0], line[-1][0]} == {0}
    assert data["dates"][0]["pictures"].keys() == {
        "true colour",
        "false colour",
        "NDSI",
        "probability",
    }
    assert data["dates"][3]["gap"] and not data["dates"][3]["pictures"]


def test_rings_are_cut_at_the_frame_alone():
    inside = np.array([[5, 5], [9, 5], [9, 9], [5, 9], [5, 5]], float)
    (whole,) = cut_ring(inside, GRID)
    assert whole == inside.tolist()
    corner = np.array([[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]], float)
    assert cut_ring(corner, GRID) == [[[9, 0], [9, 9], [0, 9]]]
    strip = np.array([[9, 0], [9, 40], [5, 40], [5, 0], [9, 0]], float)
    assert sorted(cut_ring(strip, GRID)) == [[[5, 40], [5, 0]], [[9, 0], [9, 40]]]
    everything = np.array([[0, 0], [60, 0], [60, 40], [0, 40], [0, 0]], float)
    assert cut_ring(everything, GRID) == []


def test_the_page_opens_at_the_latest_month_that_counts():
    dates = make_region().dates
    assert choose_start(dates) == 6
    assert choose_start(dates[:5]) == 1
    assert choose_start(dates[3:5]) == 1


def test_a_year_is_shown_by_the_month_of_its_area_that_was_seen_best():
    region = make_region()
    dates = list(region.dates)
    assert find_months(dates, region.years) == {2020: 1, 2021: 6, 2022: None}
    dates[5] = replace(dates[5], seen_share=0.99)
    assert find_months(dates, region.years)[2021] == 5
    assert find_months(dates, (MapYear(2020),))[2020] == 2  # no month counts: seen best, the latest
    southern = MapYear(2021, (date(2020, 8, 1),), Area(1, 1, 1))  # a season over the new year
    assert find_months(dates, (southern,)) == {2021: 1} and name_source(southern) == "August 2020"


def test_years_below_the_slider_have_room():
    dates = [MapDate(date(year, month, 1), "empty") for year in range(1990, 2020)
             for month in (1, 7)]  # fmt: skip
    places = [tick.at for tick in list_ticks(dates) if tick.label]
    assert places[0] == 0 and min(np.diff(places)) >= 0.15
    assert [tick.at for tick in list_ticks(dates[:1])] == [0]


@pytest.mark.parametrize(
    ("area", "words"),
    [(Area(2328, 2258, 2398.2), "2258 to 2398"), (Area(97.12, 94, 100.21), "94.0 to 100.2"),
     (Area(0.0312, 0.02, 0.04), "0.0200 to 0.0400"), (Area(0, 0, 0.1), "0.000000 to 0.100000")],
)  # fmt: skip
def test_areas_have_three_digits(area, words):
    assert name_interval(area) == words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dates": ()}, "no month to show"),
        ({"dates": (MapDate(date(2020, 1, 1), "empty"),) * 2}, "2020-01 is there twice"),
        ({"dates": (MapDate(date(2020, 1, 1), "ok", layers={"x-ray": None}),)}, "called x-ray"),
        ({"files": {"https://a.b/c": "x"}}, "does not lie beside"),
        ({"files": {"javascript:alert(1)": "x"}}, "does not lie beside"),
        ({"files": {"../secret": "x"}}, "does not lie beside"),
        ({"files": {"//host/x": "x"}}, "does not lie beside"),
    ],
)
def test_what_cannot_be_shown_is_refused(change, words):
    with pytest.raises(PageError, match=words):
        render_map_page(replace(make_region(), **change))


def test_a_region_without_two_years_has_no_change_and_no_chart_of_fronts():
    page = render_map_page(replace(make_region(), change=None, fronts=()))
    assert 'value="change"' not in page and "front-title" not in page
    assert read_data(page)["always"] == {}


def test_the_chart_of_fronts_is_there_without_a_script(page):
    assert page.count('class="front"') == 3  # two years, and the line between them
    assert "<title>A, 2021: -120 m</title>" in page and "B, 2020" not in page


def test_the_map_library_keeps_its_licence(page):
    leaflet = read_leaflet()
    assert "BSD 2-Clause License" in leaflet.licence and "Volodymyr Agafonkin" in leaflet.licence
    assert "Leaflet 1.9.4" in leaflet.script[:200]
    assert "Redistributions of source code must retain" in page


SOURCE = "document.querySelector('.leaflet-right-pane img.picture').src"
SAID = "document.getElementById('%s').textContent"


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium or chrome binary on this machine")
def test_a_reader_moves_through_the_months_by_key_and_by_click(page, tmp_path):
    path = tmp_path / "map.html"
    path.write_text(page, encoding="utf-8")
    with Browser(tmp_path / "profile", path.as_uri()) as tab:
        seen = [tab.ask(SOURCE)]
        assert seen[0].startswith("data:image/webp") and tab.ask(SAID % "now") == "August 2021"

        tab.ask("document.getElementById('month').focus()")
        tab.press("ArrowLeft")  # the slider's own keys
        seen.append(tab.ask(SOURCE))
        assert tab.ask(SAID % "now") == "July 2021"
        assert tab.ask("document.getElementById('month').ariaValueText") == "July 2021"
        tab.ask("document.activeElement.blur()")
        tab.press("ArrowLeft")  # the page's
        assert tab.ask(SAID % "said-right") == "May 2021: failed: RasterError: cut short"
        assert tab.ask(SOURCE).startswith("data:image/svg")

        tab.click(".area a[data-month='1']")
        seen.append(tab.ask(SOURCE))
        assert tab.ask(SAID % "now") == "August 2020"
        assert tab.ask("document.querySelector('.area a[aria-current]').dataset.month") == "1"
        tab.press("4")
        seen.append(tab.ask(SOURCE))
        assert seen[-1].startswith("data:image/png") and len(set(seen)) == len(seen)
        assert tab.ask("document.querySelector('path.outline').getBoundingClientRect().width > 50")
        tab.press("5")
        alt = "document.querySelector('.leaflet-right-pane img.picture').alt"
        change = tab.ask(SOURCE)
        assert change.startswith("data:image/png") and change not in seen
        assert tab.ask(alt) == "change from 2020 to 2021"
        legend = "document.querySelector('[data-legend=change]').innerText"
        assert "lost 1.0 km²" in tab.ask(legend) and "never glacier 17.0 km²" in tab.ask(legend)
        tab.press("ArrowRight", "ArrowRight")  # a gap, and the same change
        assert tab.ask(SOURCE) == change and tab.ask("document.getElementById('said-right').hidden")
        tab.press("ArrowLeft", "ArrowLeft")
        tab.press("o")
        assert tab.ask("document.querySelectorAll('path.outline')[1].getAttribute('d')") == "M0 0"
        assert not tab.complaints and tab.requests == [path.as_uri()]


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium or chrome binary on this machine")
def test_two_dates_are_swiped_and_picture_outline_and_scale_fit(page, tmp_path):
    path = tmp_path / "map.html"
    path.write_text(page, encoding="utf-8")
    with Browser(tmp_path / "profile", path.as_uri()) as tab:
        box = "JSON.stringify(document.querySelector('%s').getBoundingClientRect())"
        picture = json.loads(tab.ask(box % ".leaflet-right-pane img.picture"))
        outline = json.loads(tab.ask(box % ".leaflet-right-pane path.outline"))
        pixel = picture["width"] / GRID.width
        assert picture["height"] / GRID.height == pytest.approx(pixel, rel=0.01)
        assert outline["width"] == pytest.approx(35 * pixel, abs=4)  # the line's own width
        assert outline["y"] - picture["y"] == pytest.approx(10 * pixel, abs=4)
        bar = json.loads(tab.ask(box % ".leaflet-control-scale-line"))
        length = tab.ask("document.querySelector('.leaflet-control-scale-line').textContent")
        metres = float(length.split()[0]) * (1000 if length.endswith("km") else 1)
        assert bar["width"] == pytest.approx(metres / GRID.pixel_m * pixel, rel=0.05)

        tab.press("s")
        assert (
            tab.ask("document.getElementById('left-month').selectedOptions[0].text")
            == "August 2020"
        )
        x, y = tab.middle("#divider")
        tab.drag((x, y), (x - 50, y), (x - 100, y))
        left = "document.getElementById('divider').getAttribute('aria-valuenow')"
        assert 0 < int(tab.ask(left)) < 50
        before = int(tab.ask(left))
        tab.press("ArrowRight")
        assert int(tab.ask(left)) == before + 5 and tab.ask(SAID % "now") == "August 2021"
        tab.resize(390, 844)
        assert tab.ask("document.documentElement.scrollWidth") == 390
        small = tab.ask(
            "[...document.querySelectorAll('button, select, input[type=range]')].filter(e => "
            "e.offsetParent && Math.min(e.offsetWidth, e.offsetHeight) < 24).length"
        )
        assert small == 0 and not tab.complaints
