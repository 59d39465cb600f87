"""The contract of a custom container of Vertex AI: a health route, a route of predictions, a port.

Source: cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from glacier.errors import ConfigError
from glacier.serving.access import Client
from glacier.serving.answer import Answer
from glacier.serving.background_jobs import JSON_BYTES, decode_image
from glacier.serving.bodies import describe_body, read_body
from glacier.serving.health import Health, read_ready
from glacier.serving.kept_maps import FILES, OUTPUTS
from glacier.serving.map_routes import begin_map
from glacier.serving.map_work import until_gone
from glacier.serving.problems import describe_problems
from glacier.serving.service_state import ServiceState, State
from glacier.serving.spool import IMAGE
from glacier.settings.model import Model

PORT, HEALTH, PREDICT = "AIP_HTTP_PORT", "AIP_HEALTH_ROUTE", "AIP_PREDICT_ROUTE"
"""Environment variables that Vertex AI sets in a container."""

CALLER = Client("vertex", "run")
"""Who asks on the route of predictions: Vertex AI has checked whom it lets through."""

MOST_INSTANCES = 16


class VertexRoutes(Model):
    """What Vertex AI wants of the service."""

    port: int = Field(ge=1, le=65535)
    health: str = Field(pattern=r"^/[A-Za-z0-9/_:.-]*$")
    predict: str = Field(pattern=r"^/[A-Za-z0-9/_:.-]*$")


class Instance(BaseModel):
    """An image in base 64."""

    model_config = ConfigDict(extra="forbid")
    b64: str = Field(min_length=1)


class Parameters(BaseModel):
    """What is wanted of each image."""

    model_config = ConfigDict(extra="forbid")
    outlines: bool = True
    """Whether the outlines come with the numbers."""


class Predict(BaseModel):
    """Images to map."""

    instances: list[Instance] = Field(min_length=1, max_length=MOST_INSTANCES)
    parameters: Parameters = Parameters()


class Prediction(Answer):
    """A map."""

    map_outlines: dict[str, Any] | None = None
    """GeoJSON, in degrees; None: not asked for."""


class Predictions(Model):
    """Maps of the images, in their order."""

    predictions: tuple[Prediction, ...]


REFUSED = describe_problems(400, 408, 413, 415, 422, 503, 504, 507)
EXAMPLE = {"instances": [{"b64": "SUkqAA=="}], "parameters": {"outlines": False}}


def read_vertex(environment: Mapping[str, str] = os.environ) -> VertexRoutes | None:
    """What Vertex AI wants, by the environment; None: the service does not run there.

    Raises:
        ConfigError: A variable is missing, or its value is none.
    """
    if PORT not in environment:
        return None
    values = {name: environment.get(name, "") for name in (PORT, HEALTH, PREDICT)}
    port, health, predict = values.values()
    if not port.isdigit() or not re.match("/", health) or not re.match("/", predict):
        shown = ", ".join(f"{name} = {value!r}" for name, value in values.items())
        raise ConfigError(f"{shown}: wanted a port and two paths, as Vertex AI sets them")
    return VertexRoutes(port=int(port), health=health, predict=predict)


def build_router(routes: VertexRoutes) -> APIRouter:
    """The two routes that Vertex AI asks for."""
    router = APIRouter(tags=["vertex"])
    router.add_api_route(routes.health, read_ready, response_model=Health, name="vertex_health")
    router.add_api_route(
        routes.predict, predict, methods=["POST"], response_model=Predictions,
        responses=REFUSED, openapi_extra=describe_body(Predict, EXAMPLE),
    )  # fmt: skip
    return router


async def predict(request: Request, state: State) -> Predictions:
    """Map images one after the other, so that a request takes one place in the queue."""
    state.turns.check()
    with state.uploads.take():
        wanted = await read_body(request, Predict, JSON_BYTES, "send fewer images at once")
    found = [await map_instance(request, state, one, wanted) for one in wanted.instances]
    return Predictions(predictions=tuple(found))


async def map_instance(
    request: Request, state: ServiceState, instance: Instance, wanted: Predict
) -> Prediction:
    """Map one image; nothing of it is kept."""
    with ExitStack() as held:
        folder = held.enter_context(state.spool.open_folder())
        image = await state.spool.write(decode_image(instance.b64), folder / IMAGE)
        kept = await begin_map(state, CALLER, image, held)
        kept = await until_gone(request, state.work.make_now(kept, image))
    try:
        assert kept.answer is not None
        outlines = None
        if wanted.parameters.outlines:
            path = state.kept.place(kept, FILES, OUTPUTS["outlines"][0])
            outlines = json.loads(await run_in_threadpool(path.read_bytes))
        return Prediction(**dict(kept.answer), map_outlines=outlines)
    finally:
        state.kept.drop(kept)
