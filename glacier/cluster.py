"""Ray: start a private one, or join the cluster that a job runs on."""

from __future__ import annotations

import json
import logging
import math
import os
import re
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # else `uv run` packs the folder
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_DATA_LOG_LEVEL", "ERROR")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # else Tune prints tables over our lines
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # else an interrupted sweep looks done
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")  # the trial keeps its own rows

import ray
from ray._private import ray_constants
from ray.experimental.internal_kv import _internal_kv_get
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from glacier.errors import ConfigError, GlacierError
from glacier.interrupts import give_up, has_given_up, have_witness
from glacier.machine import (
    Room,
    check_address,
    check_local_room,
    explain_other_folder,
    find_address,
    name_address,
)
from glacier.progress import say
from glacier.ray_files import divert_stderr, open_temp_folder, secure_token
from glacier.settings.cluster import Cluster
from glacier.store import FULL, absolute, join, remove, write_bytes
from glacier.wording import shorten_list

AUTOSCALER_STATUS = b"__autoscaling_status"
"""Key under which an autoscaler tells its state. Source: ray/_private/ray_constants.py."""

NEEDED = (ray_constants.PROCESS_TYPE_RAYLET, ray_constants.PROCESS_TYPE_GCS_SERVER)
"""Processes of a private Ray without which nothing goes on."""

SHOWN = 5
"""Machines that a message names; it counts the others."""

ANSWER_S = 60.0
"""Longest wait for a machine that is to start a process and look for a file, seconds."""

LOOK_S = 0.5
"""Time between two looks at them, seconds."""


@contextmanager
def connect(
    settings: Cluster, room: Room | None = None, storage: str | None = None
) -> Iterator[None]:
    """Have Ray for the length of the block; a Ray that is already there is used and left alone.

    Inside ``ray job submit`` the address is set in the environment and wins over the
    configuration, so that one file serves the laptop and the cluster.

    Args:
        settings: Where Ray runs.
        room: What a trial needs of a node; None: no trial will run.
        storage: What all nodes have to see; None: it was asked before.

    Raises:
        ConfigError: Ray cannot be had, no node has the room, or one does not see the storage.
    """
    if ray.is_initialized():
        check_room(room)
        yield
        return
    if room is not None:
        check_local_room(room, settings)
    is_local = find_address(settings) == "local"
    with (
        open_temp_folder() if is_local else nullcontext() as folder,
        have_witness(),
        divert_stderr(folder) if folder else nullcontext(),
    ):
        try:
            start_ray(settings, folder)
            quieten()
            check_room(room)
            if storage is not None and not is_local:
                check_shared(storage)
            with watch_ray() if is_local else nullcontext():
                yield
        finally:
            if not has_given_up():  # else it would wait for a Ray that has ended
                ray.shutdown()


def start_ray(settings: Cluster, folder: str | None) -> None:
    """Start a private Ray, or join a cluster.

    Args:
        settings: Where Ray runs.
        folder: For the temporary files of a private Ray; None: a cluster is joined.

    Raises:
        ConfigError: It cannot be had; the message is a sentence.
        OSError: The disk of its temporary files is full.
    """
    options: dict[str, Any] = {"address": find_address(settings)}
    with suppress(RuntimeError):  # a user without a home
        secure_token(Path.home())
    if folder is not None:
        options |= {
            "num_cpus": settings.cpus,
            "num_gpus": settings.gpus,
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.1",
            "_system_config": {"enable_metrics_collection": False},
            "_temp_dir": folder,
        }
        say("ray: starting on this machine, which takes some seconds")
        if note := explain_other_folder(str(options["_temp_dir"])):
            say(f"ray: {note}")
    else:
        check_address(settings)
        say(f"ray: joining the cluster at {options['address']}")
    try:
        with keep_loopback(is_private=folder is not None):
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:  # Ray raises every kind here: versions, tokens, sockets, processes
        ray.shutdown()
        if getattr(error, "errno", None) in FULL:
            raise
        raise ConfigError(explain_no_ray(settings, error, folder)) from error


@contextmanager
def watch_ray() -> Iterator[None]:
    """Have the program end where a process of its private Ray has, for the length of the block.

    Ray would wait a minute for some of them, and then end the program in a way of its own.
    """
    done = threading.Event()
    threading.Thread(target=await_death, args=(done,), name="ray", daemon=True).start()
    try:
        yield
    finally:
        done.set()


def await_death(done: threading.Event) -> None:
    """Give the program up where a process of Ray has ended, unless it is done."""
    node: Any = ray._private.worker._global_node
    while not done.wait(LOOK_S):
        if any(kind in NEEDED for kind, _ in node.dead_processes()):
            give_up(
                "Ray ended on this machine; its logs lie below "
                f"{node.get_logs_dir_path()}; the same command goes on where this one stopped"
            )
            return


@contextmanager
def keep_loopback(is_private: bool) -> Iterator[None]:
    """Have Ray listen on loopback alone while a private one starts.

    It would exchange the loopback address of a node for one that can be reached from outside,
    which is of use in a cluster alone.
    """
    in_cluster = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = in_cluster and not is_private
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = in_cluster


def explain_no_ray(settings: Cluster, error: Exception, folder: str | None) -> str:
    """Why Ray could not be started or joined, in a sentence.

    Args:
        settings: Where Ray runs.
        error: What Ray raised.
        folder: Of a private Ray's temporary files; None: a cluster was to be joined.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    if "ersion mismatch" in text:
        remedy = "use the same versions of Ray and Python here and on the cluster"
    elif folder is not None:
        remedy = f"look into the logs below {folder}, or set RAY_TMPDIR to another folder"
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
    nodes = [*list_alive().values(), *list_addable()]
    sizes = [size_of(node) for node in nodes]
    if any(room.fits(*size) for size in sizes):
        return
    cpus, gpus, memory_gb = (max((size[k] for size in sizes), default=0.0) for k in range(3))
    reason = room.explain(cpus, gpus, "Ray", memory_gb)
    if not has_autoscaler():
        raise ConfigError(reason)
    say(f"warning: {reason}; waiting for the autoscaler, if it has such nodes")


def check_shared(storage: str) -> None:
    """Refuse a storage that is a folder, where another machine of the cluster does not see it.

    It is looked for from each, so that a file system that all of them mount needs no setting.

    Raises:
        ConfigError: With the machines that do not see it.
        StoreError: It cannot be written to.
    """
    folder = absolute(storage)
    if "://" in folder:
        return
    others = find_other_hosts()
    if not others and has_autoscaler():
        say(
            f"warning: storage = {storage!r} is a folder; nodes that come later have to see it, "
            "too, so it has to be one that all of them mount"
        )
        return
    mark = join(folder, f".{uuid.uuid4().hex}.tmp")
    write_bytes(mark, b"")
    try:
        blind = [host for host, sees in look_from(others, mark).items() if not sees]
    finally:
        remove(mark)
    if blind:
        raise ConfigError(
            f"storage = {storage!r} is a folder that {shorten_list(blind, SHOWN)} of the cluster "
            "cannot see; give an address of an object store (s3://..., gs://...), or a folder "
            "that all nodes mount"
        )


def find_other_hosts() -> dict[str, str]:
    """The machines of the connected Ray beside this one: name to the id of a node there."""
    known: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    alive = [node for node in known if node["Alive"]]
    mine = ray.get_runtime_context().get_node_id()
    here = {node["NodeManagerHostname"] for node in alive if node["NodeID"] == mine}
    found = {node["NodeManagerHostname"]: node["NodeID"] for node in alive}
    return {host: found[host] for host in sorted(found.keys() - here)}


def look_from(hosts: Mapping[str, str], path: str) -> dict[str, bool]:
    """Which machines see a file; those that leave meanwhile, or do not answer, are left out.

    Args:
        hosts: Name of each to the id of a node there.
        path: Of the file.
    """
    task: Any = ray.remote(num_cpus=0, max_retries=0)(os.path.exists)
    begun = {
        host: task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, False)).remote(
            path
        )
        for host, node in hosts.items()
    }
    found = {}
    for host, answer in begun.items():
        with suppress(ray.exceptions.RayError):
            found[host] = bool(ray.get(answer, timeout=ANSWER_S))
    return found


def list_alive() -> dict[str, dict[str, float]]:
    """Resources of the nodes of the connected Ray that are there, by the node's id."""
    known: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return {node["NodeID"]: node["Resources"] for node in known if node["Alive"]}


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
    """Leave the terminal to our own lines, which say what failed and why, too."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)


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
