"""The probability of an image that somebody sent, as a picture that a page lays over its map."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from fastapi import APIRouter, Depends, Response
from rio_tiler.errors import RioTilerError
from rio_tiler.io import Reader

from glacier.errors import RasterError
from glacier.geo.outline_search import Box
from glacier.geo.raster_files import safe_open
from glacier.plots.layers import encode_rgba
from glacier.serving.problems import NOT_THERE, Responses
from glacier.serving.tiles import PNG, paint_probability

MAX_SIDE_PX = 1024
"""Longest side of the picture, pixels."""

DEGREES, MERCATOR = "EPSG:4326", "EPSG:3857"


ANSWERS: Responses = {
    200: {"content": {PNG: {}}, "description": "The picture."},
    **NOT_THERE,
}


class Drawable(NamedTuple):
    """A map that can be drawn."""

    probability: Path
    """Local raster: uint8, 0 to 254 for 0 to 1, 255 where unseen."""
    bounds: Box
    """West, south, east and north that the picture shall have, degrees."""


def build_previews(find: Callable[..., Drawable]) -> APIRouter:
    """The route of the pictures of jobs.

    Args:
        find: A dependency of FastAPI that takes the path's ``job`` and whatever else it needs, and
            raises where there is no such map, or it is somebody else's.
    """
    router, drawable = APIRouter(tags=["jobs"]), Depends(find)

    @router.get("/jobs/{job}/preview.png", summary="A map as a picture",
                response_class=Response, responses=ANSWERS)  # fmt: skip
    def draw(found: Drawable = drawable) -> Response:
        """Probability of glacier in Web Mercator, over the bounds that the answer names."""
        headers: dict[str, Any] = {"cache-control": "private, no-cache"}
        return Response(draw_preview(found), media_type=PNG, headers=headers)

    return router


def draw_preview(found: Drawable) -> bytes:
    """The probability of a map as PNG in Web Mercator, over its bounds exactly.

    Raises:
        RasterError: It cannot be read.
    """
    west, south, east, north = found.bounds
    box = (west, south, east + 360 if east < west else east, north)
    with safe_open(found.probability) as source:
        try:
            with Reader(None, dataset=source) as reader:
                part = reader.part(
                    box, bounds_crs=DEGREES, dst_crs=MERCATOR, max_size=MAX_SIDE_PX, indexes=[1]
                )
        except RioTilerError as error:
            raise RasterError(f"{found.probability} cannot be drawn: {error}") from error
    pixels = paint_probability(np.asarray(part.array.data)[0])
    pixels[3, part.mask == 0] = 0
    return encode_rgba(pixels)
