"""Settings of the service: where it listens, who may ask for what, and how much."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from glacier.settings.model import ADDRESS, RUNTIME_ONLY, Model
from glacier.settings.paths import PathText


class ServeLimits(Model):
    """How much one request may ask for, and all of them together."""

    body_mb: Annotated[int, RUNTIME_ONLY] = Field(512, ge=1, le=65536)
    """Largest upload, megabytes (10^6 bytes); more is refused with 413."""
    pixels: Annotated[int, RUNTIME_ONLY] = Field(100_000_000, ge=1)
    """Largest image, height x width; more is refused with 422."""
    memory_mb: Annotated[int, RUNTIME_ONLY] = Field(8192, ge=2048)
    """Memory of a process that maps uploads, megabytes; one that needs more is ended. The program
    itself takes up some 1300 of it."""
    deadline_s: Annotated[float, RUNTIME_ONLY] = Field(120.0, gt=0)
    """Longest that a request waits for its map, seconds; then 504."""
    job_deadline_s: Annotated[float, RUNTIME_ONLY] = Field(3600.0, gt=0)
    """Longest that a job in the background works, seconds."""
    idle_s: Annotated[float, RUNTIME_ONLY] = Field(20.0, gt=0)
    """Longest silence of a client that sends, seconds; then 408."""
    queue: Annotated[int, RUNTIME_ONLY] = Field(16, ge=0)
    """Requests that may wait for their turn; one more is told to come back, with 503."""
    requests_per_min: Annotated[int | None, RUNTIME_ONLY] = Field(None, ge=1)
    """Maps that one client may ask for in a minute; more are refused with 429. None: any number."""
    keep_h: Annotated[float, RUNTIME_ONLY] = Field(24.0, gt=0)
    """Hours that the result of a job is kept."""


class Serve(Model):
    """A run's maps and models -> an HTTP service with a page."""

    host: Annotated[str, RUNTIME_ONLY] = "127.0.0.1"
    """Address that it listens on. One that others can reach wants ``tokens``."""
    port: Annotated[int, RUNTIME_ONLY] = Field(8000, ge=0, le=65535)
    """0: any free one."""
    on: Annotated[Literal["uvicorn", "ray"], RUNTIME_ONLY] = "uvicorn"
    """uvicorn: one process, and those that map, on this machine. ray: replicas on a cluster."""
    tokens: Annotated[PathText | None, RUNTIME_ONLY, ADDRESS] = None
    """File with a line ``<role> <token>`` for each who may ask; roles are read, run, promote, and
    each may do what those before it may. None: everybody may read and run, nobody promote."""
    origins: Annotated[tuple[str, ...], RUNTIME_ONLY] = ()
    """Pages of other hosts, ``https://maps.example.org``, that may ask from a browser."""
    workers: Annotated[int, RUNTIME_ONLY] = Field(1, ge=1)
    """Processes that map side by side, each of which loads the model once."""
    spares: Annotated[int, RUNTIME_ONLY] = Field(1, ge=0)
    """Further processes that stand ready for one that had to be ended, which takes seconds to start
    anew; each takes up as much memory as one that maps."""
    cpus_per_worker: Annotated[int, RUNTIME_ONLY] = Field(2, ge=1)
    """Cores, and so threads, of one of them."""
    gpus_per_worker: Annotated[float, RUNTIME_ONLY] = Field(0.0, ge=0, le=1)
    """Share of a GPU of one of them; 0: it maps on cores."""
    replicas: Annotated[tuple[int, int], RUNTIME_ONLY] = (1, 1)
    """Least and most replicas on a cluster; between them it follows the load."""
    limits: Annotated[ServeLimits, RUNTIME_ONLY] = ServeLimits()

    @property
    def processes(self) -> int:
        """Those that have the model loaded."""
        return self.workers + self.spares

    @model_validator(mode="after")
    def check_access(self) -> Self:
        """Refuse a service that anybody in the network could use, and no replicas at all."""
        if self.host not in ("127.0.0.1", "localhost", "::1") and self.tokens is None:
            raise ValueError(
                f"host {self.host}: others can reach it there; name a file of tokens in "
                "serve.tokens, or leave host at 127.0.0.1"
            )
        low, most = self.replicas
        if not 1 <= low <= most:
            raise ValueError(f"replicas {low}, {most}: wanted least and most, from 1")
        return self
