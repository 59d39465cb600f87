"""An object store as storage: the same answer as on a disk, no secret told, a node lost."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.support.tiny import write_tiny

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
EPOCHS = 14
SWEEP = {"epochs": EPOCHS, "random_forest": False, "checkpoint_s": 0, "max_retries": 2}
CHANGES = {"sweep": SWEEP, "prepare": {"quick_looks": False}}
LOST = {"lost": True}


@dataclass(frozen=True)
class Outcome:
    """What the two runs left."""

    local: dict[str, bytes]
    """Path below the storage to content, of the run on a disk that nobody disturbed."""
    shared: dict[str, bytes]
    """The same of the run in the object store, whose second node was lost."""
    results: dict[str, bytes]
    """Reports of the run in the object store."""
    events: list[Any]
    """Epochs as they were reported, and where the node was lost."""
    told: dict[str, bytes]
    """All that was printed, and all logs of Ray."""
    secret: str


def read_bucket(client: Any, bucket: str) -> dict[str, bytes]:
    """Every object of a bucket by its key."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def read_folder(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def below(found: dict[str, bytes], prefix: str) -> dict[str, bytes]:
    cut = len(prefix)
    return {name[cut:]: data for name, data in found.items() if name.startswith(prefix)}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Both runs in one process with a cluster of its own, against a real S3 API on loopback."""
    server, secret = ThreadedMotoServer(ip_address="127.0.0.1", port=0), secrets.token_hex(20)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    account = {"aws_access_key_id": "glacier", "aws_secret_access_key": secret}
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **account)
    client.create_bucket(Bucket="ice")
    folder = tmp_path_factory.mktemp("storage")
    peaceful = write_tiny(folder / "peaceful", **CHANGES)
    places = {"storage": "s3://ice/storage", "results": "s3://ice/results"}
    shared = write_tiny(folder / "shared", **CHANGES, **places)
    with tempfile.TemporaryDirectory(prefix="r-", dir="/tmp") as logs:  # sockets need short names
        env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | {
            "AWS_ACCESS_KEY_ID": "glacier", "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "us-east-1",
            "PYTHONPATH": str(ROOT), "RAY_TMPDIR": logs,
        }  # fmt: skip
        env.pop("RAY_ADDRESS", None)
        command = [sys.executable, "tests/jobs/lose_node.py", str(shared), str(peaceful),
                   str(folder / "events.jsonl")]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, timeout=500)
        printed = done.stdout + done.stderr
        assert done.returncode == 0, printed.decode()
        told = read_folder(Path(logs)) | {"printed": printed}
    bucket = read_bucket(client, "ice")
    server.stop()
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    yield Outcome(
        read_folder(folder / "peaceful/data"), below(bucket, "storage/"),
        below(bucket, "results/"), events, told, secret,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["model.safetensors", ".tif", ".gpkg"])
def test_the_object_store_holds_the_same_bytes_as_a_disk(outcome: Outcome, kind: str) -> None:
    local, shared = (
        {name: data for name, data in found.items() if name.endswith(kind)}
        for found in (outcome.local, outcome.shared)
    )
    assert len(local) >= 2 and local == shared


def test_every_stage_worked_in_the_object_store(outcome: Outcome) -> None:
    summary = json.loads(outcome.results["tiny/summary.json"])
    assert summary["failed_trials"] == [] and summary["months"]["ok"] == 6
    assert b"<html" in outcome.results["tiny/report.html"]
    assert outcome.results["tiny/calendar.png"].startswith(b"\x89PNG")
    rooms = {name.partition("/")[0] for name in outcome.shared}
    assert {"archive", "samples", "sweeps", "trials", "models"} <= rooms


def test_no_credential_is_in_a_log_an_output_or_a_configuration(outcome: Outcome) -> None:
    assert any(name.endswith("runtime_env_agent.log") for name in outcome.told)
    for found in (outcome.told, outcome.shared, outcome.results):
        assert not [name for name, data in found.items() if outcome.secret.encode() in data]


def test_a_lost_node_costs_at_most_one_checkpoint_interval(outcome: Outcome) -> None:
    """A checkpoint an epoch: each epoch is trained once, one at most a second time.

    A trial that goes on reports the epochs of its checkpoint again, with their old times; an
    epoch that was trained again has another time.
    """
    at = outcome.events.index(LOST)
    rows = [event for event in outcome.events if event != LOST]
    times, workers = defaultdict(set), defaultdict(set)
    for row in rows:
        times[row["fold"], row["epoch"]].add(row["seconds"])
        workers[row["fold"]].add(row["pid"])
    assert set(times) == {(fold, epoch) for fold in (0, 1) for epoch in range(EPOCHS)}
    moved = [fold for fold in (0, 1) if len(workers[fold]) == 2]
    assert len(moved) == 1, "one trial ran on the lost node, and went on elsewhere"
    before = max(e["epoch"] for e in outcome.events[:at] if e["fold"] == moved[0])
    assert 1 <= before < EPOCHS - 1
    again = [unit for unit, found in times.items() if len(found) > 1]
    assert len(again) <= 1 and all(epoch >= before for _, epoch in again)
    assert b"2 trials done, 0 failed" in outcome.told["printed"]
