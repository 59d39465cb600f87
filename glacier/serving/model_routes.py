"""The model that answers, those that could, and the change from one to another."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from glacier.errors import ConfigError
from glacier.serving.access import Promoter, Reader
from glacier.serving.answer import ServedModel
from glacier.serving.problems import describe_problems, hide_places
from glacier.serving.service_state import State
from glacier.settings.model import Model

NAME_BYTES = 10_000
"""Largest body that names a model."""

router = APIRouter(tags=["model"])


class ModelId(Model):
    """Which model is to answer."""

    id: str
    """One of GET /models."""


class ModelList(Model):
    """The models that could answer."""

    models: tuple[ServedModel, ...]
    answers: str
    """Id of the one that does."""


@router.get("/model", responses=describe_problems())
async def read_model(state: State, client: Reader) -> ServedModel:
    """The model that answers: what it needs, what it scored, and what to know before using it."""
    return state.mapper.model


@router.get("/models", responses=describe_problems(503))
async def list_models(state: State, client: Reader) -> ModelList:
    """The models of the run's storage that could answer."""
    found = await state.mapper.list_models()
    return ModelList(models=tuple(found), answers=state.mapper.model.id)


@router.put(
    "/model", responses=describe_problems(400, 404, 413, 422, 503), max_body_size=NAME_BYTES
)
async def promote_model(state: State, client: Promoter, wanted: ModelId) -> ServedModel:
    """Let another model answer from now on; images in work are finished by the one before."""
    try:
        model = await state.mapper.promote(wanted.id)
    except ConfigError as error:
        raise HTTPException(404, hide_places(str(error))) from error
    await run_in_threadpool(state.promotion.write, model.id)
    return model
