"""Tiles and files of a run: what they show, and that nothing else is sent."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from fastapi import FastAPI
from fastapi.testclient import TestClient
from morecantile import tms

from glacier.serving.finished_run import WatchedRun
from glacier.serving.overview import build_overview
from glacier.serving.run_places import RunPlaces
from glacier.serving.tiles import build_tiles, find_zoom
from tests.support.finished_runs import EVIL, GRID, make_run

MERCATOR = tms.get("WebMercatorQuad")
MIDDLE = MERCATOR.tile(-134.977, 58.627, 12)
"""Column and row of a tile in the glacier."""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> RunPlaces:
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def client(places: RunPlaces) -> TestClient:
    return make_client(places)


def make_client(places: RunPlaces) -> TestClient:
    app, runs = FastAPI(), WatchedRun(lambda: places)
    app.include_router(build_tiles(runs))
    app.include_router(build_overview(runs))
    return TestClient(app, raise_server_exceptions=False)


def draw(client: TestClient, layer: str, zoom: int = 12) -> np.ndarray:
    """The pixels of the tile in the middle: (4, H, W)."""
    tile = MERCATOR.tile(-134.977, 58.627, zoom)
    answer = client.get(f"/tiles/{layer}/ridge/2020-08/{tile.z}/{tile.x}/{tile.y}.png")
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
    with rasterio.MemoryFile(answer.content) as file, file.open() as source:
        return source.read()


def test_layers_show_the_ice_and_are_clear_beyond_the_map(client: TestClient) -> None:
    for layer in ("true-colour", "false-colour", "probability", "class"):
        pixels = draw(client, layer)
        assert pixels.shape == (4, 256, 256)
        opaque = pixels[3] > 0
        assert 0.01 < opaque.mean() < 0.9, layer  # the tile is larger than the ground
    white = draw(client, "true-colour")
    assert white[:3, white[3] > 0].max() > 200 and white[:3, white[3] > 0].min() < 120
    sure, ice = draw(client, "probability"), draw(client, "class")
    assert set(map(tuple, ice[:, ice[3] > 0].T)) == {(86, 180, 233, 200)}
    assert sure[0, ice[3] > 0].max() < sure[0, (ice[3] == 0) & (sure[3] > 0)].min()  # darker blue


def test_a_tile_beside_the_map_is_clear(client: TestClient) -> None:
    answer = client.get("/tiles/class/ridge/2020-08/12/0/0.png")
    with rasterio.MemoryFile(answer.content) as file, file.open() as source:
        assert answer.status_code == 200 and not source.read()[3].any()


def test_a_browser_that_has_a_tile_is_told_so(client: TestClient) -> None:
    address = f"/tiles/class/ridge/2020-08/12/{MIDDLE.x}/{MIDDLE.y}.png"
    etag = client.get(address).headers["etag"]
    again = client.get(address, headers={"if-none-match": etag})
    assert again.status_code == 304 and not again.content
    other = client.get(address.replace("class", "probability"), headers={"if-none-match": etag})
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("place", "status"),
    [
        ("nonsense/ridge/2020-08/12/1/1.png", 404), ("class/elsewhere/2020-08/12/1/1.png", 404),
        ("class/ridge/2021-01/12/1/1.png", 404), ("class/ridge/2020-08/1/2/0.png", 404),
        ("class/..%2Fridge/2020-08/12/1/1.png", 404), ("class/ridge/..%2F2020-08/1/1/1.png", 404),
        ("class/ridge/2020-08/23/1/1.png", 422), ("class/ridge/2020-08/12/-1/1.png", 422),
        (f"class/ridge/2020-08/12/{'9' * 5000}/1.png", 422),
    ],
)  # fmt: skip
def test_names_are_only_compared(client: TestClient, place: str, status: int) -> None:
    assert client.get(f"/tiles/{place}").status_code == status


def test_a_layer_is_described_for_other_programs(client: TestClient) -> None:
    found = client.get("/tiles/class/ridge/2020-08/tilejson.json").json()
    assert found["tiles"] == ["http://testserver/tiles/class/ridge/2020-08/{z}/{x}/{y}.png"]
    west, south, east, north = found["bounds"]
    assert west < -134.98 < east and south < 58.63 < north
    assert found["maxzoom"] == find_zoom(GRID) == 12  # 20 m there; at 11 they were 40 m


def test_a_changed_raster_is_not_shown(tmp_path: Path) -> None:
    places = make_run(tmp_path, ("2020-08",))
    client = make_client(places)
    address = f"/tiles/class/ridge/2020-08/12/{MIDDLE.x}/{MIDDLE.y}.png"
    assert client.get(address).status_code == 200
    path = Path(places.maps) / "ridge/2020-08.class.tif"
    path.write_bytes(path.read_bytes() + b"x")
    answer = client.get(address)
    assert answer.status_code == 503 and str(tmp_path) not in answer.text


def test_the_story_of_a_region_has_its_months_its_gaps_and_its_files(client: TestClient) -> None:
    run = client.get("/run").json()
    assert run["regions"] == [{"name": "ridge", "title": f"Ridge {EVIL}"}]
    for file in run["files"]:
        answer = client.get(f"/{file['href']}")
        assert answer.status_code == 200 and answer.headers["content-disposition"].endswith(
            f'"{file["name"]}"'
        )
    assert {file["name"] for file in run["files"]} >= {"outlines.gpkg", "area.csv"}
    region = client.get("/run/ridge").json()
    assert [layer["name"] for layer in region["layers"]] == [
        "true-colour", "false-colour", "probability", "class"
    ]  # fmt: skip
    months = {month["month"]: month for month in region["months"]}
    assert list(months) == ["2019-08", "2020-08", "2021-01", "2021-08"]
    gap = months["2021-01"]
    assert (gap["mapped"], gap["area_km2"], gap["gap"]) == (False, None, "empty")
    assert [year["year"] for year in region["years"]] == [2019, 2020, 2021]
    year, first = region["years"][0], months["2019-08"]
    assert year["low_km2"] < year["area_km2"] < year["high_km2"]
    assert first["mapped"] and first["low_km2"] is None  # years alone have an interval
    outlines, *rasters = first["files"]
    found = client.get(f"/{outlines['href']}")
    assert found.headers["content-type"] == "application/geo+json"
    assert [feature["id"] for feature in found.json()["features"]] == [
        "ridge.2019-08.1", "ridge.2019-08.2"
    ]  # fmt: skip
    assert client.get("/files/ridge/2021-01/outlines.geojson").status_code == 404
    for file in rasters:
        part = client.get(f"/{file['href']}", headers={"range": "bytes=0-3"})
        assert part.status_code == 206 and part.content == b"II*\0"
    assert client.get("/run/elsewhere").status_code == 404


@pytest.mark.parametrize(
    "name", ["series.json", "map.html", "..%2Farea.csv", "%2Fetc%2Fpasswd", ".area.csv", "area.CSV"]
)
def test_only_named_files_are_sent(client: TestClient, name: str) -> None:
    assert client.get(f"/files/{name}").status_code == 404
    assert client.get(f"/files/ridge/2020-08/{name}").status_code == 404
    assert client.get(f"/files/ridge/2020-08/{name}.tif").status_code == 404


def test_maps_without_a_series_are_shown_without_areas(tmp_path: Path) -> None:
    places = make_run(tmp_path, ("2019-08", "2020-08"))
    (tmp_path / "results/series.json").unlink()
    region = make_client(places).get("/run/ridge").json()
    assert [month["why"] for month in region["months"]] == ["is not in the series yet"] * 2
    assert region["months"][0]["mapped"] and region["bounds"]
    (tmp_path / "maps/tiny-1/ridge/2019-08.json").unlink()
    first = make_client(places).get("/run/ridge").json()["months"][0]
    assert (first["mapped"], first["has_image"], first["files"]) == (False, True, [])
