"""The image and what runs it: the Dockerfile by its text, the samples by published schemas.

No container engine is asked.
"""

import copy
import json
import re
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import glacier
from glacier.config import Config
from glacier.flags import field_names

ROOT = Path(__file__).parents[1]
HERE = ROOT / "docs/samples/container"
SERVICE = ROOT / "docs/samples/service.yaml"
USER = 10001
TOOLS = re.compile(r"\b(apt(-get)?|apk|gcc|g\+\+|make|build-essential|hatchling|pip|curl|git)\b")


def read_stages() -> list[list[tuple[str, str]]]:
    """Instructions of each stage of the Dockerfile, as pairs of name and rest."""
    text = re.sub(r"^\s*#.*\n", "", (HERE / "Dockerfile").read_text(), flags=re.M)
    lines = text.replace("\\\n", " ").splitlines()
    pairs = [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]
    starts = [k for k, (name, _) in enumerate(pairs) if name == "FROM"] + [len(pairs)]
    return [pairs[first:end] for first, end in pairwise(starts)]  # type: ignore[misc]


def find(stage: list[tuple[str, str]], name: str) -> list[str]:
    return [rest for found, rest in stage if found == name]


def test_both_stages_begin_with_one_exact_version() -> None:
    text = (HERE / "Dockerfile").read_text()
    (image,) = re.findall(r"^ARG PYTHON=(\S+)$", text, re.M)
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", image) and ":latest" not in text
    assert [find(stage, "FROM")[0].split()[0] for stage in read_stages()] == ["${PYTHON}"] * 2


def test_the_lock_is_installed_with_its_hashes_and_nothing_beside_it() -> None:
    build, _ = read_stages()
    installs = [
        command
        for run in find(build, "RUN")
        for command in re.split(r"&&|;", run)
        if "install" in command
    ]
    assert sum("--require-hashes" in command for command in installs) == 1
    for command in installs:
        assert "hatchling==" in command or "--no-deps" in command
        assert "--no-cache-dir" in command


def test_the_last_stage_has_no_build_tools_and_no_root() -> None:
    _, last = read_stages()
    assert not any(TOOLS.search(run) for run in find(last, "RUN"))
    assert find(last, "USER") == [f"{USER}:{USER}"]
    after = last[[name for name, _ in last].index("USER") :]
    assert not {"RUN", "COPY", "ADD"} & {name for name, _ in after}
    (copied,) = find(last, "COPY")
    assert copied.startswith("--from=build ")


def test_health_is_asked_where_the_service_listens() -> None:
    _, last = read_stages()
    (check,) = find(last, "HEALTHCHECK")
    program = json.loads(check.partition("CMD ")[2])
    assert program[0] == "python" and "/health/live" in program[2] and "AIP_HTTP_PORT" in program[2]
    compile(program[2], "check", "exec")
    assert find(last, "EXPOSE") == ["8000"]


def test_it_is_labelled_with_this_version() -> None:
    _, last = read_stages()
    labels = dict(word.split("=") for word in shlex.split(find(last, "LABEL")[0]))
    assert labels["org.opencontainers.image.version"] == glacier.__version__


def list_flags(words: list[str]) -> set[str]:
    """Names of the fields that a command sets."""
    return {word[2:].partition("=")[0] for word in words if word.startswith("--")}


def test_it_serves_unless_it_is_told_otherwise_by_fields_that_there_are() -> None:
    _, last = read_stages()
    assert json.loads(find(last, "ENTRYPOINT")[0]) == ["glacier"]
    words = json.loads(find(last, "CMD")[0])
    assert words[:2] == ["serve", "/etc/glacier/run.yaml"]
    assert {"storage", "results", "serve.tokens"} <= list_flags(words) <= set(field_names(Config))


def test_what_is_copied_is_there_and_goes_to_the_builder() -> None:
    build, _ = read_stages()
    sent = (HERE / "Dockerfile.dockerignore").read_text().splitlines()
    for line in find(build, "COPY"):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists() and f"!{source}" in sent


@pytest.mark.parametrize("way", ["cpu", "cuda"])
def test_the_lock_is_parted_by_whose_torch_is_wanted(tmp_path: Path, way: str) -> None:
    lock = (ROOT / "requirements-locked.txt").read_text()
    (tmp_path / "requirements-locked.txt").write_text(lock)
    subprocess.run(["bash", str(HERE / "choose_torch.sh"), way], cwd=tmp_path, check=True)
    every, kept = (
        set(re.findall(r"^([a-z0-9][^ ]*)==", text, re.M))
        for text in (lock, (tmp_path / "locked.txt").read_text())
    )
    if way == "cuda":
        assert kept == every
        return
    assert {"torch", "torchvision", "triton"} <= every - kept
    assert all(re.match("torch|triton|nvidia|cuda", name) for name in every - kept)
    pinned = (tmp_path / "torch.txt").read_text().split()
    assert [line.partition("==")[0] for line in pinned] == ["torch", "torchvision"]
    assert all(f"\n{line} " in lock for line in pinned)


def test_the_lock_has_what_the_service_needs() -> None:
    lock = (ROOT / "requirements-locked.txt").read_text()
    for name in ("fastapi", "uvicorn", "rio-tiler", "onnxruntime", "gcsfs", "s3fs"):
        assert f"\n{name}==" in lock


def test_compose_keeps_data_in_a_volume_and_gives_no_rights() -> None:
    compose = yaml.safe_load((HERE / "compose.yaml").read_text())
    serve = compose["services"]["serve"]
    assert (HERE / serve["build"]["context"]).resolve() == ROOT
    assert (ROOT / serve["build"]["dockerfile"]).samefile(HERE / "Dockerfile")
    assert serve["ports"] == ["127.0.0.1:8000:8000"] and serve["read_only"]
    assert serve["cap_drop"] == ["ALL"]
    named = {volume.partition(":")[0] for volume in serve["volumes"]} - {"./run.yaml"}
    assert named == set(compose["volumes"]) and serve["secrets"] == list(compose["secrets"])
    assert serve["image"] == f"glacier:{glacier.__version__}"


Resource = dict[str, Any]


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    text = (ROOT / "tests/support/kubernetes_schemas.json").read_text()
    schemas: dict[str, Any] = json.loads(text)
    return schemas


@pytest.fixture
def resources() -> dict[str, Resource]:
    return {each["kind"]: each for each in yaml.safe_load_all(SERVICE.read_text())}


def check(resource: Resource, schemas: dict[str, Any]) -> None:
    """Hold a resource against the schema of its kind."""
    name = schemas["kinds"][resource["kind"]]
    jsonschema.validate(resource, {**schemas, "$ref": f"#/$defs/{name}"})


def test_resources_are_of_the_published_schema(
    resources: dict[str, Resource], schemas: dict[str, Any]
) -> None:
    assert set(resources) == set(schemas["kinds"])
    for resource in resources.values():
        check(resource, schemas)


@pytest.mark.parametrize(("path", "value"), [
    (("spec", "replica"), 1), (("spec", "replicas"), "one"),
    (("spec", "template", "spec", "containers", 0, "livenesProbe"), {}),
    (("spec", "template", "spec", "containers", 0, "livenessProbe", "httpGet", "rout"), "/"),
    (("spec", "template", "spec", "volumes", 0, "secret"), {"name": "glacier-tokens"}),
])  # fmt: skip
def test_what_is_mistyped_is_refused(
    resources: dict[str, Resource], schemas: dict[str, Any], path: tuple[Any, ...], value: Any
) -> None:
    wrong = copy.deepcopy(resources["Deployment"])
    place: Any = wrong
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        check(wrong, schemas)


def test_the_pod_is_found_and_probed_where_it_listens(resources: dict[str, Resource]) -> None:
    spec = resources["Deployment"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"] == resources["Service"]["spec"]["selector"] == labels
    (container,) = spec["template"]["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    probes = [container[f"{name}Probe"]["httpGet"] for name in ("liveness", "readiness", "startup")]
    assert {probe["port"] for probe in probes} == ports == {"http"}
    assert [probe["path"] for probe in probes] == ["/health/live", "/health/ready", "/health/live"]


def test_the_pod_runs_as_the_user_of_the_image_and_mounts_what_it_names(
    resources: dict[str, Resource],
) -> None:
    pod = resources["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == USER
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    claims = [
        v["persistentVolumeClaim"]["claimName"]
        for v in pod["volumes"]
        if len(v) > 1 and "persistentVolumeClaim" in v
    ]
    assert claims == [resources["PersistentVolumeClaim"]["metadata"]["name"]]
    assert list_flags(container["args"]) <= set(field_names(Config)) | {"serve.folder"}
