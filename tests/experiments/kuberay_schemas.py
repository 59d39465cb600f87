"""The schemas of KubeRay's resources, as far as the samples of docs/ need them.

    python tests/experiments/kuberay_schemas.py FOLDER

Reads ``ray.io_{rayclusters,rayjobs,raycronjobs,rayservices}.yaml`` below a folder (of the release
1.7.0 of https://github.com/ray-project/kuberay: ``ray-operator/config/crd/bases``, 4 MB, Apache
License 2.0) and writes ``tests/support/kuberay_schemas.json``: version v1, without descriptions, of
pods only what is named below. What is not there is refused by the test, so that a new field in a
sample wants this to be run again.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

OUT = Path(__file__).parents[1] / "support" / "kuberay_schemas.json"
KINDS = {
    "RayCluster": "rayclusters", "RayJob": "rayjobs", "RayCronJob": "raycronjobs",
    "RayService": "rayservices",
}  # fmt: skip
POD = ("containers", "imagePullSecrets", "nodeSelector", "restartPolicy", "serviceAccountName",
       "tolerations", "volumes")  # fmt: skip
CONTAINER = ("args", "command", "env", "envFrom", "image", "imagePullPolicy", "name", "ports",
             "resources", "volumeMounts")  # fmt: skip
VOLUME = ("configMap", "emptyDir", "name", "persistentVolumeClaim", "secret")
LEFT_OUT = ("headService", "historyServerOptions", "ingressOptions", "networkPolicy",
            "securityContext", "submitterPodTemplate")  # fmt: skip

SHARED = {"pod": "containers", "cluster": "headGroupSpec", "job": "entrypoint"}
"""What stands once, and a field by which it is known."""


def trim(schema: Any) -> Any:
    """A schema without descriptions and without what no sample uses."""
    if isinstance(schema, list):
        return [trim(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key != "description"}
    if isinstance(fields := kept.get("properties"), dict):
        if "containers" in fields:
            fields = {name: fields[name] for name in POD}
            fields["containers"] = choose(fields["containers"], CONTAINER)
            fields["volumes"] = choose(fields["volumes"], VOLUME)
        fields = {name: trim(each) for name, each in fields.items() if name not in LEFT_OUT}
        return {key: trim(value) for key, value in kept.items() if key != "properties"} | {
            "properties": fields
        }
    return {key: trim(value) for key, value in kept.items()}


def choose(schema: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """A list of objects with some of their fields."""
    items = schema["items"]
    fields = {name: items["properties"][name] for name in names}
    return schema | {"items": items | {"properties": fields}}


def share(schema: Any, shared: dict[str, Any]) -> Any:
    """A schema in which the same pod, or the same cluster, stands once."""
    if isinstance(schema, list):
        return [share(each, shared) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: share(value, shared) for key, value in schema.items()}
    fields = made.get("properties", {})
    for name, mark in {
        "pod": "containers",
        "cluster": "headGroupSpec",
        "job": "entrypoint",
    }.items():
        if mark in fields:
            assert shared.setdefault(name, made) == made, f"two kinds of {name}"
            return {"$ref": f"#/$defs/{name}"}
    return made


def read_schema(path: Path) -> dict[str, Any]:
    """The schema of version v1 in a file of a custom resource."""
    definition = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    (version,) = (each for each in definition["spec"]["versions"] if each["name"] == "v1")
    fields: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]
    return {name: fields[name] for name in ("apiVersion", "kind", "metadata", "spec")}


def main(folder: str) -> None:
    """Write the schemas of the resources in a folder."""
    shared: dict[str, Any] = {}
    schemas = {
        kind: {"type": "object", "required": ["spec"], "properties": share(trim(fields), shared)}
        for kind, name in KINDS.items()
        for fields in [read_schema(Path(folder) / f"ray.io_{name}.yaml")]
    }
    value = {
        "$comment": "KubeRay 1.7.0, Apache License 2.0; tests/experiments/kuberay_schemas.py",
        "$defs": shared | schemas,
    }
    OUT.write_text(json.dumps(value, separators=(",", ":"), sort_keys=True) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
