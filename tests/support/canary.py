"""A server on the loopback that nobody may call, and that counts who does."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.loopback import serve_handler


@contextmanager
def serve_canary() -> Iterator[tuple[str, list[str]]]:
    """The address of the server, and the paths that it was asked for so far."""
    calls: list[str] = []

    class Canary(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            calls.append(self.path)
            self.send_error(404)

        do_HEAD = do_POST = do_PUT = do_GET

    with serve_handler(Canary) as url:
        yield url, calls
