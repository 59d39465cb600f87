"""The samples for KubeRay against its published schemas; no cluster is asked."""

import copy
import importlib
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.runtime_env import RuntimeEnv
from ray.serve.schema import ServeDeploySchema

from glacier.config import Config
from glacier.flags import field_names
from glacier.verbs import VERBS

ROOT = Path(__file__).parents[1]
SAMPLES = sorted((ROOT / "docs/samples").glob("ray*.yaml"))


def refuse_unknown(schema: Any) -> Any:
    """A schema that refuses fields that it does not name, as ``kubectl apply`` warns of them."""
    if isinstance(schema, list):
        return [refuse_unknown(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: refuse_unknown(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


@pytest.fixture(scope="module")
def schemas() -> Any:
    text = (ROOT / "tests/support/kuberay_schemas.json").read_text()
    return refuse_unknown(json.loads(text))


@pytest.fixture(params=SAMPLES, ids=lambda path: path.stem)
def sample(request: pytest.FixtureRequest) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(request.param.read_text())
    return values


def check(sample: dict[str, Any], schemas: Any) -> None:
    """Hold a resource against the schema of its kind."""
    assert sample["apiVersion"] == "ray.io/v1"
    jsonschema.validate(sample, {"$ref": f"#/$defs/{sample['kind']}", **schemas})


def find_job(sample: dict[str, Any]) -> dict[str, Any]:
    """What a RayJob says, or the one that a RayCronJob makes; nothing in a RayCluster."""
    spec: dict[str, Any] = sample["spec"]
    return spec.get("jobTemplate", spec if "entrypoint" in spec else {})


def find_cluster(sample: dict[str, Any]) -> dict[str, Any]:
    spec = sample["spec"]
    found = find_job(sample).get("rayClusterSpec") or spec.get("rayClusterConfig")
    cluster: dict[str, Any] = found or spec
    return cluster


def list_groups(sample: dict[str, Any]) -> list[dict[str, Any]]:
    """The head's group and those of the workers."""
    cluster = find_cluster(sample)
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def test_there_is_one_of_each_kind() -> None:
    kinds = [yaml.safe_load(path.read_text())["kind"] for path in SAMPLES]
    assert kinds == ["RayCluster", "RayCronJob", "RayJob", "RayService"]


def test_samples_are_of_the_published_schema(sample: dict[str, Any], schemas: Any) -> None:
    check(sample, schemas)


@pytest.mark.parametrize(("where", "name", "value"), [
    ("cluster", "enableInTreeAutoscalin", True), ("cluster", "rayVersion", 2.6),
    ("group", "maxReplica", 4), ("container", "imagePullPolice", "Always"),
    ("container", "resources", {"limits": {"cpu": "many"}}),
])  # fmt: skip
def test_what_is_mistyped_is_refused(
    sample: dict[str, Any], schemas: Any, where: str, name: str, value: Any
) -> None:
    wrong = copy.deepcopy(sample)
    group = list_groups(wrong)[1]
    places = {
        "cluster": find_cluster(wrong), "group": group,
        "container": group["template"]["spec"]["containers"][0],
    }  # fmt: skip
    places[where][name] = value
    with pytest.raises(jsonschema.ValidationError):
        check(wrong, schemas)


def test_head_offers_no_cores_and_the_token_is_asked_for(sample: dict[str, Any]) -> None:
    head, *workers = list_groups(sample)
    assert head["rayStartParams"] == {"num-cpus": "0"} and workers
    assert find_cluster(sample)["authOptions"] == {"mode": "token"}


def test_all_nodes_have_one_image_its_ray_and_the_secret(sample: dict[str, Any]) -> None:
    pinned = re.search(r"^ray==(.*)$", (ROOT / "constraints.txt").read_text(), re.M)
    assert pinned and find_cluster(sample)["rayVersion"] == pinned[1]
    containers = [c for g in list_groups(sample) for c in g["template"]["spec"]["containers"]]
    assert len({container["image"] for container in containers}) == 1
    for container in containers:
        assert container["envFrom"] == [{"secretRef": {"name": "glacier-bucket"}}]
        assert "env" not in container and container["resources"]["limits"]


def test_jobs_run_a_verb_with_fields_that_there_are(sample: dict[str, Any]) -> None:
    if command := find_job(sample).get("entrypoint", "").split():
        assert command[0] == "glacier" and command[1] in VERBS
        flags = {word.removeprefix("--") for word in command if word.startswith("--")}
        assert {"storage", "results"} <= flags <= set(field_names(Config))


def test_the_service_is_built_by_a_function_with_fields_that_there_are() -> None:
    (path,) = (path for path in SAMPLES if path.stem == "rayservice")
    spec = yaml.safe_load(path.read_text())["spec"]
    (application,) = ServeDeploySchema(**yaml.safe_load(spec["serveConfigV2"])).applications
    module, _, function = application.import_path.partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    assert {"storage", "results"} < set(application.args) - {"config"} <= set(field_names(Config))
    mounts = [
        c["volumeMounts"]
        for g in list_groups(yaml.safe_load(path.read_text()))
        for c in g["template"]["spec"]["containers"]
    ]
    for file in (application.args["config"], application.args["serve.tokens"]):
        assert all(str(Path(file).parent) in {m["mountPath"] for m in each} for each in mounts)


def test_a_lost_head_is_followed_by_another_cluster(sample: dict[str, Any]) -> None:
    if job := find_job(sample):
        assert job["backoffLimit"] >= 1 and job["shutdownAfterJobFinishes"]


def test_environments_of_jobs_are_those_that_ray_takes(sample: dict[str, Any]) -> None:
    alone = yaml.safe_load((ROOT / "docs/samples/runtime-env.yaml").read_text())
    written = find_job(sample).get("runtimeEnvYAML")
    for found in [alone, *([yaml.safe_load(written)] if written else [])]:
        assert RuntimeEnv(**found)["env_vars"] == alone["env_vars"]
        assert not [name for name in found["env_vars"] if re.search("KEY|SECRET|TOKEN", name)]
