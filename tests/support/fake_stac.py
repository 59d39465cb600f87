"""A loopback STAC API, and a file server that answers ranges, signs addresses and goes wrong."""

import json
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import rasterio
from rasterio.warp import transform_bounds

from glacier.composite import Scene
from glacier.sources.scene_files import ASSET_OF_BAND
from tests.support.landsat_files import product_name
from tests.support.loopback import serve_handler

CONFORMS = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/item-search",
]


def meet(item: list[float], asked: list[float]) -> bool:
    """Whether an item's box, perhaps across 180 degrees, touches one that is asked for.

    As some catalogues do, it takes west for the smaller of the two that are asked for.
    """
    west, south, east, north = item
    low, high = min(asked[0], asked[2]), max(asked[0], asked[2])
    beside = low > east or high < west
    if west > east:
        beside = low > east and high < west
    return not beside and asked[1] <= north and asked[3] >= south


class FakeStac:
    """What the server holds and how it misbehaves."""

    def __init__(self, page: int = 2) -> None:
        self.items: list[dict[str, Any]] = []
        self.files: dict[str, Path] = {}
        self.page = page
        self.search_faults: deque[int] = deque()
        """Statuses, taken one a search."""
        self.read_faults: deque[int] = deque()
        """Statuses, taken one a read of pixels."""
        self.signature: str | None = None
        """Reads need ``?sig=`` with this; None: no signature."""
        self.reads_until_expiry: int | None = None
        """The signature runs out after so many reads."""
        self.asked: Counter[str] = Counter()
        self.url = ""
        self.lock = threading.Lock()

    def add(self, scene: Scene, files: dict[str, Path], **properties: Any) -> dict[str, Any]:
        """List a scene's files; returns its item."""
        with rasterio.open(next(iter(files.values()))) as source:
            box = transform_bounds(source.crs, "EPSG:4326", *source.bounds)
            code, place = f"EPSG:{source.crs.to_epsg()}", list(source.transform[:6])
        west, south, east, north = box
        corners = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        assets = {}
        for band, path in files.items():
            self.files[f"/data/{path.name}"] = path
            assets[ASSET_OF_BAND[band]] = {"href": f"{self.url}/data/{path.name}"}
        item = {
            "type": "Feature", "stac_version": "1.0.0", "stac_extensions": [], "links": [],
            "id": product_name(scene), "collection": "landsat-c2-l2", "bbox": list(box),
            "geometry": {"type": "Polygon", "coordinates": [corners]},
            "properties": {
                "datetime": scene.acquired.isoformat().replace("+00:00", "Z"),
                "platform": "landsat-8", "landsat:collection_category": "T1",
                "view:sun_elevation": scene.sun_elevation_deg, "proj:code": code,
                "proj:transform": place, "eo:cloud_cover": 30.0,
            } | properties,
            "assets": assets,
        }  # fmt: skip
        self.items.append(item)
        return item

    def search(self, body: dict[str, Any]) -> dict[str, Any]:
        start, end = (datetime.fromisoformat(t) for t in body["datetime"].split("/"))
        found = [
            item
            for item in self.items
            if start <= datetime.fromisoformat(item["properties"]["datetime"]) <= end
            and meet(item["bbox"], body["bbox"])
        ]
        at = int(body.get("token", 0))
        links = []
        if at + self.page < len(found):
            rest = body | {"token": str(at + self.page)}
            links = [{"rel": "next", "method": "POST", "href": f"{self.url}/search", "body": rest}]
        return {
            "type": "FeatureCollection",
            "features": found[at : at + self.page],
            "links": links,
        }

    def landing(self) -> dict[str, Any]:
        links = [
            {"rel": "self", "href": self.url},
            {"rel": "root", "href": self.url},
            {"rel": "search", "href": f"{self.url}/search", "method": "POST",
             "type": "application/geo+json"},
            {"rel": "search", "href": f"{self.url}/search", "method": "GET",
             "type": "application/geo+json"},
        ]  # fmt: skip
        return {
            "type": "Catalog", "stac_version": "1.0.0", "id": "fake", "description": "fake",
            "conformsTo": CONFORMS, "links": links,
        }  # fmt: skip

    def judge_read(self, signature: str | None) -> int:
        """Status of a read of pixels."""
        with self.lock:
            if self.read_faults:
                return self.read_faults.popleft()
            if self.reads_until_expiry is not None:
                self.reads_until_expiry -= 1
                if self.reads_until_expiry < 0:
                    self.signature, self.reads_until_expiry = "second", None
            return 200 if signature == self.signature else 403


def make_handler(fake: FakeStac) -> type[BaseHTTPRequestHandler]:  # noqa: C901
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def reply(self, code: int, body: bytes, **headers: str) -> None:
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fake.asked["search"] += 1
            if fake.search_faults:
                self.reply(fake.search_faults.popleft(), b"{}", Content_Type="application/json")
            else:
                self.send_json(fake.search(body))

        def send_json(self, value: Any) -> None:
            self.reply(200, json.dumps(value).encode(), Content_Type="application/json")

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path in ("", "/"):
                self.send_json(fake.landing())
                return
            fake.asked["read"] += 1
            status = fake.judge_read(parse_qs(url.query).get("sig", [None])[0])
            if status != 200 or url.path not in fake.files:
                self.reply(status if status != 200 else 404, b"no")
                return
            data = fake.files[url.path].read_bytes()
            asked = self.headers.get("Range", "").removeprefix("bytes=")
            if not asked:
                self.reply(200, data, Accept_Ranges="bytes")
                return
            first, _, last = asked.partition("-")
            start, end = int(first), min(int(last or len(data) - 1), len(data) - 1)
            place = f"bytes {start}-{end}/{len(data)}"
            self.reply(206, data[start : end + 1], Content_Range=place, Accept_Ranges="bytes")

    return Handler


@contextmanager
def serve_stac(fake: FakeStac) -> Iterator[FakeStac]:
    """The server on a free port of the loopback, for the length of the block."""
    with serve_handler(make_handler(fake)) as fake.url:
        yield fake
