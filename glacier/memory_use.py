"""Memory that this process holds, and all that it has started: Ray and the workers of a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROCESSES = Path("/proc")
"""Where Linux tells of each process. Source: proc_pid_statm(5), proc_pid_stat(5)."""


def measure_tree_mb(root: int | None = None) -> float | None:
    """Memory of a process and of all below it on this machine, megabytes (10^6 bytes).

    What each holds for itself counts for each; what they share, such as libraries and mapped
    files, counts once, as much of it as the largest has.

    Args:
        root: The process; None: this one.

    Returns:
        None where the system does not tell.
    """
    own, shared, page = 0, 0, os.sysconf("SC_PAGE_SIZE")
    for pid in list_tree(root or os.getpid()):
        with suppress(OSError, ValueError, IndexError):  # it has ended meanwhile
            fields = (PROCESSES / str(pid) / "statm").read_text(encoding="ascii").split()
            resident, common = int(fields[1]), int(fields[2])
            own += max(0, resident - common) * page
            shared = max(shared, common * page)
    return (own + shared) / 1e6 if own else None


def measure_own_mb() -> float:
    """Memory that this process holds for itself, megabytes; 0 where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        fields = (PROCESSES / "self" / "statm").read_text(encoding="ascii").split()
        return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return 0.0


def list_tree(root: int) -> Iterator[int]:
    """A process and all below it, parents first."""
    children: dict[int, list[int]] = {}
    for pid, parent in list_processes():
        children.setdefault(parent, []).append(pid)
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children.get(pid, [])


def list_processes() -> Iterator[tuple[int, int]]:
    """Every process and its parent."""
    try:
        names = os.listdir(PROCESSES)
    except OSError:
        return
    for name in names:
        if name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                text = (PROCESSES / name / "stat").read_text(encoding="ascii", errors="replace")
                yield int(name), int(text.rpartition(")")[2].split()[1])
