"""The OpenAPI description as it is: problems for refusals, and tokens where they are wanted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from glacier.serving.job_answers import StatusInfo
from glacier.serving.map_routes import NamedImage
from glacier.serving.problems import ABOUT, Problem, describe_problems
from glacier.serving.process_forms import Execute
from glacier.serving.vertex import Predict

SHARED = (Problem, StatusInfo, NamedImage, Execute, Predict)
"""Forms that routes name without the framework's knowledge."""

NOT_OURS = ("HTTPValidationError", "ValidationError")
"""The framework's form of a refusal, which is not sent."""


def describe_all(app: FastAPI, has_tokens: bool) -> None:
    """Have an application describe what is true of it.

    Args:
        app: With all its routes.
        has_tokens: Whether it asks for tokens.
    """
    describe = app.openapi

    def describe_once() -> dict[str, Any]:
        """The description."""
        if app.openapi_schema is None:
            whole = describe()
            schemas = whole.setdefault("components", {}).setdefault("schemas", {})
            for operation in list_operations(whole):
                correct(operation, has_tokens)
            add_shared(schemas, str(whole["paths"]))
            if not has_tokens:
                whole["components"].pop("securitySchemes", None)
            even_out(whole)
            app.openapi_schema = whole
        return app.openapi_schema

    app.openapi = describe_once  # type: ignore[method-assign]


def add_shared(schemas: dict[str, Any], named: str) -> None:
    """Exchange the framework's forms for ours.

    Args:
        schemas: All forms.
        named: Text in which those stand that are wanted.
    """
    for name in NOT_OURS:
        schemas.pop(name, None)
    for shared in SHARED:
        if f"/{shared.__name__}'" not in named:
            continue
        form = shared.model_json_schema(ref_template="#/components/schemas/{model}")
        for name, part in {**form.pop("$defs", {}), shared.__name__: form}.items():
            schemas.setdefault(name, part)


def even_out(node: Any) -> None:
    """Say of lists of a fixed length whose members are of one form just that.

    Programs that make clients out of descriptions know ``items``, and few know ``prefixItems``.
    """
    children = node if isinstance(node, list) else ()
    if isinstance(node, dict):
        members = node.get("prefixItems")
        if isinstance(members, list) and all(member == members[0] for member in members):
            node["items"] = node.pop("prefixItems")[0]
        children = list(node.values())
    for child in children:
        even_out(child)


def list_operations(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The operations of a description."""
    for path in whole["paths"].values():
        yield from path.values()


def correct(operation: dict[str, Any], has_tokens: bool) -> None:
    """Say of every refusal of an operation that it is a problem, and of tokens whether they are."""
    answers = operation["responses"]
    for status in [int(status) for status in answers if status >= "400"]:
        if status in ABOUT:
            told = answers[str(status)].get("description", "")
            answers[str(status)] = dict(describe_problems(status)[status])
            if told and told != "Validation Error":
                answers[str(status)]["description"] = told
    if not has_tokens:
        operation.pop("security", None)
