"""What a run has ready, and the page: their routes put together, with who may ask for them."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException

from glacier.config import Config
from glacier.serving import background_jobs
from glacier.serving.access import May, Reader
from glacier.serving.answer import PROBABILITY
from glacier.serving.features import build_features
from glacier.serving.finished_run import watch_run
from glacier.serving.kept_maps import FILES
from glacier.serving.overview import build_overview
from glacier.serving.page import build_page
from glacier.serving.previews import Drawable, build_previews
from glacier.serving.service_state import State
from glacier.serving.tiles import build_tiles


def build_run_routes(config: Config) -> APIRouter:
    """Routes of the outlines, maps and files of a run, and of the page that shows them.

    The page and the first address are shown to anybody: they tell nothing of the run's results.
    """
    runs, router = watch_run(config), APIRouter()
    router.include_router(build_page(config.name))
    for part in (
        build_features(runs, background_jobs.CONFORMANCE),
        build_overview(runs),
        build_tiles(runs),
        build_previews(find_drawable),
    ):
        router.include_router(part, dependencies=[Depends(May("read"))])
    return router


def find_drawable(state: State, client: Reader, job: background_jobs.JobId) -> Drawable:
    """The map of a job, for whoever asked for it.

    Raises:
        HTTPException: 404: there is none, or it is not made.
    """
    kept = state.kept.find(job, client.key)
    path = state.kept.place(kept, FILES, PROBABILITY)
    if kept.answer is None or not path.is_file():
        raise HTTPException(404, f"job {job} has no map; GET /jobs/{job} says what became of it")
    return Drawable(path, kept.answer.bounds)
