"""Long work as OGC API - Processes has it: ``/processes``, ``/jobs``, results, and dismissal."""

from __future__ import annotations

import base64
import binascii
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi import Path as InPath
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from glacier.serving.access import Reader, Runner
from glacier.serving.bodies import PREFER, describe_body, read_body
from glacier.serving.job_answers import (
    JobList,
    StatusInfo,
    answer_accepted,
    describe_job,
    is_later,
)
from glacier.serving.kept_maps import OUTPUTS, KeptMap, Output
from glacier.serving.map_answers import (
    Link,
    MapAnswer,
    describe_map,
    link_output,
    name_model,
    send_output,
)
from glacier.serving.map_routes import begin_map
from glacier.serving.map_work import until_gone
from glacier.serving.problems import Responses, answer_problem, describe_problems, make_problem
from glacier.serving.process_forms import (
    FILE_OUTPUTS,
    INPUTS,
    RESULT,
    Execute,
    Inputs,
    ProcessDescription,
    ProcessList,
    ProcessSummary,
)
from glacier.serving.service_state import ServiceState, State
from glacier.serving.spool import IMAGE
from glacier.settings.model import Model

CONFORMANCE = tuple(
    f"http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/{part}"
    for part in ("core", "ogc-process-description", "json", "job-list", "dismiss")
)
"""What these routes keep to."""

NOT_READY = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/result-not-ready"
"""Kind of the problem of a job that is not done. Source: OGC API - Processes 1.0."""

JSON_BYTES = 32_000_000
"""Largest body of JSON that holds images."""

LARGER = "send the image itself to POST /maps, as image/tiff"

router = APIRouter(tags=["jobs"])
JobId = Annotated[str, InPath(description="Of a job, as its Location has it.", max_length=64)]


class QualifiedAnswer(Model):
    """The numbers of a map, as a value."""

    mediaType: str = "application/json"
    value: MapAnswer


class Results(Model):
    """What came of a job. Source: results.yaml."""

    result: QualifiedAnswer
    outlines: Link
    class_: Link = Field(alias="class")
    probability: Link


@router.get("/processes", responses=describe_problems())
def list_processes(request: Request, client: Reader) -> ProcessList:
    """What can be executed: one process, `map`."""
    link = Link(href=str(request.url_for("list_processes")), rel="self", title="Processes")
    about = Link(href=str(request.url_for("describe_process")), rel="self", title="Its description")
    return ProcessList(processes=(ProcessSummary(links=(about,)),), links=(link,))


@router.get("/processes/map", responses=describe_problems())
def describe_process(request: Request, client: Reader) -> ProcessDescription:
    """What the process takes and gives."""
    href = str(request.url_for("execute"))
    link = Link(href=href, rel="http://www.opengis.net/def/rel/ogc/1.0/execute", title="Execute it")
    outputs = {"result": RESULT} | FILE_OUTPUTS
    return ProcessDescription(inputs=INPUTS, outputs=outputs, links=(link,))


MADE: Responses = {
    200: {"model": Results, "description": "The map is made."},
    201: {
        "model": StatusInfo,
        "description": "It will be made; Location says where to look.",
        "headers": {"Location": {"schema": {"type": "string"}}},
    },
}
RESULTS: Responses = {200: {"model": Results, "description": "The map."}}
OUTPUT: Responses = {200: {"content": {kind: {} for _, kind in OUTPUTS.values()}}}
REFUSED = describe_problems(400, 408, 413, 415, 422, 429, 503, 504, 507)
EXAMPLE = {"inputs": {"region": "mendenhall", "month": "2019-08"}}


@router.post(
    "/processes/map/execution",
    responses=MADE | REFUSED,
    response_class=JSONResponse,
    openapi_extra=describe_body(Execute, EXAMPLE) | {"parameters": [PREFER]},
)
async def execute(request: Request, state: State, client: Runner) -> Response:
    """Map an image; with `Prefer: respond-async` the answer is 201, and the map is made later."""
    state.rates.count(client.key)
    state.turns.check()
    with ExitStack() as held:
        folder = held.enter_context(state.spool.open_folder())
        with state.uploads.take():
            wanted = await read_body(request, Execute, JSON_BYTES, LARGER)
            image = await find_image(state, wanted.inputs, folder)
        kept = await begin_map(state, client, image, held)
        if is_later(request):
            state.work.make_later(kept, image, held.pop_all(), wanted.inputs.explain)
            return answer_accepted(request, kept)
        explain = wanted.inputs.explain
        kept = await until_gone(request, state.work.make_now(kept, image, explain))
    return send_results(request, kept)


async def find_image(state: ServiceState, inputs: Inputs, folder: Path) -> Path:
    """The image that the inputs give or name, as a file.

    Raises:
        HTTPException: 413, 422 or 507.
        GlacierError: The archive cannot be read.
    """
    image, region, month = inputs.image, inputs.region, inputs.month
    if image is not None and region is None and month is None:
        return await state.spool.write(decode_image(image.value), folder / IMAGE)
    if image is None and region is not None and month is not None:
        return await run_in_threadpool(state.archive.fetch, region, month, folder)
    raise HTTPException(422, "inputs: wanted image, or region and month")


def decode_image(text: str) -> bytes:
    """An image in base 64.

    Raises:
        HTTPException: 422: it is not.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise HTTPException(422, f"the image is not in base 64: {error}") from error


def send_results(request: Request, kept: KeptMap) -> JSONResponse:
    """What came of a job that succeeded."""
    links = {output: link_output(request, kept, output) for output in OUTPUTS}
    answer = QualifiedAnswer(value=describe_map(request, kept))
    results = Results.model_validate({"result": answer, **links})
    return JSONResponse(results.model_dump(mode="json", by_alias=True), headers=name_model(kept))


@router.get("/jobs", responses=describe_problems(), response_model_exclude_none=True)
def list_jobs(request: Request, state: State, client: Reader) -> JobList:
    """Jobs of the client who asks, and of nobody else."""
    jobs = tuple(describe_job(request, kept) for kept in state.kept.list_of(client.key))
    link = Link(href=str(request.url_for("list_jobs")), rel="self", title="Your jobs")
    return JobList(jobs=jobs, links=(link,))


@router.get("/jobs/{job}", responses=describe_problems(404), response_model_exclude_none=True)
def read_job(request: Request, state: State, client: Reader, job: JobId) -> StatusInfo:
    """How far a job is."""
    return describe_job(request, state.kept.find(job, client.key))


@router.delete("/jobs/{job}", responses=describe_problems(404), response_model_exclude_none=True)
async def dismiss_job(request: Request, state: State, client: Runner, job: JobId) -> StatusInfo:
    """End a job, and remove all that is known of it."""
    kept = await run_in_threadpool(state.kept.find, job, client.key)
    await state.work.dismiss(kept)
    return describe_job(request, kept.model_copy(update={"status": "dismissed", "problem": None}))


@router.get(
    "/jobs/{job}/results",
    responses=RESULTS | describe_problems(404, 422, 503, 504),
    response_class=JSONResponse,
)
def read_results(request: Request, state: State, client: Reader, job: JobId) -> Response:
    """What came of a job: numbers, and links to its files; or why nothing did."""
    kept = state.kept.find(job, client.key)
    if kept.problem is not None:
        return answer_problem(kept.problem)
    if kept.answer is None:
        said = f"job {kept.id} is {kept.status}; come back later"
        return answer_problem(make_problem(404, said, NOT_READY), {"Retry-After": wait(state)})
    return send_results(request, kept)


@router.get(
    "/jobs/{job}/results/{output}",
    responses=OUTPUT | describe_problems(404, 422),
    response_class=Response,
)
def read_output(state: State, client: Reader, job: JobId, output: Output) -> Response:
    """A file of a map: its outlines, the class or the probability of each pixel."""
    return send_output(state.kept, state.kept.find(job, client.key), output)


def wait(state: ServiceState) -> str:
    """Seconds after which to come back."""
    return str(state.turns.guess_wait_s())
