"""How the routes of a run say in the description of the interface what they refuse."""

from __future__ import annotations

from typing import Any

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
"""What the application makes of an ``HTTPException``. Source: RFC 9457."""

ABOUT = {
    400: "A parameter is not known, or cannot be used; the message says which.",
    401: "A token is wanted, or the one given is not known.",
    403: "The token, the page or the host may not do this.",
    404: "There is none of that name.",
    422: "A part of the address cannot be one; the message says which.",
    503: "The files of the run cannot be read now; try again later.",
}

Responses = dict[int | str, dict[str, Any]]


def refuse(*statuses: int) -> Responses:
    """Refusals of a route: those that any of them may come to, and others.

    Args:
        statuses: The others.
    """
    return {
        status: {"description": ABOUT[status], "content": PROBLEM}
        for status in sorted({401, 403, 503, *statuses})
    }
