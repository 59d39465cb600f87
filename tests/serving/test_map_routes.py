"""Images in, maps out: by upload, by name, at once and later."""

import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from glacier.serving import spool
from glacier.serving.map_answers import MODEL_HEADER, choose_kind
from tests.support.running_service import RAW, ask_app, list_maps, list_uploads
from tests.support.stand_in_mapper import OUTLINE, TIFF, StandInMapper
from tests.support.tiny import make_task, tiny_config

LATER = {"prefer": "respond-async"}


def post(client: TestClient, **headers: str):
    return client.post("/maps", content=TIFF, headers=RAW | headers)


def test_an_image_becomes_numbers_and_files(tmp_path: Path) -> None:
    with ask_app(tmp_path) as client:
        answer = post(client)
        values = answer.json()
        assert answer.status_code == 200
        assert values["area_km2"] == len(TIFF) / 10 and values["model"]["id"] == "tiny+first"
        assert answer.headers[MODEL_HEADER] == values["model"]["sha256"]
        files = [client.get(link["href"]) for link in values["links"]]
        assert [file.status_code for file in files] == [200] * 4
        assert files[0].content == OUTLINE and files[1].content == TIFF + b"class"
        assert all(file.headers[MODEL_HEADER] == values["model"]["sha256"] for file in files)
        assert list_uploads(tmp_path) == []


def test_what_decides_is_said_where_it_is_asked_for(tmp_path: Path) -> None:
    with ask_app(tmp_path) as client:
        for query, told in (("", None), ("?explain=false", None), ("?explain=true", "Red")):
            found = client.post(f"/maps{query}", content=TIFF, headers=RAW).json()["explanation"]
            assert found is None if told is None else found["sentences"][0].startswith(told)
        later = client.post("/maps?explain=true", content=TIFF, headers=RAW | LATER)
        while client.get(later.headers["location"]).json()["status"] != "successful":
            time.sleep(0.01)
        found = client.get(f"{later.headers['location']}/results").json()["result"]["value"]
        assert found["explanation"]["sentences"] == ["Red decides here."]


def test_a_form_says_the_same_and_its_file_name_is_no_path(tmp_path: Path) -> None:
    with ask_app(tmp_path) as client:
        answer = client.post("/maps", files={"image": ("../../evil.tif", TIFF, "image/tiff")})
        assert answer.status_code == 200 and answer.json()["area_km2"] == len(TIFF) / 10
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize(
    ("accept", "query", "body"),
    [
        ("application/geo+json", "", OUTLINE),
        ("image/tiff", "", TIFF + b"class"),
        ("image/tiff; application=geotiff", "?file=probability", TIFF + b"probability"),
    ],
)
def test_a_file_can_be_the_answer_and_then_nothing_is_kept(
    tmp_path: Path, accept: str, query: str, body: bytes
) -> None:
    with ask_app(tmp_path) as client:
        answer = client.post(f"/maps{query}", content=TIFF, headers=RAW | {"accept": accept})
        assert answer.content == body and answer.headers[MODEL_HEADER]
        assert answer.headers["content-type"].startswith(accept.partition(";")[0])
        assert list_maps(tmp_path) == list_uploads(tmp_path) == []


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("text/html, application/geo+json;q=0.4, image/tiff;q=0.5", "raster"),
        ("application/json;q=0, application/geo+json", "outlines"),
        ("application/geo+json;q=x, application/json;q=0.1", "json"),
    ],
)
def test_the_kind_that_is_liked_best_is_made(accept: str, kind: str) -> None:
    assert choose_kind(accept) == kind


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        ({"content": TIFF, "headers": {"content-type": "image/png"}}, 415, "'image/png': wanted"),
        ({"content": TIFF}, 415, "Content-Type '': wanted image/tiff"),
        ({"content": TIFF, "headers": RAW | {"accept": "image/png"}}, 406, "'image/png': wanted"),
        ({"content": b"", "headers": RAW}, 422, "the upload is empty"),
        ({"content": b"GIF89a", "headers": RAW}, 422, "image.tif is no GeoTIFF; send one"),
        ({"files": {"imag": ("a", TIFF)}}, 422, "form field 'imag': wanted one field 'image'"),
        ({"files": [("image", ("a", TIFF)), ("image", ("b", TIFF))]}, 422, "wanted one field"),
        ({"data": {"image": "x"}}, 415, "x-www-form-urlencoded"),
        ({"json": {"region": "mendenhall"}}, 422, "month: Field required"),
        ({"json": {"region": "../x", "month": "2014-07"}}, 422, "region '../x' is not of this run"),
        ({"json": {"region": "mendenhal", "month": "2014-07"}}, 422, "did you mean mendenhall?"),
        ({"json": {"region": "mendenhall", "month": "/etc"}}, 422, "month '/etc' has no image"),
        ({"json": {"region": "x" * 99999, "month": "y"}}, 413, "send region and month"),
    ],
)  # fmt: skip
def test_what_cannot_be_mapped_is_told_so(
    tmp_path: Path, request_: dict, status: int, words: str
) -> None:
    with ask_app(tmp_path) as client:
        answer = client.post("/maps", **request_)
        assert answer.status_code == status == answer.json()["status"]
        assert answer.headers["content-type"] == "application/problem+json"
        assert words in answer.json()["detail"] and str(tmp_path) not in answer.text
        assert list_maps(tmp_path) == list_uploads(tmp_path) == []


def test_a_month_of_the_run_is_mapped_by_its_name(tmp_path: Path) -> None:
    make_task(tiny_config(tmp_path))
    with ask_app(tmp_path) as client:
        (region,) = client.get("/regions").json()
        assert (region["region"], region["months"]) == ("mendenhall", ["2014-07"])
        answer = client.post("/maps", json={"region": "mendenhall", "month": "2014-07"})
        (image,) = (tmp_path / "data/archive").glob("*/2014-07.tif")
        assert answer.json()["area_km2"] == image.stat().st_size / 10
        assert image.is_file()


@pytest.mark.parametrize("length", [True, False])
def test_a_body_that_is_too_large_is_refused_as_it_comes(tmp_path: Path, length: bool) -> None:
    """With its length told, and without, when its bytes are counted."""
    mapper = StandInMapper()
    body = TIFF + bytes(1_000_001)
    with ask_app(tmp_path, mapper, limits={"body_mb": 1}) as client:
        content = body if length else iter([body[:500_000], body[500_000:]])
        answer = client.post("/maps", content=content, headers=RAW)
        assert answer.status_code == 413 and "larger than 1 MB" in answer.json()["detail"]
        assert mapper.begun == 0 and list_uploads(tmp_path) == []


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = lambda *_, **__: open("/dev/full", "wb", buffering=0)  # noqa: E731
    monkeypatch.setattr(spool, "open", full, raising=False)
    with ask_app(tmp_path) as client:
        answer = post(client)
        assert answer.status_code == 507 and "no room for 64 bytes" in answer.json()["detail"]
        assert list_uploads(tmp_path) == []


def test_a_map_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    mapper = StandInMapper(delay_s=30)
    with ask_app(tmp_path, mapper, limits={"deadline_s": 0.1}) as client:
        answer = post(client)
        assert answer.status_code == 504 and mapper.at_once == 0
        assert list_maps(tmp_path) == list_uploads(tmp_path) == []


def test_a_client_may_ask_so_often(tmp_path: Path) -> None:
    with ask_app(tmp_path, limits={"requests_per_min": 2}) as client:
        assert [post(client).status_code for _ in range(3)] == [200, 200, 429]
        assert 0 < int(post(client).headers["retry-after"]) <= 60


def test_a_defect_is_no_stack_for_the_client(tmp_path: Path) -> None:
    mapper = StandInMapper()
    mapper.change = lambda image: 1 / 0
    with ask_app(tmp_path, mapper) as client:
        answer = post(client)
        assert answer.status_code == 500 and answer.json()["title"] == "Internal Server Error"
        assert "division" not in answer.text
        assert list_maps(tmp_path) == list_uploads(tmp_path) == []


def test_the_model_can_be_changed_between_two_maps(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("promote 0123456789abcdef\n")
    (tmp_path / "tokens").chmod(0o600)
    with ask_app(tmp_path, tokens=str(tmp_path / "tokens")) as client:
        client.headers["authorization"] = "Bearer 0123456789abcdef"
        assert post(client).json()["model"]["id"] == "tiny+first"
        changed = client.put("/model", json={"id": "tiny+another"})
        assert changed.json()["id"] == client.get("/model").json()["id"] == "tiny+another"
        assert post(client).json()["model"]["id"] == "tiny+another"
        refused = client.put("/model", json={"id": "tiny"})
        assert refused.status_code == 404 and "tiny+first" in refused.json()["detail"]
        models = client.get("/models").json()
        assert models["answers"] == "tiny+another" and len(models["models"]) == 2


def test_it_counts_itself(tmp_path: Path) -> None:
    with ask_app(tmp_path) as client:
        post(client)
        client.get("/nowhere")
        lines = client.get("/metrics").text.splitlines()
    for line in (
        'glacier_requests_total{method="POST",route="/maps",status="200"} 1.0',
        'glacier_requests_total{method="any",route="none",status="404"} 1.0',
        'glacier_maps_total{outcome="mapped"} 1.0',
        "glacier_map_pixels_total 6.0",
        "glacier_images_waiting 0.0",
    ):
        assert line in lines
    assert any(line.startswith('glacier_model{id="tiny+first"') for line in lines)


def test_health_and_version(tmp_path: Path) -> None:
    mapper = StandInMapper()
    with ask_app(tmp_path, mapper) as client:
        assert client.get("/health/live").json() == {"status": "live"}
        assert client.get("/health/ready").json() == {"status": "ready"}
        assert client.get("/version").json()["model"] == "tiny+first"
    assert mapper.is_closed
    assert client.get("/health/ready").status_code == 503


def test_the_time_of_a_job_is_its_own(tmp_path: Path) -> None:
    mapper = StandInMapper()
    limits = {"deadline_s": 5, "job_deadline_s": 50}
    with ask_app(tmp_path, mapper, limits=limits) as client:
        post(client)
        post(client, prefer="respond-async")
        end = time.monotonic() + 10
        while len(mapper.deadlines) < 2 and time.monotonic() < end:
            time.sleep(0.01)
    assert mapper.deadlines == [5, 50]
