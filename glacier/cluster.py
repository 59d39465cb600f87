"""Ray: start a private one, or join the cluster that a job runs on."""

from __future__ import annotations

import json
import logging
import math
import os
import re
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
from ray.experimental.internal_kv import _internal_kv_get

from glacier.config import Cluster
from glacier.errors import ConfigError, GlacierError
from glacier.machine import (
    Room,
    check_address,
    check_local_room,
    choose_temp_folder,
    explain_other_folder,
    find_address,
    name_address,
)
from glacier.progress import say

AUTOSCALER_STATUS = b"__autoscaling_status"
"""Key under which an autoscaler tells its state. Source: ray/_private/ray_constants.py."""


@contextmanager
def connect(settings: Cluster, room: Room | None = None) -> Iterator[None]:
    """Have Ray for the length of the block; a Ray that is already there is used and left alone.

    Inside ``ray job submit`` the address is set in the environment and wins over the
    configuration, so that one file serves the laptop and the cluster.

    Args:
        settings: Where Ray runs.
        room: What a trial needs of a node; None: no trial will run.

    Raises:
        ConfigError: Ray cannot be had, or no node has the room.
    """
    if ray.is_initialized():
        check_room(room)
        yield
        return
    if room is not None:
        check_local_room(room, settings)
    start_ray(settings)
    quieten()
    try:
        check_room(room)
        yield
    finally:
        ray.shutdown()


def start_ray(settings: Cluster) -> None:
    """Start a private Ray, or join a cluster.

    Raises:
        ConfigError: It cannot be had; the message is a sentence.
    """
    address = find_address(settings)
    options: dict[str, Any] = {"address": address}
    if address == "local":
        options |= {
            "num_cpus": settings.cpus,
            "num_gpus": settings.gpus,
            "include_dashboard": False,
            "_temp_dir": choose_temp_folder(),
        }
        say("ray: starting on this machine, which takes some seconds")
        if note := explain_other_folder(str(options["_temp_dir"])):
            say(f"ray: {note}")
    else:
        check_address(settings)
        say(f"ray: joining the cluster at {address}")
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:  # Ray raises every kind here: versions, tokens, sockets, processes
        ray.shutdown()
        raise ConfigError(explain_no_ray(settings, error)) from error


def explain_no_ray(settings: Cluster, error: Exception) -> str:
    """Why Ray could not be started or joined, in a sentence."""
    text = " ".join(str(error).split()) or type(error).__name__
    if "ersion mismatch" in text:
        remedy = "use the same versions of Ray and Python here and on the cluster"
    elif find_address(settings) == "local":
        remedy = f"look into the logs below {choose_temp_folder()}, or set RAY_TMPDIR to another"
    else:
        remedy = "is the cluster up, and is its token here (RAY_AUTH_MODE=token)?"
    return f"{name_address(settings)}: Ray cannot be used: {text[:400]}; {remedy}"


def check_room(room: Room | None) -> None:
    """Refuse trials that no node of the connected Ray could ever run.

    Raises:
        ConfigError: No node has the room, nor could one be added.
    """
    if room is None:
        return
    known: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    nodes = [node["Resources"] for node in known if node["Alive"]] + list_addable()
    sizes = [size_of(node) for node in nodes]
    if any(room.fits(*size) for size in sizes):
        return
    cpus, gpus, memory_gb = (max((size[k] for size in sizes), default=0.0) for k in range(3))
    reason = room.explain(cpus, gpus, "Ray", memory_gb)
    if not has_autoscaler():
        raise ConfigError(reason)
    say(f"warning: {reason}; waiting for the autoscaler, if it has such nodes")


def size_of(node: dict[str, Any]) -> tuple[float, float, float]:
    """Cores, GPUs and memory, GB, of a node by its resources; infinite memory where it is unknown.

    Ray parts the memory into that of the workers and that of what they share.
    """
    memory = math.inf
    if "memory" in node:
        memory = float(node["memory"] + node.get("object_store_memory", 0)) / 1e9
    return float(node.get("CPU", 0)), float(node.get("GPU", 0)), memory


def list_addable() -> list[dict[str, float]]:
    """Resources of the kinds of nodes that the cluster may add, where it tells."""
    read = getattr(ray._private.state.state, "get_cluster_config", None)
    found = read() if read else None
    return [dict(group.resources) for group in found.node_group_configs] if found else []


def has_autoscaler() -> bool:
    """Whether nodes may be added: then their kinds have names, else each node is its own kind."""
    try:
        status = json.loads(_internal_kv_get(AUTOSCALER_STATUS) or "{}")
    except ValueError:
        return True
    kinds = (status.get("autoscaler_report") or {}).get("active_nodes") or {}
    return not all(re.fullmatch("node_[0-9a-f]+", kind) for kind in kinds)


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
