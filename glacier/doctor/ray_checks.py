"""Checks of Ray: that the cluster answers and is of the same version, and that nobody else can."""

from __future__ import annotations

import ipaddress
import os
import platform
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from glacier.config import Config
from glacier.doctor.findings import Answer, fail, ok, register, warn
from glacier.errors import ConfigError
from glacier.machine import check_address, find_address, read_last_address

PORTS = range(8265, 8270)
"""Of the dashboard: the first that is free. Source: ray/_private/ray_constants.py."""

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
"""Open sockets. Source: proc_pid_net(5)."""

LISTENS = "0A"
"""State of a socket that waits for callers. Source: include/net/tcp_states.h of Linux."""

CLOSED = (401, 403)
"""What a dashboard says to who has no token."""

ANSWER_S = 3.0

TOKEN = Path("~/.ray/auth_token")
"""Where Ray keeps its token."""


@register("ray")
def check_cluster(config: Config | None) -> Iterator[Answer]:
    """The cluster of a run: it answers, and has the Ray and Python of this driver."""
    if config is None or (address := find_address(config.cluster)) == "local":
        yield ok(f"a private one on this machine, {version('ray')}")
        return
    try:
        check_address(config.cluster)
    except ConfigError as error:
        yield fail(str(error), "")
        return
    from glacier.cluster_version import Versions, read_versions  # late: Ray takes a second

    there = read_versions(read_last_address() if address == "auto" else address)
    here = Versions(version("ray"), platform.python_version())
    if there is None:
        yield warn(f"{address} answers, and does not say its version", "")
    elif there != here:
        yield fail(
            f"{address} has Ray {there.ray} on Python {there.python}, and here are {here.ray} on "
            f"{here.python}",
            "use the same versions on all nodes and here",
        )
    else:
        yield ok(f"{address} answers, with Ray {there.ray} on Python {there.python}")


@register("dashboard")
def check_dashboard(_: Config | None) -> Iterator[Answer]:
    """Whether others could run code here through a dashboard of Ray that asks for no token."""
    open_to_all = [
        (host, port) for host, port in list_listeners() if port in PORTS and is_reachable(host)
    ]
    said = [f"{host}:{port}" for host, port in open_to_all if answers_strangers(port)]
    if said:
        remedy = "stop it; start it with RAY_AUTH_MODE=token and --dashboard-host 127.0.0.1"
        yield fail(f"one listens on {', '.join(said)} and asks for no token", remedy)
    else:
        yield ok("none is open to others without a token")


def list_listeners() -> Iterator[tuple[str, int]]:
    """Address and port of every socket on this machine that waits for callers."""
    for table in TABLES:
        with suppress(OSError):
            for line in table.read_text(encoding="ascii").splitlines()[1:]:
                _, local, _, state = line.split()[:4]
                if state == LISTENS:
                    host, _, port = local.partition(":")
                    yield decode_host(host), int(port, 16)


def decode_host(text: str) -> str:
    """An address as Linux writes it, words of four bytes in the order of the machine."""
    words = [bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8)]
    return str(ipaddress.ip_address(b"".join(words)))


def is_reachable(host: str) -> bool:
    """Whether another machine may reach what listens on an address."""
    address = ipaddress.ip_address(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_loopback


def answers_strangers(port: int) -> bool:
    """Whether a dashboard lists its jobs to who has no token."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/api/jobs/", timeout=ANSWER_S) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code not in (*CLOSED, 404)
    except OSError:  # it listens on another address alone, or is none
        return False


@register("token")
def check_token(_: Config | None) -> Iterator[Answer]:
    """That the token of Ray is its owner's alone."""
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or TOKEN).expanduser()
    if not file.exists():
        yield ok("none yet; a run makes one that its owner alone may read")
    elif file.stat().st_mode & 0o077:
        yield warn(f"others may read {file}", f"chmod 600 {file}")
    else:
        yield ok(str(file))
