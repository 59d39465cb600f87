"""What is known of a machine and of an address before Ray is imported."""

import errno
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from glacier import machine
from glacier.errors import ConfigError
from glacier.machine import (
    FOLDER_PREFIX,
    SOCKET_PATH_BYTES,
    Room,
    check_address,
    check_local_room,
    choose_temp_folder,
    explain_other_folder,
    explain_unwritable,
    find_address,
    find_memory_gb,
    refuses_grpc,
)
from glacier.settings.cluster import Cluster
from tests.support.tiny import tiny_config

SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_ADDRESS", "RAY_TMPDIR", "TMPDIR", "RAY_USE_TLS"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def listen(answer: bytes | None) -> Iterator[int]:
    """A port of this machine that gives one answer, or none at all."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            line, _ = server.accept()
            with line:
                line.recv(64)
                if answer is None:
                    done.wait(10)
                else:
                    line.sendall(answer)

        done = threading.Event()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        done.set()
        thread.join(10)


def test_a_job_s_own_address_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_address(Cluster(address="a:1")) == "a:1"
    monkeypatch.setenv("RAY_ADDRESS", "b:2")
    assert find_address(Cluster(address="a:1")) == "b:2"


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:1", ["no Ray cluster answers there (connection refused)", "ray start --head"]),
        ("http://127.0.0.1:8265", ["ray job submit --address http://127.0.0.1:8265"]),
        ("ray://127.0.0.1:10001", ["Ray Client", "ray job submit"]),
        ("127.0.0.1:0", ["<host>:<port>"]),
        ("127.0.0.1:x", ["<host>:<port>"]),
        ("s3://bucket", ["<host>:<port>"]),
        (":6379", ["<host>:<port>"]),
    ],
)
def test_an_address_that_no_driver_joins_is_refused(address: str, parts: list[str]) -> None:
    began = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        check_address(Cluster(address=address))
    assert all(part in str(caught.value) for part in [f"cluster.address = {address!r}", *parts])
    assert time.monotonic() - began < 15


def test_the_variable_is_named_where_the_address_is_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(ConfigError, match=r"environment variable RAY_ADDRESS = '127\.0\.0\.1:1'"):
        check_address(Cluster())


def test_a_head_answers_and_another_service_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with listen(SETTINGS) as port:
        check_address(Cluster(address=f"127.0.0.1:{port}"))
    with listen(b"HTTP/1.1 400 Bad Request\r\n") as port:
        assert refuses_grpc("127.0.0.1", port) == "what listens there is no Ray head"
    monkeypatch.setattr(machine, "CONNECT_S", 0.2)
    with listen(None) as port:
        assert refuses_grpc("127.0.0.1", port) == "no answer within 0.2 s"
    monkeypatch.setenv("RAY_USE_TLS", "1")  # it speaks to no stranger
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert refuses_grpc("127.0.0.1", server.getsockname()[1]) == ""


def test_auto_is_the_cluster_that_was_started_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    check_address(Cluster(address="auto"))
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray/ray_current_cluster").write_text("127.0.0.1:1")
    with pytest.raises(ConfigError, match=r"'auto', the cluster at 127\.0\.0\.1:1 .* no Ray"):
        check_address(Cluster(address="auto"))


@pytest.mark.parametrize(
    ("room", "cluster", "parts"),
    [
        (Room(1, 0.5), {}, ["sweep.gpus_per_trial = 0.5: this machine has no GPU; set it to 0"]),
        (Room(1, 2), {"gpus": 1}, ["sweep.gpus_per_trial = 2", "at most 1 a node", "1 or less"]),
        (Room(1, 1), {"gpus": 0}, ["sweep.gpus_per_trial = 1", "no GPU"]),
        (Room(16, 0), {"cpus": 4}, ["sweep.cpus_per_trial = 16", "cluster.cpus 4", "4 or less"]),
        (Room(10_000, 0), {}, ["sweep.cpus_per_trial = 10000: this machine has at most"]),
    ],
)
def test_trials_without_room_here_are_refused(
    monkeypatch: pytest.MonkeyPatch, room: Room, cluster: dict, parts: list[str]
) -> None:
    monkeypatch.setattr(machine, "may_have_gpu", lambda: False)
    with pytest.raises(ConfigError) as caught:
        check_local_room(room, Cluster(**cluster))
    assert all(part in str(caught.value) for part in parts)


def test_trials_with_room_or_elsewhere_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "may_have_gpu", lambda: False)
    check_local_room(Room(1, 0), Cluster())
    check_local_room(Room(16, 0.5), Cluster(cpus=16, gpus=1))
    check_local_room(Room(16, 4), Cluster(address="10.0.0.5:6379"))  # Ray will know
    monkeypatch.setattr(machine, "may_have_gpu", lambda: True)
    check_local_room(Room(1, 4), Cluster())


def test_both_on_no_one_node_is_said() -> None:
    assert Room(4, 1).explain(4, 1, "Ray").endswith("no node of Ray has both; lower one")


def test_a_short_folder_of_the_user_s_own_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/tmp/glacier-t")
    assert choose_temp_folder() == "/tmp/glacier-t"
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/glacier-r")
    assert choose_temp_folder() == "/tmp/glacier-r"
    assert not os.path.exists("/tmp/glacier-r")


@pytest.mark.parametrize("folder", ["/tmp/" + "x" * 115, "/dev/null/x"])
def test_one_that_is_too_long_or_no_folder_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.setenv("TMPDIR", folder)
    found = choose_temp_folder()
    assert not found.startswith(folder)
    session = f"{FOLDER_PREFIX}12345678/r/session_2026-01-01_00-00-00_000000_4194304"
    socket_path = f"{found}/{session}/sockets/plasma_store"
    assert len(socket_path.encode()) <= SOCKET_PATH_BYTES


def test_without_any_folder_each_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = [Path("/dev/null/ray"), Path("/tmp") / ("x" * 120)]
    monkeypatch.setattr(machine, "list_temp_folders", lambda: iter(bad))
    with pytest.raises(ConfigError, match=r"/dev/null/ray cannot .*bytes long.*RAY_TMPDIR"):
        choose_temp_folder()


def test_a_full_disk_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/glacier-full")
    monkeypatch.setattr(machine, "measure_free", lambda place: 9 if "full" in place else 10**9)
    assert choose_temp_folder() != "/tmp/glacier-full"
    monkeypatch.setattr(machine, "measure_free", lambda _: 9)
    with pytest.raises(ConfigError, match=r"-full has 9 bytes free, .* need .*RAY_TMPDIR"):
        choose_temp_folder()


def test_a_place_is_tried_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a full disk, a quota, and a file system mounted for reading answer."""

    def refuse(**_: object) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    assert explain_unwritable(tmp_path / "a") == "" and list(tmp_path.iterdir()) == []
    monkeypatch.setattr(machine.tempfile, "TemporaryFile", refuse)
    assert explain_unwritable(tmp_path / "a") == f"{tmp_path}: Disk quota exceeded"


def test_why_a_folder_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert explain_unwritable(tmp_path / "a" / "b") == ""
    assert explain_unwritable(tmp_path / "file") == f"{tmp_path}/file is a file"
    assert explain_unwritable(tmp_path / "file" / "x") == f"{tmp_path}/file is a file"
    assert explain_unwritable(tmp_path / "link") == f"{tmp_path}/link leads nowhere"
    monkeypatch.setattr(machine.os, "access", lambda *_: False)  # the superuser may write anywhere
    assert explain_unwritable(tmp_path / "a") == f"you may not write to {tmp_path}"
    assert list(tmp_path.glob("a")) == []


# Memory.


def limit(patch: pytest.MonkeyPatch, folder: Path, line: str, **files: str) -> None:
    """Let this process be in a group of these limits, by the folder of each."""
    (folder / "cgroup").write_text(line)
    for place, text in files.items():
        path = folder / place.replace("_", "/")
        path.mkdir(parents=True, exist_ok=True)
        (path / "limit").write_text(text)
    patch.setattr(machine, "CGROUPS_OF_PROCESS", folder / "cgroup")
    patch.setattr(machine, "CGROUP_V1", (str(folder / "v1"), "limit"))
    patch.setattr(machine, "CGROUP_V2", (str(folder / "v2"), "limit"))


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("0::/job/step", {"v2_job_step": "max", "v2_job": "2000000"}),
        ("0::/", {"v2": "2000000"}),
        ("5:cpu,memory:/job\n6:pids:/x", {"v1_job": "2000000", "v2": "5", "v1_x": "5"}),
    ],
)
def test_a_container_has_the_memory_that_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, files: dict[str, str]
) -> None:
    limit(monkeypatch, tmp_path, line, **files)
    assert find_memory_gb() == 0.002


def test_without_a_limit_it_is_the_machine_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, tmp_path, "0::/job", v2_job="max")
    assert 0.1 < find_memory_gb() < 1e6
    monkeypatch.setattr(machine, "CGROUPS_OF_PROCESS", tmp_path / "none")
    assert 0.1 < find_memory_gb() < 1e6


def test_a_step_that_no_memory_here_can_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "find_memory_gb", lambda: 8.0)
    large = {"size_px": 2048, "layout": "chips"}
    config = tiny_config(tmp_path, prepare=large, sweep={"batch_size": 64})
    with pytest.raises(ConfigError, match=r"takes 20\.4 GB .* this machine has at most 8\.0 GB"):
        check_local_room(Room.of(config), config.cluster)
    gpu = config.model_copy(update={"sweep": config.sweep.model_copy(update={"gpus_per_trial": 1})})
    assert Room.of(gpu).memory_gb == 0  # its memory is another
    check_local_room(Room.of(tiny_config(tmp_path)), config.cluster)


# The folder that is not the user's own.


def test_a_folder_that_is_passed_over_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert explain_other_folder("/tmp/ray") == ""
    monkeypatch.setenv("TMPDIR", "/tmp/" + "x" * 115)
    said = explain_other_folder("/tmp/ray")
    assert said.startswith("TMPDIR = '/tmp/xxx") and said.endswith("they are in /tmp/ray")
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/mine")
    assert explain_other_folder("/tmp/mine/ray") == ""
    assert explain_other_folder("/tmp/ray").startswith("RAY_TMPDIR = '/tmp/mine'")
