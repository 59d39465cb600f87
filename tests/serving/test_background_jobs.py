"""Long work that a client comes back for."""

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from glacier.serving.kept_maps import SILENT_S, KeptMap, KeptMaps
from glacier.serving.map_answers import MODEL_HEADER
from glacier.settings.serve import ServeLimits
from tests.support.running_service import RAW, ask_app, list_maps, list_uploads
from tests.support.stand_in_mapper import OUTLINE, TIFF, StandInMapper

LATER = RAW | {"prefer": "respond-async"}
IMAGE = {"inputs": {"image": {"value": base64.b64encode(TIFF).decode()}}}


def begin(client: TestClient) -> str:
    """The address of a job that was begun."""
    answer = client.post("/maps", content=TIFF, headers=LATER)
    assert answer.status_code == 201 and answer.headers["preference-applied"] == "respond-async"
    return answer.headers["location"]


def wait_for(client: TestClient, place: str, status: str) -> dict:
    end = time.monotonic() + 10
    while (info := client.get(place).json())["status"] != status:
        assert time.monotonic() < end, info
        time.sleep(0.01)
    return info


def test_a_job_is_begun_looked_at_and_fetched(tmp_path: Path) -> None:
    with ask_app(tmp_path) as client:
        place = begin(client)
        info = wait_for(client, place, "successful")
        assert info["started"] <= info["finished"] and info["processID"] == "map"
        (results,) = [link["href"] for link in info["links"] if link["rel"].endswith("/results")]
        answer = client.get(results)
        assert answer.headers[MODEL_HEADER] == answer.json()["result"]["value"]["model"]["sha256"]
        assert client.get(answer.json()["outlines"]["href"]).content == OUTLINE
        assert client.get("/jobs").json()["jobs"][0]["jobID"] == info["jobID"]
        assert list_uploads(tmp_path) == []


def test_an_undone_job_has_no_results_and_is_ended_by_its_removal(tmp_path: Path) -> None:
    mapper = StandInMapper(delay_s=60)
    with ask_app(tmp_path, mapper) as client:
        place = begin(client)
        wait_for(client, place, "running")
        early = client.get(f"{place}/results")
        assert early.status_code == 404 and early.json()["type"].endswith("/result-not-ready")
        gone = client.delete(place)
        assert gone.status_code == 200 and gone.json()["status"] == "dismissed"
        assert client.get(place).status_code == client.delete(place).status_code == 404
        end = time.monotonic() + 5
        while mapper.at_once or list_uploads(tmp_path):
            assert time.monotonic() < end
            time.sleep(0.01)
        assert mapper.given_up == 1 and list_maps(tmp_path) == []


def test_a_job_that_fails_says_why(tmp_path: Path) -> None:
    with ask_app(tmp_path) as client:
        place = client.post("/maps", content=b"GIF89a", headers=LATER).headers["location"]
        info = wait_for(client, place, "failed")
        assert "no GeoTIFF" in info["message"]
        answer = client.get(f"{place}/results")
        assert answer.status_code == 422 and "no GeoTIFF" in answer.json()["detail"]
        assert client.get(f"{place}/results/outlines").status_code == 404


def test_a_defect_in_a_job_is_no_stack_and_frees_its_place(tmp_path: Path) -> None:
    mapper = StandInMapper()
    mapper.change = lambda image: 1 / 0
    with ask_app(tmp_path, mapper, limits={"queue": 0}) as client:
        place = begin(client)
        assert "division" not in wait_for(client, place, "failed")["message"]
        assert wait_for(client, begin(client), "failed")


def test_jobs_wait_in_the_same_queue(tmp_path: Path) -> None:
    mapper = StandInMapper(delay_s=60)
    with ask_app(tmp_path, mapper, limits={"queue": 1}) as client:
        first, second = begin(client), begin(client)
        wait_for(client, first, "running")
        assert client.get(second).json()["status"] == "accepted"
        refused = client.post("/maps", content=TIFF, headers=LATER)
        assert refused.status_code == 503 and int(refused.headers["retry-after"]) > 0
        assert client.get("/health/ready").status_code == 200
        client.delete(first)
        wait_for(client, second, "running")
        assert mapper.most_at_once == 1


def test_the_process_can_be_described_and_executed(tmp_path: Path) -> None:
    with ask_app(tmp_path) as client:
        (process,) = client.get("/processes").json()["processes"]
        described = client.get(process["links"][0]["href"]).json()
        assert set(described["outputs"]) == {"result", "outlines", "class", "probability"}
        place = described["links"][0]["href"]
        answer = client.post(place, json=IMAGE)
        assert answer.json()["result"]["value"]["area_km2"] == len(TIFF) / 10
        later = client.post(place, json=IMAGE, headers={"prefer": "respond-async, wait=1"})
        assert later.status_code == 201
        wait_for(client, later.headers["location"], "successful")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"inputs": {}}, "wanted image, or region and month"),
        ({"inputs": {"region": "mendenhall"}}, "wanted image, or region and month"),
        ({"inputs": {"image": {"value": "&"}}}, "not in base 64"),
        ({"inputs": {"image": {"value": "QQ==", "href": "file:///etc"}}}, "href: Extra inputs"),
        ({"inputs": IMAGE["inputs"] | {"month": "2014-07"}}, "wanted image, or region"),
        ({"inputs": {"region": "x", "month": "y"}}, "region 'x' is not of this run"),
        ({}, "inputs: Field required"),
    ],
)
def test_inputs_that_cannot_be_used_are_told_so(tmp_path: Path, body: dict, words: str) -> None:
    with ask_app(tmp_path) as client:
        answer = client.post("/processes/map/execution", json=body)
        assert answer.status_code == 422 and words in answer.json()["detail"]
        assert list_maps(tmp_path) == list_uploads(tmp_path) == []


def test_what_is_no_json_is_told_so(tmp_path: Path) -> None:
    with ask_app(tmp_path) as client:
        json_kind = {"content-type": "application/json"}
        answer = client.post("/processes/map/execution", content=b"{", headers=json_kind)
        assert answer.status_code == 422 and answer.headers["content-type"].endswith("problem+json")


@pytest.mark.parametrize("name", ["0" * 32, "x", "..", "%2e%2e%2f", "0" * 64])
def test_other_ids_are_no_job(tmp_path: Path, name: str) -> None:
    with ask_app(tmp_path) as client:
        answer = client.get(f"/jobs/{name}/results")
        assert answer.status_code in (404, 422), answer.text


def keep(folder: Path, **limits: object) -> KeptMaps:
    folder.mkdir(exist_ok=True)
    return KeptMaps(folder, ServeLimits.model_validate(limits))


def finish(kept: KeptMaps, one: KeptMap, **values: object) -> KeptMap:
    return kept.save(one.model_copy(update={"status": "successful"} | values))


def test_old_maps_go_and_so_do_the_oldest_of_too_many(tmp_path: Path) -> None:
    kept = keep(tmp_path / "maps", keep_h=1, keep=10)
    long_ago = datetime.now(UTC) - timedelta(hours=2)
    finish(kept, kept.begin("me"), created=long_ago)
    at_work = kept.begin("me")
    kept.drop_old(10)
    assert [one.id for one in kept.list_all()] == [at_work.id]
    ids = [finish(kept, kept.begin("me")).id for _ in range(12)]
    left = {one.id for one in kept.list_all()}
    assert len(left) <= 11  # what is in work stays
    assert ids[-1] in left and ids[0] not in left and at_work.id in left


def test_whoever_shares_the_folder_knows_the_same(tmp_path: Path) -> None:
    mine, theirs = keep(tmp_path), keep(tmp_path)
    one = mine.begin("me")
    assert theirs.find(one.id, "me") == one
    theirs.drop(one)
    assert not mine.beat(one)
    finish(mine, one)
    assert mine.list_all() == []


def test_work_whose_process_has_died_is_failed(tmp_path: Path) -> None:
    import os

    kept = keep(tmp_path)
    one = kept.begin("me")
    silent = time.time() - SILENT_S - 1
    os.utime(kept.place(one, "map.json"), (silent, silent))
    found = kept.find(one.id, "me")
    assert found.status == "failed" and "has ended" in found.problem.detail


def test_what_is_no_record_is_no_map(tmp_path: Path) -> None:
    kept = keep(tmp_path)
    one = kept.begin("me")
    kept.place(one, "map.json").write_text(json.dumps({"id": one.id}))
    assert kept.list_all() == []
