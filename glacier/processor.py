"""The processor: how many of its cores this process may use, and what they can do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
"""Where containers and schedulers limit a process. Source: cgroups(7)."""

OWN_CGROUPS = Path("/proc/self/cgroup")

FACTS = Path("/proc/cpuinfo")


def find_cores() -> float:
    """Cores that this process may use: those it may run on, or less within a container."""
    allowed = os.cpu_count() or 1
    with suppress(AttributeError, OSError):  # not on every system
        allowed = len(os.sched_getaffinity(0))
    return min([float(allowed), *list_quotas()])


def list_quotas() -> Iterator[float]:
    """Cores' worth of time that its groups, and all above them, leave to this process."""
    try:
        lines = OWN_CGROUPS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = CGROUPS / "cpu" if controllers else CGROUPS
        for place in (Path(group), *Path(group).parents):
            with suppress(OSError, ValueError):  # "max", -1: there is no limit
                folder = base / place.relative_to("/")
                quota, period = read_pair(folder) if controllers else read_line(folder)
                if quota > 0:
                    yield quota / period


def read_line(folder: Path) -> tuple[int, int]:
    """Microseconds in every so many that a group may run, in the second version of cgroups."""
    quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
    return int(quota), int(period)


def read_pair(folder: Path) -> tuple[int, int]:
    """The same in the first version."""
    names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    quota, period = (int((folder / name).read_text(encoding="ascii")) for name in names)
    return quota, period


def read_cpu_flags() -> frozenset[str]:
    """What the processor can do, by the names of Linux; empty where the system does not tell."""
    with suppress(OSError):
        for line in FACTS.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, values = line.partition(":")
            if name.strip() in ("flags", "Features"):
                return frozenset(values.split())
    return frozenset()
