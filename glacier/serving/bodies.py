"""Bodies of JSON, read once it is known who sends them, and no further than they may be."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

JSON = "application/json"

GONE = 499
"""Status of an answer that nobody waits for any more. Source: nginx."""

Body = TypeVar("Body", bound=BaseModel)


def name_kind(request: Request) -> str:
    """Kind of a body by its Content-Type, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(request: Request, form: type[Body], most_bytes: int, larger: str) -> Body:
    """The values that a body of JSON holds.

    The framework would read it before it asks who sends it.

    Args:
        request: Whose body was not read yet.
        form: What it is to hold.
        most_bytes: Of the body.
        larger: What to do with a larger one.

    Raises:
        HTTPException: 413 or 415; or the client has gone.
        RequestValidationError: It holds something else.
    """
    if name_kind(request) != JSON:
        raise HTTPException(415, f"Content-Type {name_kind(request)[:80]!r}: wanted {JSON}")
    data = bytearray()
    try:
        async for chunk in request.stream():
            data += chunk
            if len(data) > most_bytes:
                raise HTTPException(413, f"the body is over {most_bytes} bytes; {larger}")
    except ClientDisconnect:
        raise HTTPException(GONE, "the client has gone") from None
    try:
        return form.model_validate_json(bytes(data))
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False)) from error


def describe_body(form: type[BaseModel], example: object) -> dict[str, Any]:
    """What the framework cannot know of a body that is read so."""
    schema = {"$ref": f"#/components/schemas/{form.__name__}"}
    content = {JSON: {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "example": "respond-async",
    "description": "respond-async: the answer is 201 at once, and the map is made later.",
}
"""A header that more than one route heeds. Source: RFC 7240."""
