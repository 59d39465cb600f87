"""Images in, maps out: by upload, by name, at once and later."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from glacier.serving.map_answers import MODEL_HEADER
from glacier.serving.service import build_app
from tests.support.stand_in_mapper import OUTLINE, TIFF, StandInMapper
from tests.support.tiny import tiny_config

RAW = {"content-type": "image/tiff"}


@pytest.fixture
def mapper() -> StandInMapper:
    return StandInMapper()


@pytest.fixture
def client(tmp_path: Path, mapper: StandInMapper) -> Iterator[TestClient]:
    (tmp_path / "own").mkdir()
    app = build_app(tiny_config(tmp_path), mapper, tmp_path / "own")
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def list_uploads(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "own" / "uploads").iterdir())


def test_an_image_becomes_numbers_and_files(client: TestClient, tmp_path: Path) -> None:
    answer = client.post("/maps", content=TIFF, headers=RAW)
    assert answer.status_code == 200
    values = answer.json()
    assert values["area_km2"] == len(TIFF) / 10 and values["model"]["id"] == "tiny+first"
    assert answer.headers[MODEL_HEADER] == values["model"]["sha256"]
    kinds = {link["type"]: client.get(link["href"]) for link in values["links"]}
    assert kinds["application/geo+json"].content == OUTLINE
    assert all(found.status_code == 200 for found in kinds.values())
    assert list_uploads(tmp_path) == []


def test_a_form_says_the_same(client: TestClient) -> None:
    answer = client.post("/maps", files={"image": ("../../evil.tif", TIFF, "image/tiff")})
    assert answer.status_code == 200 and answer.json()["area_km2"] == len(TIFF) / 10
