"""The application: its routes, the layers around them, and what begins and ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from glacier import __version__
from glacier.config import Config
from glacier.serving import background_jobs, health, map_routes, model_routes
from glacier.serving.access import GuardBrowser, list_hosts
from glacier.serving.answer import Mapper
from glacier.serving.interface import describe_all
from glacier.serving.limits import LimitSilence
from glacier.serving.map_answers import MODEL_HEADER
from glacier.serving.map_work import end_task
from glacier.serving.meters import MeterRequests
from glacier.serving.problems import add_handlers
from glacier.serving.run_routes import build_run_routes
from glacier.serving.service_state import ServiceState, build_state
from glacier.serving.tokens import Access, read_access
from glacier.serving.vertex import VertexRoutes, build_router

ROUTERS = (health.router, model_routes.router, map_routes.router, background_jobs.router)
"""Those that are the same in every service."""

TIDY_S = 60.0
"""Time between two looks for maps that are too old, seconds."""

SHOWN_HEADERS = [MODEL_HEADER, "Location", "Retry-After"]
"""Of an answer, for the scripts of pages of other hosts."""


def build_app(
    config: Config, mapper: Mapper, folder: Path, vertex: VertexRoutes | None = None
) -> FastAPI:
    """The service over a run.

    Args:
        config: The run.
        mapper: Who maps.
        folder: There, and the service's own; for uploads and maps.
        vertex: What Vertex AI wants of it; None: it does not run there.

    Raises:
        ConfigError: The file of tokens cannot be used.
    """
    access = read_access(config.serve)
    if vertex is not None and access.tokens is None:
        access = Access({})  # the port is open to others, so nobody asks elsewhere than there
    state = build_state(config, mapper, access, folder)
    app = FastAPI(
        title=f"glacier: {config.name}",
        version=__version__,
        description="Outlines, area and uncertainty of glaciers from images.",
        docs_url=None,  # their pages are fetched from other hosts
        redoc_url=None,
        root_path=config.serve.root_path,
        lifespan=live_with(state),
        middleware=list_layers(state, frozenset() if vertex else list_hosts(config.serve)),
    )
    app.state.service, app.state.is_ready = state, False
    add_handlers(app)
    add_routes(app, config, vertex)
    describe_all(app, has_tokens=access.tokens is not None)
    return app


def add_routes(app: FastAPI, config: Config, vertex: VertexRoutes | None) -> None:
    """Give an application its routes; what a new part of the service answers is a line here."""
    for router in (*ROUTERS, build_run_routes(config)):
        app.include_router(router)
    if vertex is not None:
        app.include_router(build_router(vertex))


def list_layers(state: ServiceState, hosts: frozenset[str]) -> list[Middleware]:
    """What a request goes through before it comes to its route, the outermost first.

    Args:
        state: The parts of the service.
        hosts: Names that it may be asked by; none: any.
    """
    settings = state.config.serve
    return [
        Middleware(MeterRequests, meters=state.meters),
        Middleware(GuardBrowser, hosts=hosts, origins=frozenset(settings.origins)),
        Middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Prefer"],
            expose_headers=SHOWN_HEADERS,
        ),
        Middleware(LimitSilence, limits=settings.limits),
    ]


Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def live_with(state: ServiceState) -> Lifespan:
    """What begins and ends with an application."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        """What runs beside the requests for as long as the service does."""
        await state.promotion.follow_once()
        beside = [asyncio.create_task(work) for work in (tidy(state), state.promotion.follow())]
        app.state.is_ready = True
        try:
            yield
        finally:
            app.state.is_ready = False
            for task in beside:
                await end_task(task)
            await state.work.close()
            await state.mapper.close()

    return lifespan


async def tidy(state: ServiceState) -> None:
    """Remove maps that are too old, for as long as the service lives."""
    while True:
        await asyncio.sleep(TIDY_S)
        await run_in_threadpool(state.kept.drop_old, state.kept.limits.keep)
