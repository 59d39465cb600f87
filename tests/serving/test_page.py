"""The page in a browser: its slider, an own image, keys, a phone, the dark, and whom it asks."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from glacier.serving.features import build_features
from glacier.serving.finished_run import WatchedRun
from glacier.serving.overview import build_overview
from glacier.serving.page import build_page, read_files, wants_page
from glacier.serving.tiles import build_tiles
from tests.support.browser import CHROMIUM
from tests.support.finished_runs import make_run, serve_app
from tests.support.stand_in_jobs import StandIn

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, StandIn]]:
    """The address of a service, and what stands in for its jobs."""
    places = make_run(tmp_path_factory.mktemp("run"))
    runs, jobs, app = WatchedRun(lambda: places), StandIn(places), FastAPI()
    app.include_router(build_page(places.name))
    app.include_router(jobs.build())
    for build in (build_features, build_overview, build_tiles):
        app.include_router(build(runs), dependencies=[Depends(jobs.check)])
    with serve_app(app) as address:
        client = TestClient(app)
        items = client.get("/collections/outlines/items?year=2019").json()
        jobs.outlines = items["features"]
        yield address, jobs


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


class Visit:
    """A page, what it asked for, and what it complained of."""

    def __init__(self, browser: Any, address: str, wait: bool = True, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda said: (
                self.complaints.append(said.text) if said.type in ("error", "warning") else None
            ),
        )
        self.page.goto(address)
        if wait:
            self.page.wait_for_selector("#map path.line")

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def text(self, selector: str) -> str:
        return self.page.inner_text(selector)

    def fits(self) -> bool:
        """Whether nothing has to be scrolled sideways."""
        return self.page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )


@needs_browser
def test_the_months_move_by_keyboard_and_nobody_else_is_asked(
    service: tuple[str, StandIn], browser: Any
) -> None:
    address, _ = service
    with Visit(browser, address) as visit:
        page = visit.page
        assert "August 2021" in visit.text("#now") and "km²" in visit.text("#now")
        assert "stands for 2021" in visit.text("#why") and "(90 %:" in visit.text("#why")
        before = page.get_attribute("#map path.line", "d")
        page.focus("#month")
        page.keyboard.press("ArrowLeft")
        assert "No map" in visit.text("#over") and "sun at most" in visit.text("#over")
        page.keyboard.press("ArrowLeft")
        page.wait_for_selector("#map path.line")
        assert "August 2020" in page.get_attribute("#month", "aria-valuetext")
        assert page.get_attribute("#map path.line", "d") != before
        page.wait_for_selector("#map img.leaflet-tile-loaded", state="attached")
        page.keyboard.press("Home")
        assert "August 2019" in visit.text("#now") and page.is_disabled("#before")
        page.focus("#map")
        scale = page.locator("#map .leaflet-control-scale-line")
        before = scale.inner_text()
        page.keyboard.press("+")
        scale.filter(has_not_text=before).wait_for()
        assert page.locator("#rows tr").count() == 3 and "2019" in page.get_attribute(
            "#chart svg", "aria-label"
        )
        page.locator("#layers input[value=class]").check()
        page.wait_for_selector("#map img.leaflet-tile-loaded", state="attached")
        assert any("/tiles/class/ridge/2019-08/" in url for url in visit.asked)
        assert all(url.startswith((address, f"blob:{address}")) for url in visit.asked)
        assert not visit.complaints


@needs_browser
def test_an_own_image_is_sent_mapped_and_shown_after_what_the_model_says(
    service: tuple[str, StandIn], browser: Any, tmp_path: Path
) -> None:
    address, jobs = service
    jobs.bodies.clear()
    image = tmp_path / "mine.tif"
    image.write_bytes(b"II*\0 an image")
    with Visit(browser, address) as visit:
        page = visit.page
        whole = visit.text("body")
        assert 0 < whole.index("tested on one ridge alone") < whole.index(" km²")
        handle = page.evaluate_handle(
            "() => { const data = new DataTransfer();"
            "data.items.add(new File(['II*\\0 an image'], 'mine.tif')); return data; }"
        )
        page.dispatch_event("#drop", "drop", {"dataTransfer": handle})
        page.wait_for_selector(".job .area")
        assert jobs.bodies == [("image/tiff", b"II*\0 an image")]
        card = page.text_content(".job")
        assert card.index("Debris-covered ice") < card.index("4.68 km²") < card.index("4.30 to")
        page.wait_for_selector("#map img.leaflet-image-layer")
        page.wait_for_selector("#map path.line")
        assert not page.locator(".job li", has_text="Debris").is_visible()  # it stands above
        assert "mine.tif" in visit.text("#now") and "mine.tif" in visit.text("#status")
        page.get_by_role("button", name="Remove mine.tif").click()
        page.wait_for_selector(".job", state="detached")
        page.wait_for_timeout(50)
        assert not jobs.jobs and not visit.complaints
        page.set_input_files("#file", {"name": "x.tif", "mimeType": "", "buffer": b"broken"})
        page.wait_for_selector(".job.bad")
        assert "no GeoTIFF" in visit.text(".job.bad .said") and not visit.complaints
        page.reload()
        page.wait_for_selector(".job.bad")  # what was asked for is still there


@needs_browser
def test_what_decides_is_said_of_an_image_where_its_box_is_ticked(
    service: tuple[str, StandIn], browser: Any
) -> None:
    address, _ = service
    with Visit(browser, address) as visit:
        page = visit.page
        for ticked in (False, True):
            page.set_checked("#explain", ticked)
            name = f"{ticked}.tif"
            page.set_input_files("#file", {"name": name, "mimeType": "", "buffer": b"II*\0 image"})
            card = page.locator(".job", has_text=name)
            card.locator(".area").wait_for()
            assert ("Red decides here." in card.inner_text()) == ticked
            card.get_by_role("button", name=f"Remove {name}").click()
            card.wait_for(state="detached")
        assert not visit.complaints


@needs_browser
def test_long_work_can_be_ended(service: tuple[str, StandIn], browser: Any) -> None:
    address, jobs = service
    jobs.jobs.clear()
    jobs.looks = 1000
    try:
        with Visit(browser, address) as visit:
            visit.page.set_input_files(
                "#file", {"name": "long.tif", "mimeType": "image/tiff", "buffer": b"II*\0"}
            )
            visit.page.locator(".job .said", has_text="it is being mapped").wait_for()
            assert visit.page.locator(".job progress").count() == 1
            visit.page.get_by_role("button", name="Cancel long.tif").click()
            visit.page.wait_for_selector(".job", state="detached")
            visit.page.wait_for_timeout(50)
            assert not jobs.jobs and not visit.complaints
    finally:
        jobs.looks = 1


@needs_browser
def test_a_phone_in_the_dark_has_all_of_it_within_its_width(
    service: tuple[str, StandIn], browser: Any
) -> None:
    address, _ = service
    phone = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True}
    with Visit(browser, address, **phone) as visit:
        assert visit.fits()
        back, ink = (
            visit.page.evaluate(f"getComputedStyle(document.body).{name}")
            for name in ("backgroundColor", "color")
        )
        dark, light = (sum(map(int, re.findall(r"\d+", text)[:3])) for text in (back, ink))
        assert dark < 120 and light > 600
        sides = visit.page.evaluate(
            "[...document.querySelectorAll('button, select, #layers label')].filter((node) =>"
            "node.offsetParent).map((node) => node.getBoundingClientRect().height)"
        )
        assert min(sides) >= 40  # fingers
        unnamed = visit.page.evaluate(
            "[...document.querySelectorAll('input, select, button')].filter((node) =>"
            "!node.labels?.length && !node.ariaLabel && !node.textContent.trim()).length"
        )
        assert not unnamed and not visit.complaints


@needs_browser
def test_a_token_is_asked_for_and_goes_with_every_request(
    service: tuple[str, StandIn], browser: Any
) -> None:
    address, jobs = service
    jobs.token = "a-token-of-the-test"
    try:
        with Visit(browser, address, wait=False) as visit:
            visit.page.wait_for_selector("#token-form:not([hidden])")
            visit.page.fill("#token", jobs.token)
            visit.page.press("#token", "Enter")
            visit.page.wait_for_selector("#map path.line")
            visit.page.wait_for_selector("#map img.leaflet-tile-loaded", state="attached")
            assert not any(jobs.token in url for url in visit.asked)
            with visit.page.expect_download() as taken:
                visit.page.get_by_role("link", name="area.csv").click()
            assert taken.value.suggested_filename == "area.csv"
    finally:
        jobs.token = ""


def test_people_get_the_page_and_programs_get_json() -> None:
    app = FastAPI()
    app.include_router(build_page("tiny"))
    client = TestClient(app)
    page = client.get("/", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    for accept in ("*/*", "application/json", "application/json, text/html;q=0.5", ""):
        assert client.get("/", headers={"accept": accept}).json()["title"] == "tiny"
    assert client.get("/?f=html").text == page.text and client.get("/?f=json").json()["links"]
    assert client.get("/?f=xml").status_code == 400
    assert not wants_page("text/html;q=x, application/json;q=0.2,;;,")
    again = client.get("/page/app.js", headers={"if-none-match": read_files()["app.js"].etag})
    assert again.status_code == 304
    for name in ("../page.py", "..%2Fpage.py", "nonsense", "%00"):
        assert client.get(f"/page/{name}").status_code == 404


def test_the_page_asks_for_nothing_that_is_not_in_the_package() -> None:
    for name, file in read_files().items():
        text = file.data.decode()
        if name.startswith("leaflet"):
            continue
        for address in re.findall(r"https?://[^\s\"'`)<]+", text):
            assert address == "http://www.w3.org/2000/svg", f"{name}: {address}"
        assert " style=" not in text and "innerHTML" not in text, name
        for found in re.findall(r"(?:src|href)=\"(page/[^\"]+)\"", text):
            assert found.removeprefix("page/") in read_files()
    assert json.dumps(sorted(read_files())) and read_files()["leaflet-licence.txt"].data
