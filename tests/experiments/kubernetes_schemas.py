"""The schemas of Kubernetes's resources, as far as ``docs/samples/service.yaml`` needs them.

    python tests/experiments/kubernetes_schemas.py _definitions.json

Reads the strict definitions of Kubernetes 1.37, by which what is not named is refused, and writes
``tests/support/kubernetes_schemas.json`` without descriptions and, of pods, without what no sample
uses. The file is in the package kubernetes-validate 1.37.0 of the package index, in
``kubernetes-json-schema/v1.37.0-local-strict``, Apache License 2.0.
"""

import json
import sys
from pathlib import Path
from typing import Any

OUT = Path(__file__).parents[1] / "support" / "kubernetes_schemas.json"
API = "io.k8s.api."
KINDS = {
    "Deployment": f"{API}apps.v1.Deployment",
    "PersistentVolumeClaim": f"{API}core.v1.PersistentVolumeClaim",
    "Service": f"{API}core.v1.Service",
}
KEPT = {
    f"{API}core.v1.Volume": ("name", "persistentVolumeClaim", "emptyDir", "configMap", "secret"),
    f"{API}core.v1.PodSpec": (
        "containers", "initContainers", "volumes", "securityContext", "restartPolicy",
        "serviceAccountName", "automountServiceAccountToken", "terminationGracePeriodSeconds",
        "nodeSelector", "imagePullSecrets",
    ),
    f"{API}core.v1.Container": (
        "name", "image", "imagePullPolicy", "args", "command", "env", "envFrom", "ports",
        "livenessProbe", "readinessProbe", "startupProbe", "resources", "securityContext",
        "volumeMounts",
    ),
}  # fmt: skip
LEFT_OUT = ("status", "managedFields", "ownerReferences")
"""What a server writes."""


def trim(schema: Any) -> Any:
    """A schema without descriptions and without Kubernetes's own notes."""
    if isinstance(schema, list):
        return [trim(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: trim(each) for name, each in value.items() if name not in LEFT_OUT}
        if key == "properties"
        else trim(value)
        for key, value in schema.items()
        if key not in ("description", "$schema") and not key.startswith("x-")
    }


def keep(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A definition with the fields that are kept of it."""
    if name in KEPT:
        fields = {field: schema["properties"][field] for field in KEPT[name]}
        return trim(schema | {"properties": fields})
    return trim(schema)


def list_references(schema: Any) -> set[str]:
    """Names of the definitions that a schema points at."""
    if isinstance(schema, list):
        return set().union(*(list_references(each) for each in schema))
    if not isinstance(schema, dict):
        return set()
    found = set().union(*(list_references(each) for each in schema.values()))
    return found | ({schema["$ref"].rpartition("/")[2]} if "$ref" in schema else set())


def main(path: str) -> None:
    """Write the definitions of the three kinds and of all that they are made of."""
    text = Path(path).read_text().replace("/api/_definitions.json#/", "#/")
    there, made, wanted = json.loads(text)["$defs"], {}, set(KINDS.values())
    while wanted:
        name = wanted.pop()
        made[name] = keep(name, there[name])
        wanted |= list_references(made[name]) - made.keys()
    value = {
        "$comment": "Kubernetes 1.37, Apache License 2.0; tests/experiments/kubernetes_schemas.py",
        "$defs": made,
        "kinds": KINDS,
    }
    OUT.write_text(json.dumps(value, separators=(",", ":"), sort_keys=True) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
