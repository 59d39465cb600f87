"""The outlines as OGC API Features: what may be asked, what is answered, and GDAL as a client."""

import json
import os
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from glacier import store
from glacier.serving.features import build_features
from glacier.serving.finished_run import WatchedRun
from glacier.serving.page import build_page
from glacier.serving.run_places import RunPlaces
from tests.support.finished_runs import make_run, serve_app

ITEMS = "/collections/outlines/items"


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> RunPlaces:
    return make_run(tmp_path_factory.mktemp("run"))


def make_app(places: RunPlaces) -> FastAPI:
    app = FastAPI()
    app.include_router(build_page(places.name))
    app.include_router(build_features(WatchedRun(lambda: places)))
    return app


@pytest.fixture(scope="module")
def client(places: RunPlaces) -> TestClient:
    return TestClient(make_app(places), raise_server_exceptions=False)


def ask(client: TestClient, query: str = "") -> dict:
    answer = client.get(f"{ITEMS}{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def find_link(body: dict, rel: str) -> str | None:
    found = [link["href"] for link in body["links"] if link["rel"] == rel]
    assert len(found) < 2
    return found[0] if found else None


def test_programs_find_the_outlines_from_the_first_page(client: TestClient) -> None:
    landing = client.get("/", headers={"accept": "application/json"})
    assert landing.headers["content-type"] == "application/json" and "Accept" in landing.headers[
        "vary"
    ]  # fmt: skip
    rels = {link["rel"] for link in landing.json()["links"]}
    assert {"self", "service-desc", "conformance", "data"} <= rels
    conforms = client.get(find_link(landing.json(), "conformance")).json()["conformsTo"]
    assert any(name.endswith("/conf/core") for name in conforms)
    (collection,) = client.get(find_link(landing.json(), "data")).json()["collections"]
    assert client.get(find_link(collection, "self")).json() == collection
    ((west, south, east, north),) = collection["extent"]["spatial"]["bbox"]
    assert -135.1 < west < east < -134.9 and 58.6 < south < north < 58.7
    assert collection["extent"]["temporal"]["interval"] == [
        ["2019-08-01T00:00:00Z", "2021-08-31T23:59:59Z"]
    ]
    answer = client.get(find_link(collection, "items"))
    assert answer.headers["content-type"] == "application/geo+json"
    assert answer.json()["numberMatched"] == 6


def test_pages_hold_every_outline_once_and_lead_on_and_back(client: TestClient) -> None:
    whole = ask(client)
    assert find_link(whole, "next") is None and find_link(whole, "prev") is None
    body, seen = ask(client, "?limit=4"), []
    assert (body["numberMatched"], body["numberReturned"]) == (6, 4)
    assert body["timeStamp"].endswith("Z")
    while True:
        seen += [feature["id"] for feature in body["features"]]
        following = find_link(body, "next")
        if following is None:
            break
        body = client.get(following).json()
    assert seen == [feature["id"] for feature in whole["features"]] and len(set(seen)) == 6
    assert client.get(find_link(body, "prev")).json()["features"][0]["id"] == seen[0]
    assert ask(client, "?limit=1000000")["numberReturned"] == 6  # the most that there may be
    assert ask(client, "?offset=99")["features"] == []


def test_addresses_are_those_that_the_client_wrote(client: TestClient, places: RunPlaces) -> None:
    body = client.get(f"{ITEMS}?limit=1", headers={"host": "maps.example:81"}).json()
    assert find_link(body, "next") == f"http://maps.example:81{ITEMS}?limit=1&offset=1"
    odd = client.get(f"{ITEMS}?limit=1", headers={"host": "[x<"})
    assert odd.status_code == 200 and "[x<" not in odd.text
    behind = TestClient(make_app(places), root_path="/glacier")
    landing = behind.get("/", headers={"accept": "application/json"}).json()
    assert find_link(landing, "data") == "http://testserver/glacier/collections"


def test_an_outline_says_all_that_the_inventory_would(client: TestClient) -> None:
    feature = ask(client)["features"][0]
    alone = client.get(f"{ITEMS}/{feature['id']}").json()
    assert {**feature, "links": alone["links"]} == alone
    values = feature["properties"]
    assert feature["id"] == "ridge.2019-08.1" and values["region"] == "ridge"
    assert values["src_date_min"] == "2019-08-01" and values["rgi_id"] is None
    assert values["area_km2"] == pytest.approx(4.5, rel=0.01)
    ring = feature["geometry"]["coordinates"][0]
    assert ring[0] == ring[-1]
    turn = sum((b[0] - a[0]) * (b[1] + a[1]) for a, b in pairwise(ring))
    assert turn < 0  # counter-clockwise
    assert client.get(f"{ITEMS}/ridge.2019-08.99").status_code == 404
    assert client.get(f"{ITEMS}/..%2F..%2Fetc%2Fpasswd").status_code == 404


def test_a_box_and_dates_take_what_shares_a_point_with_them(client: TestClient) -> None:
    whole = ask(client)
    small = min(whole["features"], key=lambda feature: feature["properties"]["area_km2"])
    lon, lat = small["properties"]["cenlon"], small["properties"]["cenlat"]
    near = f"{lon - 1e-4},{lat - 1e-4},{lon + 1e-4},{lat + 1e-4}"
    assert ask(client, f"?bbox={near}")["numberMatched"] == 3  # that one on all dates
    assert ask(client, f"?bbox={near}&datetime=2020-08-15")["numberMatched"] == 1
    high = f"{lon - 1e-4},{lat - 1e-4},0,{lon + 1e-4},{lat + 1e-4},9"
    assert ask(client, f"?bbox={high}")["numberMatched"] == 3
    assert ask(client, "?bbox=170,-80,-130,80")["numberMatched"] == 6  # over the date line
    assert ask(client, "?bbox=0,0,1,1")["numberMatched"] == 0
    for dates, count in (
        ("2019-08-31", 2), ("2019-09-01", 0), ("2020-08-01T12:00:00Z", 2), ("2020-01-01/..", 4),
        ("../2020-01-01", 2), ("/2020-08-01", 4), ("2019-08-15/2020-08-15", 4),
        ("2021-08-31T23:30:00-02:00", 0),
    ):  # fmt: skip
        assert ask(client, f"?datetime={dates}")["numberMatched"] == count, dates
    assert ask(client, "?region=ridge&year=2021&month=8")["numberMatched"] == 2
    assert ask(client, "?region=elsewhere")["numberMatched"] == 0
    assert ask(client, "?rgi_id=RGI60-01.00001")["numberMatched"] == 0


@pytest.mark.parametrize(
    "query",
    [
        "?nonsense=1", "?limit=0", "?limit=-1", "?limit=two", "?limit=99999999999",
        "?limit=1&limit=2", "?offset=-1", "?bbox=1,2,3", "?bbox=1,2,3,x", "?bbox=nan,0,1,1",
        "?bbox=0,2,1,1", "?bbox=1e999,0,1,1", "?datetime=yesterday",
        "?datetime=2021-01-01/2020-01-01", "?datetime=2020-13-01", "?datetime=2020-01-01T00:00:00",
        "?datetime=a/b/c", "?datetime=",
        "?year=%D9%A3", "?month=1.5", "?datetime=0001-01-01T00:00:00%2B23:59",
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_said_to_be_so(client: TestClient, query: str) -> None:
    answer = client.get(f"{ITEMS}{query}")
    assert answer.status_code == 400 and answer.json()["detail"]


@pytest.mark.parametrize("place", ["/conformance", "/collections", "/collections/outlines"])
def test_unknown_parameters_are_refused_everywhere(client: TestClient, place: str) -> None:
    assert client.get(place).status_code == 200
    assert client.get(f"{place}?nonsense=1").status_code == 400
    assert client.get("/collections/nonsense").status_code == 404


def test_what_is_not_there_yet_is_an_empty_collection_and_comes_when_it_is(tmp_path: Path) -> None:
    empty = RunPlaces("tiny", str(tmp_path / "results"), {"ridge": "Ridge"})
    found = [empty]
    app = FastAPI()
    app.include_router(build_features(WatchedRun(lambda: found[0], look_s=0)))
    client = TestClient(app)
    assert ask(client)["features"] == []
    assert "extent" not in client.get("/collections/outlines").json()
    found[0] = make_run(tmp_path, ("2019-08", "2020-08"))
    assert ask(client)["numberMatched"] == 4
    make_run(tmp_path)  # a month more
    assert ask(client)["numberMatched"] == 6
    table = tmp_path / "results/area.csv"
    table.write_bytes(table.read_bytes() + b"x")
    os.utime(tmp_path / "results/series.json")
    assert ask(client)["numberMatched"] == 6  # what was there before is served on


def test_a_damaged_series_is_said_without_its_address(tmp_path: Path) -> None:
    places = make_run(tmp_path, ("2019-08",))
    store.write_bytes(f"{places.results}/series.json", b"{}")
    answer = TestClient(make_app(places)).get(ITEMS)
    assert answer.status_code == 503 and str(tmp_path) not in answer.text


@pytest.mark.skipif(shutil.which("ogrinfo") is None, reason="gdal-bin is not installed")
def test_gdal_reads_the_collection_with_paging_and_a_box(places: RunPlaces, tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        done = subprocess.run(
            ["ogrinfo", "-ro", *arguments], capture_output=True, text=True, timeout=60,
            env={**os.environ, "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"},
        )  # fmt: skip
        assert done.returncode == 0 and "ERROR" not in done.stderr, done.stderr
        return done.stdout

    with serve_app(make_app(places)) as address:
        assert "Feature Count: 6" in run("-al", "-so", f"OAPIF:{address}")
        listed = run("-al", "-geom=SUMMARY", "-oo", "PAGE_SIZE=2", f"OAPIF:{address}")
        assert listed.count("OGRFeature(outlines)") == 6 and "2021" in listed
        box = ("-spat", "-135.5", "58", "-134.9", "59")
        assert "Feature Count: 6" in run("-al", "-so", *box, f"OAPIF:{address}")
        none = ("-spat", "0", "0", "1", "1")
        assert "Feature Count: 0" in run("-al", "-so", *none, f"OAPIF:{address}")
        made = tmp_path / "outlines.geojson"
        subprocess.run(
            ["ogr2ogr", str(made), f"OAPIF:{address}", "outlines", "-oo", "PAGE_SIZE=4"],
            check=True, timeout=60,
        )  # fmt: skip
    assert len(json.loads(made.read_text())["features"]) == 6
