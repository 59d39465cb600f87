"""A loopback server that speaks the Earth Engine REST paths and drives the unmodified client.

It evaluates no expression. What it is asked for it reads off the posted graph (dates, quality
bits, bands) and computes from the synthetic source's scenes by the composite's own definition. What
the graph says is tested on its own, against the list of functions that the client ships.
"""

from __future__ import annotations

import importlib.resources
import io
import json
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from glacier.composite import Composite, Scene, composite_scenes
from glacier.config import Config
from glacier.landsat import QA_MASK, is_clear, months_between
from glacier.sources.synthetic.source import SyntheticSource
from tests.support.loopback import serve_handler
from tests.support.tiny import VALUES

SHIPPED = importlib.resources.files("ee") / "tests"
COARSE = VALUES["regions"][0] | {"pixel_m": 600}
"""Its region, with pixels so large that a month takes no time."""

PROFILES = {mask: profile for profile, mask in QA_MASK.items()}


ScenesOf = Callable[[str, str], list[Scene]]
"""Scenes within a half-open interval of ISO dates."""


@dataclass(frozen=True)
class Fault:
    """How a request goes wrong: by a status, or ``drop``, ``truncate`` or ``wrong_size``."""

    status: int = 0
    message: str = ""
    kind: str = "status"


REFUSED = Fault(429, "Too Many Requests")
BROKEN = Fault(500, "An internal error has occurred")
DROPPED = Fault(kind="drop")
TRUNCATED = Fault(kind="truncate")
WRONG_SIZE = Fault(kind="wrong_size")
DENIED = Fault(403, "Caller does not have required permission to use project fake-project")


@dataclass
class Asked:
    """A request for a value or for pixels."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    answered: bool = False
    """Whether the whole right answer was sent."""

    @property
    def month(self) -> str:
        """First day of the month that is asked about, YYYY-MM-DD."""
        return month_asked(self.body["expression"])[0]


class FakeEarthEngine:
    """State of the server: what it answers, how slowly and how badly, and what it was asked."""

    def __init__(self, scenes_of: ScenesOf) -> None:
        """Answer from the scenes within a half-open interval of ISO dates."""
        self.scenes_of = scenes_of
        self.latency_s = 0.0
        self.faults: deque[Fault] = deque()
        """Taken one a request, in order."""
        self.fault_share = 0.0
        """Share of the other requests that go wrong at random."""
        self.quota_header = ""
        self.fail_login = False
        self.most_pixels: int | None = None
        """Requests for more pixels are refused as too large."""
        self.asked: list[Asked] = []
        self.others: Counter[str] = Counter()
        self.most_in_flight = 0
        self.cache: dict[str, bytes] = {}
        self._in_flight = 0
        self._lock = threading.Lock()
        self._random = random.Random(7)
        self.url = ""

    def next_fault(self) -> Fault | None:
        with self._lock:
            if self.faults:
                return self.faults.popleft()
            if self._random.random() < self.fault_share:
                return self._random.choice([REFUSED, BROKEN, DROPPED, TRUNCATED])
            return None

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        with self._lock:
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            yield
        finally:
            with self._lock:
                self._in_flight -= 1

    def answer(self, asked: Asked) -> bytes:
        """The right answer, from the cache where it was computed before."""
        key = asked.path + json.dumps(asked.body, sort_keys=True)
        if key not in self.cache:
            pixels = asked.path.endswith(":computePixels")
            self.cache[key] = self.pixels(asked.body) if pixels else self.rows(asked.body)
        return self.cache[key]

    def rows(self, body: dict[str, Any]) -> bytes:
        scenes = self.scenes_of(*date_range(body["expression"]))
        rows = [
            [
                int(scene.acquired.timestamp() * 1000),
                scene.scene_id,
                scene.sun_elevation_deg,
                list(scene.bands).index("ST_B10") if "ST_B10" in scene.bands else -1,
                self.collection,
                self.crs,
            ]
            for scene in reversed(scenes)  # in an order of its own
        ]
        return json.dumps({"result": rows}).encode()

    def pixels(self, body: dict[str, Any]) -> bytes:
        """np.save of a structured (h, w) array; of the rows that were asked for."""
        asked = {name.rpartition("/")[2] for name in images_asked(body["expression"])}
        listed = self.scenes_of(*month_asked(body["expression"]))
        scenes = [scene for scene in listed if scene.scene_id in asked]
        (mask,) = {m for m in constants(body["expression"], "Image.bitwiseAnd") if m in PROFILES}
        composite = composite_scenes(scenes, PROFILES[mask])
        height, width = scenes[0].qa_pixel.shape
        if isinstance(composite, Composite):
            clear = [is_clear(scene.qa_pixel, PROFILES[mask]) for scene in scenes]
            layers = composite.bands | {"n_obs": composite.n_obs}
            layers["saturated"] = np.sum(
                [
                    ok & (scene.qa_radsat & 0b1111110 != 0)
                    for ok, scene in zip(clear, scenes, strict=True)
                    if scene.qa_radsat is not None
                ]
                or [np.zeros((height, width))],
                axis=0,
            )
        else:
            layers = {name: np.zeros((height, width), np.uint16) for name in body["bandIds"]}
        rows, first = body["grid"]["dimensions"]["height"], self.first_row(body)
        whole = np.zeros((rows, width), np.dtype([(name, "<u2") for name in body["bandIds"]]))
        for name in body["bandIds"]:
            whole[name] = layers[name][first : first + rows]
        return npy(whole)

    collection = "LANDSAT/LC08/C02/T1_L2"
    crs = "EPSG:32608"
    """Where all scenes are from, and in which zone they lie."""

    top_m: float | None = None
    """North edge of the whole grid, for answers in parts."""

    def first_row(self, body: dict[str, Any]) -> int:
        to_ground = body["grid"]["affineTransform"]
        top = to_ground["translateY"] if self.top_m is None else self.top_m
        return round((top - to_ground["translateY"]) / to_ground["scaleX"])


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def nodes(expression: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a posted graph."""

    def walk(value: Any) -> Iterator[dict[str, Any]]:
        if isinstance(value, dict):
            yield value
            for inner in value.values():
                yield from walk(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner)

    return walk(expression)


def calls(expression: dict[str, Any], function: str | None = None) -> list[dict[str, Any]]:
    """Invocations of a function in a posted graph, or of all."""
    found = [
        node["functionInvocationValue"]
        for node in nodes(expression)
        if "functionInvocationValue" in node
    ]
    return [call for call in found if function in (None, call["functionName"])]


def resolve(expression: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """A value, or what it refers to."""
    while "valueReference" in value:
        value = expression["values"][value["valueReference"]]
    return value


def constants(expression: dict[str, Any], function: str) -> list[Any]:
    """Constants among the arguments of a function, also those made images first."""
    found = []
    for call in calls(expression, function):
        for argument in call["arguments"].values():
            value = resolve(expression, argument)
            inner = value.get("functionInvocationValue", {})
            if inner.get("functionName") == "Image.constant":
                value = resolve(expression, inner["arguments"]["value"])
            if "constantValue" in value:
                found.append(value["constantValue"])
    return found


def images_asked(expression: dict[str, Any]) -> list[str]:
    """Addresses of the images that a graph loads."""
    loads = calls(expression, "Image.load")
    return [resolve(expression, call["arguments"]["id"])["constantValue"] for call in loads]


def month_asked(expression: dict[str, Any]) -> tuple[str, str]:
    """Half-open month of a graph, ISO: of its filter by date, or of the images that it loads."""
    if calls(expression, "DateRange"):
        return date_range(expression)
    (first, *_) = images_asked(expression)
    year, month = int(first[-8:-4]), int(first[-4:-2])
    start, after = date(year, month, 1), date(year + month // 12, month % 12 + 1, 1)
    return start.isoformat(), after.isoformat()


def date_range(expression: dict[str, Any]) -> tuple[str, str]:
    """First and last date of the graph's one filter by date."""
    ranges = {
        (
            resolve(expression, call["arguments"]["start"])["constantValue"],
            resolve(expression, call["arguments"]["end"])["constantValue"],
        )
        for call in calls(expression, "DateRange")
    }
    (dates,) = ranges
    return dates


class Handler(BaseHTTPRequestHandler):
    """The REST paths."""

    protocol_version = "HTTP/1.1"
    fake: FakeEarthEngine

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.fake.others[url.path] += 1
        if url.path == "/$discovery/rest":
            version = parse_qs(url.query)["version"][0]
            text = (SHIPPED / "cloud_api_discovery_document.json").read_text()
            places = {"rootUrl": f"{self.fake.url}/", "baseUrl": f"{self.fake.url}/"}
            document = json.loads(text.replace("v1alpha", version)) | places
            self.reply(200, json.dumps(document).encode())
        elif url.path.endswith("/algorithms"):
            self.reply(200, (SHIPPED / "algorithms.json").read_bytes())
        else:
            self.fail(Fault(404, self.path))

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        if path == "/token":
            self.fake.others[path] += 1
            self.login()
            return
        asked = Asked(path, json.loads(data), dict(self.headers))
        self.fake.asked.append(asked)
        with self.fake.in_flight():
            time.sleep(self.fake.latency_s)
            fault = self.fake.next_fault() or self.too_large(asked)
            answer = b"" if fault and fault.kind != "truncate" else self.fake.answer(asked)
        # The place is given up before anything is sent: the client must not be ahead of it.
        if fault:
            self.fail(fault, answer)
        else:
            asked.answered = True
            self.reply(200, answer)

    def login(self) -> None:
        if self.fake.fail_login:
            body = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            self.reply(400, json.dumps(body).encode())
        else:
            token = {"access_token": "fake-token", "expires_in": 3600, "token_type": "Bearer"}
            self.reply(200, json.dumps(token).encode())

    def too_large(self, asked: Asked) -> Fault | None:
        size = asked.body.get("grid", {}).get("dimensions")
        if size is None or self.fake.most_pixels is None:
            return None
        if size["width"] * size["height"] <= self.fake.most_pixels:
            return None
        return Fault(400, "Total request size (56623104 bytes) must be less than or equal to 1.")

    def fail(self, fault: Fault, answer: bytes = b"") -> None:
        if fault.kind == "status":
            error = {"code": fault.status, "message": fault.message, "status": "FAKE"}
            self.reply(fault.status, json.dumps({"error": error}).encode())
        elif fault.kind == "wrong_size":
            self.reply(200, npy(np.zeros((3, 3), "<u2")))
        else:
            if fault.kind == "truncate":
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer[: len(answer) // 2])
            self.close_connection = True

    def reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.fake.quota_header:
            self.send_header("x-earth-engine-quota-status", self.fake.quota_header)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the terminal is the test's."""


@contextmanager
def serve(fake: FakeEarthEngine) -> Iterator[FakeEarthEngine]:
    """The server on a free port for the length of the block."""
    with serve_handler(type("Bound", (Handler,), {"fake": fake})) as fake.url:
        yield fake


def synthetic_scenes(config: Config) -> ScenesOf:
    """Scenes of a configuration's first region as the synthetic source makes up them."""
    source = SyntheticSource.from_config(config)
    region = config.regions[0]

    @lru_cache(maxsize=4)
    def scenes_of(start: str, end: str) -> list[Scene]:
        first, last = (datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (start, end))
        months = months_between(first.date(), last.date())
        scenes = [s for month in months[:-1] or months for s in source.fetch_scenes(region, month)]
        return [scene for scene in scenes if first <= scene.acquired < last]

    return scenes_of


@lru_cache
def make_key() -> str:
    """A private key that nobody else has."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode()


def write_key(folder: Path, fake: FakeEarthEngine) -> Path:
    """The key file of a service account whose tokens come from the fake."""
    path = folder / "key.json"
    content = {
        "type": "service_account",
        "project_id": "fake-project",
        "private_key_id": "1",
        "private_key": make_key(),
        "client_email": "robot@fake-project.iam.gserviceaccount.com",
        "token_uri": f"{fake.url}/token",
    }
    path.write_text(json.dumps(content))
    path.chmod(0o600)
    return path


def ask_fake(folder: Path, fake: FakeEarthEngine, last: str, **account: Any) -> dict[str, Any]:
    """What is changed in the tiny configuration to have its months from the fake, coarser.

    Args:
        folder: Where the key is written.
        fake: Is asked.
        last: The last month; the first is January 2014.
        account: Settings of the source.
    """
    folder.mkdir(parents=True, exist_ok=True)
    account = {
        "project": "fake-project", "url": fake.url, "key_file": str(write_key(folder, fake)),
        "backoff_s": 0.02, "actors": 2, "in_flight": 6, **account,
    }  # fmt: skip
    return {
        "regions": [COARSE],
        "months": {"first": "2014-01", "last": last},
        "ingest": {"source": "earthengine", "earthengine": account},
        "prepare": {"label": {"kind": "ndsi"}},
    }
