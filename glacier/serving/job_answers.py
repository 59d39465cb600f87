"""How far a map is, as OGC API - Processes says it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from fastapi import Request
from fastapi.responses import JSONResponse

from glacier.serving.kept_maps import KeptMap, Status
from glacier.serving.map_answers import Link
from glacier.settings.model import Model

PROCESS = "map"
"""Id of the one process that there is."""


class StatusInfo(Model):
    """How far a job is. Source: statusInfo.yaml of OGC API - Processes 1.0."""

    jobID: str
    processID: str = PROCESS
    type: Literal["process"] = "process"
    status: Status
    message: str
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None
    links: tuple[Link, ...]


class JobList(Model):
    """Jobs of whoever asks, the newest first."""

    jobs: tuple[StatusInfo, ...]
    links: tuple[Link, ...]


MESSAGES: dict[Status, str] = {
    "accepted": "it waits for its turn",
    "running": "it is being mapped",
    "successful": "the map is made",
    "dismissed": "it was removed",
}


def is_later(request: Request) -> bool:
    """Whether a client wants to come back for the answer. Source: RFC 7240."""
    wishes = ",".join(request.headers.getlist("prefer")).lower()
    return "respond-async" in (wish.partition(";")[0].strip() for wish in wishes.split(","))


def describe_job(request: Request, kept: KeptMap) -> StatusInfo:
    """How far a map is."""
    href = str(request.url_for("read_job", job=kept.id))
    links = [Link(href=href, rel="self", title="This job")]
    if kept.status in ("successful", "failed"):
        results = str(request.url_for("read_results", job=kept.id))
        rel = "http://www.opengis.net/def/rel/ogc/1.0/results"
        links.append(Link(href=results, rel=rel, title="What came of it"))
    message = kept.problem.detail if kept.problem else MESSAGES[kept.status]
    return StatusInfo(
        jobID=kept.id, status=kept.status, message=message, created=kept.created,
        started=kept.started, finished=kept.finished, links=tuple(links),
    )  # fmt: skip


def answer_accepted(request: Request, kept: KeptMap) -> JSONResponse:
    """That a map will be made, and where to look for it."""
    info = describe_job(request, kept)
    headers = {"Location": info.links[0].href, "Preference-Applied": "respond-async"}
    return JSONResponse(info.model_dump(mode="json", exclude_none=True), 201, headers)
