"""What a machine and an address of Ray can give, found out before Ray is imported.

Ray waits for ever for a core or a GPU that no node has, and a quarter of an hour for a cluster
that is gone. What can be known of either is known here within seconds.
"""

from __future__ import annotations

import math
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from glacier.config import Config
from glacier.errors import ConfigError
from glacier.scratch import FOLDER_PREFIX
from glacier.settings.cluster import Cluster
from glacier.store import measure_free

ADDRESS = "RAY_ADDRESS"
"""Environment variable that ``ray job submit`` sets, and that wins over the configuration."""

CONNECT_S = 5.0
"""Longest wait for an answer of a cluster's head, seconds."""

GCS_PORT = 6379
"""Port of a cluster's head where none is given. Source: ``ray start --help``."""

HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""Preface and empty settings, which every gRPC server answers with its own settings.

Source: RFC 9113, sections 3.4 and 4.1.
"""

SETTINGS_FRAME = 4
"""Type of the answer's first frame. Source: RFC 9113, section 6.5."""

SOCKET_PATH_BYTES = 103 if sys.platform == "darwin" else 107
"""Longest path of a local socket. Source: ``sun_path`` in sys/un.h, less its closing zero."""

RAY_FOLDER = "r"
"""Name of the folder in it that Ray gets."""

SESSION_BYTES = len(
    f"/{FOLDER_PREFIX}12345678/{RAY_FOLDER}/session_2024-01-01_00-00-00_000000_1234567/sockets/plasma_store.1"
)
"""What we and Ray add to a folder for temporary files. Source: ray/_private/node.py."""

RAY_BYTES = 20_000_000
"""What a private Ray writes into its folder: logs of a run of some minutes."""

EXTRAS = {
    "export": ("onnx", "onnxruntime", "onnxscript"),
    "serve": ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "rio_tiler"),
}
"""Verb to what it needs besides: an optional extra of the same name."""

CGROUPS_OF_PROCESS = Path("/proc/self/cgroup")
CGROUP_V1 = ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
CGROUP_V2 = ("/sys/fs/cgroup", "memory.max")
"""Where containers and schedulers say how much memory a process has, bytes. Source: cgroups(7)."""

LAST_CHANNELS = 16
"""Of the U-Net's decoder at full resolution.

Source: ``decoder_channels`` of ``Unet`` in segmentation-models-pytorch.
"""

GPU_DEVICES = ("nvidia[0-9]*", "nvidiactl", "dxg", "kfd", "nvhost-gpu")
"""Device files of which a machine with a GPU has one: NVIDIA, WSL, AMD, Jetson."""


@dataclass(frozen=True)
class Room:
    """What one trial needs of one node."""

    cpus: int
    gpus: float
    memory_gb: float = 0.0
    """What it surely takes; it will take more."""

    @classmethod
    def of(cls, config: Config) -> Room:
        """What a trial of a run needs: on cores, memory for a step.

        Of a step the U-Net keeps the image and the output of the last layer but one at full
        resolution, to go back through it; how much its encoder keeps, differs.

        """
        sweep, size = config.sweep, config.prepare.size_px
        layer = LAST_CHANNELS * (2 if sweep.precision == "bfloat16" else 4)
        step = (4 * len(config.prepare.image) + layer) * sweep.batch_size * size**2
        memory_gb = 0.0 if sweep.gpu_share else step / 1e9
        return cls(sweep.cpus_per_trial, sweep.gpu_share, memory_gb)

    def fits(self, cpus: float, gpus: float, memory_gb: float = math.inf) -> bool:
        """Whether a node with so much of all can run a trial."""
        return self.cpus <= cpus and self.gpus <= gpus and self.memory_gb <= memory_gb

    def explain(self, cpus: float, gpus: float, where: str, memory_gb: float = math.inf) -> str:
        """Why no trial can run where a node has at most so much of each."""
        if self.gpus > gpus:
            has = f"at most {gpus:g} a node" if gpus else "no GPU"
            return (
                f"sweep.gpus_per_trial = {self.gpus:g}: {where} has {has}; set it to "
                f"{gpus:g}{' to train on cores' if not gpus else ' or less'}, or run where there "
                "are GPUs (cluster.address)"
            )
        if self.cpus > cpus:
            return (
                f"sweep.cpus_per_trial = {self.cpus}: {where} has at most {cpus:g} cores a node; "
                f"set it to {int(cpus)} or less, or run on larger nodes (cluster.address)"
            )
        if self.memory_gb > memory_gb:
            return (
                f"a trial takes {self.memory_gb:.1f} GB of memory at the least, for a step, and "
                f"{where} has at most {memory_gb:.1f} GB a node; lower sweep.batch_size or "
                "prepare.size_px, or run on larger nodes (cluster.address)"
            )
        memory = f", and {self.memory_gb:.1f} GB of memory" if self.memory_gb else ""
        return (
            f"sweep.cpus_per_trial = {self.cpus} and sweep.gpus_per_trial = {self.gpus:g}: no node "
            f"of {where} has both{memory}; lower one"
        )


def find_address(settings: Cluster) -> str:
    """The address of Ray that a run uses: the job's own, or the configured one."""
    return os.environ.get(ADDRESS) or settings.address


def name_address(settings: Cluster) -> str:
    """The setting that gives the address, with its value, for messages."""
    if os.environ.get(ADDRESS):
        return f"the environment variable {ADDRESS} = {os.environ[ADDRESS]!r}"
    return f"cluster.address = {settings.address!r}"


def check_local_room(room: Room, settings: Cluster) -> None:
    """Refuse trials that a private Ray on this machine could never run.

    Raises:
        ConfigError: It has too few cores, or surely no GPU. What is unclear, Ray will know.
    """
    if find_address(settings) != "local":
        return
    cpus = settings.cpus or os.cpu_count() or 1
    gpus = float("inf") if settings.gpus is None and may_have_gpu() else float(settings.gpus or 0)
    memory_gb = find_memory_gb()
    if not room.fits(cpus, gpus, memory_gb):
        where = "this machine" if settings.cpus is None else f"a Ray of cluster.cpus {cpus}"
        raise ConfigError(room.explain(cpus, gpus, where, memory_gb))


def find_memory_gb() -> float:
    """Memory that this process may use, GB: the machine's, or less within a container.

    Infinite where the system does not tell.
    """
    try:
        found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    except (ValueError, OSError, AttributeError):
        found = []
    for file in list_limits():
        with suppress(OSError, ValueError):  # "max": there is no limit
            found.append(int(file.read_text(encoding="ascii")))
    return min(found, default=math.inf) / 1e9


def list_limits() -> Iterator[Path]:
    """Files that limit the memory of this process, its own group's and those of all above it."""
    try:
        lines = CGROUPS_OF_PROCESS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        base, name = CGROUP_V1 if controllers else CGROUP_V2
        for place in (Path(group), *Path(group).parents):
            yield Path(base) / place.relative_to("/") / name


def may_have_gpu() -> bool:
    """Whether this machine may have a GPU; False only where it surely has none."""
    if not sys.platform.startswith("linux"):
        return sys.platform != "darwin"  # Ray counts none there
    return any(any(Path("/dev").glob(name)) for name in GPU_DEVICES)


def check_address(settings: Cluster) -> None:
    """Refuse an address of another kind than a driver joins, or at which no cluster answers.

    Raises:
        ConfigError: With the setting, its value and the remedy.
    """
    address, named = find_address(settings), name_address(settings)
    if address == "auto":
        address = read_last_address()
        named += f", the cluster at {address} that was started here last"
    if address in ("", "local"):
        return  # without a last one Ray looks among the processes, and soon says so
    if address.startswith(("http://", "https://")):
        raise ConfigError(
            f"{named} is where jobs are submitted: ray job submit --address {address} ... -- "
            "glacier <verb> ...; to run here, unset it, or give <host>:6379 or auto"
        )
    if address.startswith("ray://"):
        raise ConfigError(
            f"{named} is a Ray Client's, which cannot show a run's progress; submit the run with "
            "ray job submit, or give <host>:6379 on a machine of the cluster"
        )
    host, _, port = address.rpartition(":") if ":" in address else (address, "", str(GCS_PORT))
    if not host or not port.isdigit() or not 0 < int(port) < 65536 or "/" in host:
        raise ConfigError(
            f"{named}: wanted local, auto or <host>:<port>, such as 10.0.0.5:{GCS_PORT}"
        )
    if reason := refuses_grpc(host.strip("[]"), int(port)):
        raise ConfigError(
            f"{named}: no Ray cluster answers there ({reason}); start one (ray start --head) or "
            f"correct the address; a private Ray needs cluster.address local and no {ADDRESS}"
        )


def read_last_address() -> str:
    """Address of the cluster that was started on this machine last; empty where none was."""
    base = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    try:
        return (Path(base) / "ray" / "ray_current_cluster").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def refuses_grpc(host: str, port: int) -> str:
    """Why the head of a cluster does not answer at a port; nothing where one does."""
    try:
        with socket.create_connection((host, port), timeout=CONNECT_S) as line:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return ""  # it speaks to nobody without a certificate
            line.sendall(HTTP2_HELLO)
            line.settimeout(CONNECT_S)
            answer = line.recv(9)
    except TimeoutError:
        return f"no answer within {CONNECT_S:g} s"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    if len(answer) < 4 or answer[3] != SETTINGS_FRAME:
        return "what listens there is no Ray head"
    return ""


def choose_temp_folder() -> str:
    """Where a private Ray may have its folder of files and sockets: the user's choice if it can be.

    Raises:
        ConfigError: There is no folder that can be written, has room, and is short enough for a
            socket.
    """
    reasons = []
    for folder in list_temp_folders():
        longest = SOCKET_PATH_BYTES - SESSION_BYTES
        if len(os.fsencode(folder)) > longest:
            reasons.append(
                f"{folder} is {len(os.fsencode(folder))} bytes long, more than the {longest} that "
                "leave room for a socket's path"
            )
        elif not is_writable(Path(folder)):
            reasons.append(f"{folder} cannot be written to")
        elif (free := measure_free(str(folder))) < RAY_BYTES:
            reasons.append(f"{folder} has {free} bytes free, and the logs of Ray need {RAY_BYTES}")
        else:
            return str(folder)
    raise ConfigError(
        f"no folder for the temporary files of Ray: {'; '.join(reasons)}; set RAY_TMPDIR to a "
        "short path that you may write to"
    )


def explain_other_folder(chosen: str) -> str:
    """That the user's own folder for temporary files is not the one taken; nothing where it is."""
    for name in ("RAY_TMPDIR", "TMPDIR"):
        wanted = os.environ.get(name, "")
        if wanted and Path(chosen).is_relative_to(Path(wanted).absolute()):
            return ""
        if wanted:
            return (
                f"{name} = {wanted!r} cannot hold the files of Ray, since it is too long a path, "
                f"cannot be written to or is full; they are in {chosen}"
            )
    return ""


def list_temp_folders() -> Iterator[Path]:
    """Folders for temporary files, the best first."""
    for name in ("RAY_TMPDIR", "TMPDIR"):
        if os.environ.get(name):
            yield Path(os.environ[name]).absolute()
    with suppress(OSError):  # none at all can be written
        yield Path(tempfile.gettempdir())
    yield from (Path("/tmp"), Path("/var/tmp"))


def is_writable(folder: Path) -> bool:
    """Whether a folder can be written to, or be made where it is not there yet."""
    return not explain_unwritable(folder)


def explain_unwritable(folder: Path) -> str:
    """Why files cannot be put into a folder that is, or would be made, there; nothing if they can.

    It is tried, and nothing is left: permissions alone do not tell of quotas and full disks.
    """
    there = folder
    try:
        while not os.path.lexists(there) and there != there.parent:
            there = there.parent
        if not there.is_dir():
            return f"{there} is a file" if there.exists() else f"{there} leads nowhere"
        if not os.access(there, os.W_OK | os.X_OK):
            return f"you may not write to {there}"
        with tempfile.TemporaryFile(dir=there) as file:  # has no name where the system can do so
            file.write(b"x")
    except OSError as error:
        return f"{there}: {error.strerror or error}"
    return ""


def explain_missing_extra(verb: str) -> str:
    """Why a verb cannot be run here for want of its extra; nothing where it can, or has none."""
    missing = [name for name in EXTRAS.get(verb, ()) if find_spec(name) is None]
    if not missing:
        return ""
    return (
        f"glacier {verb} needs {', '.join(missing)}, not installed here: run "
        f"`pip install 'glacier-maps[{verb}]'`"
    )


def explain_no_tracker(tracker: str, results: str) -> str:
    """Why epochs cannot be written for a tracker; nothing where they can.

    Args:
        tracker: ``tensorboard`` or ``mlflow``.
        results: Address of a run's results.
    """
    if tracker == "mlflow" and find_spec("mlflow") is None:
        return (
            "sweep.track mlflow: the package is not installed here, and is no extra, since its "
            "pins differ from ours: run `pip install mlflow-skinny`, or leave it out"
        )
    if tracker == "tensorboard" and "://" in results:
        return (
            "sweep.track tensorboard writes to a folder of this machine, and results is "
            f"{results}: leave it out"
        )
    return ""
