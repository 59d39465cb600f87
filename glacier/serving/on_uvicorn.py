"""The service by uvicorn, on this machine."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from glacier.config import Config
from glacier.errors import ConfigError
from glacier.interrupts import end_well, is_program
from glacier.progress import say
from glacier.scratch import open_scratch
from glacier.serving.answer import Mapper
from glacier.serving.service import build_app
from glacier.serving.silent_connections import make_protocol
from glacier.serving.vertex import VertexRoutes, read_vertex
from glacier.settings.serve import Serve

GRACE_S = 10
"""Time that requests in work have when the service is asked to end, seconds."""

CONNECTIONS = 900
"""Connections at once; a process may mostly have 1024 files open."""

EVERYWHERE = "0.0.0.0"
"""Address under which a container of Vertex AI is asked."""


class Server(uvicorn.Server):
    """Uvicorn, which leaves the signals of our programs to them."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Take the signals of another program alone."""
        if is_program():
            yield
        else:
            with super().capture_signals():
                yield

    def stop(self) -> None:
        """Come to an end soon."""
        self.should_exit = True


StartMapper = Callable[[Config], Awaitable[Mapper]]
"""Starts who maps."""


def serve_here(config: Config, start: StartMapper) -> int:
    """Serve a run until asked to end.

    Args:
        config: The run.
        start: Starts who maps, once the address is known to be ours.

    Returns:
        0.

    Raises:
        ConfigError: The address is taken or not ours, or the tokens cannot be used.
        GlacierError: No model can answer.
    """
    vertex = read_vertex()
    with open_scratch() as folder, open_socket(config.serve, vertex) as listener:
        asyncio.run(serve_on(listener, config, start, folder, vertex))
    say("serve: ended")
    return 0


async def serve_on(
    listener: socket.socket,
    config: Config,
    start: StartMapper,
    folder: Path,
    vertex: VertexRoutes | None,
) -> None:
    """Serve a run on a socket; arguments as above, the folder is the service's own."""
    say(f"serve: loading the models of {config.name}")
    mapper = await start(config)
    try:
        server = make_server(build_app(config, mapper, folder, vertex), config.serve)
        host, port = listener.getsockname()[:2]
        name = f"[{host}]" if ":" in host else host
        say(f"serve: {config.name} by {mapper.model.id} at http://{name}:{port}; Ctrl-C ends it")
        with end_well(server.stop):
            await server.serve(sockets=[listener])
    finally:
        await mapper.close()


def make_server(app: FastAPI, settings: Serve) -> Server:
    """What answers for an application."""
    return Server(
        uvicorn.Config(
            app,
            http=make_protocol(settings.limits.idle_s),
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            lifespan="on",
            proxy_headers=bool(settings.proxies),
            forwarded_allow_ips=list(settings.proxies),
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=GRACE_S,
        )
    )


@contextmanager
def open_socket(settings: Serve, vertex: VertexRoutes | None) -> Iterator[socket.socket]:
    """A socket that listens where the settings say, or where Vertex AI does.

    Raises:
        ConfigError: Another program listens there, or the address is none of this machine's.
    """
    host, port = (EVERYWHERE, vertex.port) if vertex else (settings.host, settings.port)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(
            f"serve.host = {host!r}, serve.port = {port}: cannot listen there: "
            f"{error.strerror or error}; give a free port (0: any) and an address of this machine"
        ) from error
    with listener:
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # who reads nothing is let go by the system
            wait_ms = int(settings.limits.idle_s * 1000)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, wait_ms)
        yield listener
