"""The contract of Vertex AI, as its containers are asked."""

import base64
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from glacier.errors import ConfigError
from glacier.serving.service import build_app
from glacier.serving.vertex import read_vertex
from tests.support.running_service import list_maps, list_uploads
from tests.support.stand_in_mapper import TIFF, StandInMapper
from tests.support.tiny import tiny_config

SET = {
    "AIP_HTTP_PORT": "8080",
    "AIP_HEALTH_ROUTE": "/v1/endpoints/7/deployedModels/8",
    "AIP_PREDICT_ROUTE": "/v1/endpoints/7/deployedModels/8:predict",
}
IMAGE = {"b64": base64.b64encode(TIFF).decode()}


@pytest.fixture
def client(tmp_path: Path):
    (tmp_path / "own").mkdir()
    app = build_app(tiny_config(tmp_path), StandInMapper(), tmp_path / "own", read_vertex(SET))
    with TestClient(app, base_url="http://10.0.0.7:8080") as client:
        yield client


def test_health_and_predictions_are_where_the_environment_says(
    client: TestClient, tmp_path: Path
) -> None:
    assert client.get(SET["AIP_HEALTH_ROUTE"]).status_code == 200
    answer = client.post(SET["AIP_PREDICT_ROUTE"], json={"instances": [IMAGE, IMAGE]})
    first, second = answer.json()["predictions"]
    assert first == second and first["area_km2"] == len(TIFF) / 10
    assert first["map_outlines"] == {"type": "FeatureCollection", "features": []}
    assert list_maps(tmp_path) == list_uploads(tmp_path) == []


def test_outlines_can_be_left_out(client: TestClient) -> None:
    body = {"instances": [IMAGE], "parameters": {"outlines": False}}
    (found,) = client.post(SET["AIP_PREDICT_ROUTE"], json=body).json()["predictions"]
    assert found["map_outlines"] is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"instances": []},
        {"instances": [{"b64": "&"}]},
        {"instances": [IMAGE], "parameters": {"path": "/x"}},
    ],
)
def test_other_bodies_are_refused(client: TestClient, body: dict) -> None:
    assert client.post(SET["AIP_PREDICT_ROUTE"], json=body).status_code == 422


def test_nobody_asks_elsewhere_without_a_token(client: TestClient) -> None:
    assert client.get("/model").status_code == client.post("/maps").status_code == 401


def test_elsewhere_there_is_no_such_contract() -> None:
    assert read_vertex({}) is None
    for values in ({"AIP_HTTP_PORT": "x"}, {"AIP_HTTP_PORT": "80"}):
        with pytest.raises(ConfigError, match="AIP_PREDICT_ROUTE = "):
            read_vertex(values)
