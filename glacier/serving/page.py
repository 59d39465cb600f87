"""The page for people at the service's address, and what it consists of; programs get JSON there.

Everything lies in ``page/`` beside this module, and the page asks nobody else for anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from glacier import store
from glacier.reports.map_page import read_leaflet
from glacier.serving.features import describe_landing, find_base

HERE = Path(__file__).parent / "page"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load and ask: this service alone. Tiles are fetched, so they are blobs."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",  # asked for again each time, and mostly not sent again
}

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""End of a file's name to its media type."""

WEIGHT = re.compile(r"q=[01](\.[0-9]{0,3})?")
"""How much a client likes a media type. Source: RFC 9110, 12.4.2."""

PAGE = "index.html"
"""Name of the page itself."""


@dataclass(frozen=True)
class StaticFile:
    """A file of the page."""

    data: bytes
    kind: str
    """Its media type."""
    etag: str


@cache
def read_files() -> Mapping[str, StaticFile]:
    """Name of each file of the page to the file."""
    leaflet = read_leaflet()
    contents = {path.name: path.read_bytes() for path in HERE.iterdir() if path.suffix in KINDS}
    contents |= {
        "leaflet.js": leaflet.script.encode(),
        "leaflet.css": leaflet.css.encode(),
        "leaflet-licence.txt": leaflet.licence.encode(),
    }
    return {
        name: StaticFile(data, KINDS[Path(name).suffix], f'"{store.checksum(data)[:16]}"')
        for name, data in contents.items()
    }


def build_page(title: str) -> APIRouter:
    """Routes of the page and of the API's first page; they tell nothing of the run's results.

    Args:
        title: What is served, such as the run's name.
    """
    router = APIRouter(tags=["page"])

    @router.get("/", include_in_schema=False)
    async def show_landing(request: Request, f: str = "") -> Response:
        if f not in ("", "html", "json"):
            raise HTTPException(400, f"f={f!r:.20}: wanted html or json")
        if f == "html" or (not f and wants_page(request.headers.get("accept", ""))):
            return send_file(PAGE, request)
        return JSONResponse(describe_landing(find_base(request), title), headers={"vary": "Accept"})

    @router.get("/page/{name}", include_in_schema=False)
    async def show_file(request: Request, name: str) -> Response:
        return send_file(name, request)

    return router


def send_file(name: str, request: Request) -> Response:
    """A file of the page, or the word that the client has it.

    Raises:
        HTTPException: There is none of that name; 404.
    """
    found = read_files().get(name)
    if found is None:
        raise HTTPException(404, f"the page has no file {name!r:.60}")
    headers = {**HEADERS, "etag": found.etag, "vary": "Accept"}
    if request.headers.get("if-none-match") == found.etag:
        return Response(status_code=304, headers=headers)
    return Response(found.data, media_type=found.kind, headers=headers)


def wants_page(accept: str) -> bool:
    """Whether a client likes HTML better than JSON, by its header ``Accept``.

    One that takes anything gets JSON, as GIS programs do.
    """
    weights = {"html": 0.0, "json": 0.0}
    for part in accept.lower().split(","):
        kind, *parameters = (text.strip() for text in part.split(";"))
        name = {"text/html": "html", "application/json": "json"}.get(kind)
        if name:
            told = next((text for text in parameters if text.startswith("q=")), "q=1")
            weights[name] = float(told[2:]) if WEIGHT.fullmatch(told) else 0.0
    return weights["html"] > weights["json"]
