"""Settings of the service: where it listens, who may ask for what, and how much."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from glacier.settings.model import ADDRESS, RUNTIME_ONLY, Model
from glacier.settings.paths import PathText

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Addresses that this machine alone can reach."""


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
    """Longest silence of a client that sends, seconds, then 408; and of one that is to read."""
    upload_s: Annotated[float, RUNTIME_ONLY] = Field(600.0, gt=0)
    """Longest that an upload takes in all, seconds; then 408."""
    uploads: Annotated[int, RUNTIME_ONLY] = Field(32, ge=1)
    """Uploads that are received at once; one more is told to come back, with 503."""
    queue: Annotated[int, RUNTIME_ONLY] = Field(16, ge=0)
    """Images that may wait for their turn; one more is told to come back, with 503."""
    requests_per_min: Annotated[int | None, RUNTIME_ONLY] = Field(None, ge=1)
    """Maps that one client may ask for in a minute; more are refused with 429. None: any number."""
    keep_h: Annotated[float, RUNTIME_ONLY] = Field(24.0, gt=0)
    """Hours that a map is kept for whoever asked for it."""
    keep: Annotated[int, RUNTIME_ONLY] = Field(200, ge=1)
    """Maps that are kept at most; then the oldest goes."""


class Serve(Model):
    """A run's maps and models -> an HTTP service with a page."""

    host: Annotated[str, RUNTIME_ONLY] = "127.0.0.1"
    """Address that it listens on. One that others can reach wants ``tokens``."""
    port: Annotated[int, RUNTIME_ONLY] = Field(8000, ge=0, le=65535)
    """0: any free one."""
    on: Annotated[Literal["uvicorn", "ray"], RUNTIME_ONLY] = "uvicorn"
    """uvicorn: one process, and those that map, on this machine. ray: replicas on a cluster."""
    folder: Annotated[PathText | None, RUNTIME_ONLY, ADDRESS] = None
    """Folder for maps and for the choice of the model, which then outlive the service; more than
    one replica needs one that all of them see. None: they go with the process."""
    tokens: Annotated[PathText | None, RUNTIME_ONLY, ADDRESS] = None
    """File with a line ``<role> <token>`` for each who may ask; roles are read, run, promote, and
    each may do what those before it may. None: everybody may read and run, nobody promote."""
    origins: Annotated[tuple[str, ...], RUNTIME_ONLY] = ()
    """Pages of other hosts, ``https://maps.example.org``, that may ask from a browser."""
    hosts: Annotated[tuple[str, ...], RUNTIME_ONLY] = ()
    """Names that it is asked by, such as the one that a proxy passes on. On a loopback address
    its own names are known; elsewhere any name will do where none is given here."""
    proxies: Annotated[tuple[str, ...], RUNTIME_ONLY] = ()
    """Addresses of proxies whose word on the client's address and on https is taken."""
    root_path: Annotated[str, RUNTIME_ONLY] = Field("", pattern=r"^(/[A-Za-z0-9._~-]+)*$")
    """What a proxy puts before every path, such as ``/ice``."""
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
        if not self.is_local and self.tokens is None:
            raise ValueError(
                f"host {self.host}: others can reach it there; name a file of tokens in "
                "serve.tokens, or leave host at 127.0.0.1"
            )
        low, most = self.replicas
        if not 1 <= low <= most:
            raise ValueError(f"replicas {low}, {most}: wanted least and most, from 1")
        if most > 1 and self.folder is None:
            raise ValueError(
                f"replicas {low}, {most}: a map of one has to be known to the others; name a "
                "folder that all of them see in serve.folder"
            )
        return self

    @property
    def is_local(self) -> bool:
        """Whether this machine alone can reach it."""
        return self.host in LOOPBACK
