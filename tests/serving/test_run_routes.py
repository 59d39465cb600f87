"""The routes of a run answer as they are described, whatever is sent, and find their run."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import schemathesis
import schemathesis.schemas
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from pydantic import BaseModel
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from glacier import store
from glacier.mapping import added_months
from glacier.serving.features import build_features
from glacier.serving.finished_run import WatchedRun
from glacier.serving.overview import build_overview
from glacier.serving.previews import build_previews
from glacier.serving.run_places import find_places
from glacier.serving.tiles import build_tiles
from glacier.training import saved
from glacier.training.saved import find_sweep
from tests.support.finished_runs import make_run
from tests.support.saved_sweeps import RECORDS, make_config, write_sweep
from tests.support.stand_in_jobs import StandIn

EXAMPLES = 8
"""Of valid and of invalid requests, of each operation."""


class Problem(BaseModel):
    detail: str


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """The routes in an application that words refusals as the service does."""
    places = make_run(tmp_path_factory.mktemp("run"))
    runs, jobs, app = WatchedRun(lambda: places), StandIn(places), FastAPI()
    for router in (build_features(runs), build_overview(runs), build_tiles(runs)):
        app.include_router(router, responses={418: {"model": Problem}})
    app.include_router(build_previews(jobs.find))

    @app.exception_handler(HTTPException)
    @app.exception_handler(RequestValidationError)
    def answer(request: Request, error: Exception) -> JSONResponse:
        status = error.status_code if isinstance(error, HTTPException) else 422
        kind = "application/problem+json"
        return JSONResponse({"detail": str(error)}, status, media_type=kind)

    yield app


@pytest.mark.slow
@pytest.mark.parametrize("mode", GenerationMode)
def test_whatever_is_sent_is_answered_as_described(app: FastAPI, mode: GenerationMode) -> None:
    api = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [found.ok() for found in api.get_all_operations()]
    assert len(operations) > 10
    for operation in operations:
        with suppress(Unsatisfiable):  # nothing about it can be wrong
            try_operation(operation, mode)


def try_operation(operation: schemathesis.schemas.APIOperation, mode: GenerationMode) -> None:
    # No schema says that south lies below north, or that an interval begins before it ends.
    acceptance = CHECKS.get_one("positive_data_acceptance")
    excluded = [acceptance] if operation.path.endswith("/items") else []

    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None,
        phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(excluded_checks=excluded)

    check()


def test_every_operation_says_what_it_does_and_how_it_may_be_refused(app: FastAPI) -> None:
    for path, operations in app.openapi()["paths"].items():
        told = operations["get"]
        assert told["summary"] and told["description"], path
        assert {"401", "403", "503"} <= set(told["responses"]), path
        for status, answer in told["responses"].items():
            if status >= "400" and status != "418":
                assert "application/problem+json" in answer["content"], (path, status)


def test_a_run_is_found_by_its_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(tmp_path)
    before = find_places(config)
    assert (before.maps, before.images) == ("", {}) and before.titles == {"ridge": "Ridge"}
    archive = str(tmp_path / "data/archive/ridge-1")
    monkeypatch.setattr(saved, "read_records", lambda config: {archive: RECORDS})
    monkeypatch.setattr(added_months, "find_mapping_sweep", find_sweep)
    write_sweep(config)
    places = find_places(config)
    assert places.results == store.join(str(tmp_path), "results/tiny")
    assert places.maps.rpartition("-")[0] == store.join(str(tmp_path), "data/maps/tiny")
    assert places.images == {
        "ridge": {month: f"{archive}/{month}.tif" for month in ("2014-10", "2015-02")}
    }
    empty = FastAPI()
    empty.include_router(build_overview(WatchedRun(lambda: places)))
    region = TestClient(empty).get("/run/ridge").json()
    assert [(month["mapped"], month["has_image"]) for month in region["months"]] == [
        (False, True), (False, True)
    ]  # fmt: skip
    assert region["bounds"] is None and region["years"] == []
