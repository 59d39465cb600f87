"""Checks of the machine: cores, arithmetic, GPU, memory, shared memory, open files."""

from __future__ import annotations

import math
import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

from glacier.config import Config
from glacier.doctor.findings import Answer, fail, ok, register, warn
from glacier.machine import (
    Room,
    find_address,
    find_memory_gb,
    may_have_gpu,
)
from glacier.processor import find_cores, read_cpu_flags

SHARED_MEMORY = Path("/dev/shm")
"""Where Ray keeps what its workers share."""

OBJECT_STORE_SHARE, OBJECT_STORE_GB = 0.3, 200.0
"""Of the memory, and at most, that Ray keeps for it.

Source: ``DEFAULT_OBJECT_STORE_MEMORY_PROPORTION`` in ray/_private/ray_constants.py.
"""

LEAST_FILES = 8192
"""Open files below which a Ray of some dozens of workers runs out."""

LEAST_MEMORY_GB = 6.0
"""A Ray with two trials of the networks that ship, and room to spare."""


def runs_here(config: Config | None) -> bool:
    """Whether the work will be done on this machine."""
    return config is None or find_address(config.cluster) == "local"


@register("cores")
def check_cores(config: Config | None) -> Iterator[Answer]:
    """The cores that this process may use: a container has fewer than the machine."""
    cores, known = find_cores(), os.cpu_count() or 1
    said = f"{cores:g} of the machine's {known}" if cores < known else f"{cores:g}"
    wanted = config.sweep.cpus_per_trial if config and runs_here(config) else 1
    if wanted > cores:
        yield fail(said, f"sweep.cpus_per_trial is {wanted}: set it to {max(1, int(cores))}")
    elif cores < known and config is not None and config.cluster.cpus is None:
        remedy = f"set cluster.cpus to {max(1, int(cores))}, so that no more trials run than fit"
        yield warn(said, remedy)
    else:
        yield ok(said)


@register("arithmetic")
def check_arithmetic(config: Config | None) -> Iterator[Answer]:
    """Whether the processor multiplies fast in bfloat16."""
    flags = read_cpu_flags()
    has = {"AVX-512": "avx512f" in flags, "bfloat16": bool({"avx512_bf16", "amx_bf16"} & flags)}
    said = ", ".join(f"{'' if there else 'no '}{name}" for name, there in has.items())
    if config and not config.sweep.gpu_share and runs_here(config):
        if config.sweep.precision == "bfloat16" and not has["bfloat16"]:
            yield warn(said, "sweep.precision bfloat16 is slow here: float32 is faster")
            return
        if config.sweep.precision == "float32" and has["bfloat16"]:
            said += "; sweep.precision bfloat16 with sweep.channels_last trains faster here"
    yield ok(said)


@register("gpu")
def check_gpu(config: Config | None) -> Iterator[Answer]:
    """A GPU that PyTorch can use, where a run wants one."""
    from glacier.training.gpus import find_gpus  # late: torch takes seconds

    wanted = config.sweep.gpu_share if config and runs_here(config) else 0.0
    found = find_gpus()
    for gpu in found:
        bf16, tf32 = ("" if has else "no " for has in (gpu.has_bfloat16, gpu.has_tf32))
        yield ok(
            f"{gpu.name}, {gpu.memory_gb:.0f} GB, driver {gpu.driver}, CUDA {gpu.cuda}; "
            f"{bf16}bfloat16, {tf32}TF32"
        )
    if not found:
        reason = "PyTorch finds none" + (", though there is one" if may_have_gpu() else "")
        if wanted:
            yield fail(reason, "set sweep.gpus_per_trial to 0, or run where there is one")
        elif may_have_gpu():
            yield warn(reason, "install a driver, and a torch built for its CUDA")
        else:
            yield ok("none, and none is asked for")


@register("memory")
def check_memory(config: Config | None) -> Iterator[Answer]:
    """The memory that this process may use, against a step of all trials at once."""
    memory_gb = find_memory_gb()
    if math.isinf(memory_gb):
        yield warn("the system does not tell how much there is", "")
        return
    need_gb, said = 0.0, f"{memory_gb:.1f} GB"
    if config is not None and runs_here(config):
        room = Room.of(config)
        need_gb = room.memory_gb * max(1, int(find_cores() / room.cpus))
    if need_gb > memory_gb:
        remedy = "lower sweep.batch_size or prepare.size_px, or set cluster.cpus"
        yield fail(f"{said}, and a step of all trials takes {need_gb:.1f} GB at least", remedy)
    elif memory_gb < LEAST_MEMORY_GB:
        yield warn(said, "set cluster.cpus to 1, so that one trial runs at a time")
    else:
        yield ok(said)


@register("shared memory")
def check_shared_memory(config: Config | None) -> Iterator[Answer]:
    """Room for Ray's object store, which else lies on a disk and is slow."""
    if not SHARED_MEMORY.is_dir():
        yield warn(f"there is no {SHARED_MEMORY}", "Ray keeps its objects on a disk, slowly")
        return
    free_gb = shutil.disk_usage(SHARED_MEMORY).free / 1e9
    wanted_gb = min(OBJECT_STORE_SHARE * find_memory_gb(), OBJECT_STORE_GB)
    said = f"{free_gb:.1f} GB free in {SHARED_MEMORY}; Ray's object store takes {wanted_gb:.1f} GB"
    if runs_here(config) and free_gb < wanted_gb:
        size = math.ceil(wanted_gb)
        yield warn(said, f"give a container --shm-size={size}g, or mount it larger")
    else:
        yield ok(said)


@register("open files")
def check_open_files(_: Config | None) -> Iterator[Answer]:
    """How many files a process may hold open; Ray raises the soft limit to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = "any number" if hard == resource.RLIM_INFINITY else str(hard)
    said = f"{soft}, and up to {most} where a process asks"
    is_few = hard != resource.RLIM_INFINITY and hard < LEAST_FILES
    yield warn(said, f"ulimit -Hn {LEAST_FILES} or more") if is_few else ok(said)
