"""The demo's jobs through ``ray job submit``, to a head on loopback that asks for a token."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ray.job_submission import JobDetails, JobSubmissionClient

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
TINY = """
    --months.first 2014-05 --months.last 2014-08
    --ingest.min_valid_share 0
    --prepare.layout resize --prepare.size_px 32 --prepare.quick_looks false
    --sweep.encoders mobilenet_v2 --sweep.folds.kind shuffled --sweep.folds.count 2
    --sweep.epochs 1 --sweep.steps_per_epoch 1 --sweep.batch_size 2 --sweep.random_forest false
""".split()
"""The demo in the shortest time: four months of 32 x 32 px, two trials of one step."""


@dataclass(frozen=True)
class Head:
    """A running head and what its users need."""

    url: str
    token: str
    env: dict[str, str]
    """Environment for Ray's commands."""

    def client(self) -> JobSubmissionClient:
        """A client with this head's token; the test session's own is another one."""
        return JobSubmissionClient(self.url, headers={"Authorization": f"Bearer {self.token}"})

    def request(self, token: str | None) -> int:
        """HTTP status of a look at the jobs, with a token or without; 0 while nobody answers."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(f"{self.url}/api/jobs/", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0


@dataclass(frozen=True)
class Submitted:
    """The jobs under test, both accepted."""

    pipeline: str
    mistyped: str
    results: Path


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def auth_env(folder: Path, token: str) -> dict[str, str]:
    """The environment with this token in place of any other, and no other cluster's address."""
    file = folder / "auth_token"
    file.touch(mode=0o600)
    file.write_text(token)
    kept = {k: v for k, v in os.environ.items() if k not in ("RAY_ADDRESS", "RAY_AUTH_TOKEN")}
    return kept | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(file),
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",  # else the head waits 30 s for itself
    }


def start_head(folder: Path, env: dict[str, str], ports: list[int]) -> subprocess.Popen[bytes]:
    """Start a head of two cores, every fixed port a free one, the rest drawn by Ray."""
    gcs, dashboard, agent, client = ports
    return subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block",
         f"--port={gcs}", "--num-cpus=2", "--num-gpus=0", "--dashboard-host=127.0.0.1",
         f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={agent}",
         f"--ray-client-server-port={client}", "--min-worker-port=0", "--max-worker-port=0",
         "--object-store-memory=200000000", "--disable-usage-stats", f"--temp-dir={folder}"],
        env=env, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def stop_head(process: subprocess.Popen[bytes]) -> None:
    """End this head and no other process of Ray (``ray stop`` would end them all)."""
    process.terminate()
    try:
        process.wait(timeout=40)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=10)


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """A head on 127.0.0.1 with its own token, in a folder short enough for its sockets."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    ports, token = free_ports(4), secrets.token_hex(32)
    found = Head(f"http://127.0.0.1:{ports[1]}", token, auth_env(folder, token))
    process = start_head(folder, found.env, ports)
    try:
        deadline = time.monotonic() + 90
        while found.request(token) != 200:
            assert process.poll() is None, "the head ended by itself"
            assert time.monotonic() < deadline, "the dashboard did not answer"
            time.sleep(0.5)
        yield found
    finally:
        stop_head(process)
        shutil.rmtree(folder, ignore_errors=True)


def submit(head: Head, name: str, flags: list[str]) -> str:
    """Submit ``jobs.pipeline`` on the demo as the README says; returns the job's id.

    A dashboard that answers is not yet a head that takes jobs, so its refusal for want of an
    agent is tried again, under the same id.
    """
    command = [
        sys.executable, "-m", "ray.scripts.scripts", "job", "submit", "--address", head.url,
        "--no-wait", "--submission-id", name, "--working-dir", ".", "--",
        sys.executable, "-m", "jobs.pipeline", "jobs/demo.yaml", *flags,
    ]  # fmt: skip
    for _ in range(15):
        done = subprocess.run(command, env=head.env, cwd=ROOT, capture_output=True, text=True)
        said = done.stdout + done.stderr
        if done.returncode == 0:
            return name
        assert "No available agent" in said, said
        time.sleep(2)
    raise AssertionError(said)


@pytest.fixture(scope="module")
def submitted(head: Head, tmp_path_factory: pytest.TempPathFactory) -> Submitted:
    """Both jobs, side by side, since most of a short job's time is Python's start."""
    folder = tmp_path_factory.mktemp("submitted")
    places = ["--storage", f"{folder}/data", "--results", f"{folder}/results"]
    return Submitted(
        submit(head, "demo-tiny-1", [*places, *TINY]),
        submit(head, "demo-mistyped-1", [*places, "--sweep.epoch", "1"]),
        folder / "results",
    )


def wait_for(client: JobSubmissionClient, name: str, timeout_s: float) -> JobDetails:
    """The job when it has ended, read by its status: the command line exits 0 also on failure."""
    deadline = time.monotonic() + timeout_s
    while not (details := client.get_job_info(name)).status.is_terminal():
        assert time.monotonic() < deadline, client.get_job_logs(name)
        time.sleep(1)
    return details


def test_no_request_is_answered_without_the_token(head: Head) -> None:
    assert head.request(None) == 401
    assert head.request("0" * 64) == 403
    assert head.request(head.token) == 200


def test_a_mistyped_field_fails_the_job_and_says_so(head: Head, submitted: Submitted) -> None:
    client = head.client()
    details = wait_for(client, submitted.mistyped, timeout_s=120)
    assert details.status == "FAILED"
    assert "exit code 2" in (details.message or "")
    log = client.get_job_logs(submitted.mistyped)
    assert "--sweep.epoch 1: no such field; did you mean sweep.epochs?" in log
    assert "Traceback" not in log


def test_the_demo_succeeds_and_leaves_its_report(head: Head, submitted: Submitted) -> None:
    client = head.client()
    details = wait_for(client, submitted.pipeline, timeout_s=400)
    log = client.get_job_logs(submitted.pipeline)
    assert details.status == "SUCCEEDED", log
    summary = json.loads((submitted.results / "demo" / "summary.json").read_text())
    assert list(summary["encoders"]) == ["mobilenet_v2"]
    assert summary["months"]["ok"] == 4
    assert "pipeline: done in" in log
    assert (submitted.results / "demo" / "map.html").exists()
