"""Every refusal and fault as ``application/problem+json``: what, its value, and what to do.

Source: RFC 9457.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http.client import responses
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from glacier.errors import ConfigError, GlacierError, OutOfTimeError, RasterError
from glacier.settings.model import Model

PROBLEM_JSON = "application/problem+json"

NAME = r"[^\s'\"`;,:()<>/]*"
PLACE = re.compile(rf"(?<![\w./])(?:[a-z][a-z0-9+.-]*:/|~)?/(?:{NAME}/)*({NAME})")
"""A path of the server, or an address, of which clients see the last part alone."""

DEFECT = "the service has a fault, which its log shows; the same request may work later"

SHOWN = 5
"""Faults of a request that are told; the others are counted."""

ABOUT = {
    400: "the request cannot be read",
    401: "a token is wanted, or the one given is not known",
    403: "the token, the page or the host may not do this",
    404: "there is no such thing, or it is gone",
    406: "what was asked for in Accept is not made here",
    408: "the client was silent for too long, or sent too slowly",
    413: "the body is larger than allowed",
    415: "the body is of another kind than is read here",
    422: "a value or an image cannot be used; the message says why",
    429: "this client has asked too often; Retry-After says when to come back",
    500: "a fault of the service",
    503: "too many wait already, or the files of the run cannot be read now; try again later",
    504: "the map was not made in time",
    507: "the disk of the service is full",
}
"""What a status means here, as the description of the interface has it."""


class Problem(Model):
    """Why a request was not answered."""

    type: str = "about:blank"
    """An address that names the kind of problem; ``about:blank``: the status says it."""
    title: str
    status: int
    detail: str


def name_status(status: int) -> str:
    """What a status is called."""
    return responses.get(status, "Client Closed Request")


def hide_places(text: str) -> str:
    """A message without the folders of the server: of each path its last part."""
    return PLACE.sub(lambda found: found[1] if len(found[0]) > 1 else found[0], text)


def make_problem(status: int, detail: str, kind: str = "about:blank") -> Problem:
    """The problem of a status.

    Args:
        status: Of the answer.
        detail: Thing, value, remedy.
        kind: An address that names it.
    """
    return Problem(type=kind, title=name_status(status), status=status, detail=detail)


def answer_problem(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    """The answer that says it."""
    return JSONResponse(problem.model_dump(), problem.status, headers, PROBLEM_JSON)


def explain_error(error: GlacierError) -> Problem:
    """What a client is told of an error that the product raises on purpose."""
    status = 503
    if isinstance(error, RasterError | ConfigError):
        status = 422
    elif isinstance(error, OutOfTimeError):
        status = 504
    return make_problem(status, hide_places(str(error)))


def explain_invalid(errors: Sequence[Any]) -> Problem:
    """What is wrong with the values of a request: where, why, and what was given."""
    said = []
    for error in errors[:SHOWN]:
        place = ".".join(map(str, error.get("loc", ()))) or "body"
        given = error.get("input")
        shown = f", not {given!r:.60}" if isinstance(given, str | int | float) else ""
        said.append(f"{place}: {error.get('msg', 'cannot be used')}{shown}")
    if len(errors) > SHOWN:
        said.append(f"and {len(errors) - SHOWN} more")
    return make_problem(422, "; ".join(said))


def add_handlers(app: FastAPI) -> None:
    """Have an application answer whatever goes wrong so."""

    @app.exception_handler(HTTPException)
    def answer_refusal(request: Request, error: HTTPException) -> JSONResponse:
        detail = str(error.detail)
        if detail == name_status(error.status_code):  # raised by the framework
            detail = f"{request.method} {request.url.path:.200}: {detail.lower()}"
        headers = dict(error.headers) if error.headers else None
        return answer_problem(make_problem(error.status_code, detail), headers)

    @app.exception_handler(RequestValidationError)
    def answer_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return answer_problem(explain_invalid(error.errors()))

    @app.exception_handler(GlacierError)
    def answer_error(request: Request, error: GlacierError) -> JSONResponse:
        problem = explain_error(error)
        headers = {"Retry-After": "10"} if problem.status == 503 else None
        return answer_problem(problem, headers)

    @app.exception_handler(Exception)
    def answer_defect(request: Request, error: Exception) -> JSONResponse:
        return answer_problem(make_problem(500, DEFECT))


Responses = dict[int | str, dict[str, Any]]
"""Answers of a route by status, as the description of the interface has them."""


def describe_problems(*statuses: int) -> Responses:
    """Refusals of a route for the description of the interface."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": ABOUT[status], "content": {PROBLEM_JSON: {"schema": schema}}}
        for status in (401, 403, *statuses)
    }


NOT_THERE = describe_problems(404, 422, 503)
"""Of a route for a thing of a run by its name."""
