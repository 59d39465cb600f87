"""The service by Ray Serve: replicas of the same application on the nodes of a cluster."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI
from ray import serve
from ray.serve.config import HTTPOptions

from glacier.cluster import connect
from glacier.config import Config
from glacier.errors import GlacierError
from glacier.flags import load_config
from glacier.interrupts import end_well
from glacier.progress import say
from glacier.scratch import open_scratch
from glacier.serving.on_uvicorn import StartMapper, open_socket
from glacier.serving.service import build_app
from glacier.settings.serve import Serve
from glacier.store import absolute

LOOK_S = 0.2
"""Time between two looks whether the service was asked to end, seconds."""

QUICK = 100
"""Requests beside uploads and maps that a replica answers at once: status, pages and files."""

GRACE_S = 15.0
"""Time that a replica has for requests in work when it is to end, seconds."""


@serve.ingress()
class MapService:
    """A replica: the application, and processes of its own that map."""

    async def __init__(  # type: ignore[misc]  # Ray awaits it
        self, config: Config, start: StartMapper
    ) -> None:
        """Load the model; the replica takes no request before.

        Args:
            config: The run.
            start: Starts who maps.
        """
        self.config, self.held = config, ExitStack()
        self.folder = Path(self.held.enter_context(open_scratch()))
        self.mapper = await start(config)

    def __serve_build_asgi_app__(self) -> FastAPI:
        """The application, once the model is loaded."""
        return build_app(self.config, self.mapper, self.folder)

    def __del__(self) -> None:
        """Remove the folder of uploads."""
        self.held.close()


def serve_on_ray(config: Config, start: StartMapper) -> int:
    """Serve a run on a cluster until asked to end.

    Args:
        config: The run.
        start: Starts who maps, in each replica.

    Returns:
        0.

    Raises:
        ConfigError: The cluster cannot be had, or another program listens at the address.
        GlacierError: No replica could be started.
    """
    asked: list[bool] = []
    with connect(config.cluster, storage=config.storage), end_well(lambda: asked.append(True)):
        say(f"serve: loading the models of {config.name} in {config.serve.replicas[0]} replica(s)")
        with deploy(config, start) as address:
            say(f"serve: {config.name} at {address}; Ctrl-C ends it")
            while not asked:
                time.sleep(LOOK_S)
    say("serve: ended")
    return 0


@contextmanager
def deploy(config: Config, start: StartMapper) -> Iterator[str]:
    """Have the service on the connected Ray for the length of the block; yields its address.

    Raises:
        ConfigError: Another program listens at the address.
        GlacierError: No replica could be started.
    """
    settings = config.serve
    with open_socket(settings, None) as listener:  # is it free, and which is it
        host, port = listener.getsockname()[:2]
    serve.start(http_options=HTTPOptions(host=host, port=port))
    try:
        serve.run(bind(config, start), name=config.name, route_prefix="/")
        yield f"http://{host}:{port}"
    except RuntimeError as error:
        if not isinstance(error, GlacierError):
            raise GlacierError(
                f"no replica of the service could be started: {str(error)[:400]}; the log of the "
                "replica says why"
            ) from error
        raise
    finally:
        serve.shutdown()  # type: ignore[no-untyped-call]


def bind(config: Config, start: StartMapper) -> serve.Application:
    """The replicas of a run, which Ray Serve is yet to start."""
    deployment: Any = serve.deployment(**describe_replicas(config.serve))(MapService)
    here = config.model_copy(update={"storage": absolute(config.storage)})
    return cast(serve.Application, deployment.bind(here, start))


def build_application(args: Mapping[str, str]) -> serve.Application:
    """The service as a file of Ray Serve names it, such as that of KubeRay's RayService.

    Args:
        args: ``config``, a run's file, and any of its fields by name. Where it listens is said by
            the file of Ray Serve.

    Raises:
        ConfigError: A field cannot be used.
    """
    from glacier.serving.local_mapper import LocalMapper

    fields = [f"--{name}={value}" for name, value in args.items() if name != "config"]
    return bind(load_config([args["config"], *fields]), LocalMapper.start)


def describe_replicas(settings: Serve) -> dict[str, Any]:
    """How many replicas there are, what each has of a node, and how many requests it takes."""
    low, most = settings.replicas
    limits, workers = settings.limits, settings.workers
    gpus = settings.gpus_per_worker * workers
    return {
        "name": "maps",
        "max_ongoing_requests": limits.uploads + limits.queue + workers + QUICK,
        "max_queued_requests": max(1, limits.queue),
        "graceful_shutdown_timeout_s": GRACE_S,
        "ray_actor_options": {
            "num_cpus": workers * settings.cpus_per_worker,
            "num_gpus": math.ceil(gpus) if gpus > 1 else gpus,
        },
    } | (
        {"num_replicas": low}
        if low == most
        else {
            "autoscaling_config": {
                "min_replicas": low,
                "max_replicas": most,
                "target_ongoing_requests": workers + limits.queue / 4,
            }
        }
    )
