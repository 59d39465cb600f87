"""An examination: each check with a machine that stands in for this one, and what all come to."""

import json
import os
import resource
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from glacier import health
from glacier.config import Config
from glacier.doctor import hardware, places, ray_checks, software
from glacier.doctor.findings import CHECKS, Answer, examine, fail, ok, warn
from glacier.errors import ConfigError
from glacier.health import run_doctor
from glacier.lock_file import create
from glacier.owner import Owner
from glacier.store import checksum
from glacier.training import gpus
from glacier.training.gpus import Gpu
from tests.support.tiny import tiny_config, write_tiny

Said = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


def levels(answers: Iterator[Answer]) -> list[str]:
    return [level for level, _, _ in answers]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return tiny_config(tmp_path)


def test_what_cannot_be_looked_at_is_a_warning_and_hides_no_other(monkeypatch: Patch) -> None:
    def break_down(_: Config | None) -> Iterator[Answer]:
        yield ok("this far")
        raise RuntimeError("sensor")

    checks = {"a": break_down, "b": lambda _: iter([fail("bad", "mend it")])}
    monkeypatch.setattr("glacier.doctor.findings.CHECKS", checks)
    assert [str(finding) for finding in examine(None)] == [
        "OK   a: this far", "WARN a: could not be looked at: RuntimeError: sensor",
        "FAIL b: bad; mend it",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "code"), [([ok("a"), warn("b", "c")], 0), ([ok("a"), fail("b", "c")], 1)]
)
def test_the_exit_code_is_that_of_the_worst(
    answers: list[Answer], code: int, monkeypatch: Patch, capsys: Said
) -> None:
    monkeypatch.setattr("glacier.doctor.findings.CHECKS", {"x": lambda _: iter(answers)})
    assert run_doctor([]) == run_doctor(["--json"]) == code
    last, *_ = reversed(capsys.readouterr().out.partition("[\n")[0].splitlines())
    assert last.startswith("doctor: not fit for runs" if code else "doctor: fit for runs")


def test_programs_get_the_findings(monkeypatch: Patch, capsys: Said) -> None:
    monkeypatch.setattr("glacier.doctor.findings.CHECKS", {"x": lambda _: iter([warn("b", "c")])})
    run_doctor(["--json"])
    assert json.loads(capsys.readouterr().out) == [
        {"check": "x", "level": "WARN", "said": "b", "remedy": "c"}
    ]


def test_a_wrong_configuration_is_said_and_help_looks_at_nothing(
    tmp_path: Path, capsys: Said
) -> None:
    assert run_doctor([str(tmp_path / "none.yaml")]) == 2
    assert run_doctor(["--help"]) == 0 and "usage: glacier doctor" in capsys.readouterr().out


def test_this_machine_can_be_examined_and_nothing_is_left(
    tmp_path: Path, monkeypatch: Patch, capsys: Said
) -> None:
    monkeypatch.setattr(gpus, "find_gpus", list)
    run_doctor([str(write_tiny(tmp_path))])
    lines = capsys.readouterr().out.splitlines()
    assert {line[5:].partition(":")[0] for line in lines[:-1]} == set(CHECKS)
    assert not [line for line in lines if "could not be looked at" in line]
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]
    assert len(health.KINDS) == 4


def test_an_old_library_or_a_missing_one_fails(monkeypatch: Patch) -> None:
    found = {"numpy": "1.0", "ray": "2.60.0"}

    def version(name: str) -> str:
        if name not in found:
            raise metadata.PackageNotFoundError(name)
        return found[name]

    monkeypatch.setattr(software, "version", version)
    wanted = ["numpy>=1.26", "ray[tune]>=2.59,<2.61", "scipy>=1", "onnx; extra == 'export'"]
    monkeypatch.setattr(software, "requires", lambda _: wanted)
    said = [said for _, said, _ in software.check_libraries(None)]
    assert said == ["numpy is 1.0, and >=1.26 is needed", "scipy is not installed"]


@pytest.mark.parametrize(("vision", "level"), [("0.29.1", "OK"), ("0.28.0", "FAIL")])
def test_torchvision_must_be_that_of_torch(vision: str, level: str, monkeypatch: Patch) -> None:
    found = {"torch": "2.14.0+cpu", "torchvision": vision}
    monkeypatch.setattr(software, "version", found.get)
    assert levels(software.check_pair(None)) == [level]


@pytest.mark.parametrize(
    ("cores", "known", "per_trial", "cpus", "level"),
    [(8, 8, 1, None, "OK"), (2, 8, 1, None, "WARN"), (2, 8, 1, 2, "OK"), (2, 8, 4, 2, "FAIL")],
)
def test_cores_are_those_that_a_container_leaves(
    tmp_path: Path, monkeypatch: Patch, cores: int, known: int, per_trial: int, cpus: int | None,
    level: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(hardware, "find_cores", lambda: float(cores))
    monkeypatch.setattr(os, "cpu_count", lambda: known)
    changes = {"sweep": {"cpus_per_trial": per_trial}, "cluster": {"cpus": cpus}}
    assert levels(hardware.check_cores(tiny_config(tmp_path, **changes))) == [level]


@pytest.mark.parametrize(
    ("precision", "flags", "level", "word"),
    [
        ("bfloat16", {"avx512f"}, "WARN", "no bfloat16"),
        ("float32", {"amx_bf16", "avx512f"}, "OK", "trains faster here"),
        ("float32", set(), "OK", "no AVX-512"),
    ],
)
def test_bfloat16_is_for_processors_that_have_it(
    tmp_path: Path, monkeypatch: Patch, precision: str, flags: set[str], level: str, word: str
) -> None:
    monkeypatch.setattr(hardware, "read_cpu_flags", lambda: frozenset(flags))
    config = tiny_config(tmp_path, sweep={"precision": precision})
    ((found, said, _),) = hardware.check_arithmetic(config)
    assert found == level and word in said


GPU = Gpu("NVIDIA X", 80.0, "600.1", "13.0", True, True)


@pytest.mark.parametrize(
    ("found", "share", "device", "level"),
    [([GPU], 1, True, "OK"), ([], 1, False, "FAIL"), ([], 0, True, "WARN"), ([], 0, False, "OK")],
)
def test_a_gpu_is_wanted_where_a_run_says_so(
    tmp_path: Path, monkeypatch: Patch, found: list[Gpu], share: float, device: bool, level: str
) -> None:
    monkeypatch.setattr(gpus, "find_gpus", lambda: found)
    monkeypatch.setattr(hardware, "may_have_gpu", lambda: device)
    config = tiny_config(tmp_path, sweep={"gpus_per_trial": share})
    assert levels(hardware.check_gpu(config)) == [level]


@pytest.mark.parametrize(
    ("memory_gb", "size_px", "level"),
    [(64, 32, "OK"), (4, 32, "WARN"), (8, 2048, "FAIL"), (float("inf"), 32, "WARN")],
)
def test_memory_has_to_hold_a_step_of_all_trials(
    tmp_path: Path, monkeypatch: Patch, memory_gb: float, size_px: int, level: str
) -> None:
    monkeypatch.setattr(hardware, "find_memory_gb", lambda: memory_gb)
    monkeypatch.setattr(hardware, "find_cores", lambda: 4.0)
    changes = {"prepare": {"size_px": size_px}, "sweep": {"batch_size": 16}}
    assert levels(hardware.check_memory(tiny_config(tmp_path, **changes))) == [level]


@pytest.mark.parametrize(("free_gb", "level"), [(20, "OK"), (0.06, "WARN")])
def test_shared_memory_has_to_hold_the_object_store(
    monkeypatch: Patch, free_gb: float, level: str
) -> None:
    monkeypatch.setattr(hardware, "find_memory_gb", lambda: 32.0)
    usage = shutil.disk_usage("/")._replace(free=int(free_gb * 1e9))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(Path, "is_dir", lambda _: True)
    ((found, _, remedy),) = hardware.check_shared_memory(None)
    assert found == level and ("--shm-size=10g" in remedy) == (level == "WARN")


@pytest.mark.parametrize(
    ("hard", "level"), [(1024, "WARN"), (65536, "OK"), (resource.RLIM_INFINITY, "OK")]
)
def test_few_open_files_are_a_warning(monkeypatch: Patch, hard: int, level: str) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, hard))
    assert levels(hardware.check_open_files(None)) == [level]


@pytest.mark.parametrize(("free_gb", "level"), [(90, "OK"), (2, "WARN"), (0.1, "FAIL")])
def test_a_folder_wants_room(
    config: Config, monkeypatch: Patch, free_gb: float, level: str
) -> None:
    monkeypatch.setattr("glacier.store.measure_free", lambda _: int(free_gb * 1e9))
    assert levels(places.check_storage(config)) == [level, level]


def test_a_folder_that_cannot_be_written_fails(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    assert levels(places.check_storage(tiny_config(tmp_path))) == ["FAIL", "OK"]


def test_an_object_store_is_written_read_and_cleaned(tmp_path: Path) -> None:
    import fsspec

    address = f"memory://{tmp_path.name}"
    ((level, said, _),) = places.check_place("storage", address)
    assert level == "OK" and "written, read and removed" in said
    assert fsspec.filesystem("memory").find(f"/{tmp_path.name}") == []
    assert levels(places.check_place("storage", "gone://x")) == ["FAIL"]


@pytest.mark.parametrize(("skew_s", "level"), [(3.0, "OK"), (-600.0, "WARN")])
def test_a_store_whose_clock_differs_is_told(
    monkeypatch: Patch, tmp_path: Path, config: Config, skew_s: float, level: str
) -> None:
    monkeypatch.setattr(places, "measure_skew_s", lambda _: skew_s)
    monkeypatch.setattr(places, "measure_folder_skew_s", lambda _: skew_s)
    assert levels(places.check_place("storage", f"memory://{tmp_path.name}")) == [level]
    assert levels(places.check_clock(config)) == [level]


def test_a_clock_of_the_past_fails(monkeypatch: Patch) -> None:
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert levels(places.check_clock(None)) == ["FAIL"]


def test_the_clock_of_a_folder_is_read_off_a_file_that_goes(tmp_path: Path) -> None:
    assert abs(places.measure_folder_skew_s(tmp_path / "later") or 0) < 5
    assert list(tmp_path.iterdir()) == []


def refuse(*_: object) -> str:
    raise ConfigError("no folder is short enough")


@pytest.mark.parametrize(
    ("choose", "note", "free_gb", "level"),
    [(lambda: "/tmp", "", 90, "OK"), (refuse, "", 90, "FAIL"),
     (lambda: "/tmp", "TMPDIR is too long", 90, "WARN"), (lambda: "/tmp", "", 1, "WARN")],
)  # fmt: skip
def test_temporary_files_want_a_short_path_and_room(
    monkeypatch: Patch, choose: Callable[[], str], note: str, free_gb: float, level: str
) -> None:
    monkeypatch.setattr(places, "choose_temp_folder", choose)
    monkeypatch.setattr(places, "explain_other_folder", lambda _: note)
    monkeypatch.setattr("glacier.store.measure_free", lambda _: int(free_gb * 1e9))
    assert levels(places.check_temporary(None)) == [level]


def test_weights_are_named_by_their_checksum(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"weights")
    config = tiny_config(tmp_path, sweep={"encoder_weights": str(file)})
    ((level, said, _),) = places.check_weights(config)
    assert level == "OK" and f"sha256 {checksum(b'weights')[:12]}" in said
    assert levels(places.check_weights(tiny_config(tmp_path))) == ["OK"]


@pytest.mark.parametrize(("mode", "level"), [(None, "WARN"), (0o600, "OK"), (0o644, "WARN")])
def test_credentials_are_looked_for_and_never_shown(
    tmp_path: Path, monkeypatch: Patch, mode: int | None, level: str
) -> None:
    file = tmp_path / "credentials"
    for name in places.VARIABLES["S3"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    if mode is not None:
        file.write_text("aws_secret_access_key = hush")
        file.chmod(mode)
    answers = list(places.check_credentials(tiny_config(tmp_path, storage="s3://bucket/x")))
    assert levels(iter(answers)) == [level] and "hush" not in str(answers)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "hush")
    answers = list(places.check_credentials(tiny_config(tmp_path, storage="s3://bucket/x")))
    assert levels(iter(answers)) == ["OK"] and "hush" not in str(answers)


def test_earth_engine_is_reached_by_the_key_that_is_named(tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    ingest = {"source": "earthengine", "earthengine": {"project": "ice", "key_file": str(key)}}
    config = tiny_config(tmp_path, ingest=ingest, prepare={"label": {"kind": "ndsi"}})
    assert levels(places.check_credentials(config)) == ["WARN"]
    key.touch(0o600)
    assert levels(places.check_credentials(config)) == ["OK"]


def test_no_credentials_are_needed_for_folders(config: Config) -> None:
    assert levels(places.check_credentials(config)) == ["OK"]


def test_folders_of_killed_runs_are_counted_and_left(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(places, "list_temp_folders", lambda: [tmp_path])
    assert levels(places.check_leftovers(None)) == ["OK"]
    (tmp_path / "glacier-abcdefgh").mkdir()
    (tmp_path / "glacier-abcdefgh/in-use.lock").touch()
    assert levels(places.check_leftovers(None)) == ["WARN"]
    assert (tmp_path / "glacier-abcdefgh").exists()


def test_locks_are_told_alive_and_dead(tmp_path: Path, config: Config) -> None:
    assert levels(places.check_locks(config)) == levels(places.check_locks(None)) == ["OK"]
    owner = Owner.of_this_process("tiny")
    create(f"{config.storage}/samples/tiny-12345678/.lock", owner)
    ((level, said, _),) = places.check_locks(config)
    assert level == "OK" and "is worked on by run tiny" in said
    gone = owner.model_copy(update={"started": "1"})
    create(f"{config.storage}/sweeps/tiny-12345678/.lock", gone)
    assert levels(places.check_locks(config)) == ["WARN"]


@pytest.mark.parametrize(
    ("there", "level"),
    [("here", "OK"), ("2.1.0", "FAIL"), (None, "WARN")],
)
def test_a_cluster_has_to_be_of_the_same_version(
    tmp_path: Path, monkeypatch: Patch, there: str | None, level: str
) -> None:
    from glacier import cluster_version
    from glacier.cluster_version import Versions

    here = Versions(metadata.version("ray"), ray_checks.platform.python_version())
    found: Any = {"here": here, "2.1.0": Versions("2.1.0", here.python), None: None}[there]
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray_checks, "check_address", lambda _: None)
    monkeypatch.setattr(cluster_version, "read_versions", lambda _: found)
    config = tiny_config(tmp_path, cluster={"address": "10.0.0.5:6379"})
    assert levels(ray_checks.check_cluster(config)) == [level]
    monkeypatch.setattr(ray_checks, "check_address", refuse)
    assert levels(ray_checks.check_cluster(config)) == ["FAIL"]
    assert levels(ray_checks.check_cluster(None)) == ["OK"]


@pytest.mark.parametrize(
    ("host", "is_open", "level"),
    [("00000000:2049", True, "FAIL"), ("00000000:2049", False, "OK"),
     ("0100007F:2049", True, "OK"), ("00000000:1F90", True, "OK")],
)  # fmt: skip
def test_a_dashboard_without_a_token_must_not_be_open(
    tmp_path: Path, monkeypatch: Patch, host: str, is_open: bool, level: str
) -> None:
    table = tmp_path / "tcp"
    table.write_text(f"  sl  local_address rem_address   st\n   0: {host} 00000000:0000 0A 0 0\n")
    monkeypatch.setattr(ray_checks, "TABLES", (table, tmp_path / "none"))
    monkeypatch.setattr(ray_checks, "answers_strangers", lambda _: is_open)
    assert levels(ray_checks.check_dashboard(None)) == [level]


@pytest.mark.parametrize(("code", "is_open"), [(200, True), (401, False), (404, False)])
def test_a_dashboard_is_asked_without_a_token(code: int, is_open: bool) -> None:
    class Dashboard(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name is http.server's
            assert self.path == "/api/jobs/" and "Authorization" not in self.headers
            self.send_response(code)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Dashboard)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    assert ray_checks.answers_strangers(server.server_port) is is_open
    server.shutdown()
    server.server_close()
    assert not ray_checks.answers_strangers(server.server_port)


def test_addresses_are_read_as_linux_writes_them() -> None:
    assert ray_checks.decode_host("0100007F") == "127.0.0.1"
    assert ray_checks.decode_host("0" * 24 + "01000000") == "::1"
    assert not ray_checks.is_reachable("::ffff:127.0.0.1") and ray_checks.is_reachable("::")


@pytest.mark.parametrize(("mode", "level"), [(0o600, "OK"), (0o644, "WARN")])
def test_the_token_of_ray_is_its_owners_alone(
    tmp_path: Path, monkeypatch: Patch, mode: int, level: str
) -> None:
    file = tmp_path / "token"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(file))
    assert levels(ray_checks.check_token(None)) == ["OK"]
    file.write_text("hush")
    file.chmod(mode)
    answers = list(ray_checks.check_token(None))
    assert levels(iter(answers)) == [level] and "hush" not in str(answers)
