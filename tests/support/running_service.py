"""A service over a stand-in mapper: asked in this process, or over a socket on loopback."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.testclient import TestClient

from glacier.serving import on_uvicorn
from glacier.serving.service import build_app
from glacier.settings.serve import Serve
from tests.support.stand_in_mapper import StandInMapper
from tests.support.tiny import tiny_config

RAW = {"content-type": "image/tiff"}


def make_app(folder: Path, mapper: StandInMapper, **serve: object) -> FastAPI:
    """A service whose files lie in ``own`` of a folder."""
    own = folder / "own"
    own.mkdir(exist_ok=True)
    return build_app(tiny_config(folder, serve=serve), mapper, own)


@contextmanager
def ask_app(
    folder: Path, mapper: StandInMapper | None = None, **serve: object
) -> Iterator[TestClient]:
    """A client of such a service."""
    app = make_app(folder, mapper or StandInMapper(), **serve)
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


@contextmanager
def serve_app(app: FastAPI, settings: Serve) -> Iterator[int]:
    """Serve it for the length of the block; yields the port."""
    with on_uvicorn.open_socket(settings.model_copy(update={"port": 0}), None) as listener:
        port = listener.getsockname()[1]
        server = on_uvicorn.make_server(app, settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield port
        finally:
            server.stop()
            thread.join(30)
            assert not thread.is_alive()


def list_uploads(folder: Path) -> list[Path]:
    """Folders of uploads that are there."""
    return list((folder / "own" / "uploads").iterdir())


def list_maps(folder: Path) -> list[Path]:
    """Folders of maps that are kept."""
    return list((folder / "own" / "maps").iterdir())


def connect(port: int) -> socket.socket:
    """A connection on which a test says what it likes."""
    return socket.create_connection(("127.0.0.1", port), timeout=20)
