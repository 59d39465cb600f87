"""Whether the service lives and can answer, which version it is, and what it counts."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from glacier import __version__
from glacier.serving.access import Reader
from glacier.serving.problems import Responses, describe_problems
from glacier.serving.service_state import State
from glacier.settings.model import Model

router = APIRouter(tags=["health"])


class Health(Model):
    """How the service is."""

    status: Literal["live", "ready"]


class Version(Model):
    """Which version answers."""

    glacier: str
    model: str
    """Id of the model that answers."""
    sha256: str
    """Of its weights."""


@router.get("/health/live")
async def read_live() -> Health:
    """The process answers."""
    return Health(status="live")


NOT_READY: Responses = {503: describe_problems(503)[503]}
TEXT: Responses = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


@router.get("/health/ready", responses=NOT_READY)
async def read_ready(request: Request) -> Health:
    """It can map: not while it starts, and not once it was asked to end."""
    if not request.app.state.is_ready:
        raise HTTPException(503, "the service starts or ends; ask again", {"Retry-After": "5"})
    return Health(status="ready")


@router.get("/version", responses=describe_problems())
async def read_version(state: State, client: Reader) -> Version:
    """Which version and which model answer."""
    model = state.mapper.model
    return Version(glacier=__version__, model=model.id, sha256=model.sha256)


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses=TEXT | describe_problems(),
)
async def read_metrics(state: State, client: Reader) -> Response:
    """What the service counts, for Prometheus."""
    model = state.mapper.model
    text = state.meters.show(model.id, model.sha256)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
