"""The outlines of a run as OGC API Features, which GIS programs open by the service's address.

Source: OGC API - Features - Part 1: Core 1.0.1 (OGC 17-069r4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse

from glacier.errors import GlacierError
from glacier.geo.outline_rows import OutlineRow
from glacier.geo.outline_search import encode_polygon
from glacier.progress import say
from glacier.serving.finished_run import FinishedRun, Outlines, WatchedRun
from glacier.serving.items_query import PARAMETERS, ItemsQuery, read_parameters, read_query
from glacier.serving.problems import describe_problems

CONFORMANCE = (
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
)
"""What is kept of the standard: not its OpenAPI 3.0, since the description is of 3.1."""

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
GREGORIAN = "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian"
OGC = "http://www.opengis.net/def/rel/ogc/1.0"
"""Below it lie the names of relations of OGC API - Processes."""

COLLECTION = "outlines"
"""Name of the only collection."""

JSON, GEOJSON = "application/json", "application/geo+json"

REFUSED = describe_problems(400, 503)
"""Of every route here."""


class GeoJsonResponse(JSONResponse):
    """Outlines, as RFC 7946 has them."""

    media_type = GEOJSON


def build_features(runs: WatchedRun, further: Sequence[str] = ()) -> APIRouter:
    """Routes of the collection of outlines.

    Args:
        runs: The run; it is asked in a thread, since it reads files.
        further: Conformance classes of other parts of the service.
    """
    router = APIRouter(tags=["outlines"])

    @router.get("/conformance", summary="Standards", responses=REFUSED)
    def show_conformance(request: Request) -> dict[str, Any]:
        """What is kept of OGC's standards."""
        refuse_unknown(request)
        return {"conformsTo": [*CONFORMANCE, *further]}

    @router.get("/collections", summary="Collections", responses=REFUSED)
    def list_collections(request: Request) -> dict[str, Any]:
        """What there is to ask for: the outlines."""
        refuse_unknown(request)
        place = find_base(request) + "collections"
        found = [describe_collection(look_at(runs), find_base(request))]
        return {"links": [link("self", place, JSON)], "collections": found}

    @router.get(f"/collections/{COLLECTION}", summary="The outlines", responses=REFUSED)
    def show_collection(request: Request) -> dict[str, Any]:
        """The ground and the time that the outlines cover."""
        refuse_unknown(request)
        return describe_collection(look_at(runs), find_base(request))

    @router.get(
        f"/collections/{COLLECTION}/items",
        summary="Outlines, a page at a time",
        response_class=GeoJsonResponse,
        responses=REFUSED,
        openapi_extra={"parameters": [dict(parameter) for parameter in PARAMETERS]},
    )
    def list_items(request: Request) -> GeoJsonResponse:
        """Outlines of all dates or of some, on all ground or in a box."""
        try:
            query = read_query(request.query_params.multi_items())
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        return GeoJsonResponse(encode_page(look_at(runs).outlines, query, request))

    @router.get(
        f"/collections/{COLLECTION}/items/{{feature_id}}",
        summary="One outline",
        response_class=GeoJsonResponse,
        responses=REFUSED | describe_problems(404, 422),
    )
    def show_item(request: Request, feature_id: str) -> GeoJsonResponse:
        """An outline by its name in the collection."""
        refuse_unknown(request)
        return GeoJsonResponse(encode_item(look_at(runs).outlines, feature_id, request))

    return router


def look_at(runs: WatchedRun) -> FinishedRun:
    """The run as it is now.

    Raises:
        HTTPException: Nothing of it can be read; 503.
    """
    try:
        return runs.look()
    except GlacierError as error:
        say(f"serve: {error}")  # its addresses are nobody else's business
        raise HTTPException(503, "the files of the run cannot be read; try again later") from error


def refuse_unknown(request: Request) -> None:
    """Refuse parameters where there are none.

    Raises:
        HTTPException: There is one; 400.
    """
    try:
        read_parameters(request.query_params.multi_items(), {})
    except ValueError as error:
        raise HTTPException(400, str(error)) from error


def find_base(request: Request) -> str:
    """Address of the service as the client wrote it, with a slash at its end."""
    return str(request.base_url)


def find_items(request: Request) -> str:
    """Address of the outlines."""
    return f"{find_base(request)}collections/{COLLECTION}/items"


def link(rel: str, href: str, kind: str, title: str = "") -> dict[str, str]:
    """A link as OGC's APIs write it."""
    return {"rel": rel, "href": href, "type": kind} | ({"title": title} if title else {})


def describe_landing(base: str, title: str) -> dict[str, Any]:
    """The page where a program begins.

    Args:
        base: Address of the service, with a slash at its end.
        title: What it serves.
    """
    description = "application/vnd.oai.openapi+json;version=3.1"
    return {
        "title": title,
        "description": "Outlines of glaciers, their areas, and the maps that they were drawn from.",
        "links": [
            link("self", base, JSON, "This page"),
            link("alternate", f"{base}?f=html", "text/html", "The same for people"),
            link("service-desc", f"{base}openapi.json", description, "Description of the service"),
            link("conformance", f"{base}conformance", JSON, "What is kept of OGC API Features"),
            link("data", f"{base}collections", JSON, "Outlines"),
            link(f"{OGC}/processes", f"{base}processes", JSON, "How an image is mapped"),
            link(f"{OGC}/job-list", f"{base}jobs", JSON, "Maps that you asked for"),
        ],
    }


def describe_collection(run: FinishedRun, base: str) -> dict[str, Any]:
    """The collection, with the ground and the time that it covers."""
    rows, bounds = run.outlines.rows, run.outlines.tree.bounds
    place = f"{base}collections/{COLLECTION}"
    extent: dict[str, Any] = {}
    if bounds is not None:
        days = min(row.src_date_min for row in rows), max(row.src_date_max for row in rows)
        extent = {
            "spatial": {"bbox": [list(bounds)], "crs": CRS84},
            "temporal": {"interval": [[write_day(days[0]), write_day(days[1], last=True)]],
                         "trs": GREGORIAN},
        }  # fmt: skip
    found = {
        "id": COLLECTION,
        "title": f"Glacier outlines of {run.places.name}",
        "description": "Outlines of all dates, with the columns of the Randolph Glacier Inventory "
        "7 and the mean probability, the uncertainty and the model of each.",
        "itemType": "feature",
        "crs": [CRS84],
        "links": [
            link("self", place, JSON),
            link("items", f"{place}/items", GEOJSON, "Outlines"),
        ],
    }
    return found | ({"extent": extent} if extent else {})


def write_day(day: date, last: bool = False) -> str:
    """The begin of a day, or its end, as RFC 3339 has it."""
    return f"{day.isoformat()}T{'23:59:59' if last else '00:00:00'}Z"


def encode_page(outlines: Outlines, query: ItemsQuery, request: Request) -> dict[str, Any]:
    """A page of outlines, with links to the next and the one before."""
    everywhere: Sequence[int] = range(len(outlines.rows))
    near = everywhere if query.box is None else outlines.tree.find(query.box)
    found = [place for place in near if query.takes(outlines.rows[place])]
    shown = found[query.offset : query.offset + query.limit]
    links = [link("self", name_page(request, query.offset), GEOJSON)]
    if query.offset + len(shown) < len(found):
        links.append(link("next", name_page(request, query.offset + query.limit), GEOJSON))
    if query.offset:
        before = max(0, query.offset - query.limit)
        links.append(link("prev", name_page(request, before), GEOJSON))
    links.append(link("collection", find_items(request).removesuffix("/items"), JSON))
    return {
        "type": "FeatureCollection",
        "timeStamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "numberMatched": len(found),
        "numberReturned": len(shown),
        "features": [encode_feature(outlines, place) for place in shown],
        "links": links,
    }


def name_page(request: Request, offset: int) -> str:
    """Address of the page of the same question that begins elsewhere."""
    asked = [(name, text) for name, text in request.query_params.multi_items() if name != "offset"]
    query = urlencode([*asked, *([("offset", str(offset))] if offset else [])])
    return find_items(request) + (f"?{query}" if query else "")


def encode_item(outlines: Outlines, feature_id: str, request: Request) -> dict[str, Any]:
    """One outline with its links.

    Raises:
        HTTPException: There is none of that name; 404.
    """
    place = outlines.places.get(feature_id)
    if place is None:
        raise HTTPException(404, f"no outline is called {feature_id!r:.80}")
    items = find_items(request)
    links = [
        link("self", f"{items}/{feature_id}", GEOJSON),
        link("collection", items.removesuffix("/items"), JSON),
    ]
    return encode_feature(outlines, place) | {"links": links}


COLUMNS = tuple(field.name for field in fields(OutlineRow) if field.name != "geometry")


def encode_feature(outlines: Outlines, place: int) -> dict[str, Any]:
    """An outline as a feature of GeoJSON."""
    row = outlines.rows[place]
    values = {name: getattr(row, name) for name in COLUMNS}
    return {
        "type": "Feature",
        "id": outlines.ids[place],
        "geometry": encode_polygon(row.geometry),
        "properties": {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in values.items()
        },
    }
