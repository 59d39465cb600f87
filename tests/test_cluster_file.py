"""``cluster.yaml`` against Ray's own schema code; no cloud is asked."""

import copy
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[1]
FILE = ROOT / "cluster.yaml"
ROLES = ("head", "worker")


@pytest.fixture(scope="module")
def raw() -> dict[str, Any]:
    """The file as it is written."""
    values: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return values


@pytest.fixture(scope="module")
def cluster(raw: dict[str, Any]) -> dict[str, Any]:
    """The file with Ray's defaults filled in, checked as ``ray up`` checks it."""
    prepared: dict[str, Any] = prepare_config(copy.deepcopy(raw))
    validate_config(prepared)
    return prepared


def key_lines(node: yaml.Node) -> Iterator[tuple[str, int]]:
    """Every key of a YAML tree with its line number, from 0."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key.value, key.start_mark.line
            yield from key_lines(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from key_lines(value)


def test_head_offers_no_cores_and_stays(cluster: dict[str, Any]) -> None:
    head = cluster["available_node_types"][cluster["head_node_type"]]
    assert head["resources"] == {"CPU": 0}
    assert head["max_workers"] == 0, "no second node of the head's kind"
    assert "InstanceMarketOptions" not in head["node_config"], "the head must be on demand"


def test_workers_are_spot_nodes_that_come_and_go(cluster: dict[str, Any]) -> None:
    workers = dict(cluster["available_node_types"])
    del workers[cluster["head_node_type"]]
    assert any(node["resources"].get("GPU", 0) >= 1 for node in workers.values())
    for name, node in workers.items():
        assert node["min_workers"] == 0 < node["max_workers"], name
        assert node["resources"]["CPU"] >= 1, f"{name}: offline, Ray does not fill this in"
        assert node["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}, name
        assert "IamInstanceProfile" in node["node_config"], f"{name} could not reach the bucket"
    assert cluster["max_workers"] == sum(node["max_workers"] for node in workers.values())


def test_idle_nodes_outlive_the_start_of_a_new_one(cluster: dict[str, Any]) -> None:
    assert cluster["idle_timeout_minutes"] >= 15


@pytest.mark.parametrize("role", ROLES)
def test_ray_starts_in_token_mode(cluster: dict[str, Any], role: str) -> None:
    (start,) = (c for c in cluster[f"{role}_start_ray_commands"] if "ray start" in c)
    assert "RAY_AUTH_MODE=token" in start
    assert start.index("RAY_AUTH_MODE=token") < start.index("ray start")


def test_dashboard_listens_on_loopback_alone(cluster: dict[str, Any]) -> None:
    (start,) = (c for c in cluster["head_start_ray_commands"] if "--head" in c)
    assert re.findall(r"--dashboard-host[= ](\S+)", start) == ["127.0.0.1"]
    assert cluster["docker"] == {}, "a container could publish the port past the loopback"
    assert "security_group" not in cluster["provider"], "Ray's own group opens SSH alone"


def test_token_travels_and_is_private(cluster: dict[str, Any]) -> None:
    home = f"/home/{cluster['auth']['ssh_user']}"
    assert cluster["file_mounts"][f"{home}/.ray/auth_token"] == "~/.ray/auth_token"
    for role in ROLES:
        assert "chmod 600 ~/.ray/auth_token" in cluster[f"{role}_setup_commands"][0]


@pytest.mark.parametrize("role", ROLES)
def test_every_node_installs_the_pinned_project(cluster: dict[str, Any], role: str) -> None:
    installs = [c for c in cluster[f"{role}_setup_commands"] if "pip install" in c]
    assert len(installs) == 1, "Ray's defaults, which install other versions, are replaced"
    assert "-c constraints.txt '.[s3]'" in installs[0]


def test_what_the_installation_needs_is_mounted_and_exists(cluster: dict[str, Any]) -> None:
    mounts = dict(cluster["file_mounts"])
    mounts.pop("/home/ubuntu/.ray/auth_token")
    for remote, local in mounts.items():
        assert remote == f"/home/ubuntu/glacier/{local}"
        assert (ROOT / local).exists(), local
    assert set(mounts.values()) >= {"pyproject.toml", "constraints.txt", "glacier", "jobs"}


def test_what_only_the_cluster_installs_is_pinned_too() -> None:
    pinned = re.findall(r"^([A-Za-z0-9_.-]+)==", (ROOT / "constraints.txt").read_text(), re.M)
    assert {"ray", "torch", "s3fs", "aiobotocore", "botocore", "boto3"} <= set(pinned)


def test_commands_are_sound_bash(cluster: dict[str, Any]) -> None:
    names = [f"{role}_{step}_commands" for role in ROLES for step in ("setup", "start_ray")]
    for command in (command for name in names for command in cluster[name]):
        subprocess.run(["bash", "-n", "-c", command], check=True)


def test_every_key_has_a_comment() -> None:
    lines = FILE.read_text().splitlines()
    bare = [
        f"line {line + 1}: {key}"
        for key, line in key_lines(yaml.compose(FILE.read_text()))
        if "#" not in lines[line] and not lines[line - 1].lstrip().startswith("#")
    ]
    assert bare == []


def test_a_mistyped_key_is_refused(raw: dict[str, Any]) -> None:
    mistyped = copy.deepcopy(raw)
    mistyped["idle_timeout_minute"] = mistyped.pop("idle_timeout_minutes")
    with pytest.raises(jsonschema.ValidationError, match="idle_timeout_minute"):
        validate_config(prepare_config(mistyped))


def test_a_head_that_is_no_node_type_is_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="head_node_type"):
        validate_config(prepare_config({**copy.deepcopy(raw), "head_node_type": "haed"}))
