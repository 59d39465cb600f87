"""The files for ``ray up`` against Ray's own schema code; no cloud is asked."""

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
FILES = {"aws": ROOT / "cluster.yaml", "gcp": ROOT / "jobs" / "cluster-gcp.yaml"}
ROLES = ("head", "worker")


@pytest.fixture(params=FILES)
def cloud(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def file(cloud: str) -> Path:
    return FILES[cloud]


@pytest.fixture
def raw(file: Path) -> dict[str, Any]:
    """The file as it is written."""
    values: dict[str, Any] = yaml.safe_load(file.read_text())
    return values


@pytest.fixture
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


def is_spot(cloud: str, node: dict[str, Any]) -> bool:
    """Whether a node may be taken away."""
    config = node["node_config"]
    if cloud == "aws":
        return bool(config.get("InstanceMarketOptions") == {"MarketType": "spot"})
    # Source: https://cloud.google.com/compute/docs/instances/create-use-spot
    return bool(
        config.get("scheduling")
        == {
            "provisioningModel": "SPOT", "instanceTerminationAction": "DELETE",
            "onHostMaintenance": "TERMINATE", "automaticRestart": False,
        }
    )  # fmt: skip


def name_account(cloud: str, node: dict[str, Any]) -> str:
    """The role or account by which a node reaches the bucket."""
    if cloud == "aws":
        return str(node["node_config"]["IamInstanceProfile"]["Name"])
    (account,) = node["node_config"]["serviceAccounts"]
    assert account["scopes"] == ["https://www.googleapis.com/auth/cloud-platform"]
    return str(account["email"].partition("@")[0])


def test_head_offers_no_cores_and_stays(cloud: str, cluster: dict[str, Any]) -> None:
    head = cluster["available_node_types"][cluster["head_node_type"]]
    assert head["resources"] == {"CPU": 0}
    assert head["max_workers"] == 0, "no second node of the head's kind"
    assert not is_spot(cloud, head), "the head must be on demand"


def test_workers_are_spot_nodes_that_come_and_go(cloud: str, cluster: dict[str, Any]) -> None:
    workers = dict(cluster["available_node_types"])
    del workers[cluster["head_node_type"]]
    assert any(node["resources"].get("GPU", 0) >= 1 for node in workers.values())
    for name, node in workers.items():
        assert node["min_workers"] == 0 < node["max_workers"], name
        assert node["resources"]["CPU"] >= 1, f"{name}: offline, Ray does not fill this in"
        assert is_spot(cloud, node), name
        # Source: the names that Ray gives, in autoscaler/_private/{aws,gcp}/config.py.
        made_by_ray = {"aws": "ray-autoscaler-v1", "gcp": "ray-autoscaler-sa-v1"}
        assert name_account(cloud, node) == made_by_ray[cloud], "could not reach the bucket"
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
def test_every_node_installs_the_pinned_project(
    cloud: str, cluster: dict[str, Any], role: str
) -> None:
    installs = [c for c in cluster[f"{role}_setup_commands"] if "pip install" in c]
    assert len(installs) == 1, "Ray's defaults, which install other versions, are replaced"
    extra = {"aws": "s3", "gcp": "gcs"}[cloud]
    assert f"-c constraints.txt '.[{extra}]'" in installs[0]


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
    assert {"gcsfs", "google-cloud-storage", "google-api-python-client"} <= set(pinned)


def test_commands_are_sound_bash(cluster: dict[str, Any]) -> None:
    names = [f"{role}_{step}_commands" for role in ROLES for step in ("setup", "start_ray")]
    for command in (command for name in names for command in cluster[name]):
        subprocess.run(["bash", "-n", "-c", command], check=True)


def test_machines_have_the_cores_and_gpus_that_ray_is_told_of(cluster: dict[str, Any]) -> None:
    """Source: the pages of EC2's and Compute Engine's instance types."""
    sizes = {
        "c6i.4xlarge": (16, 0), "g5.2xlarge": (8, 1), "n2-standard-16": (16, 0),
        "g2-standard-8": (8, 1),
    }  # fmt: skip
    for name, node in cluster["available_node_types"].items():
        if name != cluster["head_node_type"]:
            config = node["node_config"]
            machine = config.get("InstanceType") or config["machineType"]
            found = node["resources"]["CPU"], node["resources"].get("GPU", 0)
            assert found == sizes[machine], name


def test_nodes_of_one_kind_of_work_have_the_images_of_one_system(cloud: str, raw: Any) -> None:
    if cloud == "gcp":
        kinds = raw["available_node_types"].values()
        disks = [node["node_config"]["disks"][0]["initializeParams"] for node in kinds]
        assert all("ubuntu-2404" in disk["sourceImage"] for disk in disks)
        assert all(" " not in disk["sourceImage"] for disk in disks)
        assert "nvidia" in disks[-1]["sourceImage"]


def test_every_key_has_a_comment(file: Path) -> None:
    lines = file.read_text().splitlines()
    bare = [
        f"line {line + 1}: {key}"
        for key, line in key_lines(yaml.compose(file.read_text()))
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
