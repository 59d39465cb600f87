"""What a client gets of a map: its numbers with links, or one of its files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from fastapi import Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from glacier.serving.answer import Answer
from glacier.serving.kept_maps import FILES, OUTPUTS, KeptMap, KeptMaps, Output
from glacier.settings.model import Model

MODEL_HEADER = "X-Model-SHA256"
"""Of every answer that holds a map: the checksum of the model that made all of it."""

GEO_JSON, TIFF, JSON = "application/geo+json", "image/tiff", "application/json"


class Link(Model):
    """Where something else lies. Source: link.yaml of OGC API - Common."""

    href: str
    rel: str
    type: str = JSON
    title: str


class MapAnswer(Answer):
    """A map: its area with the interval, and where its files are, for as long as it is kept."""

    id: str
    links: tuple[Link, ...]


def link_output(request: Request, kept: KeptMap, output: Output) -> Link:
    """Where a file of a map lies."""
    href = str(request.url_for("read_output", job=kept.id, output=output))
    titles = {"outlines": "Outlines, in degrees", "class": "Class of each pixel"}
    title = titles.get(output, "Probability of ice of each pixel")
    return Link(href=href, rel="item", type=OUTPUTS[output][1], title=title)


def describe_map(request: Request, kept: KeptMap) -> MapAnswer:
    """The numbers of a map that is made, with links."""
    assert kept.answer is not None
    links = [link_output(request, kept, output) for output in OUTPUTS]
    href = str(request.url_for("read_results", job=kept.id))
    links.append(Link(href=href, rel="self", title="This map"))
    return MapAnswer(**dict(kept.answer), id=kept.id, links=tuple(links))


def choose_kind(accept: str) -> Literal["json", "outlines", "raster"]:
    """What a client wants by its Accept header: what it prefers of what is made here.

    Raises:
        HTTPException: 406: nothing of it is.
    """
    for media in rank_kinds(accept or "*/*"):
        if media == GEO_JSON:
            return "outlines"
        if media == TIFF:
            return "raster"
        if media in (JSON, "*/*", "application/*"):
            return "json"
    raise HTTPException(406, f"Accept {accept[:80]!r}: wanted {JSON}, {GEO_JSON} or {TIFF}")


def rank_kinds(accept: str) -> list[str]:
    """Media types of an Accept header, the one that is liked best first."""
    ranked: list[tuple[float, int, str]] = []
    for part in accept.split(","):
        media, *parameters = (word.strip().lower() for word in part.split(";"))
        weight = next((word[2:] for word in parameters if word.startswith("q=")), "1")
        try:
            value = float(weight)
        except ValueError:
            value = 0.0
        if value > 0:
            ranked.append((-value, len(ranked), media))
    return [media for *_, media in sorted(ranked)]


class PassingFile(FileResponse):
    """A file whose folder goes once it is sent, or cannot be."""

    def __init__(self, path: Path, folder: Path, kind: str, headers: dict[str, str]) -> None:
        """Send a file of a folder."""
        super().__init__(path, media_type=kind, headers=headers)
        self.folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


def name_model(kept: KeptMap) -> dict[str, str]:
    """The header that names what made a map."""
    return {MODEL_HEADER: kept.answer.model.sha256} if kept.answer else {}


def send_map(request: Request, kept: KeptMap) -> Response:
    """The numbers of a map."""
    answer = describe_map(request, kept)
    return JSONResponse(answer.model_dump(mode="json"), headers=name_model(kept))


def send_once(maps: KeptMaps, kept: KeptMap, output: Output) -> Response:
    """A file of a map that nobody can ask for again."""
    name, kind = OUTPUTS[output]
    return PassingFile(maps.place(kept, FILES, name), maps.place(kept), kind, name_model(kept))


def send_output(maps: KeptMaps, kept: KeptMap, output: Output) -> Response:
    """A file of a map."""
    name, kind = OUTPUTS[output]
    path = maps.place(kept, FILES, name)
    if not path.is_file():
        raise HTTPException(404, f"map {kept.id} is gone; ask for it again with POST /maps")
    return FileResponse(path, media_type=kind, headers=name_model(kept))
