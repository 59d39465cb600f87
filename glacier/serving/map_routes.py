"""``POST /maps``: an image, or a region and a month of the run -> a map."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from glacier.serving.access import Client, Reader, Runner
from glacier.serving.archive_images import RegionMonths
from glacier.serving.bodies import JSON, PREFER, describe_body, name_kind, read_body
from glacier.serving.job_answers import answer_accepted, is_later
from glacier.serving.kept_maps import KeptMap
from glacier.serving.map_answers import (
    GEO_JSON,
    TIFF,
    MapAnswer,
    choose_kind,
    send_map,
    send_once,
)
from glacier.serving.map_work import until_gone
from glacier.serving.problems import Responses, describe_problems
from glacier.serving.service_state import ServiceState, State
from glacier.serving.spool import FIELD, FORM
from glacier.settings.model import Model

SMALL_BYTES = 65_536
"""Of a body that only names something."""

router = APIRouter(tags=["maps"])


class NamedImage(Model):
    """An image of the run's archive."""

    region: str
    """One of GET /regions."""
    month: str
    """One of its months, YYYY-MM."""


BINARY = {"type": "string", "format": "binary"}
EXAMPLE = {"region": "mendenhall", "month": "2019-08"}
NAMED = describe_body(NamedImage, EXAMPLE)["requestBody"]["content"]

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A GeoTIFF with the bands of GET /model, or a month of the run.",
        "content": {
            TIFF: {"schema": BINARY},
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {FIELD: BINARY},
                    "required": [FIELD],
                    "additionalProperties": False,
                }
            },
        }
        | NAMED,
    },
    "parameters": [PREFER],
}
"""What FastAPI cannot know of a body that is read as it comes."""

MADE: Responses = {
    200: {
        "model": MapAnswer,
        "description": "The map: by Accept its numbers and links, its outlines, or a raster.",
        "content": {GEO_JSON: {"schema": {"type": "object"}}, TIFF: {"schema": BINARY}},
    },
    201: {
        "description": "The map will be made; Location says where to look.",
        "headers": {"Location": {"schema": {"type": "string"}}},
        "content": {JSON: {"schema": {"$ref": "#/components/schemas/StatusInfo"}}},
    },
}
REFUSED = describe_problems(400, 406, 408, 413, 415, 422, 429, 503, 504, 507)


@router.post("/maps", responses=MADE | REFUSED, openapi_extra=BODY, response_class=Response)
async def make_map(
    request: Request,
    state: State,
    client: Runner,
    file: Literal["class", "probability"] = "class",
    explain: bool = False,
) -> Response:
    """Map an image, sent or named.

    `Accept: application/geo+json` gives the outlines themselves, `image/tiff` the raster that
    `file` names, `application/json` the area with its interval and links to all files. With
    `explain` that says also which band decides, by the map made again without each of them.
    """
    kind = choose_kind(request.headers.get("accept", ""))
    state.rates.count(client.key)
    with ExitStack() as held:
        image = await receive_image(request, state, held)
        kept = await begin_map(state, client, image, held)
        if is_later(request):
            state.work.make_later(kept, image, held.pop_all(), explain)
            return answer_accepted(request, kept)
        kept = await until_gone(request, state.work.make_now(kept, image, explain))
    if kind == "json":
        return send_map(request, kept)
    return send_once(state.kept, kept, "outlines" if kind == "outlines" else file)


async def receive_image(request: Request, state: ServiceState, held: ExitStack) -> Path:
    """The image of a request, on disk.

    Raises:
        HTTPException: It cannot be read, or too many wait.
    """
    state.turns.check()  # before anybody sends much in vain
    with state.uploads.take():
        folder = held.enter_context(state.spool.open_folder())
        if name_kind(request) != JSON:
            return await state.spool.receive(request, folder)
        named = await read_body(request, NamedImage, SMALL_BYTES, "send region and month")
        return await run_in_threadpool(state.archive.fetch, named.region, named.month, folder)


async def begin_map(state: ServiceState, client: Client, image: Path, held: ExitStack) -> KeptMap:
    """Take a place in the queue, and note the map down.

    Raises:
        HTTPException: 503: too many wait.
    """
    held.enter_context(state.turns.take())
    return await run_in_threadpool(state.kept.begin, client.key)


@router.get("/regions", responses=describe_problems(503))
def list_regions(state: State, client: Reader) -> list[RegionMonths]:
    """Regions of the run and their months, of which a map can be asked for by name."""
    return state.archive.list_regions()
