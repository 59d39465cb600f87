"""Which Ray and which Python a running cluster has, found out without joining it."""

from __future__ import annotations

import os
from typing import NamedTuple

os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # as in `cluster`
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

from ray._common.usage.usage_lib import get_cluster_metadata
from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled, without stubs


class Versions(NamedTuple):
    """Versions that have to be the same on all nodes, and in the driver."""

    ray: str
    python: str


def read_versions(address: str) -> Versions | None:
    """The versions of a cluster.

    Args:
        address: ``<host>:<port>`` of its head, which answers.

    Returns:
        None where the cluster does not tell.
    """
    known = get_cluster_metadata(GcsClient(address=address))
    return Versions(known["ray_version"], known["python_version"]) if known else None
