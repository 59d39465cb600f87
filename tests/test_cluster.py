"""Ray is had, or one sentence says why not."""

import errno
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from ray._private import services

from glacier import cluster
from glacier.cluster import (
    check_room,
    check_shared,
    connect,
    explain_no_ray,
    has_autoscaler,
    look_from,
    start_ray,
)
from glacier.errors import ConfigError
from glacier.machine import Room
from glacier.settings.cluster import Cluster

STATIC = {"active_nodes": {"node_0071357b75": 1}}
GROWING = {"active_nodes": {"ray.head.default": 1}}


def report(patch: pytest.MonkeyPatch, status: Any) -> None:
    patch.setattr(cluster, "_internal_kv_get", lambda _: status and json.dumps(status).encode())


@pytest.mark.parametrize(
    ("status", "grows"),
    [
        (None, False),
        ({"autoscaler_report": None}, False),
        ({"autoscaler_report": STATIC}, False),
        ({"autoscaler_report": GROWING}, True),
    ],
)
def test_whether_nodes_may_be_added(
    monkeypatch: pytest.MonkeyPatch, status: Any, grows: bool
) -> None:
    report(monkeypatch, status)
    assert has_autoscaler() == grows


def hold(patch: pytest.MonkeyPatch, *nodes: dict[str, float]) -> None:
    """Let Ray have these nodes, and one that is gone."""
    alive = [{"NodeID": f"{at}", "Alive": True, "Resources": node} for at, node in enumerate(nodes)]
    gone = {"NodeID": "gone", "Alive": False, "Resources": {"CPU": 99.0, "GPU": 9.0}}
    patch.setattr(cluster.ray, "nodes", lambda: [*alive, gone])
    patch.setattr(cluster, "list_addable", list)


def test_room_on_no_node_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    report(monkeypatch, None)
    hold(monkeypatch, {"CPU": 8.0}, {"CPU": 4.0, "GPU": 1.0})
    for room in (Room(8, 0), Room(4, 1), Room(1, 0.5)):
        check_room(room)
    check_room(None)
    with pytest.raises(ConfigError, match=r"cpus_per_trial = 9: Ray has at most 8 cores a node"):
        check_room(Room(9, 0))
    with pytest.raises(ConfigError, match=r"gpus_per_trial = 2: Ray has at most 1 a node"):
        check_room(Room(1, 2))
    with pytest.raises(ConfigError, match="no node of Ray has both"):
        check_room(Room(8, 1))


def test_memory_that_no_node_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    report(monkeypatch, None)
    node = {"CPU": 8.0, "memory": 6e9, "object_store_memory": 2e9}
    hold(monkeypatch, node, {"CPU": 1.0, "memory": 64e9})
    check_room(Room(8, 0, 8.0))
    check_room(Room(1, 0, 60.0))
    with pytest.raises(ConfigError, match=r"takes 70\.0 GB of memory .* Ray has at most 64\.0 GB"):
        check_room(Room(1, 0, 70.0))
    with pytest.raises(ConfigError, match=r"no node of Ray has both, and 60\.0 GB"):
        check_room(Room(8, 0, 60.0))
    hold(monkeypatch, {"CPU": 8.0})  # it does not tell
    check_room(Room(8, 0, 70.0))


def test_nodes_that_may_be_added_count(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    hold(monkeypatch, {"CPU": 8.0})
    monkeypatch.setattr(cluster, "list_addable", lambda: [{"CPU": 16.0, "GPU": 4.0}])
    check_room(Room(16, 1))
    monkeypatch.setattr(cluster, "list_addable", list)
    report(monkeypatch, {"autoscaler_report": GROWING})
    check_room(Room(1, 0.5))
    out = capsys.readouterr().out
    assert out.startswith("warning: sweep.gpus_per_trial = 0.5: Ray has no GPU")
    assert out.endswith("waiting for the autoscaler, if it has such nodes\n")


@pytest.fixture
def two_hosts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A cluster of this machine and another; the paths that were looked for from there."""
    looked: list[str] = []

    def look_from(hosts: dict[str, str], path: str) -> dict[str, bool]:
        looked.append(path)
        return dict.fromkeys(hosts, "mounted" in path and os.path.exists(path))

    monkeypatch.setattr(cluster, "find_other_hosts", lambda: {"ip-10-0-0-7": "f00d"})
    monkeypatch.setattr(cluster, "look_from", look_from)
    return looked


def test_a_folder_that_another_machine_does_not_see_is_refused(
    two_hosts: list[str], tmp_path: Path
) -> None:
    storage = str(tmp_path / "data")
    with pytest.raises(ConfigError, match=r"ip-10-0-0-7 of the cluster cannot see; give an addr"):
        check_shared(storage)
    check_shared(str(tmp_path / "mounted"))
    assert len(two_hosts) == 2 and not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_an_address_of_a_store_is_looked_for_from_nowhere(two_hosts: list[str]) -> None:
    check_shared("s3://bucket/storage")
    assert two_hosts == []


def test_a_folder_of_a_cluster_that_may_grow_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(cluster, "find_other_hosts", dict)
    for grows in (False, True):
        monkeypatch.setattr(cluster, "has_autoscaler", lambda grows=grows: grows)
        check_shared(str(tmp_path))
        assert capsys.readouterr().out.startswith("warning: storage") == grows


@pytest.mark.ray
def test_a_node_is_asked_what_it_sees(ray_local: None, tmp_path: Path) -> None:
    assert cluster.find_other_hosts() == {}, "nodes of one machine have one file system"
    (here,) = cluster.list_alive()
    assert look_from({"host": here}, str(tmp_path)) == {"host": True}
    assert look_from({"host": here}, str(tmp_path / "nothing")) == {"host": False}


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (
            RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.9.0"),
            "The cluster was started with: Ray: 2.9.0; use the same versions",
        ),
        (ConnectionError(), "ConnectionError; is the cluster up, and is its token here"),
    ],
)
def test_why_a_cluster_cannot_be_joined_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, words: str
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(cluster.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(cluster.ray, "shutdown", lambda: None)  # that of the session stays
    monkeypatch.setattr(cluster, "check_address", lambda _: None)

    def refuse(**_: Any) -> None:
        raise raised

    monkeypatch.setattr(cluster.ray, "init", refuse)
    settings = Cluster(address="10.0.0.5:6379")
    with pytest.raises(ConfigError) as caught, connect(settings):
        pytest.fail("there is no Ray")
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).startswith("cluster.address = '10.0.0.5:6379': Ray cannot be used")


def test_a_private_ray_that_cannot_start_names_its_logs() -> None:
    said = explain_no_ray(Cluster(), OSError("x"), "/elsewhere/glacier-1/r")
    assert "below /elsewhere/glacier-1/r, " in said and "RAY_TMPDIR" in said


def test_a_private_ray_starts_on_loopback_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def init(**options: Any) -> None:
        seen.update(options)
        seen["resolved"] = services.resolve_ip_for_localhost(options["_node_ip_address"])

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(services.ray._private.worker, "_global_node", None)
    monkeypatch.setattr(cluster.ray, "init", init)
    start_ray(Cluster(), "/tmp/glacier-12345678/r")
    assert seen["resolved"] == "127.0.0.1" and seen["include_dashboard"] is False
    assert services.resolve_ip_for_localhost("10.0.0.5") == "10.0.0.5"
    assert services.ray_constants.ENABLE_RAY_CLUSTER, "in a cluster addresses are others"


def test_a_disk_that_is_full_is_not_ray_s_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp/glacier-12345678/x")

    monkeypatch.setattr(cluster.ray, "init", init)
    monkeypatch.setattr(cluster.ray, "shutdown", lambda: None)
    with pytest.raises(OSError, match="No space left"):
        start_ray(Cluster(), "/tmp/glacier-12345678")


@pytest.mark.ray
def test_a_ray_that_is_there_is_asked_for_room(ray_local: None) -> None:
    with connect(Cluster(), Room(8, 4)):
        pass
    wanted = connect(Cluster(), Room(9, 0))
    with pytest.raises(ConfigError, match="Ray has at most 8 cores"), wanted:
        pytest.fail("no node has nine")


class DyingNode:
    """A private Ray one of whose processes is found dead at the third look."""

    def __init__(self, kind: str) -> None:
        self.kind, self.looks = kind, 0

    def dead_processes(self) -> list[tuple[str, None]]:
        self.looks += 1
        return [(self.kind, None)] if self.looks >= 3 else []

    def get_logs_dir_path(self) -> str:
        return "/tmp/ray/logs"


@pytest.mark.parametrize(("kind", "is_needed"), [
    ("raylet", True), ("gcs_server", True), ("log_monitor", False),
])  # fmt: skip
def test_a_program_gives_up_where_what_it_needs_of_ray_has_ended(
    monkeypatch: pytest.MonkeyPatch, kind: str, is_needed: bool
) -> None:
    node, said = DyingNode(kind), []
    monkeypatch.setattr(services.ray._private.worker, "_global_node", node)
    monkeypatch.setattr(cluster, "LOOK_S", 0.01)
    monkeypatch.setattr(cluster, "give_up", said.append)
    with cluster.watch_ray():
        until = time.monotonic() + 10
        while not said and node.looks < 10 and time.monotonic() < until:
            time.sleep(0.01)
    assert len(said) == is_needed
    assert all("logs lie below /tmp/ray/logs; the same command goes on" in line for line in said)
