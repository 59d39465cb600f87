"""What the page asks of the service besides the run: a model, and maps of images, made at once."""

import json
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from glacier.serving.previews import Drawable, build_previews
from glacier.serving.run_places import RunPlaces
from glacier.serving.tiles import find_bounds
from tests.support.finished_runs import EVIL, GRID

MODEL = {
    "id": "tiny+resnet18", "sha256": "b" * 64, "encoders": ["resnet18"],
    "bands": ["SR_B4", "SR_B5"], "pixel_m": [30, 30], "iou": 0.9, "area_error": 0.04,
    "says": [f"It was tested on one ridge alone. {EVIL}", "Debris-covered ice is often missed."],
}  # fmt: skip

BROKEN = b"broken"
"""An upload that begins so cannot be mapped."""


class StandIn:
    """Jobs that need so many looks until they are done."""

    def __init__(self, places: RunPlaces, looks: int = 1) -> None:
        """Answer with the map of the first month of a run."""
        month = min(places.images["ridge"])
        self.probability = Path(f"{places.maps}/ridge/{month}.probability.tif")
        self.looks, self.jobs, self.bodies = looks, {}, []
        self.outlines: list[Any] = []
        self.explained: set[str] = set()
        self.token = ""
        """That is wanted; empty: none."""

    def check(self, request: Request) -> None:
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            raise HTTPException(401, "no token was given; send Authorization: Bearer <token>")

    def find(self, job: str) -> Drawable:
        if job not in self.jobs:
            raise HTTPException(404, f"no map {job!r}")
        return Drawable(self.probability, find_bounds(GRID))

    def describe(self, request: Request, job: str) -> dict[str, Any]:
        left, failed = self.jobs[job]
        status = "running" if left > 0 else "failed" if failed else "successful"
        message = "the image is no GeoTIFF" if status == "failed" else "it is being mapped"
        links = [{"href": f"{request.base_url}jobs/{job}", "rel": "self"}]
        return {"jobID": job, "status": status, "message": message, "links": links,
                "created": "2026-01-01T00:00:00Z"}  # fmt: skip

    def build(self) -> APIRouter:
        router = APIRouter(dependencies=[Depends(self.check)])

        @router.get("/model")
        def model() -> dict[str, Any]:
            return MODEL

        @router.post("/maps")
        async def begin(request: Request, explain: bool = False) -> Response:
            body = await request.body()
            self.bodies.append((request.headers["content-type"], body))
            job = f"{len(self.bodies):032x}"
            self.jobs[job] = (self.looks, body.startswith(BROKEN))
            self.explained |= {job} if explain else set()
            return JSONResponse(self.describe(request, job), 201)

        @router.get("/jobs")
        def list_jobs(request: Request) -> dict[str, Any]:
            return {"jobs": [self.describe(request, job) for job in reversed(self.jobs)]}

        @router.get("/jobs/{job}")
        def look(request: Request, job: str) -> dict[str, Any]:
            self.find(job)
            left, failed = self.jobs[job]
            self.jobs[job] = (left - 1, failed)
            return self.describe(request, job)

        @router.delete("/jobs/{job}")
        def dismiss(job: str) -> dict[str, Any]:
            self.find(job)
            del self.jobs[job]
            return {"status": "dismissed"}

        @router.get("/jobs/{job}/results")
        def results(request: Request, job: str) -> dict[str, Any]:
            self.find(job)
            value = {
                "model": MODEL, "area_km2": 4.68, "low_km2": 4.3, "high_km2": 5.1,
                "why": "half a pixel along the outline", "bounds": find_bounds(GRID),
            }  # fmt: skip
            if job in self.explained:
                value["explanation"] = {"sentences": ["Red decides here."], "reason": ""}
            links = {
                name: {"href": f"{request.base_url}jobs/{job}/results/{name}", "title": name}
                for name in ("outlines", "class", "probability")
            }
            return {"result": {"value": value}, **links}

        @router.get("/jobs/{job}/results/outlines")
        def outlines(job: str) -> Response:
            self.find(job)
            found = {"type": "FeatureCollection", "features": self.outlines}
            return Response(json.dumps(found), media_type="application/geo+json")

        router.include_router(build_previews(self.find))
        return router
