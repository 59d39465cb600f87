"""The images and maps of a run as tiles for maps on the web, drawn when they are asked for.

Layers, regions and months are compared with those that there are; no word of a client becomes part
of a path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi import Path as InPath
from numpy.typing import NDArray
from rio_tiler.errors import TileOutsideBounds
from rio_tiler.io import Reader

from glacier.errors import GlacierError
from glacier.geo.frames import find_corners
from glacier.geo.outline_search import Box
from glacier.geo.raster import Grid, place_bands
from glacier.geo.raster_files import safe_open
from glacier.indices import FALSE_COLOUR
from glacier.landsat import BAND_OF, reflectance
from glacier.map_codes import GLACIER, STEPS, UNSEEN
from glacier.mapping.maps import MapRecord
from glacier.plots.layers import (
    GAMMA,
    REFLECTANCE,
    TRUE_COLOUR,
    encode_rgba,
    sample_ramp,
)
from glacier.plots.pictures import paint_colour
from glacier.progress import say
from glacier.serving.features import find_base, link, look_at
from glacier.serving.finished_run import WatchedRun
from glacier.serving.map_files import MapFile, find_file
from glacier.serving.problems import NOT_THERE, Responses
from glacier.wording import join_words

EDITION = 1
"""Counts up when the same file gives other tiles, so that no browser shows old ones."""

TILE_PX = 256
MAX_ZOOM = 22
KEEP_S = 300
"""Seconds that a browser shows a tile without asking whether it is still the same."""

THREADS = 8
"""Tiles that are drawn at once; a map asks for dozens, which wait without a thread."""

PNG = "image/png"

GLACIER_RGBA = (86, 180, 233, 200)
"""Of the layer of classes, whose ground is clear."""

Pixels = NDArray[np.uint8]
"""(4, H, W) red, green, blue and alpha."""


@dataclass(frozen=True)
class TileLayer:
    """A way to show a month."""

    title: str
    file: str
    """Which of a month's files it is drawn from, see :func:`find_file`."""
    colours: tuple[str, ...] = ()
    """Bands of an image that are shown as red, green and blue."""
    paint: Callable[[NDArray[Any]], Pixels] | None = None
    """Draws (H, W) uint8 codes of a map."""


def paint_probability(codes: NDArray[Any]) -> Pixels:
    """Probabilities as stored by their ramp, clearer where they are lower."""
    ramp = sample_ramp("Blues", STEPS + 1)
    colours = ramp[np.minimum(codes, STEPS)].transpose(2, 0, 1)
    alpha = np.where(codes == UNSEEN, 0, 255)
    return np.concatenate([colours, alpha[None].astype(np.uint8)])


def paint_classes(codes: NDArray[Any]) -> Pixels:
    """Glacier in one colour, and the rest clear."""
    pixels = np.zeros((4, *codes.shape), np.uint8)
    pixels[:, codes == GLACIER] = np.array(GLACIER_RGBA, np.uint8)[:, None]
    return pixels


LAYERS: Mapping[str, TileLayer] = {
    "true-colour": TileLayer("True colour", "image", TRUE_COLOUR),
    "false-colour": TileLayer("False colour", "image", FALSE_COLOUR),
    "probability": TileLayer("Probability of glacier", "probability", paint=paint_probability),
    "class": TileLayer("Glacier", "class", paint=paint_classes),
}
"""Layers by name, in the order in which they are offered."""

ANSWERS: Responses = {
    200: {"content": {PNG: {}}, "description": "The tile; clear beyond the map."},
    304: {"description": "The client has it."},
    **NOT_THERE,
}

Zoom = Annotated[int, InPath(ge=0, le=MAX_ZOOM)]
Number = Annotated[int, InPath(ge=0, lt=2**MAX_ZOOM)]


def build_tiles(runs: WatchedRun) -> APIRouter:
    """Routes of the tiles, which are drawn in threads of their own: nobody else waits for them."""
    router = APIRouter(prefix="/tiles", tags=["tiles"])
    threads = CapacityLimiter(THREADS)

    @router.get("/{layer}/{region}/{month}/tilejson.json", summary="A layer as TileJSON",
                responses=NOT_THERE)  # fmt: skip
    def describe(request: Request, layer: str, region: str, month: str) -> dict[str, Any]:
        """Where the tiles of a layer of a month are, for programs that read TileJSON."""
        _, record, _ = find_layer(runs, layer, region, month)
        place = f"{find_base(request)}tiles/{layer}/{region}/{month}"
        return describe_tiles(LAYERS[layer], record, place)

    @router.get("/{layer}/{region}/{month}/{z}/{x}/{y}.png", summary="A tile (WebMercatorQuad)",
                response_class=Response, responses=ANSWERS)  # fmt: skip
    async def draw(
        request: Request, layer: str, region: str, month: str, z: Zoom, x: Number, y: Number
    ) -> Response:
        """A layer of a month: true-colour, false-colour, probability or class."""
        asked = AskedTile(layer, region, month, (z, x, y))
        known = request.headers.get("if-none-match")
        return await to_thread.run_sync(answer_tile, runs, asked, known, limiter=threads)

    return router


@dataclass(frozen=True)
class AskedTile:
    """A tile as a client names it."""

    layer: str
    region: str
    month: str
    place: tuple[int, int, int]
    """Zoom, column and row."""


def answer_tile(runs: WatchedRun, asked: AskedTile, known: str | None) -> Response:
    """A tile, or the word that the client has it.

    Args:
        runs: The run.
        asked: Which tile.
        known: The mark of the tile that the client has.

    Raises:
        HTTPException: There is none of that name, 404; or it cannot be read, 503.
    """
    shown, _, file = find_layer(runs, asked.layer, asked.region, asked.month)
    zoom, *place = asked.place
    if max(place) >= 2**zoom:
        raise HTTPException(404, f"there is no tile {'/'.join(map(str, asked.place))}")
    etag = f'"{file.sha256[:16]}-{asked.layer}-{EDITION}"'
    headers = {"etag": etag, "cache-control": f"private, max-age={KEEP_S}"}
    if known == etag:
        return Response(status_code=304, headers=headers)
    return Response(draw_file(runs, file, shown, asked.place), media_type=PNG, headers=headers)


def find_layer(
    runs: WatchedRun, layer: str, region: str, month: str
) -> tuple[TileLayer, MapRecord, MapFile]:
    """A layer, the record of the month, and the file that it is drawn from.

    Raises:
        HTTPException: One of them is not known; 404.
    """
    if layer not in LAYERS:
        raise HTTPException(404, f"no layer {layer!r:.60}; known: {join_words(list(LAYERS))}")
    run = look_at(runs)
    record = run.find_maps(region).get(month)
    if record is None:
        raise HTTPException(404, f"no map of region {region!r:.60}, month {month!r:.20}")
    return LAYERS[layer], record, find_file(run, record, LAYERS[layer].file)


def draw_file(
    runs: WatchedRun, file: MapFile, layer: TileLayer, tile: tuple[int, int, int]
) -> bytes:
    """A tile of a stored file.

    Raises:
        HTTPException: It lacks the bands, 404; or it cannot be read, 503.
    """
    try:
        held = runs.files.take(file.address, file.sha256)
        return draw_tile(held.path, layer, tile)
    except GlacierError as error:
        say(f"serve: {error}")
        raise HTTPException(503, "the raster of this month cannot be read; try later") from error


def draw_tile(path: Path, layer: TileLayer, tile: tuple[int, int, int]) -> bytes:
    """A tile as PNG, clear beyond the raster and where nothing was seen.

    Args:
        path: Local raster.
        layer: How it is shown.
        tile: Zoom, column and row.

    Raises:
        HTTPException: The raster lacks a band of the layer; 404.
        RasterError: It cannot be read.
    """
    z, x, y = tile
    with safe_open(path) as source:
        places = find_bands(place_bands(source), layer) if layer.colours else [1]
        method = "bilinear" if layer.colours else "nearest"
        try:
            with Reader(None, dataset=source) as reader:
                found = reader.tile(
                    x, y, z, tilesize=TILE_PX, indexes=places, resampling_method=method,
                    reproject_method=method,
                )  # fmt: skip
        except TileOutsideBounds:
            return encode_rgba(np.zeros((4, TILE_PX, TILE_PX), np.uint8))
    return encode_rgba(paint(layer, np.asarray(found.array.data), found.mask > 0))


def find_bands(places: Mapping[str, int], layer: TileLayer) -> list[int]:
    """Positions of the bands of a layer.

    Raises:
        HTTPException: One is not there; 404.
    """
    names = [BAND_OF[colour] for colour in layer.colours]
    if lacking := [name for name in names if name not in places]:
        raise HTTPException(404, f"the image has no band {lacking[0]}: no {layer.title.lower()}")
    return [places[name] for name in names]


def paint(layer: TileLayer, data: NDArray[Any], seen: NDArray[np.bool_]) -> Pixels:
    """Colours of what was read of a file: (B, H, W) numbers as stored, (H, W) where seen."""
    if layer.paint is not None:
        pixels = layer.paint(data[0])
    else:
        colours = paint_colour(reflectance(data.astype(np.uint16)), REFLECTANCE, GAMMA)
        alpha = np.full((1, *seen.shape), 255, np.uint8)
        pixels = np.concatenate([colours.transpose(2, 0, 1), alpha])
    pixels[3, ~seen] = 0
    return pixels


def describe_tiles(layer: TileLayer, record: MapRecord, place: str) -> dict[str, Any]:
    """What a program has to know of a layer.

    Args:
        layer: The layer.
        record: Of the month.
        place: Address below which its tiles lie.

    Source: TileJSON 3.0.0.
    """
    assert record.grid is not None
    return {
        "tilejson": "3.0.0",
        "name": f"{layer.title}, {record.region}, {record.name}",
        "tiles": [f"{place}/{{z}}/{{x}}/{{y}}.png"],
        "bounds": find_bounds(record.grid),
        "minzoom": 0,
        "maxzoom": find_zoom(record.grid),
        "links": [link("self", f"{place}/tilejson.json", "application/json")],
    }


def find_bounds(grid: Grid) -> Box:
    """West, south, east and north of a grid, degrees; east of 180 where it lies over that."""
    lons, lats = zip(*find_corners(grid), strict=True)
    return min(lons), min(lats), max(lons), max(lats)


def find_zoom(grid: Grid) -> int:
    """The first zoom at which a pixel of a tile is no larger than one of the grid."""
    _, south, _, north = find_bounds(grid)
    widest_m = 40_075_016.7 / TILE_PX * np.cos(np.radians((south + north) / 2))
    return int(np.clip(np.ceil(np.log2(widest_m / grid.pixel_m)), 0, MAX_ZOOM))
