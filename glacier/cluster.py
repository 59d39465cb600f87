"""Ray: start a private one, or join the cluster that a job runs on."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # else `uv run` packs the folder
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_DATA_LOG_LEVEL", "ERROR")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # else Tune prints tables over our lines
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # else an interrupted sweep looks done
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")  # the trial keeps its own rows

import ray

from glacier.config import Cluster
from glacier.errors import GlacierError


@contextmanager
def connect(settings: Cluster) -> Iterator[None]:
    """Have Ray for the length of the block; a Ray that is already there is used and left alone.

    Inside ``ray job submit`` the address is set in the environment and wins over the
    configuration, so that one file serves the laptop and the cluster.
    """
    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS") or settings.address
    if address == "local":
        ray.init(
            address="local",
            num_cpus=settings.cpus,
            num_gpus=settings.gpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    else:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    quieten()
    try:
        yield
    finally:
        ray.shutdown()


def quieten() -> None:
    """Leave the terminal to our own progress lines."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False


def count_cpus() -> int:
    """Cores that the connected Ray has to give."""
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return max(1, int(resources.get("CPU", 1)))


def get_result(reference: ray.ObjectRef[Any]) -> Any:
    """What a task returned.

    Raises:
        GlacierError: The worker's own, without Ray's account of where it was raised.
    """
    try:
        return ray.get(reference)
    except GlacierError as error:
        raise getattr(error, "cause", error) from None
