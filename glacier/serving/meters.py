"""What the service counts of itself, as Prometheus reads it."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from glacier.serving.answer import Answer

SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
"""Edges of the classes of how long requests take, seconds."""

NO_ROUTE = "none"
"""Of a request for something that there is not: clients choose no labels."""


class Meters:
    """The counts of one service."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "glacier_requests", "Requests answered.", ["method", "route", "status"],
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "glacier_request_seconds", "Seconds from the head of a request to its last byte.",
            ["route"], registry=self.registry, buckets=SECONDS,
        )  # fmt: skip
        self.maps = Counter(
            "glacier_maps", "Images mapped, or why not.", ["outcome"], registry=self.registry
        )
        self.map_seconds = Histogram(
            "glacier_map_seconds", "Seconds that a worker took for an image.",
            registry=self.registry, buckets=SECONDS,
        )  # fmt: skip
        self.pixels = Counter("glacier_map_pixels", "Pixels mapped.", registry=self.registry)
        self.model = Gauge(
            "glacier_model", "1 for the model that answers.", ["id", "sha256"],
            registry=self.registry,
        )  # fmt: skip

    def watch(self, name: str, about: str, look: Callable[[], float]) -> None:
        """Show a number that is looked up whenever somebody reads."""
        Gauge(f"glacier_{name}", about, registry=self.registry).set_function(look)

    def count_map(self, answer: Answer) -> None:
        """Count an image that was mapped."""
        counts = answer.pixels
        self.maps.labels("mapped").inc()
        self.map_seconds.observe(answer.seconds)
        self.pixels.inc(counts.glacier + counts.ground + counts.unseen)

    def show(self, model: str, sha256: str) -> bytes:
        """All counts as text.

        Args:
            model: Id of the one that answers now.
            sha256: Its checksum.
        """
        self.model.clear()
        self.model.labels(model, sha256).set(1)
        return generate_latest(self.registry)


class MeterRequests:
    """Layer that counts requests and takes their time."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        """Count those of an application."""
        self.app, self.meters = app, meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and count it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_counted)
        finally:
            route = getattr(scope.get("route"), "path", NO_ROUTE)
            method = scope["method"] if route != NO_ROUTE else "any"
            self.meters.requests.labels(method, route, str(status)).inc()
            self.meters.seconds.labels(route).observe(time.perf_counter() - begun)
